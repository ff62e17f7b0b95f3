package rest

import (
	"errors"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"unicode"

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
		"plain":    IsPlain,
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
	"email":   func(s string) (text, message string) { return asciiDomain(s), "" }, // and a rule as well
	"idn":     func(s string) (text, message string) { return asciiDomain(s), "" }, // an e-mail address among other things
}

// setRules takes the tag apart.
func (f *field) setRules(tag string) {
	var rules []string
	for rule := range strings.SplitSeq(tag, ",") {
		_, converts := converters[rule]
		if converts {
			f.converts = append(f.converts, rule)
		}
		if rule != "" && (!converts || rule == "email") {
			rules = append(rules, rule)
		}
	}
	f.rules = strings.Join(rules, ",")
	f.unbounded = f.kind == kindString && !strings.Contains(f.rules, "max=")
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
	case "plain":
		return msgPlain
	}
	return msgInvalid
}

// IsPlain reports whether a name or a title shows as what it is: no control characters, no other ends of lines, and nothing that turns
// the direction of what follows (the embeddings, overrides and isolates of UAX 9).
func IsPlain(text string) bool { return !strings.ContainsFunc(text, unplain) }

func unplain(r rune) bool {
	return unicode.IsControl(r) || '\u2028' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

// Plain is a text without what IsPlain refuses.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unplain(r) {
			return -1
		}
		return r
	}, text)
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
