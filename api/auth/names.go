package auth

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// splitName splits a full name into first and last: the first token, and all the rest; "El" sticks to the token behind it
// (auth.md 3).
func splitName(full string) (first, last string) {
	words := strings.Fields(full)
	if len(words) == 0 {
		return "", ""
	}
	n := 1
	if strings.EqualFold(words[0], "el") && len(words) > 1 {
		n = 2
	}
	return strings.Join(words[:n], " "), strings.Join(words[n:], " ")
}

const maxName = 60 // characters of a person's name

// checkName is the rule of auth.md 3 for names: at most 60 characters (100 of an organization), without line breaks and other
// control characters, which have no place in the header of a message, and without what turns the direction of text.
func checkName(field, name string) error {
	most := maxName
	if field == "organization_name" {
		most = 100
	}
	switch {
	case utf8.RuneCountInString(name) > most:
		return rest.Invalid(field, "Ensure this field has no more than "+strconv.Itoa(most)+" characters.")
	case !rest.IsPlain(name):
		return rest.Invalid(field, "Enter a valid name.")
	}
	return nil
}

var languageTag = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$`)

// parseLang returns a language tag of at most 8 characters in lower case, "" when it is not one.
func parseLang(text string) string {
	if len(text) > 8 || !languageTag.MatchString(text) {
		return ""
	}
	return strings.ToLower(text)
}

// An identifier is what somebody gives to say who they are: a username, an e-mail address or a phone number. A number without '+'
// can be both a username and a phone number.
type identifier struct{ Username, Email, Phone string }

// parseIdentifier tells them apart (auth.md 3); ok is false when text is none of them.
func parseIdentifier(text string) (id identifier, ok bool) {
	if id.Email = rest.ParseEmail(text); id.Email != "" {
		return id, true
	}
	if directory.ValidName(text) {
		id.Username = text
	}
	if strings.Trim(text, "+0123456789-(). ") == "" {
		id.Phone = rest.ParsePhone(text)
	}
	return id, id != identifier{}
}
