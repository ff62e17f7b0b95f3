package accessrules

import (
	"net/url"
)

// anyone is operation 0.
type anyone struct{}

// Any holds for everybody, anonymous callers included (operation 0).
func Any() Condition { return anyone{} }

func (anyone) Check(*Query) Verdict { return Verdict{} }
func (anyone) String() string       { return "any" }

// authenticated is operation 1.
type authenticated struct{}

// Authenticated holds for every caller who is known (operation 1).
func Authenticated() Condition { return authenticated{} }

func (authenticated) Check(q *Query) Verdict { return identified(q) }
func (authenticated) String() string         { return "authenticated" }

// identified is the first step of every condition but Any (access.md B.3).
func identified(q *Query) Verdict {
	if q.Caller == nil {
		return Verdict{Reason: Unauthenticated, Target: "/login/"}
	}
	return Verdict{}
}

// active is operation 17.
type active struct{}

// Active holds when the caller has a usable password (operation 17, access.md A.2). A role that asks for one-time passwords
// refuses nothing here: without them that role does not count, and nothing else depends on it (decision 68). Whoever sees
// NotActivated may send the activation message again, at most every 10 minutes (decision 64).
func Active() Condition { return active{} }

func (active) Check(q *Query) Verdict {
	if v := identified(q); !v.OK() {
		return v
	}
	if !q.Caller.Credentials {
		return Verdict{Reason: NotActivated, Target: "/login/"}
	}
	return Verdict{}
}

func (active) String() string { return "active" }

// TermsOfUse is the slug of the agreement that is asked for when none is named.
const TermsOfUse = "terms-of-use"

// agreement is operation 2; an empty slug is the one of the path, or else the terms of use.
type agreement string

// Agreement holds when the caller signed the last version of an agreement (operation 2). An empty slug means the {agreement} of
// the path, or else TermsOfUse. An agreement that does not exist asks for nothing (decision 28).
func Agreement(slug string) Condition { return agreement(slug) }

func (a agreement) Check(q *Query) Verdict {
	if v := identified(q); !v.OK() {
		return v
	}
	slug := string(a)
	if slug == "" {
		slug = q.Params.Get("agreement")
	}
	if slug == "" {
		slug = TermsOfUse
	}
	updated, err := q.Facts.Agreement(slug)
	if err != nil {
		return unavailable(err)
	}
	if updated.IsZero() {
		return Verdict{}
	}
	if signed, ok := q.Caller.Signed[slug]; ok && !signed.Before(updated) {
		return Verdict{}
	}
	return Verdict{Reason: TermsUnsigned, Target: "/legal/" + url.PathEscape(slug) + "/sign/"}
}

func (a agreement) String() string {
	if a == "" {
		return "agreement"
	}
	return "agreement " + string(a)
}

// noPendingGrant is the condition of access.md A.2 of that name.
type noPendingGrant struct{}

// NoPendingGrant holds unless the caller has an invitation to the {profile} of the path to answer: an invitation keeps nobody from
// what is about another profile, or about none (decision 68). It concerns page requests only, never API calls (decision 2).
func NoPendingGrant() Condition { return noPendingGrant{} }

func (noPendingGrant) Check(q *Query) Verdict {
	if v := identified(q); !v.OK() {
		return v
	}
	if !q.Page || len(q.Caller.Pending) == 0 {
		return Verdict{}
	}
	profile := q.Params.Get("profile")
	for _, slug := range q.Caller.Pending {
		if slug == profile {
			return Verdict{Reason: PendingGrant, Target: "/users/roles/accept/?q=" + url.QueryEscape(profile)}
		}
	}
	return Verdict{}
}

func (noPendingGrant) String() string { return "no_pending_grant" }
