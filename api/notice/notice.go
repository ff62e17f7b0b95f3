// Package notice is the events of notifications.md: typed payloads, their recipients, and the outbox they are written to in the
// transaction that causes them. What is written is delivered later, at least once, by Deliver.
package notice

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// An Event is something that people or programs are told about (notifications.md 2). Its JSON form is the payload, between
// "broker", "back_url" and "event", "recipients". The events are the pointers to the structs of this package.
type Event interface {
	// Name is the event's slug: "role_grant_created".
	Name() string
	// Subject is what the event is about, as in "profile/xia": notices about one subject are delivered in order. It is known
	// once the event was emitted.
	Subject() string

	// people are the profiles and users of the payload, to be filled in.
	people() ([]*Profile, []*User)
	// route says where the event goes, once they are.
	route(broker *Profile) route
}

// Options of Notices.
type Options struct {
	Directory *directory.Directory
	Store     *store.Store
	Now       func() time.Time
	Logger    *zap.Logger
	BaseURL   string // public URL of the site, without a slash at its end
	From      string // sender of mails, required with a Mailer
	// Link is the path of a page of the contract on this site, which may have its pages below a prefix; nil: the same.
	Link   func(path string) string
	Mailer Mailer // nil: no mails
	Sinks  []Sink // others that are told, such as webhooks
	// MailOff stops the mails of events, but for verification codes (notification_email_disabled).
	MailOff bool
	// OptIn makes the stored preferences those who want an event, in place of those who do not (notifications_opt_out).
	OptIn bool
	// WelcomeEmail says whether user_welcome goes out; nil: it does.
	WelcomeEmail func(r store.Reader) (bool, error)
	// Logins tells users of log-ins to their account and of those that failed, which the contract leaves to the site: user_logged_in and
	// user_login_failed (notifications.md 2.1).
	Logins bool
	// Room counts a mail that a user's own doing sends to somebody else, and reports whether one more may go out; nil: there is no bound.
	Room func(tx *store.Tx, user int64) (bool, error)
	// Language of mails to whoever never said which one. Default: "en".
	Language string
	// Templates take the place of the mails of this package, by file name; nil for none.
	Templates fs.FS
}

// Notices emits events and delivers them.
type Notices struct {
	o         Options
	lanes     map[string]*lane // by the name of their sinks; "" for those that are not configured
	templates templates
	poll      time.Duration // pollEvery
}

// New makes Notices. Errors: a required option is missing, two sinks have one name, or a template does not parse.
func New(o Options) (*Notices, error) {
	if o.Directory == nil || o.Store == nil || o.Now == nil {
		return nil, errors.New("notice: Directory, Store and Now are required")
	}
	if o.Mailer != nil && address(o.From) == "" {
		return nil, errors.New("notice: mails need a sender's address")
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	n := &Notices{o: o, lanes: map[string]*lane{}, poll: pollEvery}
	var err error
	if n.templates, err = parseTemplates(o.Templates); err != nil {
		return nil, err
	}
	if o.Mailer != nil {
		n.lanes[mailSink] = n.newLane(&mail{n})
	}
	for _, s := range o.Sinks {
		if n.lanes[s.Name()] != nil || s.Name() == "" {
			return nil, fmt.Errorf("notice: two sinks are called %q", s.Name())
		}
		n.lanes[s.Name()] = n.newLane(s)
	}
	n.lanes[""], err = n.newOrphans()
	return n, err
}

// TellsLogins reports whether users are told of log-ins.
func (n *Notices) TellsLogins() bool { return n.o.Logins }

// Emit writes the event to the outbox, with the recipients as they are now (notifications.md 8.2). It is delivered if tx
// commits. It fills in the profiles and users of e.
func (n *Notices) Emit(tx *store.Tx, e Event) error {
	switch e.(type) {
	case *UserWelcome:
		if n.o.WelcomeEmail == nil {
			break
		}
		if on, err := n.o.WelcomeEmail(tx); err != nil || !on {
			return err
		}
	case *UserLoggedIn, *UserLoginFailed:
		if !n.o.Logins {
			return nil
		}
	}
	broker, err := n.fill(tx, e)
	if err != nil {
		return fmt.Errorf("notice: %s: %w", e.Name(), err)
	}
	r := e.route(broker)
	if r.nowhere {
		return nil
	}
	var letters []envelope
	if n.o.Mailer != nil && (r.direct || !n.o.MailOff) {
		letter, err := n.address(tx, e.Name(), broker, r)
		if err != nil {
			return err
		}
		if letter, err = n.bounded(tx, broker, r, letter); err != nil {
			return err
		}
		if letters, err = n.byLanguage(tx, letter); err != nil {
			return err
		}
	}
	return n.post(tx, e, broker, r, letters, nil)
}

// fill fills in the people of an event, if there is one, as the transaction sees them, and returns the broker.
func (n *Notices) fill(tx *store.Tx, e Event) (*Profile, error) {
	broker := &Profile{}
	if err := tx.QueryRow(`SELECT id FROM profile WHERE slug = ?`, n.o.Directory.Broker()).Scan(&broker.ID); err != nil {
		return nil, fmt.Errorf("the broker: %w", err)
	}
	var profiles []*Profile
	var users []*User
	if e != nil {
		profiles, users = e.people()
	}
	profiles = append(profiles, broker)
	var ids []int64
	for _, p := range profiles {
		if p.ID != 0 {
			ids = append(ids, p.ID)
		}
	}
	details, err := n.o.Directory.ProfileDetails(tx, ids, false)
	if err != nil {
		return nil, err
	}
	for _, p := range profiles {
		d, ok := details[p.ID]
		if p.ID != 0 && !ok {
			return nil, fmt.Errorf("profile %d: %w", p.ID, store.ErrNotFound)
		}
		if ok {
			p.ProfileDetail = d
		}
	}
	ids = ids[:0]
	for _, u := range users {
		if u != nil && u.ID != 0 {
			ids = append(ids, u.ID)
		}
	}
	people, err := n.o.Directory.UserDetails(tx, ids)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if u == nil || u.ID == 0 {
			continue
		}
		d, ok := people[u.ID]
		if !ok {
			return nil, fmt.Errorf("user %d: %w", u.ID, store.ErrNotFound)
		}
		u.UserDetail = d
	}
	return broker, nil
}

