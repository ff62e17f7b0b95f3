package auth

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// registering is the answer of GET /api/auth/register: what a form of registration needs to know of the site (auth.md 10).
type registering struct {
	Open          bool                  `json:"open"`
	Types         []registration        `json:"types"` // to offer, the usual one first
	VerifyEmail   bool                  `json:"verify_email"`
	VerifyPhone   bool                  `json:"verify_phone"`
	TextMessages  bool                  `json:"text_messages"` // codes go to phones
	Links         bool                  `json:"use_verification_links"`
	HidesAccounts bool                  `json:"hide_account_existence"`
	MinLength     int                   `json:"min_length"`
	Agreements    []registeredAgreement `json:"agreements"` // that everybody has to sign
}

// A registeredAgreement is a document to sign.
type registeredAgreement struct {
	Slug  string `json:"slug"`
	Title string `json:"title"`
}

// registering is GET /api/auth/register. All of it shows to whoever tries, so that it tells nothing new.
func (s *Service) registering(c *rest.Call, r store.Reader) (out registering, err error) {
	out = registering{
		Open:          s.set.Authentication == Enabled && !s.set.DisabledUserUpdate && !c.Query.ReadOnly,
		Types:         s.types(),
		VerifyEmail:   s.set.VerifyEmail || s.set.HideAccountExistence,
		VerifyPhone:   (s.set.VerifyPhone || s.set.HideAccountExistence) && s.texts != nil,
		TextMessages:  s.texts != nil,
		Links:         s.set.UseVerificationLinks,
		HidesAccounts: s.set.HideAccountExistence,
		MinLength:     s.set.MinPassword,
	}
	out.Agreements, err = store.List(r, func(rows *sql.Rows, a *registeredAgreement) error {
		return rows.Scan(&a.Slug, &a.Title)
	}, `SELECT slug, title FROM agreement WHERE slug = ?`, accessrules.TermsOfUse)
	return out, err
}

// types are what the site offers to register as. A style that gives everybody a personal profile leaves no choice.
func (s *Service) types() []registration {
	var all []registration
	switch s.set.Registration {
	case "personal", "implicit":
		all = []registration{"personal"}
	case "organization":
		all = []registration{"user", "organization"}
	default:
		all = []registration{"personal", "organization", "user"}
	}
	if s.set.ProviderRegistration {
		all = append(all, "provider")
	}
	return all
}
