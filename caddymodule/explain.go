package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

// A question asks whether a request would pass, and why.
type question struct {
	// As is the username of who sends it. Default: nobody.
	As string `json:"as,omitempty"`
	// Method of the request. Default: GET.
	Method string `json:"method,omitempty"`
	// URL of the request, or its path with `url` of the configuration before it.
	URL string `json:"url"`
}

// An explanation is the answer: what the gate does with a request, by which rule, and what the application is told. It holds no
// secret and no token.
type explanation struct {
	question
	Result     result           `json:"result"`
	Gate       string           `json:"gate,omitempty"`     // that the request comes to
	Endpoint   string           `json:"endpoint,omitempty"` // of the API, in place of a gate
	Path       string           `json:"path,omitempty"`     // as it is matched and passed on
	Paths      []explainedPath  `json:"paths,omitempty"`    // that are judged, where there are several
	Reason     string           `json:"reason,omitempty"`   // of a refusal
	Note       string           `json:"note,omitempty"`     // what else decides
	Rule       *explainedRule   `json:"rule,omitempty"`     // that decides
	Skipped    []*explainedRule `json:"skipped,omitempty"`  // rules before it whose path matches and whose methods do not
	Origin     []string         `json:"origin,omitempty"`   // that may have a browser send it, when it is unsafe and the rule admits it
	Conditions []outcome        `json:"conditions,omitempty"`
	Answer     *answers         `json:"answer,omitempty"`   // to a refused request
	Upstream   *receives        `json:"upstream,omitempty"` // of an admitted request
}

// A result is what becomes of a request.
type result string

const (
	resultAdmitted    result = "admitted"
	resultRefused     result = "refused"
	resultUnavailable result = "unavailable" // facts could not be read: nobody passes
	resultPreflight   result = "preflight"   // passed on without identity, which it needs not
	resultPage        result = "page"        // refused by the rules, and passed on without identity: the page cures refusals
	resultUngated     result = "ungated"     // no gate stands before what answers it
)

// resultOf is what a verdict makes of a request.
func resultOf(v accessrules.Verdict) result {
	switch v.Reason {
	case accessrules.Passed:
		return resultAdmitted
	case accessrules.Unavailable:
		return resultUnavailable
	}
	return resultRefused
}

type explainedRule struct {
	Number  int      `json:"number"` // of the gate's rules, from 1
	Path    string   `json:"path"`
	Methods []string `json:"methods,omitempty"`
	Source  string   `json:"source,omitempty"` // where it was written: "Caddyfile:12" or "api"
	Text    string   `json:"text"`
}

// explainedPath is one of the paths of a request.
type explainedPath struct {
	Kind   string         `json:"kind"` // "sent", "at hand", "behind a script", "destination", "below"
	Path   string         `json:"path"`
	Result result         `json:"result"`
	Reason string         `json:"reason,omitempty"`
	Rule   *explainedRule `json:"rule,omitempty"`
}

type outcome struct {
	Condition string `json:"condition"`
	Holds     bool   `json:"holds"`
	Reason    string `json:"reason,omitempty"`
	Facts     []fact `json:"facts,omitempty"`
}

type fact struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// answers are what a program is told, and what a browser that goes to a page.
type answers struct {
	Program int    `json:"program"` // status
	Browser int    `json:"browser"`
	Page    string `json:"page,omitempty"` // that the browser is redirected to
}

// receives is what the application is told of the sender.
type receives struct {
	Address string            `json:"address,omitempty"` // {tollgate.upstream}
	Headers map[string]string `json:"headers,omitempty"` // that the gate sets; tokens are redacted
	Session json.RawMessage   `json:"session,omitempty"` // what is in the token or cookie
}

// errQuestion is a question that cannot be answered for a fault of its own.
type errQuestion struct{ error }