// maxLines is how many lines of an order or a receipt a payload holds: one of a group buy may have any number.
const maxLines = 200

// post writes the rows of an event: one for the mail in each language, if anybody gets one, and one for each other sink that
// wants it. Only a test names recipients in the payload (notifications.md 4).
func (n *Notices) post(tx *store.Tx, e Event, broker *Profile, r route, letters []envelope, named []string) error {
	var beside envelope
	beside.beside(e)
	payload, err := n.payload(e, broker, r, named)
	if err != nil {
		return fmt.Errorf("notice: %s: %w", e.Name(), err)
	}
	for _, letter := range letters {
		letter.Omitted, letter.Period = beside.Omitted, beside.Period
		if err := n.write(tx, e, mailSink, letter, payload); err != nil {
			return err
		}
	}
	if r.unproven { // decision 66
		r.back = ""
		if payload, err = n.payload(e, broker, r, named); err != nil {
			return fmt.Errorf("notice: %s: %w", e.Name(), err)
		}
	}
	for _, s := range n.o.Sinks {
		if r.direct || !s.Wants(e.Name()) {
			continue
		}
		if err := n.write(tx, e, s.Name(), envelope{To: named, Omitted: beside.Omitted}, payload); err != nil {
			return err
		}
	}
	return nil
}

func (n *Notices) write(tx *store.Tx, e Event, sink string, letter envelope, payload []byte) error {
	recipients, err := encode(letter)
	if err != nil {
		return err
	}
	// One that is not the first of its sink and subject is behind: it is due when its turn comes.
	_, err = tx.Insert(`INSERT INTO outbox (created_at, event, subject, sink, recipients, payload, next_at)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, CASE WHEN EXISTS (SELECT 1 FROM outbox WHERE sink = ?4 AND subject = ?3 AND done_at IS NULL AND dead_at IS NULL)
			THEN ?7 ELSE ?1 END`,
		tx.Wall(), e.Name(), e.Subject(), sink, string(recipients), string(payload), behind)
	tx.AfterCommit(n.lanes[sink].wake)
	return err
}

// payload is the JSON of an event: what all of them have, its own, and what the sinks add (notifications.md 1).
func (n *Notices) payload(e Event, broker *Profile, r route, named []string) ([]byte, error) {
	head := struct {
		Broker  *Profile `json:"broker"`
		BackURL *string  `json:"back_url"`
	}{Broker: broker}
	if r.back != "" {
		back := n.url(r.back)
		head.BackURL = &back
	}
	tail := struct {
		Event      string       `json:"event"`
		Recipients List[string] `json:"recipients"`
	}{e.Name(), named}
	var all []byte
	for _, part := range []any{head, e, tail} {
		b, err := encode(part)
		if err != nil {
			return nil, err
		}
		b = b[1 : len(b)-1] // without its braces
		if len(all) > 0 && len(b) > 0 {
			all = append(all, ',')
		}
		all = append(all, b...)
	}
	return append(append([]byte{'{'}, all...), '}'), nil
}

// url is the absolute URL of a path of the site. Messages always use the configured address (decision 48).
func (n *Notices) url(path string) string {
	if n.o.Link != nil {
		path = n.o.Link(path)
	}
	return strings.TrimSuffix(n.o.BaseURL, "/") + path
}
