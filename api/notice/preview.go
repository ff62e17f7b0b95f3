package notice

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// Site is what a preview needs to know of a site.
type Site struct {
	BaseURL   string // without a slash at its end
	Broker    string // full name
	Email     string // of the broker
	Templates fs.FS  // the site's own; nil for none
	Language  string // of the mail, "" for English
	Now       time.Time
}

// Preview writes the mail of a sample of the event of that name, without a database. Unlike a mail that is sent, it fails with the
// site's own template. Errors: ErrNoSample, what is wrong with a template, and a language that no mails are in.
func Preview(name string, site Site) (*Message, error) {
	t, err := parseTemplates(site.Templates)
	if err != nil {
		return nil, err
	}
	now := store.At(site.Now)
	broker := Profile{ProfileDetail: directory.ProfileDetail{Email: site.Email, FullName: site.Broker, DefaultTimezone: "UTC",
		ProfileShort: directory.ProfileShort{Slug: "broker", PrintableName: site.Broker, Type: "organization", CreatedAt: now}}}
	email := "xia@example.com"
	user := User{UserDetail: directory.UserDetail{Email: &email, FullName: "Xia Lee", NickName: "Xia", Lang: "en", CreatedAt: now,
		UserShort: directory.UserShort{Slug: "xia", Username: "xia", PrintableName: "Xia"}}}
	var e Event = &UserVerification{User: &user, Purpose: ProvesLogin, Code: "012345", Lifetime: time.Hour, Email: email}
	if sample := samples[name]; sample != nil {
		e = sample(broker, user, now)
	} else if name != e.Name() {
		return nil, fmt.Errorf("%w: %s", ErrNoSample, name)
	}
	r := e.route(&broker)
	n := Notices{o: Options{BaseURL: site.BaseURL}}
	letter := envelope{Lang: fallback}
	if site.Language != "" {
		if letter.Lang = t.find(site.Language); letter.Lang == "" {
			return nil, fmt.Errorf("there are no mails in the language %q", site.Language)
		}
	}
	letter.beside(e)
	payload, err := n.payload(e, &broker, r, nil)
	if err != nil {
		return nil, err
	}
	p, err := t.compose(name, payload, letter)
	if err != nil {
		return nil, err
	}
	return &Message{Date: site.Now, From: site.Email, To: []string{email}, Subject: p.subject, Text: p.text, HTML: p.html}, nil
}
