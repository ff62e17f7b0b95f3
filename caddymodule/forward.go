package caddymodule

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/maypok86/otter/v2"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

const (
	// keepSession is how long what is attached to requests of a caller is used again, unless something about the caller changes: far
	// less than the lifetime of a session.
	keepSession = 15 * time.Minute
	// keepAssertion is the same where there is an assertion.
	keepAssertion = accessrules.AssertionLifetime / 2
	// maxInvoices is how many keys of invoices a session tells of: there is no end of them, and what is told and taken note of makes
	// room for the others.
	maxInvoices = 16
	// keptBytes is what is kept, in bytes, roughly.
	keptBytes = 48 << 20
)

// A forwarder attaches to a request what the upstream is told about its sender, and takes off what is none of its business: our
// cookies and the credentials that we took.
type forwarder struct {
	gate *Gate
	kept *otter.Cache[keptKey, *attachment]
}

// keptKey names an attachment by all that it is made from. The directory makes another User, and another Profile, when anything
// about it changes, so that what was made from the old one is never found again.
type keptKey struct {
	user    *accessrules.User
	site    *accessrules.Site
	choice  *accessrules.Choice
	subject *accessrules.Profile // that the headers are about, nil for none
	profile string               // of the path, as far as the headers or the session speak of it
	visited string
	quiet   bool // about invoice keys
}

// attachment is what is attached to the requests of a caller. Immutable.
type attachment struct {
	until   time.Time
	name    any // of the caller, as placeholders have it
	headers []accessrules.Header
	cookie  string
	keys    []string // of invoices, that the application is told
}

func (a *attachment) weight() uint32 {
	n := 400 + len(a.cookie)
	for i := range a.headers {
		n += 48 + len(a.headers[i].Value)
	}
	return uint32(n)
}

func newForwarder(g *Gate) *forwarder {
	return &forwarder{gate: g, kept: otter.Must(&otter.Options[keptKey, *attachment]{
		MaximumWeight: keptBytes, Weigher: func(_ keptKey, a *attachment) uint32 { return a.weight() },
	})}
}

// session is the form of sessions and their key. The file of secrets is read when the app starts, which is after the gate is made.
func (f *forwarder) session(choice *accessrules.Choice) (accessrules.Backend, string) {
	return f.gate.live.SessionOf(choice, f.gate.app.site.Secrets().Session)
}

// anonymous prepares a request that is forwarded without identity.
func (f *forwarder) anonymous(r *http.Request) {
	f.strip(r, f.gate.app.site.Directory.Own(r.Header))
}

// attach prepares a request that was admitted, and returns the keys of invoices that the application is told. Error: facts could not
// be read.
func (f *forwarder) attach(r *http.Request, q *accessrules.Query, id *directory.Identity, d *accessrules.Decision) (keys []string, err error) {
	choice := f.gate.live.Chosen()
	f.strip(r, id.Scheme == directory.Bearer || id.Scheme == directory.Basic)
	if id.User == nil {
		if backend, key := f.session(choice); backend == accessrules.CookieSession {
			session := accessrules.Session{}
			value, err := session.Cookie(key, q.Now, rand.Reader)
			if err != nil {
				return nil, err
			}
			addCookie(r, directory.ContractSession+`="`+value+`"`)
		}
		return nil, nil
	}
	a, err := f.attachment(q, d, choice)
	if err != nil {
		return nil, err
	}
	known(r, a.name)
	// Later handlers may edit values in place: each request gets its own.
	values := make([]string, len(a.headers))
	for i := range a.headers {
		values[i] = a.headers[i].Value
		r.Header[a.headers[i].Name] = values[i : i+1 : i+1]
	}
	if a.cookie != "" {
		addCookie(r, a.cookie)
	}
	return a.keys, nil
}

// attachment is what is attached to a request of a known caller: what was made for an earlier one, or made now.
func (f *forwarder) attachment(q *accessrules.Query, d *accessrules.Decision, choice *accessrules.Choice) (*attachment, error) {
	key, err := f.key(q, d, choice)
	if err != nil {
		return nil, err
	}
	if len(d.Rule.Engaged) > 0 {
		key.visited = f.gate.app.service.Proxy().Visit(q.Caller, d.Rule.Engaged, q.Now)
	}
	a, hit := f.kept.GetIfPresent(key)
	hit = hit && q.Now.Before(a.until)
	f.gate.cached(hit)
	if hit {
		return a, nil
	}
	if a, err = f.make(q.Now, key); err != nil {
		return nil, err
	}
	f.kept.Set(key, a)
	return a, nil
}

