package caddymodule

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/pages"
)

// A sample is a page as somebody sees it: an address of a row of the table of pages. Tests over the table look at all samples, so that
// no page is forgotten.
type sample struct {
	page   string // path of the row; "" for what no row has
	who    string // the visitor's user name, "" for somebody unknown
	at     string // the address, with {names} of what the world has; default: page
	state  string // what is special about it
	status int    // of the answer; default: 200
}

// samples are at least one of each row.
var samples = []sample{
	{page: "/login/"},
	{page: "/login/", at: "/login/?username=xia&next=%2Faccount%2F", state: "with a name"},
	{page: "/login/", who: "xia", state: "known"},
	{page: "/login/{key}/", at: "/login/{key}/"},
	{page: "/login/{key}/", at: "/login/{key}/", who: "xia", state: "of another account"},
	{page: "/login/{key}/", at: "/login/" + strings.Repeat("f", 40) + "/", state: "used"},
	{page: "/login/{key}/", at: "/login/none/", state: "none", status: 404},
	{page: "/register/"},
	{page: "/register/", who: "long", state: "known"},
	{page: "/recover/"},
	{page: "/activate/"},
	{page: "/users/roles/accept/", who: "xia", state: "none"},
	{page: "/users/roles/accept/", who: "nel"},
	{page: "/users/roles/accept/", state: "nobody", status: http.StatusSeeOther},
	{page: "/users/roles/accept/{key}/", at: "/users/roles/accept/{invitation}/", who: "nel"},
	{page: "/users/roles/accept/{key}/", at: "/users/roles/accept/{invitation}/", state: "nobody"},
	{page: "/users/roles/accept/{key}/", at: "/users/roles/accept/{invitation}/", who: "xia", state: "for another"},
	{page: "/users/roles/accept/{key}/", at: "/users/roles/accept/{invited}/", state: "of an address"},
	{page: "/users/roles/accept/{key}/", at: "/users/roles/accept/" + strings.Repeat("f", 40) + "/", state: "over"},
	{page: "/register/", at: "/register/?next=%2Fusers%2Froles%2Faccept%2F{invited}%2F", state: "invited"},
	{page: "/login/", at: "/login/?next=%2Fusers%2Froles%2Faccept%2F{invited}%2F", state: "invited"},
	{page: "/legal/"},
	{page: "/legal/{agreement}/", at: "/legal/house-rules/"},
	{page: "/legal/{agreement}/", at: "/legal/none/", state: "none", status: 404},
	{page: "/legal/{agreement}/sign/", at: "/legal/house-rules/sign/", who: "xia"},
	{page: "/legal/{agreement}/sign/", at: "/legal/house-rules/sign/", state: "nobody", status: http.StatusSeeOther},
	{page: "/contact/"},
	{page: "/contact/", who: "xia", state: "known"},
	{page: "/logout/", state: "nobody"},
	{page: "/logout/", who: "xia"},
	{page: "/logout/", who: "donny", state: "broker"},
	{page: "/logout/", who: "long", state: "long"},
	{page: "/users/", who: "xia", status: http.StatusSeeOther},
	{page: "/users/", state: "nobody", status: http.StatusSeeOther},
	{page: "/users/{user}/", at: "/users/xia/", who: "xia"},
	{page: "/users/{user}/", at: "/users/long/", who: "long", state: "long, nothing proven"},
	{page: "/users/{user}/", at: "/users/donny/", who: "donny", state: "cannot be deleted"},
	{page: "/users/{user}/", at: "/users/long/", who: "donny", state: "of another"},
	{page: "/users/{user}/", at: "/users/donny/", who: "xia", state: "refused", status: http.StatusForbidden},
	{page: "/users/{user}/password/", at: "/users/xia/password/", who: "xia"},
	{page: "/users/{user}/password/", at: "/users/xia/password/", who: "donny", state: "of another"},
	{page: "/users/{user}/otp/", at: "/users/xia/otp/", who: "xia"},
	{page: "/users/{user}/otp/", at: "/users/long/otp/", who: "long", state: "nothing proven"},
	{page: "/users/{user}/keys/", at: "/users/xia/keys/", who: "xia"},
	{page: "/users/{user}/keys/", at: "/users/xia/keys/", who: "donny", state: "of another"},
	{page: "/users/{user}/notifications/", at: "/users/xia/notifications/", who: "xia"},
	{page: "/users/{user}/notifications/", at: "/users/donny/notifications/", who: "donny", state: "broker"},
	{page: "/users/roles/", who: "xia", status: http.StatusSeeOther},
	{page: "/users/{user}/roles/", at: "/users/xia/roles/", who: "xia"},
	{page: "/users/{user}/roles/", at: "/users/long/roles/", who: "long", state: "long"},
	{page: "/users/{user}/roles/", at: "/users/donny/roles/?leave=cowork", who: "donny", state: "leaving"},
	{page: "/logout/", who: "pat", state: "hostile"},
	{page: "/app/", state: "nobody", status: http.StatusSeeOther},
	{page: "/app/", who: "xia", status: http.StatusSeeOther},
	{page: "/app/", who: "pat", state: "hostile, several"},
	{page: "/pricing/"},
	{page: "/pricing/", who: "xia", state: "known"},
	{page: "/pricing/", who: "pat", state: "hostile"},
	{page: "/profile/{profile}/subscriptions/accept/{key}/", at: "/profile/shop/subscriptions/accept/{grant}/", who: "pat"},
	{page: "/profile/{profile}/subscriptions/accept/{key}/",
		at: "/profile/shop/subscriptions/accept/" + strings.Repeat("f", 40) + "/", who: "pat", state: "over"},
	{page: "/app/{profile}/", at: "/app/xia/", who: "xia", state: "refused by the gate", status: http.StatusForbidden},
	{page: "/app/{profile}/", at: "/app/long/", who: "long", state: "long, refused by the gate", status: http.StatusForbidden},
}

