package profile

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Role as seen from the profile (profiles.md 5.5).
type Role struct {
	CreatedAt       store.Time           `json:"created_at"`
	User            directory.UserDetail `json:"user"`
	Extra           json.RawMessage      `json:"extra"`
	GrantKey        *string              `json:"grant_key"` // the invitee's secret: null but for managers of the profile and of the broker, and while it waits on an address
	RoleDescription *RoleDescription     `json:"role_description"`
	AcceptURL       *string              `json:"accept_request_api_url"`
	RemoveURL       string               `json:"remove_api_url"`

	roleRow
}

// roleRow is what a list of roles reads of each.
type roleRow struct {
	id, user, profile int64
	account           string  // its own name, for itself
	username          string  // by which the profile knows the user: what was typed, while the invitation waits (decision 78)
	name              *string // full name that was typed
	pending           bool
	created           store.Time
	extra             *string
	grant, asks       sql.NullString
	waits             bool // on the address of a user whom an invitation made: the key is in the mail alone (decision 66)
	description       descriptionFields
}

// What the profile is shown of a user u whose role r is pending is what was typed: it has no access to more, nor may lists be
// searched or sorted by more (decision 78).
const (
	shownUsername = "CASE WHEN r.grant_key IS NULL OR r.typed IS NULL THEN u.username ELSE r.typed END"
	shownFirst    = "CASE WHEN r.grant_key IS NULL OR r.typed IS NULL THEN u.first_name ELSE coalesce(r.typed_name, '') END"
	shownLast     = "CASE WHEN r.grant_key IS NULL OR r.typed IS NULL THEN u.last_name ELSE '' END"
	shownEmail    = "CASE WHEN r.grant_key IS NULL OR r.typed IS NULL THEN u.email WHEN r.typed LIKE '%@%' THEN r.typed END"
)

const roleColumns = "r.id, r.user_id, r.profile_id, u.username, " + shownUsername + ", r.typed_name, r.grant_key IS NOT NULL AND r.typed IS NOT NULL, " +
	"r.created_at, r.extra, r.grant_key, r.request_key, substr(u.password, 1, 1) IN ('', '!') AND u.last_login IS NULL, " + describe

const roleTables = `role r JOIN user u ON u.id = r.user_id
	LEFT JOIN role_description d ON d.id = r.role_description_id LEFT JOIN profile o ON o.id = d.profile_id`

func (r *roleRow) dest() []any {
	return append([]any{&r.id, &r.user, &r.profile, &r.account, &r.username, &r.name, &r.pending,
		&r.created, &r.extra, &r.grant, &r.asks, &r.waits}, r.description.dest()...)
}

// slug is the role's name in URLs.
func (r *roleRow) slug() string {
	if !r.description.id.Valid {
		return Manager
	}
	return r.description.slug.String
}

// pending are the envelope's counts of invitations and requests.
type pending struct {
	Invited   int64 `json:"invited_count"`
	Requested int64 `json:"requested_count"`
}

// RolePage is a page of roles of a profile.
type RolePage struct {
	pending
	rest.Page[Role]
}

// notEnded (bind now) and status (bind three flags of wanted) are conditions on a role r.
const (
	notEnded = "(r.ends_at IS NULL OR r.ends_at > ?)"
	status   = "(? AND r.grant_key IS NULL AND r.request_key IS NULL OR ? AND r.grant_key IS NOT NULL OR ? AND r.request_key IS NOT NULL)"
)

// profileRoles lists the roles of a profile; describedRoles those of a description, and every request whatever it asks for
// (profiles.md 9.2).
var (
	profileRoles = rest.List[Role]{
		Select: roleColumns, From: roleTables, Key: "r.id",
		Where: "r.profile_id = ? AND " + notEnded + " AND " + status,
		Search: rest.Names{
			"user": {shownUsername}, "user__full_name": {shownFirst, shownLast}, "user__email": {shownEmail},
			"role": {"d.slug"}, "role__title": {"d.title"},
		},
		Order: profileRoleOrder, Default: []string{"-created_at", "user"}, Dates: "r.created_at", Scan: scanRoles,
	}
	describedRoles = rest.List[Role]{
		Select: roleColumns, From: roleTables, Key: "r.id",
		Where: "r.profile_id = ? AND " + notEnded + ` AND (r.role_description_id = ? OR r.request_key IS NOT NULL) AND ` + status,
		Search: rest.Names{
			"user": {shownUsername}, "user__full_name": {shownFirst, shownLast}, "user__email": {shownEmail},
		},
		Order: profileRoleOrder, Default: []string{"-created_at", "user"}, Dates: "r.created_at", Scan: scanRoles,
	}
	profileRoleOrder = rest.Names{
		"user": {shownUsername}, "user__full_name": {shownFirst, shownLast}, "role__title": {"d.title"},
		"profile__full_name": {"r.profile_id"}, // one profile: all the same
		"grant_key":          {"r.grant_key"}, "request_key": {"r.request_key"}, "created_at": {"r.created_at"},
	}
)

