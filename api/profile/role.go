package profile

import (
	"database/sql"
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// The two role descriptions that the API itself knows (profiles.md 1). Everything else is data.
const (
	Manager     = "manager"
	Contributor = "contributor"
)

// A role is a row of role: what a user is, was asked to be, or asks to be on a profile.
type role struct {
	ID, Profile, User int64
	Description       sql.NullInt64 // null: a request of no role in particular
	Slug              string        // of the description
	Request, Grant    string        // keys; never both
	Unasked           bool          // in force, though the user was not asked
	Extra             sql.NullString
}

func (r *role) active() bool { return r.Request == "" && r.Grant == "" }

const selectRole = `SELECT r.id, r.profile_id, r.user_id, r.role_description_id, coalesce(d.slug, ''), coalesce(r.request_key, ''), coalesce(r.grant_key, ''), r.unasked, r.extra
FROM role r LEFT JOIN role_description d ON d.id = r.role_description_id `

func scanRole(row *sql.Row) (*role, error) {
	var r role
	err := row.Scan(&r.ID, &r.Profile, &r.User, &r.Description, &r.Slug, &r.Request, &r.Grant, &r.Unasked, &r.Extra)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &r, err
}

// findRole returns the row of a user on a profile, nil when there is none. A role that has ended is none.
func findRole(r store.Reader, profile, user int64) (*role, error) {
	return scanRole(r.QueryRow(selectRole+`WHERE r.profile_id = ? AND r.user_id = ? AND (r.ends_at IS NULL OR r.ends_at > ?)`,
		profile, user, r.Now()))
}

// A Grant gives a user a role on a profile (profiles.md 4.1).
type Grant struct {
	Profile, User int64
	Role          int64  // row of role_description
	AtOnce        bool   // no opt-in: the maker of a profile becomes its manager
	Invited       bool   // the user was made by this call: the grant waits until the user is there, whatever the description says
	MustAnswer    bool   // the grant waits for the user's own answer, whatever the description says
	Broker        bool   // by a manager of the broker, who may take the last manager away
	Extra         string // kept with the role when not empty
	Typed         string // the name or address that was typed; "" for nothing
	TypedName     string // the full name given with it
}

// GrantRole carries out g, and tells the row and whether it is new. A row that exists keeps its state: an active member stays
// active in the new role if it ever agreed to one, an invitation keeps its key, a request becomes active, or an invitation when it
// was for another role (decision 68). Errors: 400 when the last manager
// of the profile would be demoted (decision 6).
func (s *Service) GrantRole(tx *store.Tx, g Grant) (id int64, created bool, err error) {
	st, err := s.begins(tx, g)
	if err != nil {
		return 0, false, err
	}
	had, err := findRole(tx, g.Profile, g.User)
	if err != nil {
		return 0, false, err
	}
	s.dir.TouchUser(tx, g.User)
	s.dir.TouchProfile(tx, g.Profile)

	if had == nil {
		key := sql.NullString{String: directory.NewKey(), Valid: true}
		if st.inForce {
			key.Valid = false
		}
		if err := dropEnded(tx, g.Profile, g.User); err != nil {
			return 0, false, err
		}
		id, err := tx.Insert(`INSERT INTO role (created_at, profile_id, user_id, role_description_id, grant_key, extra, unasked, must_answer, typed, typed_name)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, coalesce(?9, (SELECT username FROM user WHERE id = ?3)), ?10)`,
			tx.Now(), g.Profile, g.User, g.Role, key, null(g.Extra), st.unasked, st.mustAnswer, null(g.Typed), null(g.TypedName))
		return id, true, err
	}
	if had.active() && had.Slug == Manager && had.Description.Int64 != g.Role {
		if err := s.keepManager(tx, g.Profile, g.User, g.Broker); err != nil {
			return 0, false, err
		}
	}
	grant, unasked := null(had.Grant), had.Unasked
	other := had.Request != "" && had.Description.Valid && had.Description.Int64 != g.Role && !st.inForce // than the role that was asked for
	if other || g.Invited || had.Unasked && !st.inForce && had.Description.Int64 != g.Role {
		grant, unasked = null(directory.NewKey()), false // who was never asked agreed to no other role either (decision 68)
	} else if st.inForce && had.Grant != "" {
		grant, unasked = sql.NullString{}, st.unasked
	}
	_, err = tx.Exec(`UPDATE role SET request_key = NULL, grant_key = ?1, role_description_id = ?2, extra = coalesce(?3, extra), unasked = ?4,
		typed_name = CASE WHEN ?6 IS NULL THEN typed_name ELSE ?5 END, typed = coalesce(?6, typed),
		must_answer = ?8 OR must_answer WHERE id = ?7`,
		grant, g.Role, null(g.Extra), unasked, null(g.TypedName), null(g.Typed), had.ID, other)
	return had.ID, false, err
}

// AddManager makes a user manager of a profile, without an opt-in.
func (s *Service) AddManager(tx *store.Tx, profile, user int64) error {
	id, err := managerRole(tx)
	if err != nil {
		return err
	}
	_, _, err = s.GrantRole(tx, Grant{Profile: profile, User: user, Role: id, AtOnce: true})
	return err
}

// What a request did.
type requested int

const (
	requestCreated  requested = iota // a new row
	requestRenewed                   // a request, or an invitation to another role, became this request
	requestAccepted                  // it answered an invitation
	requestKept                      // a member asked: the role in force is left as it is (decision 41)
)

// requestRole asks for a role on a profile, or for any role when description is null (profiles.md 4.3).
func (s *Service) requestRole(tx *store.Tx, profile, user int64, description sql.NullInt64) (id int64, what requested, err error) {
	had, err := findRole(tx, profile, user)
	if err != nil {
		return 0, 0, err
	}
	s.dir.TouchUser(tx, user)
	s.dir.TouchProfile(tx, profile)
	switch {
	case had == nil:
		if err := dropEnded(tx, profile, user); err != nil {
			return 0, 0, err
		}
		id, err = tx.Insert(`INSERT INTO role (created_at, profile_id, user_id, role_description_id, request_key) VALUES (?, ?, ?, ?, ?)`,
			tx.Now(), profile, user, description, directory.NewKey())
		return id, requestCreated, err

	case had.active():
		return had.ID, requestKept, nil

	case had.Grant != "" && (!description.Valid || description == had.Description):
		_, err = tx.Exec(`UPDATE role SET grant_key = NULL, created_at = ?, must_answer = 0 WHERE id = ?`, tx.Now(), had.ID)
		return had.ID, requestAccepted, err

	default:
		key := had.Request
		if key == "" {
			key = directory.NewKey()
		}
		_, err = tx.Exec(`UPDATE role SET request_key = ?, grant_key = NULL, role_description_id = ?, created_at = ? WHERE id = ?`,
			key, description, tx.Now(), had.ID)
		return had.ID, requestRenewed, err
	}
}

// acceptGrant answers the invitation of a key for a user (profiles.md 10.6). The key of somebody else's invitation is unknown. One that
// waits on an address, with a placeholder as its user or with none, is for the user who has proven the address: the key alone proves
// nothing, since mails are forwarded. Errors: 404, 400 when the user already has a role there.
func (s *Service) acceptGrant(tx *store.Tx, user int64, key string) (*role, error) {
	invited, err := scanRole(tx.QueryRow(selectRole+`WHERE r.grant_key = ? AND (r.ends_at IS NULL OR r.ends_at > ?)`, key, tx.Now()))
	if err != nil {
		return nil, err
	}
	if invited == nil {
		if accepted, err := s.acceptInvitation(tx, user, key); err != nil || accepted != nil {
			return accepted, err
		}
		return nil, rest.NotFound("Role")
	}
	if invited.User != user {
		real, err := counts(tx, invited.User)
		if err != nil {
			return nil, err
		}
		if real {
			return nil, rest.NotFound("Role")
		}
		return nil, errAddressNotProven // when it is proven, what waited on the placeholder is the prover's
	}
	s.dir.TouchUser(tx, user)
	s.dir.TouchProfile(tx, invited.Profile)
	_, err = tx.Exec(`UPDATE role SET grant_key = NULL, must_answer = 0 WHERE id = ?`, invited.ID)
	invited.Grant = ""
	return invited, err
}

func (s *Service) refuseSecondRole(tx *store.Tx, invited *role, user int64) error {
	has, err := findRole(tx, invited.Profile, user)
	if err != nil || has == nil {
		return err
	}
	var profile, title, wanted string
	err = tx.QueryRow(`SELECT CASE p.full_name WHEN '' THEN p.slug ELSE p.full_name END,
		coalesce((SELECT title FROM role_description WHERE id = ?), ''), coalesce((SELECT title FROM role_description WHERE id = ?), '')
		FROM profile p WHERE p.id = ?`, has.Description, invited.Description, invited.Profile).Scan(&profile, &title, &wanted)
	if err != nil {
		return err
	}
	if title != "" {
		title += " "
	}
	return rest.Bad("detail", "You already have a "+title+"role on "+profile+". Please drop this role first if you want to accept a role of "+wanted+" instead.")
}

// A remover is who takes a role away.
type remover struct {
	self   bool // its user, or the broker in the user's name
	broker bool // a manager of the broker
}

// removeRole takes away whatever a user has on a profile: role, invitation or request (profiles.md 9.5, 10.5), and keeps what that
// says of the user's will. Errors: 400 for the last manager and for the role that makes a profile personal, unless it is the
// broker who asks, or the user was never asked to be manager.
func (s *Service) removeRole(tx *store.Tx, profile, user int64, by remover) error {
	broker := by.broker
	had, err := findRole(tx, profile, user)
	if err != nil {
		return err
	}
	if had != nil && had.active() && had.Slug == Manager && !(by.self && had.Unasked) {
		if err := s.keepManager(tx, profile, user, broker); err != nil {
			return err
		}
	}
	if had != nil && had.active() && !broker {
		attached, err := attachedUser(tx, profile)
		if err != nil {
			return err
		}
		if attached == user {
			return rest.Bad("detail", "The user of a personal profile keeps a role on it.")
		}
	}
	s.dir.TouchUser(tx, user)
	s.dir.TouchProfile(tx, profile)
	if by.self || had != nil && had.active() && !had.Unasked {
		if err := noteAnswer(tx, profile, user, !by.self); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`DELETE FROM role WHERE profile_id = ? AND user_id = ?`, profile, user)
	return err
}

// RevokeRole takes a role away at once: the operator's way. Error: 400 when the broker would have no manager.
func (s *Service) RevokeRole(tx *store.Tx, profile, user int64) error {
	return s.removeRole(tx, profile, user, remover{broker: true})
}

// dropEnded removes a role that has ended, which nothing else does and which would stand in the way of a new one.
func dropEnded(tx *store.Tx, profile, user int64) error {
	_, err := tx.Exec(`DELETE FROM role WHERE profile_id = ? AND user_id = ? AND ends_at <= ?`, profile, user, tx.Now())
	return err
}

// aManager is a manager role r of a user u that is in force (bind now) and counts: u has a usable password or has logged in
// once (decision 31). The plus keeps the planner from starting with all managers of the site.
const aManager = `r.request_key IS NULL AND r.grant_key IS NULL AND (r.ends_at IS NULL OR r.ends_at > ?)
	AND +r.role_description_id = (SELECT id FROM role_description WHERE slug = '` + Manager + `' AND profile_id IS NULL)
	AND u.is_active = 1 AND (substr(u.password, 1, 1) NOT IN ('', '!') OR u.last_login IS NOT NULL)`

// Managed reports whether somebody who is there manages a profile, or whoever did has left a card on file: a shadow profile, which waits
// for who will, has none.
func Managed(r store.Reader, profile int64) (bool, error) {
	return exists(r, `SELECT EXISTS (SELECT 1 FROM role r JOIN user u ON u.id = r.user_id WHERE r.profile_id = ? AND `+aManager+`)
		OR EXISTS (SELECT 1 FROM profile WHERE id = ? AND processor_card_key IS NOT NULL)`, profile, r.Now(), profile)
}

// keepManager fails when no manager is left on a profile without the user. The broker may leave any profile but its own alone
// (decision 6): without a manager there, nobody runs the site. A profile that was archived needs none, and keeps nobody (decision 68).
func (s *Service) keepManager(r store.Reader, profile, without int64, broker bool) error {
	var slug string
	var others bool
	err := r.QueryRow(`SELECT slug, p.is_active = 0 OR EXISTS (
			SELECT 1 FROM role r JOIN user u ON u.id = r.user_id WHERE r.profile_id = p.id AND r.user_id <> ? AND `+aManager+`)
		FROM profile p WHERE p.id = ?`, without, r.Now(), profile).Scan(&slug, &others)
	if err == nil && !others && (!broker || slug == s.dir.Broker()) {
		err = rest.Bad("detail", "A profile must keep at least one manager.")
	}
	return err
}

// counts reports whether a user is a person who may log in, as opposed to a placeholder made by an invitation (decision 31).
func counts(r store.Reader, user int64) (is bool, err error) {
	err = r.QueryRow(`SELECT substr(password, 1, 1) NOT IN ('', '!') OR last_login IS NOT NULL FROM user WHERE id = ?`, user).Scan(&is)
	return is, err
}

// attachedUser returns the user that makes a profile personal, 0 when there is none.
func attachedUser(r store.Reader, profile int64) (id int64, err error) {
	err = r.QueryRow(`SELECT u.id FROM profile p JOIN user u ON u.username = p.slug JOIN role r ON r.profile_id = p.id AND r.user_id = u.id WHERE p.id = ?`,
		profile).Scan(&id)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return id, err
}

// managerRole returns the row of the global description "manager".
func managerRole(r store.Reader) (id int64, err error) {
	err = r.QueryRow(`SELECT id FROM role_description WHERE slug = ? AND profile_id IS NULL`, Manager).Scan(&id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, &rest.Error{Status: http.StatusInternalServerError, Body: rest.Fields{{Name: "detail", Value: "A server error occurred."}},
			Err: errors.New("profile: there is no role description " + Manager)}
	}
	return id, err
}

// null is a text column where the empty string is NULL.
func null(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// text is a column that may be NULL, as the empty string.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
