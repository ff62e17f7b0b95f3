package directory

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What is presented in a request is either ours or the application's, and its form alone tells which (decision 71): a credential of
// ours is refused when it is bad, whatever its age, and never reaches the application; any other is none of our business.

// errForeign says that a credential is not ours. The API, behind which there is no application, answers with its text.
var errForeign = &CredentialError{"Invalid token"}

// DefaultCredentials is the header that carries our credentials unless the configuration names another.
const DefaultCredentials = "Authorization"

// byHeader sets who the credential of a header is. Errors: *CredentialError for one of ours that is bad, or a failure of the store.
// foreign is why one that is not ours says nothing to us; it is nil as well where the scheme is unknown.
func (d *Directory) byHeader(values []string, now time.Time, id *Identity) (foreign *CredentialError, err error) {
	header := values[0]
	if len(values) > 1 {
		header = strings.Join(values, ", ") // one list by HTTP, and no valid credential: only one reading of a request counts
	}
	keyword, token := word(header)
	switch {
	case strings.EqualFold(keyword, "bearer"):
		f := tokenForm
		if isAPIKey(token) {
			f = keyForm
		}
		if err = d.known(f, token, now, id); err != errForeign { // first, as all is well most times: what is known is one word of ASCII
			return nil, err
		}
		foreign = errForeign
		switch {
		case token == "":
			foreign = errBearerNone
		case strings.ContainsAny(token, blanks):
			foreign = errBearerSpaces
		case !utf8.ValidString(token):
			foreign = errBearerInvalid
		}
	case strings.EqualFold(keyword, "basic"):
		if err = d.known(basicForm, token, now, id); err != errForeign {
			return nil, err
		}
		switch foreign = errForeign; {
		case token == "":
			foreign = errBasicNone
		case strings.ContainsAny(token, blanks):
			foreign = errBasicSpaces
		case !isBase64(token):
			foreign = errNotBase64
		}
	}
	if !ownWords(header) {
		return foreign, nil
	}
	if foreign == nil {
		foreign = errInvalidToken
	}
	return nil, foreign
}

// Own reports whether the header that carries credentials holds one that has the form of ours, good or bad: it must not go on.
func (d *Directory) Own(h http.Header) bool {
	for _, value := range h[d.conf.Load().Credentials] {
		if ownWords(value) {
			return true
		}
	}
	return false
}

// CredentialsHeader is the header that carries our credentials, in canonical form.
func (d *Directory) CredentialsHeader() string { return d.conf.Load().Credentials }

// ownWords reports whether one of the words of a header has the form of our credentials, in whatever company: between quotes, and a
// token also as the value of a parameter, as in `Token token="…"`. A key in that place is not told from the hash of a signature.
func ownWords(header string) bool {
	for part := range strings.FieldsFuncSeq(header, parts) {
		part = strings.TrimFunc(part, notOfCredentials)
		if isAPIKey(part) || isToken(part) || isOwnBasic(part) {
			return true
		}
		if at := strings.IndexAny(part, "=:\"'"); at >= 0 && isToken(strings.TrimFunc(part[at:], notOfTokens)) {
			return true
		}
	}
	return false
}

// parts reports whether a character parts words. A blank need not be one of ASCII to look like one to whoever reads the header.
func parts(c rune) bool {
	return c == ',' || c == ';' || c == utf8.RuneError || unicode.IsSpace(c) || unicode.IsControl(c)
}

// notOfTokens reports whether a character is none of a JWT.
func notOfTokens(c rune) bool { return notOfCredentials(c) || c == '=' }

// notOfCredentials reports whether a character is none of base64 in any of its forms, nor the dot of a JWT.
func notOfCredentials(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_+/=.", c))
}

// isOwn reports whether what was presented has the form of a credential of ours.
func isOwn(f form, raw string) bool {
	switch f {
	case tokenForm:
		return !strings.ContainsAny(raw, blanks) && utf8.ValidString(raw) && isToken(raw)
	case basicForm:
		return isAPIKey(raw) || isOwnBasic(raw)
	}
	return true
}

// isToken reports whether text has the shape of what we sign with HS256: a login token, or a session for an application, whose
// forgery would be as bad. Neither its key nor its age matters, nor its length: many readers take no notice of what is appended to the
// signature, which nothing signs. Nor does it help to say that it is unsigned, or signed by the longer sums of the same kind: only a
// forger has such, for a reader that believes what a token says of itself.
func isToken(text string) bool {
	header, rest, ok := strings.Cut(text, ".")
	if !ok {
		return false
	}
	payload, _, ok := strings.Cut(rest, ".")
	if !ok {
		return false
	}
	var h struct{ Alg string }
	var c struct {
		Username    *string
		ID          string          `json:"jti"`
		LastVisited json.RawMessage `json:"last_visited"`
		Roles, Site json.RawMessage
	}
	if !decodeSegment(header, &h) || !sharesKey(h.Alg) || !decodeSegment(payload, &c) || c.Username == nil {
		return false
	}
	return isSessionKey(c.ID) || c.LastVisited != nil && c.Roles != nil && c.Site != nil
}

// sharesKey reports whether an algorithm signs with a key that its reader has as well, or not at all. A reader may take no notice of case.
func sharesKey(alg string) bool {
	switch strings.ToUpper(strings.TrimSpace(alg)) {
	case "", "NONE", "HS256", "HS384", "HS512":
		return true
	}
	return false
}

// decodeSegment reads a part of a token. A field of another type than ours is no reason to take a token for somebody else's.
func decodeSegment(segment string, v any) bool {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(segment, "="))
	if err != nil {
		return false
	}
	err = json.Unmarshal(text, v)
	_, mistyped := err.(*json.UnmarshalTypeError)
	return err == nil || mistyped
}

// isOwnBasic reports whether the credentials of a Basic header hold a key or a token of ours, in the place of the user or of the
// password, in any of the forms of base64 that a reader may take.
func isOwnBasic(text string) bool {
	text = strings.TrimRight(text, "=")
	plain, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		if plain, err = base64.RawURLEncoding.DecodeString(text); err != nil {
			return false
		}
	}
	user, password, _ := strings.Cut(string(plain), ":")
	user, password = strings.TrimSpace(user), strings.TrimSpace(password) // read from a file, with the end of its line
	return isAPIKey(user) || isAPIKey(password) || isToken(user) || isToken(password)
}

func isBase64(text string) bool {
	_, err := base64.StdEncoding.DecodeString(text)
	return err == nil
}

// isSessionKey reports whether text has the form of the key of a session.
func isSessionKey(text string) bool {
	if len(text) != sessionKeyLen {
		return false
	}
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
