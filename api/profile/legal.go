package profile

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

func (s *Service) listAgreements(c *rest.Call, r store.Reader) (rest.Page[Agreement], error) {
	return agreements.Page(c, r)
}

func (s *Service) readAgreement(c *rest.Call, r store.Reader) (*Agreement, error) {
	return s.agreementText(c, r, c.Param("agreement"))
}

func (s *Service) readDocument(c *rest.Call, r store.Reader) (*Agreement, error) {
	return s.agreementText(c, r, c.Param("document"))
}

// agreementText is an agreement with its text as HTML.
func (s *Service) agreementText(c *rest.Call, r store.Reader, slug string) (*Agreement, error) {
	a, err := findAgreement(r, slug)
	if err != nil {
		return nil, err
	}
	var broker string
	err = r.QueryRow(`SELECT CASE full_name WHEN '' THEN slug ELSE full_name END FROM profile WHERE slug = ?`, s.dir.Broker()).Scan(&broker)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	html, err := a.html(broker, c.URL("/"))
	a.Text = &html
	return a, err
}

// preferences are a visitor's choices about cookies (profiles.md 12.2); what was never chosen is left out.
type preferences struct {
	Analytics   *bool `json:"analytics,omitempty"`
	SocialMedia *bool `json:"social_media,omitempty"`
	Advertising *bool `json:"advertising,omitempty"`
}

// preferencesInput is the body of POST /api/legal/{agreement}.
type preferencesInput struct {
	Analytics   rest.Opt[bool] `json:"analytics"`
	SocialMedia rest.Opt[bool] `json:"social_media"`
	Advertising rest.Opt[bool] `json:"advertising"`
}

// setPreferences keeps the choices in the session of the visitor, if there is one.
func (s *Service) setPreferences(c *rest.Call, tx *store.Tx, in *preferencesInput) (*preferences, error) {
	a, err := findAgreement(tx, c.Param("agreement"))
	if err != nil {
		return nil, err
	}
	all := map[string]preferences{}
	if c.Session != 0 {
		var text string
		if err := tx.QueryRow(`SELECT coalesce(preferences, '{}') FROM session WHERE id = ?`, c.Session).Scan(&text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return nil, err
		}
	}
	p := all[a.Slug]
	for _, choice := range []struct {
		given rest.Opt[bool]
		kept  **bool
	}{{in.Analytics, &p.Analytics}, {in.SocialMedia, &p.SocialMedia}, {in.Advertising, &p.Advertising}} {
		if choice.given.Given {
			*choice.kept = &choice.given.Value
		}
	}
	all[a.Slug] = p
	if c.Session == 0 {
		return &p, nil
	}
	text, err := json.Marshal(all)
	if err == nil {
		_, err = tx.Exec(`UPDATE session SET preferences = ? WHERE id = ?`, string(text), c.Session)
	}
	return &p, err
}

// signInput is the body of POST /api/legal/{agreement}/sign.
type signInput struct {
	ReadTerms bool `json:"read_terms" in:"required"`
}

// Check refuses who does not agree.
func (in *signInput) Check(*rest.Call) error {
	if !in.ReadTerms {
		return rest.Bad("read_terms", "You have to agree with the terms")
	}
	return nil
}

type signed struct {
	ReadTerms  bool       `json:"read_terms"`
	LastSigned store.Time `json:"last_signed"`
}

func (s *Service) signAgreement(c *rest.Call, tx *store.Tx, in *signInput) (*signed, error) {
	err := s.Sign(tx, c.User.ID, c.Param("agreement"))
	if errors.As(err, new(*rest.Error)) {
		err = rest.Fail(http.StatusNotFound, "Not found.")
	}
	return &signed{true, tx.Now()}, err
}

// agreementInput is the body of POST, PUT and PATCH /api/agreements (profiles.md 12.4). Text, in Markdown, is ours.
type agreementInput struct {
	Title     rest.Opt[string]     `json:"title" in:"required" validate:"max=150,plain"`
	UpdatedAt rest.Opt[store.Time] `json:"updated_at"`
	Text      rest.Opt[string]     `json:"text" in:"blank" validate:"max=200000"`
}

// agreementUpdate is that of PUT, which asks for the date too.
type agreementUpdate struct {
	Title     rest.Opt[string]     `json:"title" in:"required" validate:"max=150,plain"`
	UpdatedAt rest.Opt[store.Time] `json:"updated_at" in:"required"`
	Text      rest.Opt[string]     `json:"text" in:"blank" validate:"max=200000"`
}

func (s *Service) addAgreement(c *rest.Call, tx *store.Tx, in *agreementInput) (*Agreement, error) {
	a, err := s.createAgreement(tx, in.Title.Value, in.Text.Value, in.UpdatedAt.Value)
	c.Created("")
	return a, err
}

func (s *Service) changeAgreement(c *rest.Call, tx *store.Tx, in *agreementUpdate) (*Agreement, error) {
	a, err := findAgreement(tx, c.Param("document"))
	if err != nil {
		return nil, err
	}
	a.Title, a.UpdatedAt, a.markdown = in.Title.Or(a.Title), in.UpdatedAt.Or(a.UpdatedAt), in.Text.Or(a.markdown)
	return a, s.saveAgreement(tx, a)
}

func (s *Service) dropAgreement(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	a, err := findAgreement(tx, c.Param("document"))
	if err != nil {
		return rest.None{}, err
	}
	return rest.None{}, s.deleteAgreement(tx, a)
}