// explain answers a question by the configuration that the app belongs to. It has no effect: nobody is mailed, no cart is filled and
// no visit is noted. Errors: errQuestion, or facts could not be read.
func (a *App) explain(site *caddyhttp.App, q question) (*explanation, error) {
	q.Method = strings.ToUpper(q.Method)
	if q.Method == "" {
		q.Method = http.MethodGet
	}
	if strings.HasPrefix(q.URL, "/") {
		q.URL = strings.TrimRight(a.URL, "/") + q.URL
	}
	u, err := url.Parse(q.URL)
	if err != nil || u.Host == "" && !strings.HasPrefix(q.URL, "/") {
		return nil, errQuestion{fmt.Errorf("%q is no address: write a URL, as in https://app.example.com/app/, or a path of the site", q.URL)}
	}
	if _, err := http.NewRequest(q.Method, "/", nil); err != nil {
		return nil, errQuestion{fmt.Errorf("%q is no method: write one as GET", q.Method)}
	}
	if a.site.Directory.Broker() == "" {
		return nil, errStarting
	}
	e := &explanation{question: q}
	ask := &accessrules.Query{Facts: a.site.Directory, Now: a.site.Now(), Method: q.Method, ReadOnly: a.DisableUpdates}
	if q.As != "" {
		if ask.Caller, err = a.site.Directory.User(q.As); err != nil {
			return nil, err
		}
		if ask.Caller == nil {
			return nil, errQuestion{fmt.Errorf("there is no active user %q", q.As)}
		}
	}
	at, err := a.passage(site, q.Method, u)
	switch {
	case err != nil:
		return nil, err
	case at.api:
		e.ofAPI(a, ask, at.r)
	case at.gate != nil:
		return e, e.ofGate(at.gate, ask, at.r)
	default:
		e.Result = resultUngated
	}
	return e, nil
}

// passage is where a request comes to. Without an address of the site there is nothing to follow, unless there is one gate only.
func (a *App) passage(site *caddyhttp.App, method string, u *url.URL) (passage, error) {
	if u.Host != "" {
		return passageOf(site, method, u)
	}
	var only *Gate
	for _, g := range a.gates {
		if only != nil && only.live != g.live {
			return passage{}, errQuestion{errors.New("there are several gates: write the whole URL, as in https://app.example.com/app/")}
		}
		only = g
	}
	return passage{gate: only, r: &http.Request{Method: method, URL: u}}, nil
}

// ofAPI explains a request that the API answers.
func (e *explanation) ofAPI(a *App, q *accessrules.Query, r *http.Request) {
	p, ok := a.service.Permission(r)
	if !ok {
		e.Result, e.Note = resultAdmitted, "the API answers this path to everybody"
		return
	}
	q.Params = p.Params
	e.Endpoint = p.Endpoint
	if live := a.service.Proxy().Gate(accessrules.DefaultGate); p.Rule && live != nil {
		e.Note = "a rule of the gate takes the place of the endpoint's class"
		if path, err := accessrules.Clean(r.URL.EscapedPath()); err == nil {
			e.byRule(live.Over(), q, path)
			return
		}
	}
	v := p.Condition.Check(q)
	e.Result, e.Reason = resultOf(v), string(v.Reason)
	e.Note = "the class of the endpoint is " + p.Condition.String()
	e.Conditions = told(accessrules.ExplainCondition(p.Condition, q))
}

// ofGate explains a request that comes to a gate. Error: facts could not be read.
func (e *explanation) ofGate(g *Gate, q *accessrules.Query, r *http.Request) error {
	e.Gate = g.Name
	ask := asked{method: q.Method}
	err := g.asks(r, &ask, new(accessrules.Seen))
	if err != nil {
		e.unclear(verdictOf(err))
		return nil
	}
	d := e.judge(g, q, &ask.Asked)
	if d.Rule != nil {
		e.Origin = g.origins(d.Rule)
	}
	switch {
	case d.Verdict.Reason == accessrules.AmbiguousPath:
		e.unclear(d.Verdict)
		return nil
	case d.Verdict.OK() && !d.Rule.Forward:
		e.Note = "the next handler answers it, without a session (local)"
		return nil
	case d.Verdict.OK():
		e.Upstream, err = g.receives(q, d)
		return err
	case g.pageAsked(r, q, &ask.Asked):
		e.Result, e.Note = resultPage, "it is a page that cures refusals: everybody may go there, without identity"
		return nil
	}
	e.Answer = g.answers(q, d, r)
	return nil
}

// judge explains what a gate makes of all paths of a request.
func (e *explanation) judge(g *Gate, q *accessrules.Query, a *accessrules.Asked) *accessrules.Decision {
	set := g.live.Set()
	a.Note = func(j accessrules.Judged) {
		one := explainedPath{Kind: j.Kind, Path: j.Path, Result: resultOf(j.Decision.Verdict), Reason: string(j.Decision.Verdict.Reason)}
		if j.Decision.Rule != nil {
			one.Rule = ruleOf(set, j.Decision.Index)
		}
		e.Paths = append(e.Paths, one)
	}
	d := set.Judge(q, a)
	if d.Verdict.Reason == accessrules.AmbiguousPath {
		e.Path = a.Path.String()
		return &d
	}
	at := 0
	for i := range e.Paths {
		if rule := e.Paths[i].Rule; rule != nil && d.Rule != nil && rule.Number == d.Index+1 {
			at = i
			break
		}
	}
	if path := e.Paths[at].Path; e.Paths[at].Kind != accessrules.PathBelow {
		e.byRule(set, q, path)
	} else {
		e.Rule, e.Conditions = e.Paths[at].Rule, told(accessrules.ExplainCondition(accessrules.All(d.Rule.Conditions...), q))
	}
	e.Path, e.Result, e.Reason = a.Path.String(), resultOf(d.Verdict), string(d.Verdict.Reason)
	if len(e.Paths) == 1 {
		e.Paths = nil
	}
	return &d
}