func scanRoles(rows *sql.Rows, role *Role) error { return rows.Scan(role.dest()...) }

// wanted are the states that role_status asks for: active, invited, requested; all without a known one.
func wanted(c *rest.Call) (active, invited, requested bool) {
	for _, word := range strings.Split(c.QueryString("role_status"), ",") {
		switch strings.TrimSpace(word) {
		case "active":
			active = true
		case "invited":
			invited = true
		case "requested":
			requested = true
		}
	}
	if !active && !invited && !requested {
		return true, true, true
	}
	return active, invited, requested
}

func (s *Service) listRoles(c *rest.Call, r store.Reader) (RolePage, error) {
	return s.rolePage(c, r, false)
}

func (s *Service) listRolesOf(c *rest.Call, r store.Reader) (RolePage, error) {
	return s.rolePage(c, r, true)
}

func (s *Service) rolePage(c *rest.Call, r store.Reader, described bool) (page RolePage, err error) {
	p, err := findProfile(r, c.Param("profile"))
	if err != nil {
		return page, err
	}
	active, invited, requested := wanted(c)
	if described {
		var d *RoleDescription
		if d, err = grantable(r, p.ID, c.Param("role"), s.editor(c)); err != nil {
			return page, err
		}
		err = r.QueryRow(`SELECT count(CASE WHEN r.role_description_id = ? THEN r.grant_key END), count(r.request_key) FROM role r
			WHERE r.profile_id = ? AND `+notEnded, d.id, p.ID, r.Now()).Scan(&page.Invited, &page.Requested)
		if err != nil {
			return page, err
		}
		page.Page, err = describedRoles.Page(c, r, p.ID, r.Now(), d.id, active, invited, requested)
	} else {
		err = r.QueryRow(`SELECT count(r.grant_key), count(r.request_key) FROM role r WHERE r.profile_id = ? AND `+notEnded, p.ID, r.Now()).
			Scan(&page.Invited, &page.Requested)
		if err != nil {
			return page, err
		}
		page.Page, err = profileRoles.Page(c, r, p.ID, r.Now(), active, invited, requested)
	}
	if err != nil {
		return page, err
	}
	return page, s.fillRoles(c, r, p, page.Results)
}

// fillRoles completes rows read from the database, of one profile.
func (s *Service) fillRoles(c *rest.Call, r store.Reader, p *row, roles []Role) error {
	return s.completeRoles(c, r, roles, func(int64) string { return p.Slug })
}

// RolesByID returns roles, of any profiles, as seen from their profiles.
func (s *Service) RolesByID(c *rest.Call, r store.Reader, ids []int64) (map[int64]Role, error) {
	roles, err := store.List(r, scanRoles,
		`SELECT `+roleColumns+` FROM `+roleTables+` WHERE r.id IN (SELECT value FROM json_each(?))`, store.IDs(ids))
	if err != nil {
		return nil, err
	}
	owners := make([]int64, len(roles))
	for i := range roles {
		owners[i] = roles[i].profile
	}
	profiles, err := s.dir.Profiles(r, owners)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]Role, len(roles))
	err = s.completeRoles(c, r, roles, func(profile int64) string { return profiles[profile].Slug })
	for _, role := range roles {
		byID[role.id] = role
	}
	return byID, err
}

// completeRoles completes rows read from the database; slug is that of a profile.
func (s *Service) completeRoles(c *rest.Call, r store.Reader, roles []Role, slug func(profile int64) string) error {
	ids := make([]int64, len(roles))
	for i := range roles {
		if !roles[i].pending {
			ids[i] = roles[i].user
		}
	}
	users, err := s.dir.UserDetails(r, ids)
	if err != nil {
		return err
	}
	edits := s.editor(c)
	for i := range roles {
		role, owner := &roles[i], slug(roles[i].profile)
		role.CreatedAt, role.Extra, role.User = role.created, directory.Extra(role.extra), users[role.user]
		if role.pending {
			role.User = directory.TypedUser(role.username, text(role.name))
		}
		role.RoleDescription = role.description.description(edits)
		if role.grant.Valid && !role.waits && c.Query.ManagerOf(owner, s.dir.Broker()) {
			role.GrantKey = &role.grant.String
		}
		base := c.URL("/api/profile/" + owner + "/roles/" + role.slug())
		if role.asks.Valid {
			role.AcceptURL = &base
		}
		role.RemoveURL = base + "/" + url.PathEscape(role.username)
	}
	return nil
}

// editor tells which descriptions the caller may edit.
func (s *Service) editor(c *rest.Call) editor {
	broker := c.Query.IsBrokerManager()
	return func(owner string) bool { return broker || owner != "" && c.Query.ManagerOf(owner) }
}

