package profile

import (
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Detail is a profile with its subscriptions (profiles.md 5.5).
type Detail struct {
	PublicID directory.PublicID `json:"id,omitempty"` // for its managers and the broker's staff only
	directory.ProfileDetail
	Message       string         `json:"detail,omitempty"` // of a successful update
	Subscriptions []Subscription `json:"subscriptions"`
	NickName      *string        `json:"nick_name,omitempty"` // these two of personal profiles only
	Lang          *string        `json:"lang,omitempty"`
	Activities    any            `json:"activities"`

	// ConfirmedDomain is the e-mail domain that the broker confirmed to be the profile's.
	ConfirmedDomain string `json:"confirmed_domain,omitempty"`
}

// row is what operations need of a profile of the path.
type row struct {
	ID     int64
	Slug   string
	Active bool
}

func (p *row) dest() []any { return []any{&p.ID, &p.Slug, &p.Active} }

const selectProfile = `SELECT id, slug, is_active FROM profile `

// findProfile returns a profile by its slug, archived ones too. Letter case matters. Errors: 404.
func findProfile(r store.Reader, slug string) (*row, error) {
	var p row
	err := r.QueryRow(selectProfile+`WHERE slug = ?`, slug).Scan(p.dest()...)
	if errors.Is(err, store.ErrNotFound) || err == nil && p.Slug != slug {
		return nil, rest.NotFound("Organization")
	}
	return &p, err
}

// writableProfile is findProfile without the archived ones.
func writableProfile(r store.Reader, slug string) (*row, error) {
	p, err := findProfile(r, slug)
	if err == nil && !p.Active {
		err = rest.Bad("detail", "An archived profile cannot be changed.")
	}
	return p, err
}

// findUser returns an active user by username. Letter case matters. Errors: 404.
func findUser(r store.Reader, username string) (id int64, err error) {
	var name string
	err = r.QueryRow(`SELECT id, username FROM user WHERE username = ? AND is_active = 1`, username).Scan(&id, &name)
	if errors.Is(err, store.ErrNotFound) || err == nil && name != username {
		return 0, rest.NotFound("User")
	}
	return id, err
}

func (s *Service) getProfile(c *rest.Call, r store.Reader) (*Detail, error) {
	p, err := findProfile(r, c.Param("profile"))
	if err != nil {
		return nil, err
	}
	return s.detail(c, r, p.ID)
}

// detail is the answer about a profile. The notes that its providers keep about it are for them and the broker alone.
func (s *Service) detail(c *rest.Call, r store.Reader, id int64) (*Detail, error) {
	p, err := s.dir.ProfileDetail(r, id, true)
	if err != nil {
		return nil, err
	}
	d := &Detail{ProfileDetail: p, NickName: p.NickName, Lang: p.Lang, Activities: []struct{}{}}
	if c.Query.ManagerOf(c.Param("profile")) || c.Query.IsBrokerStaff() {
		if d.PublicID, err = directory.PublicIDOfProfile(r, id); err != nil {
			return nil, err
		}
	}
	if d.Subscriptions, err = s.subs.Active(r, id); err != nil {
		return nil, err
	}
	if err := r.QueryRow(`SELECT confirmed_domain FROM profile WHERE id = ?`, id).Scan(&d.ConfirmedDomain); err != nil {
		return nil, err
	}
	if d.Subscriptions == nil {
		d.Subscriptions = []Subscription{}
	}
	if s.activities == nil {
		return d, nil
	}
	reads, err := providesFor(c, r, id)
	if err == nil && reads {
		d.Activities, err = s.activities(r, id)
	}
	return d, err
}

// providesFor reports whether the caller is of the staff of the broker or of a provider of a profile.
func providesFor(c *rest.Call, r store.Reader, profile int64) (bool, error) {
	if c.Query.IsBrokerStaff() {
		return true, nil
	}
	providers, err := store.Column[int64](r, `SELECT DISTINCT p.profile_id FROM subscription s JOIN plan p ON p.id = s.plan_id
		WHERE s.profile_id = ? AND s.grant_key IS NULL AND s.request_key IS NULL`, profile)
	return slices.ContainsFunc(c.User.Roles, func(role accessrules.Role) bool {
		return (role.Description == Manager || role.Description == Contributor) && c.User.Holds(&role, c.Query.Now) && slices.Contains(providers, role.Profile.ID)
	}), err
}

// listed is a row of a list of profiles: its identifier, then the whole of it.
type listed struct {
	id int64
	directory.ProfileDetail
}

var profileSearch = rest.Names{
	"slug": {"p.slug"}, "full_name": {"p.full_name"}, "email": {"p.email"}, "phone": {"p.phone"}, "street_address": {"p.street_address"},
	"locality": {"p.locality"}, "region": {"p.region"}, "postal_code": {"p.postal_code"}, "country": {"p.country"},
}

var profileOrder = rest.Names{"full_name": {"p.full_name"}, "created_at": {"p.created_at"}}

// searched is a list of active profiles as it is better read for a search, which looks at every row: the way they are stored, and
// sorted afterwards. In the order of an index each would be looked up by itself. What is added keeps indexes out.
func searched[T any](l rest.List[T]) *rest.List[T] {
	l.Where = strings.Replace(l.Where, "p.is_active = 1", "p.is_active + 0 = 1", 1)
	l.Order = rest.Names{"full_name": {"p.full_name || ''"}, "created_at": {"p.created_at + 0"}}
	return &l
}

func scanListed(rows *sql.Rows, l *listed) error { return rows.Scan(&l.id) }

// everybody lists the profiles of the site, but for the processor; archived those that are closed.
var (
	everybody = rest.List[listed]{
		Select: "p.id", From: "profile p", Where: "p.is_active = 1 AND p.id <> ?", Key: "p.id",
		Search: profileSearch, Order: profileOrder, Default: []string{"full_name"}, Dates: "p.created_at", Scan: scanListed,
	}
	everybodySearched = searched(everybody)
	archived          = rest.List[listed]{
		Select: "p.id", From: "profile p", Where: "p.is_active = 0 AND p.id <> ?", Key: "p.id",
		Search: profileSearch, Order: profileOrder, Default: []string{"full_name"}, Dates: "p.created_at", Scan: scanListed,
	}
)

// connected lists the profiles that a user manages.
var connected = rest.List[listed]{
	Select: "p.id",
	From:   "role r JOIN profile p ON p.id = r.profile_id",
	Where: `r.user_id = ? AND +r.role_description_id = (SELECT id FROM role_description WHERE slug = 'manager' AND profile_id IS NULL)
		AND r.request_key IS NULL AND r.grant_key IS NULL AND (r.ends_at IS NULL OR r.ends_at > ?) AND p.is_active = 1`,
	Key:    "p.id",
	Search: profileSearch, Order: profileOrder, Default: []string{"full_name"}, Dates: "p.created_at", Scan: scanListed,
}

func (s *Service) listProfiles(c *rest.Call, r store.Reader) (rest.Page[listed], error) {
	active, err := c.QueryBool("active", true)
	if err != nil {
		return rest.Page[listed]{}, err
	}
	list := &everybody
	switch {
	case !active:
		list = &archived
	case len(c.Terms()) > 0:
		list = everybodySearched
	}
	page, err := list.Page(c, r, processorID)
	if err != nil {
		return page, err
	}
	return page, s.fill(r, page.Results, true)
}

func (s *Service) listConnected(c *rest.Call, r store.Reader) (rest.Page[listed], error) {
	user, err := findUser(r, c.Param("user"))
	if err != nil {
		return rest.Page[listed]{}, err
	}
	page, err := connected.Page(c, r, user, r.Now())
	if err != nil {
		return page, err
	}
	return page, s.fill(r, page.Results, false)
}

// fill completes the rows of a page.
func (s *Service) fill(r store.Reader, rows []listed, nick bool) error {
	ids := make([]int64, len(rows))
	for i := range rows {
		ids[i] = rows[i].id
	}
	details, err := s.dir.ProfileDetails(r, ids, nick)
	for i := range rows {
		rows[i].ProfileDetail = details[rows[i].id]
	}
	return err
}
