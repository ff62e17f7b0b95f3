package caddymodule

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

const (
	// keepSession is how long a session made for a caller is used again; it is far less than the session's own lifetime.
	keepSession = time.Minute
	// keptSessions is how many callers' sessions are kept.
	keptSessions = 50_000
)

// A forwarder attaches to a request what the upstream is told about its sender, and takes off what is none of its business: our
// cookies and the credentials that we took.
type forwarder struct {
	gate *Gate
	key  string // "": the one in the file of secrets
	kept *otter.Cache[keptKey, *attachment]
}

// keptKey names an attachment. The directory makes a new User when anything about the caller changes, so that what was made from
// the old one is never found again.
type keptKey struct {
	user    *accessrules.User
	profile string
}

// attachment is what is attached to the requests of a caller. Immutable.
type attachment struct {
	until   time.Time
	headers []accessrules.Header
	cookie  string
}

func newForwarder(g *Gate, key string) *forwarder {
	return &forwarder{gate: g, key: key, kept: otter.Must(&otter.Options[keptKey, *attachment]{MaximumSize: keptSessions})}
}

// secret is the key of sessions. The file of secrets is read when the app starts, which is after the gate is made.
func (f *forwarder) secret() string {
	if f.key != "" {
		return f.key
	}
	return f.gate.app.site.Secrets().Session
}

// anonymous prepares a request that is forwarded without identity.
func (f *forwarder) anonymous(r *http.Request) {
	f.strip(r, directory.Anonymous)
}

// attach prepares a request that was admitted.
func (f *forwarder) attach(r *http.Request, q *accessrules.Query, id *directory.Identity, d accessrules.Decision) error {
	f.strip(r, id.Scheme)
	if id.User == nil {
		if f.gate.Session == "cookie" {
			session := accessrules.Session{}
			value, err := session.Cookie(f.secret(), q.Now, rand.Reader)
			if err != nil {
				return err
			}
			addCookie(r, `sessionid="`+value+`"`)
		}
		return nil
	}
	key := keptKey{id.User, d.Params.Get("profile")}
	a, ok := f.kept.GetIfPresent(key)
	if !ok || !q.Now.Before(a.until) {
		var err error
		if a, err = f.make(q, key); err != nil {
			return err
		}
		f.kept.Set(key, a)
	}
	headers := make([]accessrules.Header, len(a.headers), len(a.headers)+2)
	copy(headers, a.headers)
	if f.gate.Headers {
		// Profile and Plan may be about a profile that is not the caller's own, whose changes do not make a new User.
		var err error
		if headers, err = f.gate.headers.AppendProfile(headers, q, &d); err != nil {
			return err
		}
	}
	// Later handlers may edit values in place: each request gets its own.
	values := make([]string, len(headers))
	for i := range headers {
		values[i] = headers[i].Value
		r.Header[headers[i].Name] = values[i : i+1 : i+1]
	}
	if a.cookie != "" {
		addCookie(r, a.cookie)
	}
	return nil
}

// make makes what is attached to the requests of a caller for a profile.
func (f *forwarder) make(q *accessrules.Query, key keptKey) (*attachment, error) {
	a := &attachment{until: q.Now.Add(keepSession)}
	if t := accessrules.ValidUntil(key.user, q.Now); !t.IsZero() && t.Before(a.until) {
		a.until = t
	}
	session := accessrules.Session{User: key.user, Site: f.gate.app.service.GateSite()}
	size := 0
	switch f.gate.Session {
	case "jwt":
		token, err := session.JWT(f.secret(), q.Now)
		if err != nil {
			return nil, err
		}
		bearer := "Bearer " + token
		a.headers = append(a.headers, accessrules.Header{Name: "Authorization", Value: bearer})
		size = len(bearer)
	case "cookie":
		value, err := session.Cookie(f.secret(), q.Now, rand.Reader)
		if err != nil {
			return nil, err
		}
		a.cookie = `sessionid="` + value + `"`
		size = len(a.cookie)
	}
	if size > accessrules.SessionWarning {
		f.gate.logger.Warn("session is longer than many servers take for a header",
			zap.String("user", key.user.Username), zap.Int("bytes", size))
	}
	if f.gate.Headers {
		a.headers = f.gate.headers.AppendCaller(a.headers, key.user, key.profile, q.Now)
	}
	return a, nil
}

// strip takes off our cookies and the credential that identified the caller. With a session of its own, the upstream gets no other
// Authorization at all (access.md B.7).
func (f *forwarder) strip(r *http.Request, scheme directory.Scheme) {
	if f.gate.Session == "jwt" || scheme == directory.Bearer || scheme == directory.Basic {
		delete(r.Header, "Authorization")
	}
	if len(r.Header["Cookie"]) > 0 {
		stripCookies(r.Header)
	}
}

// own reports whether a cookie is the gate's: session, CSRF, cart, in every form that a browser may hold.
func own(name string) bool {
	switch name {
	case "sessionid", "__Host-sessionid", "csrftoken", "cart":
		return true
	}
	return false
}

// stripCookies takes our cookies off a request and leaves the others byte for byte.
func stripCookies(h http.Header) {
	lines := h["Cookie"]
	kept := lines[:0:0]
	changed := false
	for _, line := range lines {
		var b strings.Builder
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(pair, "=")
			if own(strings.TrimSpace(name)) {
				changed = true
				continue
			}
			if b.Len() > 0 {
				b.WriteByte(';')
			} else {
				pair = strings.TrimLeft(pair, " \t")
			}
			b.WriteString(pair)
		}
		if b.Len() > 0 {
			kept = append(kept, b.String())
		}
	}
	switch {
	case !changed:
	case len(kept) == 0:
		delete(h, "Cookie")
	default:
		h["Cookie"] = kept
	}
}

func addCookie(r *http.Request, cookie string) {
	if lines := r.Header["Cookie"]; len(lines) > 0 {
		r.Header["Cookie"] = []string{strings.Join(lines, "; ") + "; " + cookie}
		return
	}
	r.Header["Cookie"] = []string{cookie}
}
