package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// notificationEndpoints are the rows of notices (notifications.md 7).
func (s *Service) notificationEndpoints() []rest.Endpoint {
	const own = "/api/users/{user}/notifications"
	return []rest.Endpoint{
		rest.Get(own, accessrules.SelfOnlyFrictionless, s.showPreferences, rest.Doc("Lists the events that a user is mailed about")),
		rest.Put(own, accessrules.SelfOnlyFrictionless, s.setPreferences, rest.Find(s.findUser), rest.Doc("Chooses the events that a user is mailed about")),
		rest.Patch(own, accessrules.SelfOnlyFrictionless, s.setPreferences, rest.Find(s.findUser), rest.Doc("Chooses the events that a user is mailed about")),
		rest.Post("/api/notifications/{template}", accessrules.BrokerStrict, s.testNotice, rest.Doc("Sends a sample of a notice to the caller")),
	}
}

// Preferences are the events that a user is mailed about, among those that the user can see, in alphabetical order.
type Preferences struct {
	Notifications []string        `json:"notifications"`
	Available     []notice.Choice `json:"available"` // all that there are for the user to choose among
}

// PreferencesInput are the events to stay enabled. What is no event, or not for the user to see, is ignored.
type PreferencesInput struct {
	Notifications rest.Opt[[]string] `json:"notifications" in:"required"`
}

// preferenceUser is the user of the path, and whether it manages the broker. Errors: 404.
func (s *Service) preferenceUser(c *rest.Call, r store.Reader) (id int64, ofBroker bool, err error) {
	err = r.QueryRow(`SELECT u.id, EXISTS (SELECT 1 FROM role JOIN profile p ON p.id = role.profile_id JOIN role_description d ON d.id = role.role_description_id
			WHERE role.user_id = u.id AND p.slug = ? AND d.slug = 'manager' AND role.grant_key IS NULL AND role.request_key IS NULL)
		FROM user u WHERE u.username = ? AND u.is_active = 1`, s.options.Broker.Slug, c.Param("user")).Scan(&id, &ofBroker)
	if errors.Is(err, store.ErrNotFound) {
		err = rest.NotFound("User")
	}
	return id, ofBroker, err
}

func (s *Service) findUser(c *rest.Call, r store.Reader) error {
	_, _, err := s.preferenceUser(c, r)
	return err
}

// showPreferences lists what {user} is mailed about.
func (s *Service) showPreferences(c *rest.Call, r store.Reader) (out Preferences, err error) {
	id, ofBroker, err := s.preferenceUser(c, r)
	if err != nil {
		return out, err
	}
	return s.preferences(r, id, ofBroker)
}

// preferences are those of a user.
func (s *Service) preferences(r store.Reader, user int64, ofBroker bool) (out Preferences, err error) {
	if out.Notifications, err = s.notices.Preferences(r, user, ofBroker); err != nil {
		return out, err
	}
	out.Available, err = s.notices.Choices(r, ofBroker)
	return out, err
}

// setPreferences leaves the events given enabled for {user}, and disables the others that the user can see. PATCH without the field
// changes nothing.
func (s *Service) setPreferences(c *rest.Call, tx *store.Tx, in *PreferencesInput) (out Preferences, err error) {
	id, ofBroker, err := s.preferenceUser(c, tx)
	if err != nil {
		return out, err
	}
	if in.Notifications.Set() {
		if err := s.notices.SetPreferences(tx, id, ofBroker, in.Notifications.Value); err != nil {
			return out, err
		}
	}
	return s.preferences(tx, id, ofBroker)
}

// Detail is an answer for people.
type Detail struct {
	Detail string `json:"detail"`
}

var errTemplate = rest.Fail(http.StatusBadRequest, "Problem with template. Could not send test email.")

// testNotice sends a sample of the event {template} to the caller alone. A JSON object as the body is merged over the sample.
func (s *Service) testNotice(c *rest.Call, tx *store.Tx, _ *rest.None) (out Detail, err error) {
	over, err := c.BodyBytes()
	if err != nil {
		return out, err
	}
	to, err := s.notices.EmitTest(tx, c.Param("template"), c.User.ID, json.RawMessage(over))
	if errors.Is(err, notice.ErrNoSample) || errors.Is(err, notice.ErrNoAddress) {
		return out, errTemplate
	}
	return Detail{"Test email sent to " + to}, err
}
