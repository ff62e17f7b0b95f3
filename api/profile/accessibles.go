package profile

import (
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// An Accessible is a role as seen from the user (profiles.md 5.5).
type Accessible struct {
	CreatedAt       store.Time             `json:"created_at"`
	RequestKey      *string                `json:"request_key"`
	Profile         directory.ProfileShort `json:"profile"`
	RoleDescription *RoleDescription       `json:"role_description"`
	HomeURL         string                 `json:"home_url"`
	SettingsURL     string                 `json:"settings_url"`
	AcceptURL       *string                `json:"accept_grant_api_url"` // for the user itself and the broker's managers only
	RemoveURL       string                 `json:"remove_api_url"`

	roleRow
	provider bool
}

// AccessiblePage is a page of roles of a user.
type AccessiblePage struct {
	pending
	rest.Page[Accessible]
}

const (
	accessibleColumns = roleColumns + ", p.is_provider"
	accessibleTables  = roleTables + ` JOIN profile p ON p.id = r.profile_id`
	// memberEmail is the address of a profile, by which its members find it: who asks for a role, or is asked, is not told it.
	memberEmail = "CASE WHEN r.grant_key IS NULL AND r.request_key IS NULL THEN p.email END"
	// ofUser (bind the user, now, whether the personal profile counts) are the rows that a user's list is made of.
	ofUser = "r.user_id = ? AND " + notEnded + " AND (? OR p.slug <> u.username)"
)

// accessibles lists the roles of a user; accessiblesAs those of a description.
var (
	accessibles = rest.List[Accessible]{
		Select: accessibleColumns, From: accessibleTables, Key: "r.id", Where: ofUser + " AND " + status,
		Search: rest.Names{
			"profile": {"p.slug"}, "profile__full_name": {"p.full_name"}, "profile__email": {memberEmail}, "role": {"d.slug"},
			"role__title": {"d.title"},
		},
		Order: accessibleOrder, Default: []string{"-created_at"}, Dates: "r.created_at", Scan: scanAccessible,
	}
	accessiblesAs = rest.List[Accessible]{
		Select: accessibleColumns, From: accessibleTables, Key: "r.id", Where: ofUser + " AND d.slug = ? AND " + status,
		Search: rest.Names{"profile": {"p.slug"}, "profile__full_name": {"p.full_name"}, "profile__email": {memberEmail}},
		Order:  accessibleOrder, Default: []string{"-created_at"}, Dates: "r.created_at", Scan: scanAccessible,
	}
	accessibleOrder = rest.Names{
		"user": {"r.user_id"}, "user__full_name": {"r.user_id"}, // one user: all the same
		"role__title": {"d.title"}, "profile__full_name": {"p.full_name"},
		"grant_key": {"r.grant_key"}, "request_key": {"r.request_key"}, "created_at": {"r.created_at"},
	}
)

func scanAccessible(rows *sql.Rows, a *Accessible) error {
	return rows.Scan(append(a.dest(), &a.provider)...)
}

func (s *Service) listAccessibles(c *rest.Call, _ *rest.None) (AccessiblePage, error) {
	return s.accessiblePage(c, "")
}

func (s *Service) listAccessiblesAs(c *rest.Call, _ *rest.None) (AccessiblePage, error) {
	return s.accessiblePage(c, c.Param("role"))
}

// accessiblePage lists the roles of {user}, once it has what comes by itself.
func (s *Service) accessiblePage(c *rest.Call, description string) (page AccessiblePage, err error) {
	personal, err := c.QueryBool("include_personal_profile", false)
	if err != nil {
		return page, err
	}
	if err := s.settle(c); err != nil {
		return page, err
	}
	active, invited, requested := wanted(c)
	err = c.Read(func(r store.Reader) error {
		page = AccessiblePage{}
		user, err := findUser(r, c.Param("user"))
		if err != nil {
			return err
		}
		err = r.QueryRow(`SELECT count(r.grant_key), count(r.request_key) FROM `+accessibleTables+` WHERE `+ofUser+` AND (? = '' OR d.slug = ?)`,
			user, r.Now(), personal, description, description).Scan(&page.Invited, &page.Requested)
		if err != nil {
			return err
		}
		if description == "" {
			page.Page, err = accessibles.Page(c, r, user, r.Now(), personal, active, invited, requested)
		} else {
			page.Page, err = accessiblesAs.Page(c, r, user, r.Now(), personal, description, active, invited, requested)
		}
		if err != nil {
			return err
		}
		return s.fillAccessibles(c, r, page.Results)
	})
	return page, err
}

// settle gives {user} what comes by itself, and writes only if there is something. On a site that refuses writes it waits.
func (s *Service) settle(c *rest.Call) error {
	var user int64
	var nothing bool
	err := c.Read(func(r store.Reader) (err error) {
		if user, err = findUser(r, c.Param("user")); err != nil {
			return err
		}
		due, err := s.due(r, user)
		nothing = due.empty()
		return err
	})
	if err != nil || nothing || c.Query.ReadOnly {
		return err
	}
	return c.Write(func(tx *store.Tx) error { return s.Settle(tx, user) })
}

// fillAccessibles completes rows read from the database.
func (s *Service) fillAccessibles(c *rest.Call, r store.Reader, list []Accessible) error {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].profile
	}
	profiles, err := s.dir.Profiles(r, ids)
	if err != nil {
		return err
	}
	broker, edits := c.Query.IsBrokerManager(), s.editor(c)
	for i := range list {
		a := &list[i]
		a.CreatedAt, a.Profile, a.RoleDescription = a.created, profiles[a.profile], a.description.description(edits)
		if a.asks.Valid {
			a.RequestKey = &a.asks.String
		}
		slug := a.Profile.Slug
		a.HomeURL = c.URL(strings.ReplaceAll(s.settings.AppPath, "{profile}", slug))
		a.SettingsURL = c.PageURL("/profile/{profile}/contact/", slug)
		if a.provider {
			a.SettingsURL = c.PageURL("/metrics/{profile}/dashboard/", slug)
		}
		base := "/api/users/" + url.PathEscape(a.account) + "/accessibles/"
		if a.grant.Valid && !a.waits && (broker || a.user == c.User.ID) {
			accept := c.URL(base + "accept/" + a.grant.String)
			a.AcceptURL = &accept
		}
		a.RemoveURL = c.URL(base + a.slug() + "/" + slug)
	}
	return nil
}

