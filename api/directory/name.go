package directory

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/caddy-tollgate/tollgate/store"
)

// Usernames and slugs of profiles share one namespace, in which letter case does not matter (decision 5).

// reserved are the words that the API's own URLs use in the place of a name (conventions.md 1.1).
var reserved = map[string]bool{
	"balances": true, "registered": true, "transactions": true, "charges": true, "cartitems": true, "payments": true,
	"expired": true, "all": true, "churned": true, "active": true,
}

// archived is what the names of archived users and profiles start with.
const archived = "_archive_"

// Reserved reports whether nobody may be called name: a word of the API's URLs, or the name of something archived.
func Reserved(name string) bool {
	name = strings.ToLower(name)
	return reserved[name] || strings.HasPrefix(name, archived)
}

// ValidName reports whether name has the form of a username or slug: 1 to 50 of a-z, A-Z, 0-9, '-' and '_' (auth.md D-11).
func ValidName(name string) bool {
	if name == "" || len(name) > 50 {
		return false
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return false
		}
	}
	return true
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// FreeName returns base cut to n bytes if free says that it is free, else the first free one of 9 tries with a hyphen and what
// suffix returns behind it, at most limit bytes long; "" when all are taken.
func FreeName(base string, n, limit int, suffix func() string, free func(name string) (bool, error)) (string, error) {
	base = cut(base, min(n, limit))
	name := base
	for try := 0; ; try++ {
		if name != "" {
			if ok, err := free(name); err != nil || ok {
				return name, err
			}
		}
		if try == 9 {
			return "", nil
		}
		s := suffix()
		name = cut(base, limit-1-len(s)) + "-" + s
	}
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n]
}

// Username derives a free username from an e-mail address (auth.md 3), other than those of but: joe, joe-123, …; "" when 10 tries
// found none. Names that were used are not free.
func (d *Directory) Username(r store.Reader, email string, but ...string) (string, error) {
	local, _, _ := strings.Cut(email, "@")
	base := Slugify(local)
	if base == "" {
		base = "user_" + RandomHex(35)
	}
	return FreeName(base, 46, 50, randomDigits, func(name string) (bool, error) {
		for _, other := range but {
			if strings.EqualFold(name, other) {
				return false, nil
			}
		}
		return d.NameFree(r, name, 0, 0)
	})
}

func randomDigits() string { return digits(3) }

// ProfileSlug derives a free slug for a profile from its name, or else from its e-mail address (profiles.md 2.7); "" when all
// tries are taken.
func (d *Directory) ProfileSlug(r store.Reader, fullName, email string) (string, error) {
	base := Slugify(fullName)
	if strings.TrimSpace(fullName) == "" {
		base, _, _ = strings.Cut(email, "@")
		if !ValidName(base) {
			base = "profile_" + RandomHex(42)
		}
	}
	if base == "" {
		base = SlugSuffix()
	}
	return FreeName(base, 42, 50, SlugSuffix, func(name string) (bool, error) { return d.NameFree(r, name, 0, 0) })
}

// Slugify makes a slug of a text (auth.md 3): accents dropped, lower case, blanks and hyphens as one hyphen. It is empty when
// nothing of the text can be kept.
func Slugify(text string) string {
	var b strings.Builder
	gap := false
	for _, c := range norm.NFKD.String(text) {
		switch {
		case c == '-' || c == ' ' || '\t' <= c && c <= '\r':
			gap = true
			continue
		case c >= utf8.RuneSelf || !nameByte(byte(c)):
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(c)
	}
	return strings.Trim(b.String(), "-_")
}
