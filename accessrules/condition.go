package accessrules

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Query is one question: may this caller do this?
type Query struct {
	Facts    Facts
	Now      time.Time
	Caller   *User  // nil: anonymous
	Method   string // HTTP method; HEAD counts as GET
	Params   Params // parameters of the path, and arguments of the rule
	Page     bool   // a page navigation (access.md A.5, decisions 64 and 120)
	Form     bool   // a form of a person, who is told of a refusal by a page
	ReadOnly bool   // the site refuses writes (disable_updates)

	withOTP bool     // roles that ask for one-time passwords count, though the caller has none
	own     [1]Param // room for the parameters of the one path that most requests ask for
}

// A Param is a named segment of a path.
type Param struct{ Name, Value string }

// Params are few: a slice beats a map.
type Params []Param

// reads reports whether the request only reads: HEAD counts as GET (access.md A.1). OPTIONS reads nothing.
func (q *Query) reads() bool { return q.Method == http.MethodGet || q.Method == http.MethodHead }

// holds reports whether a role of the caller counts.
func (q *Query) holds(r *Role) bool { return q.Caller.Holds(r, q.Now) || q.withOTP && r.Valid(q.Now) }

// opens reports whether a role of the caller counts, on a profile that is active.
func (q *Query) opens(r *Role) bool { return r.Profile.Active && q.holds(r) }

// A tester is a condition about the caller's roles.
type tester interface{ check(q *Query) Verdict }

// cured answers a condition about the caller's roles. Where it fails, and would not if the caller had the one-time passwords that
// a role asks for, the page where they are set up cures that (decision 68).
func (q *Query) cured(t tester) Verdict {
	v := t.check(q)
	if v.OK() || v.Reason == Unavailable || !q.lacksOTP() {
		return v
	}
	with := *q
	with.withOTP = true
	if t.check(&with).OK() {
		return Verdict{Reason: OTPRequired, Target: "/users/" + url.PathEscape(q.Caller.Username) + "/password/"}
	}
	return v
}

// lacksOTP reports whether a role of the caller does not count for want of one-time passwords.
func (q *Query) lacksOTP() bool {
	if q.withOTP || q.Caller == nil || q.Caller.OTP {
		return false
	}
	for i := range q.Caller.Roles {
		if r := &q.Caller.Roles[i]; r.OTPRequired && r.Valid(q.Now) {
			return true
		}
	}
	return false
}

// frozen reports whether the site's read-only switch forbids the request (access.md A.1).
func (q *Query) frozen() bool {
	if !q.ReadOnly {
		return false
	}
	switch q.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

// Get returns the value of a parameter, "" when absent.
func (p Params) Get(name string) string {
	for i := range p {
		if p[i].Name == name {
			return p[i].Value
		}
	}
	return ""
}

// A Condition is something that must hold. Check never has an effect. Conditions are immutable and safe for concurrent use.
type Condition interface {
	// Check answers the query. The zero Verdict means that the condition holds.
	Check(q *Query) Verdict
	// String prints the condition in the words of the Caddyfile, as in "direct contributor weak".
	String() string
}

// A Reason says why somebody was refused, in a word that programs can key on.
type Reason string

// Reasons of a refusal.
const (
	Passed          Reason = ""
	NoRule          Reason = "no-rule"
	NotFound        Reason = "not-found" // the rule names a plan that does not exist: 404
	Unauthenticated Reason = "unauthenticated"
	BadCredentials  Reason = "bad-credentials"
	NotActivated    Reason = "not-activated"
	OTPRequired     Reason = "otp-required"
	TermsUnsigned   Reason = "terms-unsigned"
	PendingGrant    Reason = "pending-grant"
	RoleMissing     Reason = "role-missing"
	NotSubscribed   Reason = "not-subscribed"
	Expired         Reason = "subscription-ended"
	BalanceDue      Reason = "balance-due"
	ReadOnlySite    Reason = "read-only"
	Unavailable     Reason = "unavailable"         // facts could not be read: 503
	AmbiguousPath   Reason = "ambiguous-path"      // upstreams could read it otherwise than the gate: 400
	LongPath        Reason = "path-too-long"       // 414
	ForeignTarget   Reason = "foreign-destination" // of a copy or a move: another host
	ForeignOrigin   Reason = "foreign-origin"      // a page of another site sent it
)

// A Verdict is the answer of a condition.
type Verdict struct {
	Reason Reason // "" = pass
	// Target is the path of the page that cures the refusal (access.md B.5), "" for none. Paths are those of the contract
	// ("/login/", "/pricing/", …); the assembly maps them to configured URLs.
	Target string
	// Cart is the slug of a plan to put into the caller's cart before the redirect (access.md B.3), "" for none.
	Cart string
	// Err is why facts could not be read; set with Unavailable only.
	Err error
}

// OK reports whether the condition holds.
func (v Verdict) OK() bool { return v.Reason == Passed }

// Status is the HTTP status that answers the verdict when it is not a redirect, for the API and for the gate alike (access.md
// A.5, decision 1): 401 for a caller without a valid identity, 403 for one who is known, 503 when facts could not be read.
func (v Verdict) Status() int {
	switch v.Reason {
	case Passed:
		return http.StatusOK
	case Unauthenticated, BadCredentials:
		return http.StatusUnauthorized
	case NotFound:
		return http.StatusNotFound
	case Unavailable:
		return http.StatusServiceUnavailable
	case AmbiguousPath:
		return http.StatusBadRequest
	case LongPath:
		return http.StatusRequestURITooLong
	}
	return http.StatusForbidden
}

// unavailable is the verdict when facts could not be read: nobody passes.
func unavailable(err error) Verdict { return Verdict{Reason: Unavailable, Err: err} }

// all is a list of conditions, all of which must hold.
type all []Condition

// All holds when every condition holds. They are checked in order, and the first that does not hold decides.
func All(conditions ...Condition) Condition {
	var flat all
	for _, c := range conditions {
		if inner, ok := c.(all); ok {
			flat = append(flat, inner...)
			continue
		}
		flat = append(flat, c)
	}
	return flat
}

func (a all) Check(q *Query) Verdict {
	for _, c := range a {
		if v := c.Check(q); !v.OK() {
			return v
		}
	}
	return Verdict{}
}

func (a all) String() string {
	words := make([]string, len(a))
	for i, c := range a {
		words[i] = c.String()
	}
	return strings.Join(words, "; ")
}

// Strength says how far a role other than manager goes (access.md A.1).
type Strength uint8

// Strengths of a role test.
const (
	Normal Strength = iota // the role may read
	Weak                   // the role may read and write
	Strong                 // managers only
)