func (s *Service) readAccessible(c *rest.Call, r store.Reader, id int64) (*Accessible, error) {
	var a [1]Accessible
	err := r.QueryRow(`SELECT `+accessibleColumns+` FROM `+accessibleTables+` WHERE r.id = ?`, id).Scan(append(a[0].dest(), &a[0].provider)...)
	if err != nil {
		return nil, err
	}
	return &a[0], s.fillAccessibles(c, r, a[:])
}

// requestInput is the body of POST /api/users/{user}/accessibles (profiles.md 10.2).
type requestInput struct {
	Slug    rest.Opt[string] `json:"slug" validate:"max=50"`
	Email   rest.Opt[string] `json:"email" validate:"max=254,email"`
	Message rest.Opt[string] `json:"message" in:"blank" validate:"max=255"`
}

// maxRequested is how many profiles with one e-mail address a request reaches.
const maxRequested = 25

// requestRoles asks for a role on a profile, or on all that have an e-mail address, or (force) on one that is made for it.
func (s *Service) requestRoles(c *rest.Call, tx *store.Tx, in *requestInput) (*Accessible, error) {
	user, err := findUser(tx, c.Param("user"))
	if err != nil {
		return nil, err
	}
	force, err := c.QueryBool("force", false)
	if err != nil {
		return nil, err
	}
	hide := s.hides(c) && in.Slug.Value == ""
	profiles, err := requestedProfiles(tx, in, hide)
	if err != nil {
		return nil, err
	}
	created := false
	if len(profiles) == 0 {
		if hide && !force {
			return s.requestByAddress(c, tx, user, in)
		}
		if !force {
			return nil, rest.Fail(http.StatusNotFound, "Profile "+in.Slug.Or(in.Email.Value)+" does not exist.")
		}
		id, err := s.createRequested(c, tx, in)
		if err != nil {
			return nil, err
		}
		profiles, created = []int64{id}, true
	}
	var first int64
	for _, profile := range profiles {
		var description sql.NullInt64
		if slug := c.Param("role"); slug != "" {
			d, err := describedRole(tx, profile, slug, s.editor(c))
			if err != nil {
				return nil, err
			}
			description = sql.NullInt64{Int64: d.id, Valid: true}
		}
		if err := c.Count(tx, rest.LimitInvitations); err != nil { // its managers are mailed
			return nil, err
		}
		id, what, err := s.requestRole(tx, profile, user, description)
		if err != nil {
			return nil, err
		}
		if first == 0 {
			first = id
		}
		created = created || what == requestCreated
		if err := s.tellRequest(c, tx, profile, user, in.Message.Value); err != nil {
			return nil, err
		}
	}
	if created {
		c.Created("")
	}
	return s.readAccessible(c, tx, first)
}

