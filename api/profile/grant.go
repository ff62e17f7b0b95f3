package profile

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// grantInput is the body of POST /api/profile/{profile}/roles/{role} (profiles.md 9.3).
type grantInput struct {
	Slug     rest.Opt[string]          `json:"slug"`
	Email    rest.Opt[string]          `json:"email" validate:"max=254,email"`
	FullName rest.Opt[string]          `json:"full_name" validate:"max=100,plain"`
	Message  rest.Opt[string]          `json:"message" in:"blank" validate:"max=255"`
	Extra    rest.Opt[json.RawMessage] `json:"extra" in:"null"`
}

// grantRole gives a role to a user who is named, answers a request, or invites somebody who is not on the site yet.
func (s *Service) grantRole(c *rest.Call, tx *store.Tx, in *grantInput) (*Role, error) {
	p, err := writableProfile(tx, c.Param("profile"))
	if err != nil {
		return nil, err
	}
	d, err := grantable(tx, p.ID, c.Param("role"), s.editor(c))
	if err != nil {
		return nil, err
	}
	force, err := c.QueryBool("force", false)
	if err != nil {
		return nil, err
	}
	if err := c.Count(tx, rest.LimitInvitations); err != nil {
		return nil, err
	}
	user, typed, invited, err := s.grantee(tx, in, force, s.hides(c))
	if err != nil {
		return nil, err
	}
	if user == 0 {
		c.Created("")
		return s.invite(c, tx, p, d.id, in)
	}
	id, created, err := s.GrantRole(tx, Grant{
		Profile: p.ID, User: user, Role: d.id, Invited: invited, Broker: c.Query.IsBrokerManager(), Extra: text(directory.ExtraText(in.Extra.Value)),
		Typed: typed, TypedName: in.FullName.Value,
	})
	if err != nil {
		return nil, err
	}
	if err := s.tellGrant(tx, id, c.User.ID, in.Message.Value); err != nil {
		return nil, err
	}
	if created {
		c.Created("")
	}
	return s.readRole(c, tx, p, id)
}

// grantee finds the user that a body names, and by what, or makes one (force). It is 0 for an address that somebody holds and has not
// proven, and for every one with hide, which no name before it may open (decision 78).
func (s *Service) grantee(tx *store.Tx, in *grantInput, force, hide bool) (id int64, typed string, invited bool, err error) {
	slug, email := in.Slug.Value, in.Email.Value
	if runes := []rune(slug); len(runes) > 150 {
		slug = string(runes[:150])
	}
	if slug == "" && email == "" && !force {
		return 0, "", false, rest.Bad("detail", "One of slug or email is required.")
	}
	if slug != "" {
		id, err = findUser(tx, slug)
		if err == nil || !errors.As(err, new(*rest.Error)) {
			return id, slug, false, err
		}
	}
	if email != "" && hide {
		return 0, email, true, nil
	}
	held := false
	if email != "" {
		if id, held, err = addressee(tx, email); err != nil || id != 0 {
			return id, email, false, err
		}
	}
	if !force {
		var missing []string
		if slug != "" {
			missing = append(missing, "username "+slug)
		}
		if email != "" {
			missing = append(missing, "email "+email)
		}
		return 0, "", false, rest.Fail(http.StatusNotFound, "Cannot find "+strings.Join(missing, " or "))
	}
	if email == "" {
		return 0, "", false, emailRequired
	}
	if held {
		return 0, email, true, nil
	}
	id, _, err = s.users.InviteUser(tx, email, in.FullName.Value)
	return id, email, true, err
}

// InviteManager asks a user to manage a profile that somebody else made (decision 68).
// typed is by which address, and full name, they were asked.
func (s *Service) InviteManager(tx *store.Tx, profile, user, by int64, typed, name, message string) error {
	role, err := managerRole(tx)
	if err != nil {
		return err
	}
	id, _, err := s.GrantRole(tx, Grant{Profile: profile, User: user, Role: role, MustAnswer: true, Typed: typed, TypedName: name})
	if err != nil {
		return err
	}
	return s.tellGrant(tx, id, by, message)
}

// tellGrant emits role_grant_created for a row. Who has no password is asked to create an account first.
func (s *Service) tellGrant(tx *store.Tx, id, by int64, message string) error {
	e := notice.RoleGrantCreated{OriginatedBy: notice.ByUser(by), Detail: message}
	var name string
	var password bool
	err := tx.QueryRow(`SELECT r.profile_id, r.user_id, coalesce(r.grant_key, ''), d.slug, d.title, CASE p.full_name WHEN '' THEN p.slug ELSE p.full_name END,
		substr(u.password, 1, 1) NOT IN ('', '!')
		FROM role r JOIN role_description d ON d.id = r.role_description_id JOIN profile p ON p.id = r.profile_id JOIN user u ON u.id = r.user_id WHERE r.id = ?`, id).
		Scan(&e.Profile.ID, &e.User.ID, &e.GrantKey, &e.RoleDescription.Slug, &e.RoleDescription.Title, &name, &password)
	if err != nil {
		return err
	}
	if !password {
		reason := "You have been invited to create an account to join " + name + "."
		// Refused when a key was sent a moment ago, which is as good.
		_, err := s.users.PrepareVerification(tx, e.User.ID, reason)
		if late := new(rest.Error); err != nil && !(errors.As(err, &late) && late.Status == http.StatusTooManyRequests) {
			return err
		}
		e.Detail = strings.TrimSpace(reason + "\n\n" + message)
	}
	return s.notices.Emit(tx, &e)
}
