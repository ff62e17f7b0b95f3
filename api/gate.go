package api

import (
	"context"
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/proxy"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Proxy are the gates of the configuration, and what the API says of them.
func (s *Service) Proxy() *proxy.Service { return s.proxy }

// Permission says who may make a request to the API; ok is false for a path that is none of the API's.
func (s *Service) Permission(r *http.Request) (p rest.Permission, ok bool) {
	return s.rest.Permission(r)
}

// gateSite is what the upstream is told about the site as of an epoch of the directory, with the profile that it was made from.
type gateSite struct {
	epoch   uint64
	profile *accessrules.Profile
	site    *accessrules.Site
}

// GateSite is what the upstream is told about the site. It is the same pointer until that changes. Error: facts could not be read.
func (s *Service) GateSite() (*accessrules.Site, error) {
	epoch, kept := s.site.Directory.Epoch(), s.gateSite.Load()
	if kept != nil && kept.epoch == epoch {
		return kept.site, nil
	}
	b := s.options.Broker
	p, err := s.site.Directory.Profile(b.Slug)
	if err != nil {
		return nil, err
	}
	made := &gateSite{epoch: epoch, profile: p}
	switch {
	case kept != nil && kept.profile == p:
		made.site = kept.site
	case p != nil:
		made.site = &accessrules.Site{Slug: p.Slug, PrintableName: p.PrintableName, Email: p.Email}
	default:
		made.site = &accessrules.Site{Slug: b.Slug, PrintableName: b.FullName, Email: b.Email}
	}
	s.gateSite.Store(made)
	return made.site, nil
}

// NotActivated sends the activation message of a user again, at most every ten minutes (decision 64).
func (s *Service) NotActivated(u *accessrules.User) { s.auth.NotActivated(u) }

// PutInCart puts a plan into the cart of a user who was sent to the checkout for want of a subscription to it, unless it is there
// (access.md B.3). A plan that does not exist is not put anywhere.
func (s *Service) PutInCart(ctx context.Context, u *accessrules.User, plan string) error {
	return s.site.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO cart_item (created_at, user_id, plan_id) SELECT ?, ?, plan.id FROM plan WHERE slug = ?
			AND NOT EXISTS (SELECT 1 FROM cart_item WHERE user_id = ? AND recorded = 0 AND plan_id = plan.id)`, tx.Now(), u.ID, plan, u.ID)
		return err
	})
}