// unclear tells of paths that cannot be decided on.
func (e *explanation) unclear(v accessrules.Verdict) {
	e.Result, e.Reason = resultRefused, string(v.Reason)
	if v.Err != nil {
		e.Note = v.Err.Error()
	}
	e.Answer = &answers{Program: v.Status(), Browser: v.Status()}
}

// byRule explains what a set of rules makes of a path.
func (e *explanation) byRule(set *accessrules.Set, q *accessrules.Query, path string) *accessrules.Decision {
	x := set.Explain(q, path)
	e.Path, e.Result, e.Reason = path, resultOf(x.Verdict), string(x.Verdict.Reason)
	if x.Rule != nil {
		e.Rule = ruleOf(set, x.Index)
	}
	for _, i := range x.Skipped {
		e.Skipped = append(e.Skipped, ruleOf(set, i))
	}
	e.Conditions = told(x.Conditions)
	return &x.Decision
}

func ruleOf(set *accessrules.Set, i int) *explainedRule {
	r := &set.Rules()[i]
	return &explainedRule{Number: i + 1, Path: r.Path, Methods: r.Methods, Source: r.Source, Text: r.Text()}
}

func told(list []accessrules.Outcome) (out []outcome) {
	for _, o := range list {
		one := outcome{Condition: o.Condition, Holds: o.Verdict.OK(), Reason: string(o.Verdict.Reason)}
		for _, f := range o.Facts {
			one.Facts = append(one.Facts, fact(f))
		}
		out = append(out, one)
	}
	return out
}

// answers are what the gate answers to a request that is refused.
func (g *Gate) answers(q *accessrules.Query, d *accessrules.Decision, r *http.Request) *answers {
	program, browser := *q, *q
	program.Page, browser.Page = false, true
	var out answers
	var target string
	_, out.Program, _ = g.answer(r, &program, d)
	if _, out.Browser, target = g.answer(r, &browser, d); target != "" {
		out.Browser, out.Page = http.StatusFound, g.app.withNext(r, target, g.app.origin(r), sentURI(r))
	}
	return &out
}

// receives is what the application is told of the caller of q, which a rule let pass. Error: facts could not be read.
func (g *Gate) receives(q *accessrules.Query, d *accessrules.Decision) (*receives, error) {
	choice := g.live.Chosen()
	backend := g.live.Form(choice)
	out := &receives{Address: g.dials[g.live.Upstream()], Headers: map[string]string{}}
	if q.Caller == nil {
		if backend == accessrules.CookieSession {
			out.Headers["Cookie"], out.Session = directory.ContractSession+`="`+redacted+`"`, json.RawMessage("{}")
		}
		return out, nil
	}
	key, err := g.upward.key(q, d, choice)
	if err != nil {
		return nil, err
	}
	if len(d.Rule.Engaged) > 0 {
		key.visited = g.app.service.Proxy().Seen(q.Caller, d.Rule.Engaged)
	}
	a, err := g.upward.make(q.Now, key)
	if err != nil {
		return nil, err
	}
	secret := []string{"Authorization"}
	if g.Assertion != nil {
		secret = append(secret, g.Assertion.name())
	}
	for _, h := range a.headers {
		if slices.Contains(secret, h.Name) {
			h.Value = redact(h.Value)
		}
		out.Headers[h.Name] = h.Value
	}
	if a.cookie != "" {
		out.Headers["Cookie"] = directory.ContractSession + `="` + redacted + `"`
	}
	if backend != accessrules.NoSession || g.Assertion != nil {
		session := key.session(q.Now)
		var expires time.Time
		if backend == accessrules.JWTSession {
			expires = q.Now.Add(accessrules.SessionLifetime)
		}
		out.Session = json.RawMessage(session.Preview(q.Now, expires))
	}
	return out, nil
}

const redacted = "[redacted]"

// redact leaves the scheme of a credential, and how long it is.
func redact(value string) string {
	scheme, token, ok := strings.Cut(value, " ")
	if !ok {
		scheme, token = "", value
	} else {
		scheme += " "
	}
	return fmt.Sprintf("%s[redacted, %d bytes]", scheme, len(token))
}