// name names a sample.
func (s sample) name() string {
	return strings.TrimSpace(cmp.Or(s.page, s.at) + " " + cmp.Or(s.who, "nobody") + " " + s.state)
}

// answers is the status of the answer.
func (s sample) answers() int { return cmp.Or(s.status, http.StatusOK) }

// A world is a site with somebody and something for each sample.
type world struct {
	*site
	values   map[string]string
	visitors map[string]*visitor
	text     func(string) string // makes what people say of what it is about
}

// longName is as long as a name may be, and has nowhere to be broken.
var longName = strings.Repeat("Wolfeschlegelsteinhausen", 3)[:60]

// newWorld makes what samples show. The site has the pages and the demo's users.
func newWorld(s *site) *world { return makeWorld(s, func(text string) string { return text }) }

// newHostileWorld makes the same with names and texts of attackers.
func newHostileWorld(s *site) *world { return makeWorld(s, hostile) }

func makeWorld(s *site, text func(string) string) *world {
	s.t.Helper()
	w := &world{site: s, values: map[string]string{}, visitors: map[string]*visitor{}, text: text}
	s.must(201, "POST", "/api/auth/register", map[string]any{
		"username": "long", "password": "yoyo", "email": "long@example.com", "full_name": longName, "type": "personal"})
	s.must(201, "POST", "/api/auth/register", map[string]any{ // has no password yet
		"username": "nora", "new_password": nil, "email": "nora@example.com", "full_name": text("Nora Lind")})
	s.must(200, "POST", "/api/users/nora/activate", nil, s.login("donny"))
	_, key, _ := strings.Cut(mailedLink.FindString(s.mail("nora@example.com", "/login/")), "/login/")
	w.values["key"] = strings.Trim(key, "/")
	s.must(201, "POST", "/api/auth/register", map[string]any{
		"username": "pat", "password": "yoyo", "email": "pat@example.com", "full_name": text("Pat"), "type": "personal"})
	s.must(201, "POST", "/api/auth/register", map[string]any{
		"username": "nel", "password": "yoyo", "email": "nel@example.com", "full_name": text("Nel Park")})
	s.confirm("nel")
	w.values["invitation"] = strings.Split(s.invite(map[string]any{"slug": "nel"}, "nel@example.com"), "/")[4]
	w.values["invited"] = strings.Split(s.invite(map[string]any{"email": "new@work.example"}, "new@work.example"), "/")[4]
	s.must(201, "POST", "/api/agreements", map[string]any{"title": "House rules", "text": text("# Be kind\n\n" + longName)}, s.login("donny"))
	for slug, name := range map[string]string{"shop": "Shop", "school": "Art " + longName} {
		s.must(201, "POST", "/api/users/pat/profiles", map[string]any{"slug": slug, "full_name": text(name)}, s.login("pat"))
	}
	s.grant("shop")
	granted := s.must(200, "GET", "/api/profile/shop/subscriptions", nil, s.login("pat")).json(s.t)
	w.values["grant"], _ = granted["results"].([]any)[0].(map[string]any)["grant_key"].(string)
	return w
}

// address is where a sample is.
func (w *world) address(s sample) string {
	w.t.Helper()
	at := cmp.Or(s.at, s.page)
	for name, value := range w.values {
		at = strings.ReplaceAll(at, "{"+name+"}", value)
	}
	if strings.ContainsAny(at, "{}") {
		w.t.Errorf("%s: there is nothing in the world for %s", s.name(), at)
	}
	return at
}

// as is the visitor of a sample, at a browser that is kept.
func (w *world) as(who string) *visitor {
	w.t.Helper()
	if w.visitors[who] == nil {
		if w.visitors[who] = w.visitor(); who != "" {
			w.visitors[who] = w.knownVisitor(who)
		}
	}
	return w.visitors[who]
}

// everybody has logged in.
func (w *world) everybody() {
	w.t.Helper()
	for _, s := range samples {
		w.as(s.who)
	}
}

// show shows a sample to its visitor.
func (w *world) show(s sample) *visitor {
	w.t.Helper()
	v := w.as(s.who).get(w.address(s))
	if v.status != s.answers() {
		w.t.Errorf("%s: %d %s, want %d: %s", s.name(), v.status, v.location(), s.answers(), v.text("main"))
	}
	return v
}

// unsampled are the rows that have no sample.
func unsampled(all []pages.Page) (paths []string) {
	for _, p := range all {
		found := false
		for _, s := range samples {
			found = found || s.page == p.Path
		}
		if !found {
			paths = append(paths, p.Path)
		}
	}
	return paths
}

// TestSamples shows each sample to its visitor: every page of the table has one, and is answered.
func TestSamples(t *testing.T) {
	for _, path := range unsampled(allPages()) {
		t.Errorf("%s has no sample: add an address, and who sees it, to samples", path)
	}
	w := newWorld(pagesSite(t))
	for _, s := range samples {
		v := w.show(s)
		if strings.Contains(v.body, "ZgotmplZ") || strings.Contains(v.body, "no value>") {
			t.Errorf("%s: a template is given what it cannot show: %s", s.name(), v.body)
		}
	}
}
