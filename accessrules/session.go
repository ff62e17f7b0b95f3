package accessrules

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// SessionLifetime is how long a JWT session may be used by the upstream (access.md B.7 exp).
const SessionLifetime = 7200 * time.Second

// MaxSession is the size of a session in bytes of JSON: in every form that is sent, with the name of its header, it stays below the
// 8 KB that servers take for a line (decision 68).
const MaxSession = 5900

// maxTruncated is how many bytes of MaxSession name the profiles that had no room.
const maxTruncated = 1000

// SessionWarning is the size of a forwarded session above which proxies and upstreams may refuse the header: whoever sends a
// longer one logs a warning (access.md B.7).
const SessionWarning = 7 << 10

// A Site is what the upstream is told about the site. Slug must be the slug of the broker: upstreams look for it among the
// profiles that the user manages.
type Site struct{ Slug, PrintableName, Email string }

// A Session is what the upstream is told about a caller (access.md B.7).
type Session struct {
	User        *User    // nil: anonymous, the session is {}
	Site        *Site    // nil: site and last_visited are left out, as in the preview of access.md B.6
	Profile     string   // slug of the profile at hand, whose role comes first and is the last to be left out; "" for none
	LastVisited string   // access.md B.8: Visited of a date, or tags joined by commas; "" is null
	InvoiceKeys []string // of paid charge items that wait to be synchronised
}

// Visited prints a date for LastVisited; "" for the zero date.
func Visited(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	b := appendTime(nil, t, "+00:00")
	return string(b[1 : len(b)-1])
}

// JSON is the session without whitespace, as of now.
func (s *Session) JSON(now time.Time) []byte {
	return s.write(sessionWriter{comma: ",", colon: ":"}, now, time.Time{})
}

// JWT is the session as the upstream reads it from "Authorization: Bearer", signed with the bytes of key, to be used until now +
// SessionLifetime. An anonymous session has none: "". An empty key is an error.
func (s *Session) JWT(key string, now time.Time) (string, error) {
	if s.User == nil {
		return "", nil
	}
	payload := s.write(sessionWriter{comma: ",", colon: ":"}, now, now.Add(SessionLifetime))
	return SignJWT(payload, []byte(key))
}

// Cookie is the value of the cookie "sessionid" that holds the encrypted session; the anonymous session {} too. It must be sent
// in double quotes by who does not quote by itself. random gives each cookie its salt.
func (s *Session) Cookie(key string, now time.Time, random io.Reader) (string, error) {
	return SealCookie(s.write(sessionWriter{comma: ", ", colon: ": "}, now, time.Time{}), key, random)
}

// Preview is the session as indented text, with the exp of a JWT unless expires is zero (access.md B.6 forward_session).
func (s *Session) Preview(now, expires time.Time) string {
	var b bytes.Buffer
	if err := json.Indent(&b, s.write(sessionWriter{comma: ",", colon: ":"}, now, expires), "", "  "); err != nil {
		panic(err) // what we wrote is JSON
	}
	return b.String()
}

// sessionWriter writes JSON with the separators that a reader expects.
type sessionWriter struct {
	b            []byte
	comma, colon string
	first        bool // nothing stands in the object or list yet
}

func (w *sessionWriter) open(c byte) {
	w.b = append(w.b, c)
	w.first = true
}

func (w *sessionWriter) close(c byte) {
	w.b = append(w.b, c)
	w.first = false
}

func (w *sessionWriter) item() {
	if !w.first {
		w.b = append(w.b, w.comma...)
	}
	w.first = false
}

func (w *sessionWriter) key(name string) {
	w.item()
	w.b = append(appendString(w.b, name), w.colon...)
}

func (w *sessionWriter) text(name, value string) {
	w.key(name)
	w.b = appendString(w.b, value)
}

func (w *sessionWriter) null(names ...string) {
	for _, name := range names {
		w.key(name)
		w.b = append(w.b, "null"...)
	}
}

func (w *sessionWriter) textOrNull(name, value string) {
	if value == "" {
		w.null(name)
		return
	}
	w.text(name, value)
}

func (w *sessionWriter) time(name string, t time.Time) {
	w.key(name)
	w.b = appendTime(w.b, t, "Z")
}

// write writes the session. When it is longer than MaxSession, roles are left out and named in "roles_truncated".
func (s *Session) write(w sessionWriter, now, expires time.Time) []byte {
	if s.User == nil {
		return []byte("{}")
	}
	if w.b == nil {
		w.b = make([]byte, 0, 1024)
		w.open('{')
	}
	var few [8]*Role
	roles := s.roles(few[:0], now)
	whole := s.compose(w, roles, nil, expires)
	if len(whole) <= MaxSession {
		return whole
	}
	left := MaxSession - maxTruncated - len(s.compose(w, nil, nil, expires))
	return s.compose(w, roles, w.fit(roles, s.User, left), expires)
}

