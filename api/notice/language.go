package notice

import (
	"cmp"
	"database/sql"
	"slices"

	"github.com/caddy-tollgate/tollgate/store"
)

// languageOf is the language that a mail is written in: its own, as long as there are mails in it, else the site's.
func (n *Notices) languageOf(letter envelope) string {
	return cmp.Or(n.templates.find(letter.Lang), n.templates.find(n.o.Language), fallback)
}

// langQuery finds the language of the user who holds an address, proven or not, else that of the contact: it gives nobody anything.
const langQuery = `SELECT address.value, coalesce(
		(SELECT lang FROM user JOIN contact ON contact.user_id = user.id WHERE user.email = address.value AND lang <> ''
			ORDER BY contact.created_at, contact.id LIMIT 1),
		(SELECT lang FROM contact WHERE contact.email = address.value AND lang <> '' ORDER BY created_at, id LIMIT 1))
	FROM json_each(?) address`

// byLanguage makes a letter for each language that its recipients read (decision 24), the one that it is to before those that only
// get a copy. Whoever never said which is written to in the site's.
func (n *Notices) byLanguage(r store.Reader, letter envelope) ([]envelope, error) {
	if len(letter.To)+len(letter.Bcc) == 0 {
		return nil, nil
	}
	all, err := encode(List[string](slices.Concat(letter.To, letter.Bcc)))
	if err != nil {
		return nil, err
	}
	languages := map[string]string{} // of addresses; "" for the site's
	err = store.Each(r, func(rows *sql.Rows) error {
		var email string
		var lang *string
		err := rows.Scan(&email, &lang)
		if lang != nil {
			languages[email] = n.langTag(*lang)
		}
		return err
	}, langQuery, string(all))
	if err != nil {
		return nil, err
	}
	var letters []envelope
	for i, email := range slices.Concat(letter.To, letter.Bcc) {
		at := slices.IndexFunc(letters, func(l envelope) bool { return l.Lang == languages[email] })
		if at < 0 {
			at = len(letters)
			one := letter
			one.To, one.Bcc, one.Lang = nil, nil, languages[email]
			letters = append(letters, one)
		}
		if i < len(letter.To) {
			letters[at].To = append(letters[at].To, email)
		} else {
			letters[at].Bcc = append(letters[at].Bcc, email)
		}
	}
	return letters, nil
}

// langTag is a language as it is kept in an envelope: "" for the site's, and where there are no mails in it.
func (n *Notices) langTag(lang string) string {
	if lang = n.templates.find(lang); lang == n.languageOf(envelope{}) {
		return ""
	}
	return lang
}
