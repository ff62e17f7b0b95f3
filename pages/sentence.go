package pages

import (
	"regexp"
	"slices"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
)

// A sentence is one that the API says, with what varies in it, and the message of the section "api" that says it to people.
type sentence struct {
	pattern *regexp.Regexp
	id      string
}

// sentences are what the API says in forms. Whatever is not here is shown as the API says it.
var sentences = compileSentences([][2]string{
	{"This field is required.", "required"},
	{"This field may not be blank.", "required"},
	{"This field may not be null.", "required"},
	{"Ensure this field has no more than {n} characters.", "too_long"},
	{"Ensure this field has at least {n} characters.", "too_short"},
	{"Enter a valid email address.", "email"},
	{"Enter a valid username.", "username"},
	{"Incorrect credentials.", "credentials"},
	{"This field holds characters that a password cannot have.", "password_characters"},
	{"Please prove who you are: a password or a code is required.", "prove_again"},
	{"Credentials cannot be changed on this site.", "frozen"},
	{"This code is wrong or has expired.", "code_wrong"},
	{"This email_code is wrong or has expired.", "code_wrong"},
	{"This phone_code is wrong or has expired.", "code_wrong"},
	{"This one-time code is wrong or was used before.", "otp_wrong"},
	{"Too many wrong codes. Please try again later.", "otp_many"},
	{"This email is already taken.", "email_taken"},
	{"This phone is already taken.", "phone_taken"},
	{"Enter a valid phone number.", "phone"},
	{"The user is the last manager of profile {profile}.", "account_last_manager"},
	{"A profile with a balance cannot be deleted.", "account_balance"},
	{"A profile with current subscribers cannot be deleted.", "account_subscribers"},
	{"Upload a valid image: PNG, JPEG, GIF or WebP.", "picture_kind"},
	{"This site does not send text messages.", "no_texts"},
	{"This account is unknown. Please register.", "unknown_account"},
	{"A password is required.", "password_required"},
	{"A valid integer is required.", "number"},
	{"A one-time code is required.", "otp_missing"},
	{"This username is already taken.", "username_taken"},
	{"This organization_name is already taken.", "organization_taken"},
	{"No URL can be made of this organization_name.", "organization_unusable"},
	{"Enter a valid name.", "name_invalid"},
	{`Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.`, "slug_invalid"},
	{"registration is disabled.", "registration_disabled"},
	{"Authentication is disabled", "authentication_disabled"},
	{"Log in through your organization.", "elsewhere"},
	{"An email or a phone is required.", "email_or_phone"},
	{"You have to agree with the terms.", "agree"},
	{"You have to agree with the terms", "agree"},
	{"This link is wrong or has expired.", "link_expired"},
	{"Request was throttled.", "throttled"},
	{"Request was throttled. Expected available in {n} second.", "throttled_seconds"},
	{"Request was throttled. Expected available in {n} seconds.", "throttled_seconds"},
})

func compileSentences(all [][2]string) (compiled []sentence) {
	for _, one := range all {
		pattern := regexp.QuoteMeta(one[0])
		pattern = regexp.MustCompile(`\\\{(\w+)\\\}`).ReplaceAllString(pattern, `(?P<$1>.+?)`)
		compiled = append(compiled, sentence{regexp.MustCompile(`^` + pattern + `$`), one[1]})
	}
	return compiled
}

// said is a sentence of the API in the visitor's language.
func (l *language) said(text string) string {
	for _, s := range sentences {
		found := s.pattern.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		args := map[string]any{}
		for i, name := range s.pattern.SubexpNames() {
			if name != "" {
				args[name] = found[i]
			}
		}
		c := &i18n.LocalizeConfig{MessageID: "api." + s.id, TemplateData: args}
		if n, ok := args["n"]; ok && !strings.Contains(n.(string), ".") {
			c.PluralCount = n
		}
		if translated, err := l.localize(c); err == nil {
			return translated
		}
	}
	return text
}

// known reports whether a sentence of the API is one that people are told in their language.
func known(text string) bool {
	return slices.ContainsFunc(sentences, func(s sentence) bool { return s.pattern.MatchString(text) })
}
