package rest

import (
	"errors"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"github.com/go-playground/validator/v10"
	"github.com/nyaruka/phonenumbers"
)

// Rules of the tag `validate`: the validator's, and ours.

var (
	slugPattern     = regexp.MustCompile(`^` + slugClass + `$`)
	usernamePattern = regexp.MustCompile(`^` + nameClass + `$`)
)

var validate = func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	for name, fn := range map[string]func(string) bool{
		"email":    func(s string) bool { return ParseEmail(s) != "" },
		"slug":     slugPattern.MatchString,
		"username": usernamePattern.MatchString,
		"url":      isURL,
		"timezone": isTimezone,
	} {
		if err := v.RegisterValidation(name, func(fl validator.FieldLevel) bool { return fn(fl.Field().String()) }); err != nil {
			panic(err)
		}
	}
	return v
}()

// converters are rules that also change the text; they return it, or what is wrong.
var converters = map[string]func(string) (text, message string){
	"phone":   phone,
	"country": country,
}

// setRules takes the tag apart.
func (f *field) setRules(tag string) {
	var rules []string
	for rule := range strings.SplitSeq(tag, ",") {
		if _, ok := converters[rule]; ok {
			f.converts = append(f.converts, rule)
		} else if rule != "" {
			rules = append(rules, rule)
		}
	}
	f.rules = strings.Join(rules, ",")
	if f.rules != "" {
		// An unknown rule is a mistake of the programmer: found when the table is made, not on the first request.
		validate.Var(reflect.Zero(f.typ).Interface(), f.rules)
	}
}

// check asks the validator; it returns what is wrong, "" for nothing.
func (f *field) check(v reflect.Value) string {
	if f.rules == "" || f.kind == kindString && v.Len() == 0 {
		return ""
	}
	err := validate.Var(v.Interface(), f.rules)
	var failed validator.ValidationErrors
	if !errors.As(err, &failed) {
		return ""
	}
	rule, n := failed[0].Tag(), failed[0].Param()
	switch rule {
	case "max", "lte":
		switch f.kind {
		case kindInt:
			return msgMost(n)
		case kindList:
			return msgMostItems(n)
		}
		return msgLongest(n)
	case "min", "gte":
		switch {
		case f.kind == kindInt:
			return msgLeast(n)
		case f.kind == kindList && n == "1":
			return msgEmptyList
		case f.kind == kindList:
			return msgLeastItems(n)
		}
		return msgShortest(n)
	case "oneof":
		return msgChoice(v.String())
	case "email":
		return msgEmail
	case "url":
		return msgURL
	case "slug":
		return msgSlug
	case "username":
		return msgUsername
	case "timezone":
		return msgTimezone(v.String())
	}
	return msgInvalid
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "ftp" || u.Scheme == "ftps")
}

// phone reads a phone number, international or national of the United States, and returns it in E.164 (conventions.md 8.2).
func phone(s string) (text, message string) {
	n, err := phonenumbers.Parse(s, "US")
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return "", msgPhone
	}
	return phonenumbers.Format(n, phonenumbers.E164), ""
}

func country(s string) (text, message string) {
	if code := Country(s); code != "" {
		return code, ""
	}
	return "", msgChoice(s)
}
