package accessrules

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// DefaultPrefix is how the names of the identity headers begin unless configured otherwise (decision 55).
const DefaultPrefix = "Tollgate-"

// maxHeader bounds the lists in headers, in bytes.
const maxHeader = 4096

// Headers are the names of the headers that tell the upstream who calls (decision 55). An empty name is a header that is not
// sent; it is nothing that the client could send either, see Strip.
//
// Values are in printable ASCII: control characters are dropped; "%" and what is not ASCII are percent-encoded as UTF-8, so that
// percent-decoding gives the text back. Slugs hold no such characters. Lists are joined by commas and at most 4096 bytes long; a
// list that would be longer is cut between two items and ends in the item "...".
type Headers struct {
	User    string // username
	ID      string // public id, which never changes
	Email   string // e-mail address that the caller has proven
	Name    string // printable name
	Profile string // the {profile} of the path, when the caller may act for it: see AppendProfile
	Roles   string // roles in force on active profiles, as "manager:acme,contributor:xia"; those on {profile} first
	Plan    string // plans that Profile has a current subscription to: "basic,premium"

	// EmailUnproven is an e-mail address that the caller told and has not proven: not sent unless it is named.
	EmailUnproven string

	also  []string // more that no client may send
	names []string // those that Strip would not know by DefaultPrefix
}

// Also names more headers that Strip removes. Seal comes after it.
func (h *Headers) Also(names ...string) { h.also = append(h.also, names...) }

// Names are the names that Strip knows, but for those that begin with DefaultPrefix.
func (h *Headers) Names() []string { return slices.Clone(h.names) }

// NewHeaders names the headers by a prefix, such as DefaultPrefix: "Tollgate-User", "Tollgate-Id", "Tollgate-Email", "Tollgate-Name",
// "Tollgate-Profile", "Tollgate-Roles", "Tollgate-Plan".
func NewHeaders(prefix string) *Headers {
	h := &Headers{User: prefix + "User", ID: prefix + "Id", Email: prefix + "Email", Name: prefix + "Name", Profile: prefix + "Profile",
		Roles: prefix + "Roles", Plan: prefix + "Plan"}
	return h.Seal()
}

// Seal must be called when names have been set one by one: it puts them into canonical form and makes them known to Strip.
func (h *Headers) Seal() *Headers {
	h.names = h.names[:0]
	for _, name := range []*string{&h.User, &h.ID, &h.Email, &h.EmailUnproven, &h.Name, &h.Profile, &h.Roles, &h.Plan} {
		if *name = textproto.CanonicalMIMEHeaderKey(*name); *name != "" && !prefixed(*name) {
			h.names = append(h.names, *name)
		}
	}
	for _, name := range h.also {
		if name != "" && !h.ours(name) {
			h.names = append(h.names, name)
		}
	}
	return h
}

// A Header is a name in canonical form and its one value.
type Header struct{ Name, Value string }

// AppendCaller appends the headers that depend on the caller alone: User, ID, Email, Name, Roles. They are good until ValidUntil.
// Nothing is appended for an anonymous caller, nor for an empty value. profile is whose roles come first in Roles, "" for none.
func (h *Headers) AppendCaller(dst []Header, u *User, profile string, now time.Time) []Header {
	if u == nil {
		return dst
	}
	dst = appendHeader(dst, h.User, printable(u.Username))
	dst = appendHeader(dst, h.ID, printable(u.PublicID))
	dst = appendHeader(dst, h.Email, printable(u.Email))
	dst = appendHeader(dst, h.EmailUnproven, printable(u.EmailUnproven))
	dst = appendHeader(dst, h.Name, printable(u.Name))
	if h.Roles == "" {
		return dst
	}
	var roles headerList
	for _, first := range [...]bool{true, false} {
		for i := range u.Roles {
			if r := &u.Roles[i]; u.opens(r, now) && (r.Profile.Slug == profile) == first {
				roles.add(r.Description, r.Profile.Slug)
			}
		}
	}
	return appendHeader(dst, h.Roles, roles.String())
}

