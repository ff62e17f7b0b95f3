// Package auth is users and how they prove who they are: registration, log-in, tokens, passwords, one-time passwords, API keys,
// verified contacts, and the address book with its activities: docs/contract/auth.md.
package auth

import (
	"context"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options of a Service. All up to Pictures are required.
type Options struct {
	Store     *store.Store
	Directory *directory.Directory
	Notices   *notice.Notices
	Profiles  *profile.Service
	Logger    *zap.Logger
	Settings  Settings
	// Pictures keeps the pictures of users.
	Pictures *rest.Pictures
	// Texts sends codes to phones; nil: the site has no phone back-end.
	Texts Texts
	// Captcha verifies the answer to a captcha, where registration and the contact form ask anonymous callers for one; nil: they
	// do not (auth.md 25 requires_recaptcha).
	Captcha func(ctx context.Context, response, client string) (bool, error)
	// SenderDomain is the domain of the site's sender address, which addresses of deleted users get. Default:
	// "anonimized.local".
	SenderDomain string
}

// Texts is a phone back-end.
type Texts interface {
	// Send sends a text message to a phone number in E.164. It is never called inside a transaction.
	Send(ctx context.Context, phone, text string) error
}

// A Service carries out the operations of auth.md.
type Service struct {
	store    *store.Store
	dir      *directory.Directory
	notices  *notice.Notices
	profiles *profile.Service
	log      *zap.Logger
	set      Settings
	pictures *rest.Pictures
	texts    Texts
	captcha  func(ctx context.Context, response, client string) (bool, error)
	sender   string

	hasher   *hasher
	throttle *throttle
	carts    Carts

	reminders chan struct{} // activation messages being sent
	requested chan struct{} // codes were asked for
}

var _ profile.Users = (*Service)(nil)

// New makes a service; SetCarts completes it.
func New(o Options) *Service {
	s := &Service{
		store: o.Store, dir: o.Directory, notices: o.Notices, profiles: o.Profiles, log: o.Logger, set: o.Settings,
		pictures: o.Pictures, texts: o.Texts, captcha: o.Captcha, sender: o.SenderDomain,
		hasher: newHasher(o.Settings.Hashing), throttle: newThrottle(o.Settings.Throttle, o.Store),
		reminders: make(chan struct{}, 4), requested: make(chan struct{}, 1),
	}
	if s.sender == "" {
		s.sender = "anonimized.local"
	}
	return s
}

// SetCarts hands over what log-ins ask of carts, and the name of the cookie that keeps the cart of an anonymous visitor. It is
// called once, before the first request; without it nothing is merged.
func (s *Service) SetCarts(c Carts) { s.carts = c }
