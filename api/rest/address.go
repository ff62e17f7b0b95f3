package rest

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The usual syntax of e-mail addresses (auth.md 3): no quoted local part, no comment, a dotted domain; nothing that could end a
// line or a header.
var emailPattern = regexp.MustCompile(`^[a-zA-Z0-9!#$%&'*+/=?^_{|}~-]+(\.[a-zA-Z0-9!#$%&'*+/=?^_{|}~-]+)*` +
	`@([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])$`)

// ParseEmail returns an e-mail address in lower case, "" when text is none. The domain may be in Unicode; it comes back in ASCII, so
// that one address has one form.
func ParseEmail(text string) string {
	text = asciiDomain(text)
	local, _, _ := strings.Cut(text, "@")
	if len(text) > 254 || len(local) > 64 || !emailPattern.MatchString(text) {
		return ""
	}
	return strings.ToLower(text)
}

// asciiDomain is an e-mail address whose domain is in ASCII (IDNA 2008, RFC 5891); what is no address comes back as it is.
func asciiDomain(text string) string {
	local, domain, ok := strings.Cut(text, "@")
	if !ok || len(text) > 1024 || isASCII(domain) {
		return text
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return text
	}
	return local + "@" + ascii
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// ParsePhone returns a phone number in E.164, "" when text is none: international, or national of the United States
// (conventions.md 8.2).
func ParsePhone(text string) string {
	if len(text) > 50 {
		return ""
	}
	number, _ := phone(text)
	return number
}

// Members are the fields of the body by name, those that the input has no name for included: agreements, fields with a prefix
// (auth.md 10). What a form holds is JSON text; of a name that is repeated, the last. It is empty when the body is no object.
func (c *Call) Members() map[string]json.RawMessage {
	v, err := c.source()
	if err != nil || v.kind() != "dict" {
		return nil
	}
	m := v.members()
	if m.form == nil {
		return m.json
	}
	all := make(map[string]json.RawMessage, len(m.form.fields))
	for name := range m.form.fields {
		text, _ := m.form.last(name)
		if raw, err := json.Marshal(text); err == nil {
			all[name] = raw
		}
	}
	return all
}