// AppendProfile appends the headers that depend on the path of a request that a rule let pass: Profile and Plan. They are there
// when the path names a profile that the caller may act for: see Subject. An error means that facts could not be read; the
// request must not go on.
func (h *Headers) AppendProfile(dst []Header, q *Query, d *Decision) ([]Header, error) {
	p, err := h.Subject(q, d)
	if err != nil {
		return dst, err
	}
	return h.AppendSubject(dst, p, q.Now), nil
}

// Subject is the active profile of the path that the caller may act for, nil for none: one with a role of the caller that counts on
// it, one that a role test of the rule was about, or any when the caller is on the staff of the broker. It is nil too when no
// header speaks of it. An error means that facts could not be read.
func (h *Headers) Subject(q *Query, d *Decision) (p *Profile, err error) {
	slug := d.Params.Get("profile")
	if q.Caller == nil || slug == "" || !d.Verdict.OK() || h.Profile == "" && h.Plan == "" {
		return nil, nil
	}
	for i := range q.Caller.Roles {
		if r := &q.Caller.Roles[i]; r.Profile.Slug == slug && q.holds(r) {
			p = r.Profile
		}
	}
	if p == nil && (q.IsBrokerStaff() || d.tested()) {
		if p, err = q.Facts.Profile(slug); err != nil {
			return nil, err
		}
	}
	if p == nil || !p.Active {
		return nil, nil
	}
	return p, nil
}

// AppendSubject appends the headers about a profile, nil for none. They are good until ValidUntil.
func (h *Headers) AppendSubject(dst []Header, p *Profile, now time.Time) []Header {
	if p == nil {
		return dst
	}
	dst = appendHeader(dst, h.Profile, printable(p.Slug))
	var plans headerList
	for i := range p.Subscriptions {
		s := &p.Subscriptions[i]
		if !s.EndsAt.Before(now) && !listed(p.Subscriptions[:i], s.Plan, now) {
			plans.add(s.Plan, "")
		}
	}
	return appendHeader(dst, h.Plan, plans.String())
}

// listed reports whether a current subscription to plan has been met before.
func listed(before []Subscription, plan string, now time.Time) bool {
	for i := range before {
		if before[i].Plan == plan && !before[i].EndsAt.Before(now) {
			return true
		}
	}
	return false
}

// tested reports whether a role test about the {profile} of the path is among the conditions of the rule.
func (d *Decision) tested() bool {
	for _, c := range d.Rule.Conditions {
		if testsProfile(c) {
			return true
		}
	}
	return false
}

func testsProfile(c Condition) bool {
	switch c := c.(type) {
	case *roleTest:
		return c.reach != reachSelf && c.profile == ""
	case all:
		for _, inner := range c {
			if testsProfile(inner) {
				return true
			}
		}
	case *classCondition:
		return testsProfile(c.all)
	}
	return false
}

func appendHeader(dst []Header, name, value string) []Header {
	if name == "" || value == "" {
		return dst
	}
	return append(dst, Header{name, value})
}

// headerList joins items until the bound is reached.
type headerList struct {
	b    []byte
	full bool
}

// add appends "first:second", or first alone when second is "".
func (l *headerList) add(first, second string) {
	const cut = ",..."
	if l.full {
		return
	}
	before := len(l.b)
	if before > 0 {
		l.b = append(l.b, ',')
	}
	l.b = appendPrintable(l.b, first, ",:")
	if second != "" {
		l.b = append(l.b, ':')
		l.b = appendPrintable(l.b, second, ",:")
	}
	if len(l.b)+len(cut) <= maxHeader {
		return
	}
	l.full = true
	if l.b = append(l.b[:before], cut...); before == 0 {
		l.b = l.b[1:]
	}
}

func (l *headerList) String() string { return string(l.b) }

