package profile

import (
	"bytes"
	"database/sql"
	"errors"
	"strings"

	"github.com/yuin/goldmark"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// An Agreement is a document that users sign (profiles.md 12).
type Agreement struct {
	Slug      string     `json:"slug"`
	Title     string     `json:"title"`
	UpdatedAt store.Time `json:"updated_at"`
	Text      *string    `json:"text,omitempty"` // HTML, on detail endpoints only

	id       int64
	markdown string
}

var agreements = rest.List[Agreement]{
	Select:  "a.slug, a.title, a.updated_at",
	From:    "agreement a",
	Key:     "a.id",
	Search:  rest.Names{"slug": {"a.slug"}, "title": {"a.title"}},
	Order:   rest.Names{"title": {"a.title"}, "updated_at": {"a.updated_at"}},
	Default: []string{"title"},
	Scan: func(rows *sql.Rows, a *Agreement) error {
		return rows.Scan(&a.Slug, &a.Title, &a.UpdatedAt)
	},
}

// findAgreement returns an agreement. Errors: 404.
func findAgreement(r store.Reader, slug string) (*Agreement, error) {
	var a Agreement
	err := r.QueryRow(`SELECT id, slug, title, updated_at, text FROM agreement WHERE slug = ?`, slug).
		Scan(&a.id, &a.Slug, &a.Title, &a.UpdatedAt, &a.markdown)
	if errors.Is(err, store.ErrNotFound) {
		err = rest.NotFound("Agreement")
	}
	return &a, err
}

// createAgreement adds an agreement under the slug of its title, dated now unless it has a date. Errors: 400 on "title" or "slug".
func (s *Service) createAgreement(tx *store.Tx, title, markdown string, updated store.Time) (*Agreement, error) {
	a := &Agreement{Slug: directory.Slugify(title), Title: title, UpdatedAt: updated}
	if len(a.Slug) > 50 {
		a.Slug = strings.TrimRight(a.Slug[:50], "-_")
	}
	if a.Slug == "" {
		a.Slug = directory.SlugSuffix()
	}
	if updated.IsZero() {
		a.UpdatedAt = tx.Now()
	}
	_, err := tx.Insert(`INSERT INTO agreement (slug, title, text, updated_at) VALUES (?, ?, ?, ?)`, a.Slug, a.Title, markdown, a.UpdatedAt)
	s.dir.TouchAgreement(tx)
	return a, uniqueAgreement(err)
}

// saveAgreement writes a changed title, text or date; the slug stays. Errors: 400 on "title".
func (s *Service) saveAgreement(tx *store.Tx, a *Agreement) error {
	_, err := tx.Exec(`UPDATE agreement SET title = ?, text = ?, updated_at = ? WHERE id = ?`, a.Title, a.markdown, a.UpdatedAt, a.id)
	s.dir.TouchAgreement(tx)
	return uniqueAgreement(err)
}

func uniqueAgreement(err error) error {
	switch column, _ := store.IsUnique(err); column {
	case "title":
		return rest.Invalid("title", "agreement with this title already exists.")
	case "slug":
		return slugTaken
	}
	return err
}

// deleteAgreement removes an agreement that nobody signed. Errors: 409 (decision 40).
func (s *Service) deleteAgreement(tx *store.Tx, a *Agreement) error {
	signed, err := exists(tx, `SELECT EXISTS (SELECT 1 FROM signature WHERE agreement_id = ?)`, a.id)
	if err != nil {
		return err
	}
	if signed {
		return rest.Conflict("This agreement has been signed and cannot be deleted.")
	}
	_, err = tx.Exec(`DELETE FROM agreement WHERE id = ?`, a.id)
	s.dir.TouchAgreement(tx)
	return err
}

// Sign records that a user agrees to the version of now of an agreement. Errors: 404.
func (s *Service) Sign(tx *store.Tx, user int64, slug string) error {
	a, err := findAgreement(tx, slug)
	if err != nil {
		return err
	}
	s.dir.TouchUser(tx, user)
	_, err = tx.Exec(`INSERT INTO signature (agreement_id, user_id, last_signed) VALUES (?, ?, ?)
		ON CONFLICT (agreement_id, user_id) DO UPDATE SET last_signed = excluded.last_signed`, a.id, user, tx.Now())
	return err
}

// markdown renders without raw HTML and without URLs that run something: goldmark's default.
var markdown = goldmark.New()

// html renders the text, in which {broker} is the name of the broker and {url} the address of the site.
func (a *Agreement) html(broker, url string) (string, error) {
	var b bytes.Buffer
	source := strings.NewReplacer("{broker}", plain(broker), "{url}", plain(url)).Replace(a.markdown)
	err := markdown.Convert([]byte(source), &b)
	return b.String(), err
}

// plain writes text so that Markdown takes it literally.
func plain(text string) string {
	var b strings.Builder
	for _, c := range text {
		if c < 128 && strings.ContainsRune("\\`*_{}[]<>()#+-.!|&~\"'=:/", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}
