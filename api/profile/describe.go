package profile

import (
	"database/sql"
	"encoding/json"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// descriptionInput is the body of POST, PUT and PATCH /api/profile/{profile}/roles/describe (profiles.md 11).
type descriptionInput struct {
	Title        rest.Opt[string]          `json:"title" in:"required" validate:"max=20,plain"`
	SkipOptIn    rest.Opt[bool]            `json:"skip_optin_on_grant"`
	ImplicitRole rest.Opt[bool]            `json:"implicit_create_on_none"`
	OTPRequired  rest.Opt[bool]            `json:"otp_required"`
	Extra        rest.Opt[json.RawMessage] `json:"extra" in:"null"`
}

// describedRow is a row of the list of descriptions.
type describedRow struct {
	fields descriptionFields
	RoleDescription
}

// descriptions lists the local descriptions of a profile and the global ones.
var descriptions = rest.List[describedRow]{
	Select: describe,
	From: `(SELECT * FROM role_description WHERE profile_id IS NULL UNION ALL SELECT * FROM role_description WHERE profile_id = ?) AS d
		LEFT JOIN profile o ON o.id = d.profile_id`,
	Key:     "d.id",
	Search:  rest.Names{"slug": {"d.slug"}, "title": {"d.title"}},
	Order:   rest.Names{"slug": {"d.slug"}, "title": {"d.title"}},
	Default: []string{"slug"}, Dates: "d.created_at",
	Scan: func(rows *sql.Rows, d *describedRow) error { return rows.Scan(d.fields.dest()...) },
}

func (s *Service) listDescriptions(c *rest.Call, r store.Reader) (page rest.Page[describedRow], err error) {
	p, err := findProfile(r, c.Param("profile"))
	if err != nil {
		return page, err
	}
	if page, err = descriptions.Page(c, r, p.ID); err != nil {
		return page, err
	}
	edits := s.editor(c)
	for i := range page.Results {
		page.Results[i].RoleDescription = *page.Results[i].fields.description(edits)
	}
	return page, nil
}

// addDescription adds a local description, a global one on the broker's profile.
func (s *Service) addDescription(c *rest.Call, tx *store.Tx, in *descriptionInput) (*RoleDescription, error) {
	p, err := writableProfile(tx, c.Param("profile"))
	if err != nil {
		return nil, err
	}
	owner := p.ID
	if p.Slug == s.dir.Broker() {
		owner = 0
	}
	slug, err := createDescription(tx, owner, in)
	if err != nil {
		return nil, err
	}
	c.Created("")
	return describedRole(tx, p.ID, slug, s.editor(c))
}

// pathDescription finds the description that a path names, and the profile that it names. Errors: 404; 403 for a global one that
// the caller wants to change.
func (s *Service) pathDescription(c *rest.Call, r store.Reader, change bool) (*row, *RoleDescription, error) {
	p, err := findProfile(r, c.Param("profile"))
	if err != nil {
		return nil, nil, err
	}
	d, err := describedRole(r, p.ID, c.Param("role"), s.editor(c))
	if err == nil && change && d.IsGlobal && !c.Query.IsBrokerManager() {
		err = rest.Fail(http.StatusForbidden, "Permission denied")
	}
	return p, d, err
}

func (s *Service) getDescription(c *rest.Call, r store.Reader) (*RoleDescription, error) {
	_, d, err := s.pathDescription(c, r, false)
	return d, err
}

func (s *Service) changeDescription(c *rest.Call, tx *store.Tx, in *descriptionInput) (*RoleDescription, error) {
	p, d, err := s.pathDescription(c, tx, true)
	if err != nil {
		return nil, err
	}
	if err := s.updateDescription(tx, d, in); err != nil {
		return nil, err
	}
	return describedRole(tx, p.ID, d.Slug, s.editor(c))
}

func (s *Service) dropDescription(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	_, d, err := s.pathDescription(c, tx, true)
	if err != nil {
		return rest.None{}, err
	}
	force, err := c.QueryBool("force", false)
	if err != nil {
		return rest.None{}, err
	}
	return rest.None{}, s.deleteDescription(tx, d, force)
}
