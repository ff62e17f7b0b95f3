package directory

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// addressQueries are the statements outside of address.go that go from an address to a user or a contact, by file and a part of each,
// with the reason.
var addressQueries = map[string]string{
	"api/auth/contact.go WHERE email = ?":                     "the contact that has an address, whoever's it is: to move or adopt it",
	"api/auth/contact.go WHERE phone = ?":                     "likewise",
	"api/auth/contact.go WHERE email = ? AND user_id IS NULL": "contacts of nobody are linked, and their proofs dropped",
	"api/auth/contact.go WHERE phone = ? AND user_id IS NULL": "likewise",
	"api/auth/addressbook.go WHERE email = ?":                 "whether a contact has an address, for the 400",
	"api/auth/verification.go WHERE § = ?":                    "key and code of an address, and its loss by who has not proven it",
	"api/auth/verification.go WHERE email = ? AND id = ?":     "its loss by a user whose id is known",
	"api/profile/implicit.go p.email = a.value":               "profiles that wait on addresses which a user, known by id, has proven",
	"api/profile/accessibles.go u.username = profile.slug":    "profiles by their own address: users are asked for by name alone, to leave theirs out",
	"api/notice/recipient.go WHERE email = ?":                 "whether the reader of a mail wants it: nothing is given",
	"api/notice/language.go user.email = address.value":       "the language that the reader of a mail is written to in: nothing is given",
}

var (
	literal   = regexp.MustCompile("(?s)`[^`]*`")
	byAddress = regexp.MustCompile(`(?i)\b(WHERE|AND|ON|OR)\s+(\w+\.)?(email|phone|§)\s*(=|IN\b)\s*(\?|\(|\w+\.)`)
	people    = regexp.MustCompile(`(?i)\b(FROM|JOIN|UPDATE)\s+(user|contact)\b`)
)

// Every statement that goes from an address to a user is one of address.go, or stands in the list with its reason.
func TestOneAnswerToWhoseAddress(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || name == filepath.Join("api", "directory", "address.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, query := range literal.FindAllString(string(text), -1) {
			// The statements of a contact start with selectContact and hold no table.
			if !byAddress.MatchString(query) || !people.MatchString(query) && !strings.HasPrefix(query, "`WHERE ") && !strings.Contains(query, "§") {
				continue
			}
			seen++
			known := false
			for entry := range addressQueries {
				file, part, _ := strings.Cut(entry, " ")
				known = known || file == filepath.ToSlash(name) && strings.Contains(query, part)
			}
			if !known {
				t.Errorf("%s goes from an address to a user past UserOf, HoldersOf and LoginsOf:\n%s", name, query)
			}
		}
		return nil
	})
	if err != nil || seen < 6 {
		t.Errorf("%d statements were seen: %v", seen, err)
	}
}