// requestByAddress asks whoever reads an address for a role, where it is not told whose account that is (decision 78): one mail goes
// there, and nothing is looked up or kept. Who manages the profile in question answers by giving the role to the user, who accepts it.
func (s *Service) requestByAddress(c *rest.Call, tx *store.Tx, user int64, in *requestInput) (*Accessible, error) {
	a := Accessible{CreatedAt: tx.Now(), RequestKey: new(directory.NewKey())}
	if slug := c.Param("role"); slug != "" {
		d, err := describedRole(tx, 0, slug, s.editor(c)) // those of a profile would tell that there is one
		if err != nil {
			return nil, err
		}
		row := tx.QueryRow(`SELECT `+describe+` FROM role_description d LEFT JOIN profile o ON o.id = d.profile_id WHERE d.id = ?`, d.id)
		if err := row.Scan(a.description.dest()...); err != nil {
			return nil, err
		}
		a.RoleDescription = a.description.description(s.editor(c))
	}
	if err := c.Count(tx, rest.LimitInvitations); err != nil {
		return nil, err
	}
	typed := directory.TypedProfile(in.Email.Value, "")
	a.Profile = typed.ProfileShort
	a.HomeURL, a.SettingsURL, a.RemoveURL = c.URL("/"), c.URL("/"), c.URL("/api/users/"+url.PathEscape(c.Param("user"))+"/accessibles")
	c.Created("")
	return &a, s.notices.Emit(tx, &notice.RoleRequestCreated{
		Profile: notice.Profile{ProfileDetail: typed}, OriginatedBy: notice.ByUser(c.User.ID), User: notice.User{ID: user},
		Detail: in.Message.Value,
	})
}

// requestedProfiles finds the active profiles that a body names, by an address only where it is told whose account that is.
func requestedProfiles(r store.Reader, in *requestInput, hide bool) ([]int64, error) {
	switch {
	case in.Slug.Value != "":
		p, err := findProfile(r, in.Slug.Value)
		if errors.As(err, new(*rest.Error)) || err == nil && (!p.Active || p.ID == processorID) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return []int64{p.ID}, nil
	case in.Email.Value != "" && hide:
		return nil, nil
	case in.Email.Value != "":
		return store.Column[int64](r, `SELECT id FROM profile WHERE email = ? COLLATE NOCASE AND is_active = 1 AND id <> ? ORDER BY id LIMIT ?`,
			in.Email.Value, processorID, maxRequested)
	}
	return nil, rest.Bad("detail", "One of slug or email is required.")
}

