package auth

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// contactUsInput is the body of POST /api/contact.
type contactUsInput struct {
	FullName string `json:"full_name" in:"required"`
	Email    string `json:"email" in:"required" validate:"max=254,email"`
	Message  string `json:"message" in:"blank,null" validate:"max=10000"`
	Captcha  string `json:"g-recaptcha-response" in:"blank,null" validate:"max=4096"`
}

// Check holds what tags cannot say.
func (in *contactUsInput) Check(*rest.Call) error { return checkName("full_name", in.FullName) }

// Bounds of the fields that a site adds to its contact form.
const (
	maxExtraFields = 20
	maxExtraName   = 60
	maxExtraText   = 1000
)

// notInMessage are the fields of the form that are not passed on.
var notInMessage = []string{"full_name", "email", "message", "captcha", "g-recaptcha-response", "csrfmiddlewaretoken"}

// contactUs is POST /api/contact: a message to the site. Who sends it is the caller; of an anonymous one, what the form says and
// nothing else, so that nobody speaks as somebody else. Each message counts in the bucket of the client.
func (s *Service) contactUs(c *rest.Call, in *contactUsInput) (out detailOutput, err error) {
	if err := s.checkCaptcha(c, in.Captcha); err != nil {
		return out, err
	}
	place, err := s.throttle.try(c.Context(), "", c.Client, c.ClientBound(1))
	if err != nil {
		return out, err
	}
	defer place.done()
	e := &notice.UserContact{OriginatedBy: &notice.User{UserDetail: directory.UserDetail{Email: &in.Email, FullName: in.FullName}}}
	if c.User != nil {
		e.OriginatedBy = notice.ByUser(c.User.ID)
	}
	e.Detail = append(extraFields(c.Members()), [2]string{"Message", in.Message})
	err = c.Write(func(tx *store.Tx) error {
		if err := tx.QueryRow(`SELECT id FROM profile WHERE slug = ?`, s.dir.Broker()).Scan(&e.Provider.ID); err != nil {
			return err
		}
		if err := c.Count(tx, rest.LimitInvitations); err != nil {
			return err
		}
		return s.notices.Emit(tx, e)
	})
	if err != nil {
		return out, err
	}
	return detailOutput{"Your message was sent. We will be back to you shortly."}, place.sent(c.Context(), nil)
}

// extraFields are the other fields of the form, by name.
func extraFields(members map[string]json.RawMessage) (fields [][2]string) {
	for name, raw := range members {
		if slices.Contains(notInMessage, name) || len(name) > maxExtraName {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		if len(text) <= maxExtraText {
			fields = append(fields, [2]string{name, text})
		}
	}
	slices.SortFunc(fields, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return fields[:min(len(fields), maxExtraFields)]
}
