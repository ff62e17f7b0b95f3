package accessrules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// An Explanation is a decision and how it came about.
type Explanation struct {
	Decision
	Skipped    []int     // rules before it whose path matches and whose methods do not
	Conditions []Outcome // of the rule, all of them: those after the first that fails too
}

// An Outcome is what came of a condition.
type Outcome struct {
	Condition string // in the words of the Caddyfile
	Verdict   Verdict
	Facts     []Fact // what was asked, in order
}

// A Fact is what was asked, and the answer.
type Fact struct{ Question, Answer string }

// Explain answers as Decide does, and tells how. It is for people, and slower.
func (s *Set) Explain(q *Query, path string) Explanation {
	e := Explanation{Decision: s.Decide(q, path), Skipped: s.skipped(q.Method, path)}
	if e.Rule == nil {
		return e
	}
	e.Conditions = outcomes(e.Rule.Conditions, q)
	return e
}

// ExplainCondition tells how each part of a condition comes out, those after the first that fails too: the parts of a class are the
// conditions that the contract chains in it (access.md A.3).
func ExplainCondition(c Condition, q *Query) []Outcome {
	switch c := c.(type) {
	case all:
		return outcomes(c, q)
	case *classCondition:
		return outcomes(c.all, q)
	}
	return outcomes([]Condition{c}, q)
}

func outcomes(conditions []Condition, q *Query) []Outcome {
	list := make([]Outcome, 0, len(conditions))
	for _, c := range conditions {
		spy := &spy{Facts: q.Facts}
		asked := *q
		asked.Facts = spy
		o := Outcome{Condition: c.String(), Verdict: c.Check(&asked)}
		o.Facts = append(callerFacts(c, q), spy.facts...)
		list = append(list, o)
	}
	return list
}

// spy notes what is asked of facts.
type spy struct {
	Facts
	facts []Fact
}

func (s *spy) note(question, answer string, err error) {
	if err != nil {
		answer = "not known: " + err.Error()
	}
	f := Fact{question, answer}
	for _, seen := range s.facts {
		if seen == f {
			return
		}
	}
	s.facts = append(s.facts, f)
}

func (s *spy) Broker() string {
	slug := s.Facts.Broker()
	s.note("broker", slug, nil)
	return slug
}

func (s *spy) Profile(slug string) (*Profile, error) {
	p, err := s.Facts.Profile(slug)
	s.note("profile "+slug, describeProfile(p), err)
	return p, err
}

func (s *spy) User(username string) (*User, error) {
	u, err := s.Facts.User(username)
	answer := "there is none"
	if u != nil {
		answer = "active"
		if len(u.Roles) > 0 {
			answer += "; " + describeRoles(u)
		}
	}
	s.note("user "+username, answer, err)
	return u, err
}

func (s *spy) Plan(slug string) (*Plan, error) {
	p, err := s.Facts.Plan(slug)
	answer := "there is none"
	if p != nil {
		answer = "of " + p.Provider
	}
	s.note("plan "+slug, answer, err)
	return p, err
}

func (s *spy) Agreement(slug string) (time.Time, error) {
	t, err := s.Facts.Agreement(slug)
	answer := "there is none"
	if !t.IsZero() {
		answer = "last version of " + t.UTC().Format(time.RFC3339)
	}
	s.note("agreement "+slug, answer, err)
	return t, err
}

func describeProfile(p *Profile) string {
	switch {
	case p == nil:
		return "there is none"
	case !p.Active:
		return "archived"
	}
	return "active" + describeSubscriptions(p)
}

func describeSubscriptions(p *Profile) string {
	var b strings.Builder
	for i := range p.Subscriptions {
		sub := &p.Subscriptions[i]
		fmt.Fprintf(&b, "; subscribed to %s of %s until %s", sub.Plan, sub.Provider, sub.EndsAt.UTC().Format(time.RFC3339))
		if sub.Locked {
			b.WriteString(", with a balance due")
		}
	}
	return b.String()
}

func describeRoles(u *User) string {
	list := make([]string, 0, len(u.Roles))
	for i := range u.Roles {
		r := &u.Roles[i]
		text := r.Description + " of " + r.Profile.Slug
		if !r.EndsAt.IsZero() {
			text += " until " + r.EndsAt.UTC().Format(time.RFC3339)
		}
		if !r.Profile.Active {
			text += ", which is archived"
		}
		if r.OTPRequired && !u.OTP {
			text += ", which waits for one-time passwords"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// callerFacts is what a condition sees of the caller without asking.
func callerFacts(c Condition, q *Query) []Fact {
	u := q.Caller
	if u == nil {
		return []Fact{{"caller", "anonymous"}}
	}
	facts := []Fact{{"caller", u.Username}}
	switch c := c.(type) {
	case active:
		facts = append(facts, Fact{"password", yesNo(u.Credentials)})
	case agreement:
		for _, slug := range slices.Sorted(maps.Keys(u.Signed)) {
			if string(c) == "" || string(c) == slug {
				facts = append(facts, Fact{"signed " + slug, u.Signed[slug].UTC().Format(time.RFC3339)})
			}
		}
	case *roleTest, *brokerTest, *selfWrite, providerWrites:
		facts = append(facts, Fact{"roles", orNone(describeRoles(u))})
	case *subscriptionTest:
		facts = append(facts, Fact{"roles", orNone(describeRoles(u))})
		for i := range u.Roles {
			if r := &u.Roles[i]; q.opens(r) {
				facts = append(facts, Fact{"profile " + r.Profile.Slug, describeProfile(r.Profile)})
			}
		}
	}
	return facts
}

func yesNo(b bool) string {
	if b {
		return "set"
	}
	return "not set"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