// readRole returns the role of a row.
func (s *Service) readRole(c *rest.Call, r store.Reader, p *row, id int64) (*Role, error) {
	var role [1]Role
	if err := r.QueryRow(`SELECT `+roleColumns+` FROM `+roleTables+` WHERE r.id = ?`, id).Scan(role[0].dest()...); err != nil {
		return nil, err
	}
	return &role[0], s.fillRoles(c, r, p, role[:])
}

// pathRole finds the row that a path /roles/{role}/{user} names. Errors: 404.
func (s *Service) pathRole(c *rest.Call, r store.Reader) (*row, *role, error) {
	p, err := findProfile(r, c.Param("profile"))
	if err != nil {
		return nil, nil, err
	}
	user, err := knownUser(r, p.ID, c.Param("user"))
	if err != nil {
		return nil, nil, err
	}
	d, err := grantable(r, p.ID, c.Param("role"), s.editor(c))
	if err != nil {
		return nil, nil, err
	}
	has, err := findRole(r, p.ID, user)
	if err == nil && (has == nil || has.Description.Int64 != d.id) {
		err = rest.NotFound("Role")
	}
	return p, has, err
}

func (s *Service) getRole(c *rest.Call, r store.Reader) (*Role, error) {
	p, has, err := s.pathRole(c, r)
	if err != nil {
		return nil, err
	}
	return s.readRole(c, r, p, has.ID)
}

// sent is a role about which a user was told again.
type sent struct {
	*Role
	Detail string `json:"detail"`
}

// resendGrant tells a user again about its role, or an address about its invitation.
func (s *Service) resendGrant(c *rest.Call, tx *store.Tx, _ *rest.None) (*sent, error) {
	if err := c.Count(tx, rest.LimitInvitations); err != nil {
		return nil, err
	}
	if invited, err := s.resendInvitation(c, tx, c.Param("user")); err != nil {
		return nil, err
	} else if invited != nil {
		return &sent{invited, "Invite for " + c.Param("user") + " has been sent"}, nil
	}
	p, has, err := s.pathRole(c, tx)
	if err != nil {
		return nil, err
	}
	if err := s.tellGrant(tx, has.ID, c.User.ID, ""); err != nil {
		return nil, err
	}
	role, err := s.readRole(c, tx, p, has.ID)
	if err != nil {
		return nil, err
	}
	return &sent{role, "Invite for " + role.username + " has been sent"}, nil
}

// extraInput is the body of PUT /api/profile/{profile}/roles/{role}/{user}.
type extraInput struct {
	Extra rest.Opt[json.RawMessage] `json:"extra" in:"null"`
}

func (s *Service) updateRole(c *rest.Call, tx *store.Tx, in *extraInput) (*Role, error) {
	p, has, err := s.pathRole(c, tx)
	if err != nil {
		return nil, err
	}
	if in.Extra.Given {
		if _, err := tx.Exec(`UPDATE role SET extra = ? WHERE id = ?`, directory.ExtraText(in.Extra.Value), has.ID); err != nil {
			return nil, err
		}
	}
	return s.readRole(c, tx, p, has.ID)
}

// knownUser finds a user by the name under which a profile knows it: what was typed while an invitation waits, the user name
// otherwise. It is 0 for a user whom the profile invited under another name: that they are one is not told. Errors: 404.
func knownUser(r store.Reader, profile int64, name string) (id int64, err error) {
	err = r.QueryRow(`SELECT user_id FROM role WHERE profile_id = ? AND typed = ? AND grant_key IS NOT NULL`, profile, name).Scan(&id)
	if !errors.Is(err, store.ErrNotFound) {
		return id, err
	}
	if id, err = findUser(r, name); err != nil {
		return 0, err
	}
	hidden, err := store.Exists(r, `SELECT 1 FROM role WHERE profile_id = ? AND user_id = ? AND grant_key IS NOT NULL AND typed <> ? COLLATE NOCASE`, profile, id, name)
	if err == nil && hidden {
		id = 0
	}
	return id, err
}

// revokeRole removes what a user has on the profile, whatever {role} says: this is how a request is denied too. An e-mail address is
// that of an invitation without a user.
func (s *Service) revokeRole(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	p, err := findProfile(tx, c.Param("profile"))
	if err != nil {
		return rest.None{}, err
	}
	user, err := knownUser(tx, p.ID, c.Param("user"))
	if err != nil || user == 0 {
		if revoked, revokeErr := revokeInvitation(tx, p.ID, c.Param("user")); revoked || revokeErr != nil {
			err = revokeErr
		}
		return rest.None{}, err
	}
	return rest.None{}, s.removeRole(tx, p.ID, user, remover{self: user == c.User.ID, broker: c.Query.IsBrokerManager()})
}