// printable is text as the value of a header.
func printable(s string) string {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '%' {
			s = string(appendPrintable(nil, s, ""))
			break
		}
	}
	return strings.TrimSpace(s)
}

// appendPrintable appends text in the form that Headers describes; the characters of more are percent-encoded too.
func appendPrintable(b []byte, s, more string) []byte {
	for _, r := range s {
		switch {
		case unicode.IsControl(r):
		case r == '%' || r > 0x7f || strings.ContainsRune(more, r):
			var text [utf8.UTFMax]byte
			for _, c := range text[:utf8.EncodeRune(text[:], r)] {
				b = escape(b, c)
			}
		default:
			b = append(b, byte(r))
		}
	}
	return b
}

// Strip removes from a request every header that tells upstreams who calls, before any is set: the names of h, and every name that
// begins with DefaultPrefix; in any case, and with any other separator in place of hyphens, which upstreams may fold. It also
// removes such names, Authorization and Cookie from Connection, where a client could have a proxy drop what the gate sets. It
// does so on every request, whether headers are on or off (decision 55). h may be nil. Trailers want stripping too.
//
// It removes as well what would tell an upstream of another path than the one that is decided on.
func (h *Headers) Strip(header http.Header) (seen Seen) {
	var connection []string
	for name, values := range header {
		if name == "" {
			continue
		}
		switch first := foldHeader(name[0]); {
		case h.ours(name):
			delete(header, name)
		case first == 'x':
			switch {
			case among(rerouting, name):
				delete(header, name)
			case among(overriding, name):
				seen.Methods = addMethods(seen.Methods, values)
			}
		case first == 'd':
			seen.Depth = seen.Depth || name == "Depth"
			seen.Destination = seen.Destination || name == "Destination"
		case name == "Upgrade":
			seen.Upgrade = true
		case name == "Connection":
			connection = values
		}
	}
	for _, value := range connection {
		if h.named(value) {
			h.stripConnection(header)
			break
		}
	}
	return seen
}

// Seen is what Strip has come across in a header, so that nobody need look for it again.
type Seen struct {
	Methods                     []string // that the request asks an upstream to take in place of its own, in capitals: see Set.Judge
	Depth, Destination, Upgrade bool     // there is a header of that name
}

// ours reports whether a header tells who calls.
func (h *Headers) ours(name string) bool {
	if prefixed(name) {
		return true
	}
	if h == nil {
		return false
	}
	for _, own := range h.names {
		if len(name) == len(own) && sameHeader(name, own) {
			return true
		}
	}
	return false
}

func prefixed(name string) bool {
	return len(name) >= len(DefaultPrefix) && sameHeader(name[:len(DefaultPrefix)], DefaultPrefix)
}

// sameHeader compares names of one length as an upstream may that folds case and every separator into one.
func sameHeader(a, b string) bool {
	for i := range len(b) {
		if foldHeader(a[i]) != foldHeader(b[i]) {
			return false
		}
	}
	return true
}

func foldHeader(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return c
	}
	return '-'
}

// named reports whether a value of Connection names a header that the gate sets.
func (h *Headers) named(connection string) bool {
	for connection != "" {
		option, rest, _ := strings.Cut(connection, ",")
		if h.guarded(strings.TrimSpace(option)) {
			return true
		}
		connection = rest
	}
	return false
}

func (h *Headers) guarded(name string) bool {
	return h.ours(name) || strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Cookie")
}

func (h *Headers) stripConnection(header http.Header) {
	var kept []string
	for _, value := range header["Connection"] {
		for option := range strings.SplitSeq(value, ",") {
			if option = strings.TrimSpace(option); option != "" && !h.guarded(option) {
				kept = append(kept, option)
			}
		}
	}
	if len(kept) == 0 {
		delete(header, "Connection")
		return
	}
	header["Connection"] = []string{strings.Join(kept, ", ")}
}