// compose writes the session, without the roles that are cut, with the keys in the contract's order.
func (s *Session) compose(w sessionWriter, roles []*Role, cut map[*Role]bool, expires time.Time) []byte {
	if s.Site != nil {
		w.textOrNull("last_visited", s.LastVisited)
	}
	w.text("username", s.User.Username)
	w.key("roles")
	w.roles(s.User, roles, cut)
	if len(cut) > 0 {
		w.key("roles_truncated")
		w.truncated(roles, cut)
	}
	if s.Site != nil {
		w.key("site")
		w.open('{')
		w.text("slug", s.Site.Slug)
		w.text("printable_name", s.Site.PrintableName)
		w.text("email", s.Site.Email)
		w.close('}')
	}
	w.key("invoice_keys")
	w.open('[')
	for _, key := range s.InvoiceKeys {
		w.item()
		w.b = appendString(w.b, key)
	}
	w.close(']')
	w.null("session_key", "access_key", "secret_key", "security_token") // decision 20
	if !expires.IsZero() {
		w.key("exp")
		w.b = strconv.AppendInt(w.b, expires.Unix(), 10)
	}
	w.close('}')
	return w.b
}

// roles adds those that count on active profiles to none, in the order of the user's roles, that on the profile at hand first.
func (s *Session) roles(none []*Role, now time.Time) []*Role {
	roles := appendAccess(none, s.User, now)
	for i, r := range roles {
		if s.Profile != "" && r.Profile.Slug == s.Profile {
			copy(roles[1:i+1], roles[:i])
			roles[0] = r
		}
	}
	return roles
}

// fit returns the roles that do not fit into a number of bytes, each tried in turn.
func (w *sessionWriter) fit(roles []*Role, u *User, left int) map[*Role]bool {
	cut := map[*Role]bool{}
	scratch := sessionWriter{comma: w.comma, colon: w.colon}
	for _, r := range roles {
		scratch.b = scratch.b[:0]
		scratch.open('{')
		scratch.roles(u, []*Role{r}, nil) // a description that several share is counted for each: rather too much than too little
		if size := len(scratch.b); size <= left {
			left -= size
		} else {
			cut[r] = true
		}
	}
	return cut
}

// truncated lists the slugs of the profiles whose roles are left out, and "..." when these are too many as well.
func (w *sessionWriter) truncated(roles []*Role, cut map[*Role]bool) {
	const more = "..."
	w.open('[')
	from := len(w.b)
	for _, r := range roles {
		if !cut[r] {
			continue
		}
		w.item()
		if len(w.b)-from+len(r.Profile.Slug) > maxTruncated-60 {
			w.b = appendString(w.b, more)
			break
		}
		w.b = appendString(w.b, r.Profile.Slug)
	}
	w.close(']')
}

// roles writes roles by description, but for those that are cut, in the order in which they are given.
func (w *sessionWriter) roles(u *User, roles []*Role, cut map[*Role]bool) {
	w.open('{')
	for i, first := range roles {
		if cut[first] || written(roles[:i], cut, first.Description) {
			continue
		}
		w.key(first.Description)
		w.open('[')
		for _, r := range roles[i:] {
			if r.Description == first.Description && !cut[r] {
				w.item()
				w.profile(r.Profile, u)
			}
		}
		w.close(']')
	}
	w.close('}')
}

// written reports whether a description has been met before.
func written(before []*Role, cut map[*Role]bool, description string) bool {
	for _, r := range before {
		if r.Description == description && !cut[r] {
			return true
		}
	}
	return false
}

func (w *sessionWriter) profile(p *Profile, u *User) {
	kind, credentials := "organization", "false"
	if p.Personal || p.Slug == u.Username {
		kind = "personal"
		if p.Credentials || p.Slug == u.Username && u.Credentials {
			credentials = "true"
		}
	}
	w.open('{')
	w.text("slug", p.Slug)
	w.text("printable_name", p.PrintableName)
	w.textOrNull("picture", p.Picture)
	w.text("type", kind)
	w.key("credentials")
	w.b = append(w.b, credentials...)
	w.time("created_at", p.CreatedAt)
	w.text("email", p.Email)
	w.key("subscriptions")
	w.subscriptions(p.Subscriptions)
	w.close('}')
}

// subscriptions writes one entry a plan, with the last of its end dates, ended ones included.
func (w *sessionWriter) subscriptions(list []Subscription) {
	w.open('[')
next:
	for i := range list {
		for j := range i {
			if list[j].Plan == list[i].Plan {
				continue next
			}
		}
		ends := list[i].EndsAt
		for j := i + 1; j < len(list); j++ {
			if list[j].Plan == list[i].Plan && list[j].EndsAt.After(ends) {
				ends = list[j].EndsAt
			}
		}
		w.item()
		w.open('{')
		w.text("plan", list[i].Plan)
		w.time("ends_at", ends)
		w.close('}')
	}
	w.close(']')
}

// ValidUntil is the next instant at which what is true of a caller changes by itself: the first end, after now, of a role or of a
// subscription of its profiles, or of one of the other profiles given. Zero: none is known. What is made from the facts of a
// caller, such as a session, is good until then at most. nil stands for nobody, and for no profile.
func ValidUntil(u *User, now time.Time, others ...*Profile) time.Time {
	var next time.Time
	first := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	of := func(p *Profile) {
		for i := range p.Subscriptions {
			first(p.Subscriptions[i].EndsAt)
		}
	}
	if u != nil {
		for i := range u.Roles {
			if r := &u.Roles[i]; r.Valid(now) {
				first(r.EndsAt)
				of(r.Profile)
			}
		}
	}
	for _, p := range others {
		if p != nil {
			of(p)
		}
	}
	return next
}
