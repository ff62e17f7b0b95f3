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
	{"Ensure this field has no more than {n} elements.", "too_many_items"},
	{"Ensure this field has at least {n} elements.", "too_few_items"},
	{"Ensure this value is greater than or equal to {least}.", "too_small"},
	{"Ensure this value is less than or equal to {most}.", "too_large"},
	{"The picture is too large.", "image_large"},
	{"This site takes no pictures.", "no_images"},
	{"The request body did not arrive in time.", "body_late"},
	{"The request body is larger than {size} bytes.", "body_large"},
	{"The request body could not be read.", "body_unread"},
	{"Not a valid string.", "invalid"},
	{"Enter a valid value.", "invalid"},
	{"Must be a valid boolean.", "invalid"},
	{"Null characters are not allowed.", "characters"},
	{"This field holds characters that do not show, or that turn the direction of text.", "characters_hidden"},
	{"Enter a valid URL.", "url"},
	{"Enter a valid language.", "language"},
	{"Enter a valid domain name.", "domain"},
	{"Enter a valid public key.", "pubkey"},
	{"Datetime has wrong format. Use one of these formats instead: {formats}", "date"},
	{"This list may not be empty.", "required"},
	{"No file was submitted.", "no_file"},
	{"The submitted file is empty.", "empty_file"},
	{"This field cannot be blank.", "required"},
	{"\"{value}\" is not a valid choice.", "choice"},
	{"\"{value}\" is not a valid timezone.", "choice"},
	{"'{value}' is not a valid choice. Expected one of [{choices}].", "choice"},
	{"This is already taken.", "taken"},
	{"This slug is already taken.", "slug_taken"},
	{"This title is already taken.", "taken"},
	{"This {what} is already taken.", "taken"},
	{"No {what} matches the given query.", "absent"},
	{"Not found.", "absent"},
	{"Object with slug={slug} does not exist.", "absent"},
	{"Profile {profile} does not exist.", "absent"},
	{"RoleDescription '{role}' does not exist.", "absent"},
	{"Invalid page.", "page"},
	{"Authentication credentials were not provided.", "log_in"},
	{"You do not have permission to perform this action.", "forbidden"},
	{"Permission denied", "forbidden"},
	{"A server error occurred.", "broken"},
	{"The service is temporarily unavailable.", "busy"},
	{"The server is too busy. Please try again.", "busy"},
	{"A request with this Idempotency-Key is being processed.", "in_flight"},
	{"This Idempotency-Key was used for another request.", "form_used"},
	{"This {what}_code is wrong or has expired.", "code_wrong"},
	{"A user has at most 100 API keys. Delete one first.", "keys_many"},
	{"This address is the only way to log in to the account.", "last_way"},
	{"The text message could not be sent.", "text_failed"},
	{"This email must be verified: ask for a code with check_{way}.", "verify_email"},
	{"This phone must be verified: ask for a code with check_{way}.", "verify_phone"},
	{"A code was sent to this email. Please bring it back as email_code.", "code_sent_email"},
	{"A code was sent to this phone. Please bring it back as phone_code.", "code_sent_phone"},
	{"This user has no {what}.", "no_way"},
	{"This is no {what} of the user.", "no_way"},
	{"Several accounts have this email or phone.", "several"},
	{"The fields that start with user_, organization_ and role_ are too long.", "extra_long"},
	{"This user is active already.", "active"},
	{"The captcha was not solved.", "captcha"},
	{"Please prove an email or a phone first.", "prove_first"},
	{"There are at most 10000 notes about a profile.", "notes_many"},
	{"There is no request to send again.", "no_request"},
	{"Everybody can have an address at this domain.", "domain_public"},
	{"One of slug or email is required.", "slug_or_email"},
	{"Invalid request.", "invalid"},
	{"You already have a {role}role on {profile}. Please drop this role first if you want to accept a role of {other} instead.", "has_role"},
	{"The profile of the payment processor cannot be renamed.", "fixed_profile"},
	{"The profile of the payment processor cannot be deleted.", "fixed_profile"},
	{"The broker profile cannot be deleted.", "fixed_profile"},
	{"The broker profile cannot be renamed.", "fixed_profile"},
	{"This agreement has been signed and cannot be deleted.", "signed"},
	{"Only its user can delete a personal profile.", "own_profile"},
	{"Only its user can rename a personal profile.", "own_profile"},
	{"The user of a personal profile keeps a role on it.", "own_profile"},
	{"A personal profile must use the username as slug.", "personal_slug"},
	{"The role '{role}' is in use.", "role_used"},
	{"The role '{role}' cannot be deleted.", "role_fixed"},
	{"A profile must keep at least one manager.", "last_manager"},
	{"We cannot invite an organization without an e-mail address.", "invite_mail"},
	{"An archived profile cannot be changed.", "archived"},
	{"This invitation waits for a proof of the address that it was sent to. Please add that address to your account and bring back its code.", "invitation_proof"},
	{"A profile has at most 200 types of role. Delete one first.", "roles_many"},
	{"User inactive or deleted.", "inactive"},
	{"This {way} must be verified: ask for a code with check_{field}.", "verify_email"},
	{"A code was sent to this {way}. Please bring it back as {field}_code.", "code_sent_email"},
	{"Profile {name} does not exist.", "no_profile"},
	{"No Role matches the given query.", "not_invited"},
	{"This setup has ended. Please start again.", "setup_ended"},
	{"One-time passwords are on already.", "otp_on"},
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
