package billing

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// RenewInput is the body of a renewal by hand.
type RenewInput struct {
	AtTime store.Time `json:"at_time" in:"null"` // default: now
}

func (s *Service) renewEndpoint() rest.Endpoint {
	return rest.Act("POST", "/api/billing/{profile}/renew", accessrules.BrokerManagerStrict, s.renewProfile, rest.Answers(200), rest.Answers(201), rest.Keyed(), rest.Find(s.findBilled),
		rest.Doc("Renews the subscriptions of a profile, and charges what it owes"))
}

// findBilled says that the profile is not there before a bad body is spoken of.
func (s *Service) findBilled(c *rest.Call, r store.Reader) error {
	_, err := s.pathProfile(c, r)
	return err
}

// renewProfile extends the subscriptions of a profile, and charges its balance when that is due (subscriptions.md 13). 201 when a
// charge was made. Errors: 400 for a time to come, 404.
func (s *Service) renewProfile(c *rest.Call, in *RenewInput) (none rest.Fields, err error) {
	if c.DryRun() {
		return none, rest.Fail(http.StatusBadRequest, "A dry run of renewals is made by the command `caddy tollgate renew --dry-run`.")
	}
	id, err := s.customer(c)
	if err != nil {
		return none, err
	}
	t := in.AtTime
	err = c.Read(func(r store.Reader) error {
		if t.IsZero() {
			t = r.Now()
		}
		if t.After(r.Now().Time) {
			return rest.Invalid("at_time", "A time to come cannot be renewed for.")
		}
		return nil
	})
	if err != nil {
		return none, err
	}
	ctx := context.WithoutCancel(c.Context())
	if err := s.extendAll(ctx, id, t); err != nil {
		return none, err
	}
	var charged bool
	if s.processor != nil && s.processor.Configured() {
		if charged, err = s.bill(ctx, id, t); err != nil {
			return none, err
		}
	}
	if charged {
		c.SetStatus(http.StatusCreated)
	}
	if err := s.pollCustomer(ctx, id); !errors.Is(err, errInProgress) {
		return none, err
	}
	return none, nil
}