// key is all that an attachment is made from, but for visits.
func (f *forwarder) key(q *accessrules.Query, d *accessrules.Decision, choice *accessrules.Choice) (key keptKey, err error) {
	key.user, key.choice = q.Caller, choice
	if key.site, err = f.gate.app.service.GateSite(); err != nil {
		return key, err
	}
	key.quiet = len(q.Caller.InvoiceKeys) > 0 && d.Rule.Open()
	if len(q.Caller.Roles) > 1 { // of several, that on the profile of the path comes first
		key.profile = atHand(q.Caller, d.Params.Get("profile"))
	}
	if f.gate.Headers {
		key.subject, err = f.gate.headers.Subject(q, d)
	}
	return key, err
}

// atHand is the slug of the profile of a path when the caller has a role on it, else "": nobody makes many attachments by naming
// many profiles.
func atHand(u *accessrules.User, slug string) string {
	for i := range u.Roles {
		if u.Roles[i].Profile.Slug == slug {
			return u.Roles[i].Profile.Slug
		}
	}
	return ""
}

// session is what the upstream is told of the caller. A rule that is open to all tells of no invoice (access.md B.7).
func (key *keptKey) session(now time.Time) accessrules.Session {
	s := accessrules.Session{User: key.user, Site: key.site, Profile: key.profile, LastVisited: key.visited}
	if !key.quiet {
		s.InvoiceKeys = key.user.Invoices(now)
		if len(s.InvoiceKeys) > maxInvoices {
			s.InvoiceKeys = s.InvoiceKeys[:maxInvoices]
		}
	}
	return s
}

// make makes what is attached to the requests of a caller.
func (f *forwarder) make(now time.Time, key keptKey) (*attachment, error) {
	g := f.gate
	a := &attachment{until: now.Add(keepSession), name: key.user.Username}
	session := key.session(now)
	switch backend, secret := f.session(key.choice); backend {
	case accessrules.JWTSession:
		token, err := session.JWT(secret, now)
		if err != nil {
			return nil, err
		}
		a.headers = append(a.headers, accessrules.Header{Name: "Authorization", Value: "Bearer " + token})
		f.warn(key.user, len(token))
	case accessrules.CookieSession:
		value, err := session.Cookie(secret, now, rand.Reader)
		if err != nil {
			return nil, err
		}
		a.cookie = directory.ContractSession + `="` + value + `"`
		f.warn(key.user, len(value))
	}
	if g.Assertion != nil {
		token, err := f.assertion(&session, now)
		if err != nil {
			return nil, err
		}
		a.headers = append(a.headers, accessrules.Header{Name: g.Assertion.name(), Value: token})
		a.until = now.Add(keepAssertion)
		f.warn(key.user, len(token))
	}
	if len(a.headers) > 0 || a.cookie != "" {
		a.keys = session.InvoiceKeys
	}
	if g.Headers {
		a.headers = g.headers.AppendCaller(a.headers, key.user, key.profile, now)
		a.headers = g.headers.AppendSubject(a.headers, key.subject, now)
	}
	if t := accessrules.ValidUntil(key.user, now, key.subject); !t.IsZero() && t.Before(a.until) {
		a.until = t
	}
	return a, nil
}

// assertion signs a session with the first of the site's keys.
func (f *forwarder) assertion(session *accessrules.Session, now time.Time) (string, error) {
	keys, err := f.gate.app.site.AssertionKeys()
	if err != nil {
		return "", err
	}
	if len(keys) == 0 {
		return "", errStarting
	}
	audience := f.gate.Assertion.Audience
	if audience == "" {
		audience = f.gate.Name
	}
	return session.Assertion(keys[0], f.gate.app.issuer(), audience, now)
}

// warn tells of a session that proxies and upstreams may not take.
func (f *forwarder) warn(u *accessrules.User, size int) {
	if size > accessrules.SessionWarning {
		f.gate.logger.Warn("session is longer than many servers take for a header", zap.String("user", u.Username), zap.Int("bytes", size))
	}
}

// strip takes off our cookies and, with credential, ours. A header that carries nothing but ours never goes on; Authorization goes
// on untouched with a credential that is the application's, unless a session takes its place (decision 71).
func (f *forwarder) strip(r *http.Request, credential bool) {
	if header := f.gate.app.site.Directory.CredentialsHeader(); credential || header != directory.DefaultCredentials {
		delete(r.Header, header)
	}
	if len(r.Header["Cookie"]) > 0 {
		own := f.ownCookies()
		own.strip(r.Header)
	}
}