// createRequested makes the profile that a request is for. The user who has proven its e-mail address is invited to manage it.
func (s *Service) createRequested(c *rest.Call, tx *store.Tx, in *requestInput) (int64, error) {
	n := New{Slug: in.Slug.Value, FullName: in.Slug.Value, Email: in.Email.Value, CreatedBy: c.User.ID}
	if n.Email == "" {
		return 0, rest.Bad("email", "We cannot invite an organization without an e-mail address.")
	}
	if n.FullName == "" {
		n.FullName, _, _ = strings.Cut(n.Email, "@")
	}
	if n.Slug != "" && !directory.ValidName(n.Slug) {
		return 0, rest.Invalid("slug", `Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.`)
	}
	manager, err := directory.UserOf(tx, directory.Email, n.Email)
	if err != nil {
		return 0, err
	}
	if s.hides(c) && manager != c.User.ID {
		manager = 0 // whose address it is, is not told: the profile waits for its holder
	}
	if err := s.Throttle(tx, c.User.ID); err != nil {
		return 0, err
	}
	id, err := s.Create(tx, n)
	if err == nil && manager != 0 && manager != c.User.ID {
		err = s.InviteManager(tx, id, manager, c.User.ID, n.Email, "", in.Message.Value)
	} else if err == nil && manager != 0 {
		err = s.AddManager(tx, id, manager)
	}
	return id, err
}

func (s *Service) tellRequest(c *rest.Call, tx *store.Tx, profile, user int64, message string) error {
	return s.notices.Emit(tx, &notice.RoleRequestCreated{
		Profile: notice.Profile{ID: profile}, OriginatedBy: notice.ByUser(c.User.ID), User: notice.User{ID: user}, Detail: message,
	})
}

// pathAccessible finds what {user} has on {profile}, whatever {role} says. Errors: 404.
func (s *Service) pathAccessible(c *rest.Call, r store.Reader) (*role, error) {
	user, err := findUser(r, c.Param("user"))
	if err != nil {
		return nil, err
	}
	p, err := findProfile(r, c.Param("profile"))
	if err != nil {
		return nil, err
	}
	has, err := findRole(r, p.ID, user)
	if has == nil && err == nil {
		err = rest.NotFound("Role")
	}
	return has, err
}

func (s *Service) getAccessible(c *rest.Call, r store.Reader) (*Accessible, error) {
	has, err := s.pathAccessible(c, r)
	if err != nil {
		return nil, err
	}
	return s.readAccessible(c, r, has.ID)
}

// resendRequest tells the managers again about a request that waits.
func (s *Service) resendRequest(c *rest.Call, tx *store.Tx, _ *rest.None) (*Accessible, error) {
	has, err := s.pathAccessible(c, tx)
	if err != nil {
		return nil, err
	}
	if has.Request == "" {
		return nil, rest.Bad("detail", "There is no request to send again.")
	}
	if err := c.Count(tx, rest.LimitInvitations); err != nil {
		return nil, err
	}
	if err := s.tellRequest(c, tx, has.Profile, has.User, ""); err != nil {
		return nil, err
	}
	return s.readAccessible(c, tx, has.ID)
}

// dropAccessible lets a user go, decline or withdraw.
func (s *Service) dropAccessible(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	user, err := findUser(tx, c.Param("user"))
	if err != nil {
		return rest.None{}, err
	}
	p, err := findProfile(tx, c.Param("profile"))
	if err != nil {
		return rest.None{}, err
	}
	return rest.None{}, s.removeRole(tx, p.ID, user, remover{self: true, broker: c.Query.IsBrokerManager()})
}

// acceptAccessible answers an invitation by its key.
func (s *Service) acceptAccessible(c *rest.Call, tx *store.Tx, _ *rest.None) (*Accessible, error) {
	user, err := findUser(tx, c.Param("user"))
	if err != nil {
		return nil, err
	}
	accepted, err := s.acceptGrant(tx, user, c.Param("verification_key"))
	if err != nil {
		return nil, err
	}
	e := notice.RoleGrantAccepted{
		Profile: notice.Profile{ID: accepted.Profile}, OriginatedBy: notice.ByUser(user), User: notice.User{ID: user},
		RoleDescription: notice.RoleDescription{Slug: accepted.Slug},
	}
	if err := tx.QueryRow(`SELECT title FROM role_description WHERE id = ?`, accepted.Description).Scan(&e.RoleDescription.Title); err != nil {
		return nil, err
	}
	if err := s.notices.Emit(tx, &e); err != nil {
		return nil, err
	}
	return s.readAccessible(c, tx, accepted.ID)
}
