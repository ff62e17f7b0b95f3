package profile

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Where the site does not tell which addresses have accounts (decision 78), an address gets the same answer to every request of
// somebody who may ask, whoever has it; and as much is written.
func TestAddressesAnswerAlike(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.HideAccounts = true })
	w.exec(`UPDATE contact SET email_verified_at = 1 WHERE user_id IN (SELECT id FROM user WHERE username IN ('xia', 'alice'))`)
	w.exec(`UPDATE profile SET email = 'desk@desk.example' WHERE slug = 'cowork'`)
	for _, request := range []string{
		`POST /api/profile/cowork/roles/contributor {"email":"WHO"}`,
		`POST /api/profile/cowork/roles/contributor {"email":"WHO","full_name":"Some One"}`,
		`POST /api/profile/cowork/roles/contributor?force=1 {"email":"WHO","full_name":"Some One"}`,
		`POST /api/profile/cowork/roles/contributor {"slug":"nosuch","email":"WHO"}`,
		`POST /api/profile/cowork/roles/contributor?force=1 {"slug":"nosuch","email":"WHO","full_name":"Some One"}`,
		`POST /api/users/donny/accessibles {"email":"WHO"}`,
		`POST /api/users/donny/accessibles/manager {"email":"WHO"}`,
		`POST /api/users/donny/accessibles?force=1 {"email":"WHO"}`,
		`POST /api/users/donny/accessibles/nosuch {"email":"WHO"}`,
		`POST /api/accounts/profiles {"full_name":"Some One","email":"WHO"}`,
		`POST /api/accounts/profiles {"type":"personal","full_name":"Some One","email":"WHO"}`,
		`POST /api/accounts/profiles {"type":"personal","slug":"WHO-NAME","full_name":"Some One","email":"WHO"}`,
		`GET /api/users/ray/accessibles?q=WHO&q_f=profile__email`, `GET /api/users/pia/accessibles?q=WHO`,
		`GET /api/accounts?q=WHO`, `GET /api/accounts/users?q=WHO`, `GET /api/accounts/profiles?q=WHO`, `GET /api/accounts/users?q=WHO&q_f=email`,
		`GET /api/accounts/profiles?q=WHO&q_f=email`, `GET /api/accounts/users?o=email&q=WHO`,
	} {
		answers := map[string]string{}
		for _, who := range []string{"xia@xia.example", "alice@alice.example", "nina@nina.example", "desk@desk.example",
			"nobody@nobody.example"} {
			name, _, _ := strings.Cut(who, "@")
			line, body, _ := strings.Cut(strings.NewReplacer("WHO-NAME", name+"-new", "WHO", who).Replace(request), " {")
			if body != "" {
				body = "{" + body
			}
			as := "donny"
			if user, found := strings.CutPrefix(line, "GET /api/users/"); found {
				as, _, _ = strings.Cut(user, "/")
			}
			before := w.Store.Stats().Writes
			r := w.Do(as, line, body)
			if r.Code >= 300 && !strings.Contains(line, "nosuch") && !strings.Contains(line, "/profiles") { // failing is no way of answering alike
				t.Errorf("%s for %s: %d %s", line, who, r.Code, r.Body)
			}
			// A name is made of what was typed, whichever is free, and keys by chance.
			made := regexp.MustCompile(`\b(` + name + `-new|` + name + `|some-one)(-[0-9a-f]{7})?\b|\b\w{40}\b`)
			text := made.ReplaceAllString(strings.ReplaceAll(r.Body.String(), who, "WHO"), "NAME")
			answers[fmt.Sprint(r.Code, " ", text, " writes ", w.Store.Stats().Writes-before)] += who + " "
		}
		if len(answers) != 1 {
			t.Errorf("%s: %v", request, answers)
		}
	}
	if r := w.Do("bob", "GET /api/accounts/users?q=alice@alice.example", ""); !strings.Contains(r.Body.String(), `"alice"`) {
		t.Errorf("the broker finds %s", r.Body)
	}
}

// An invitation of an address that somebody has proven gives the role to whoever brings the key of the mail.
func TestHiddenInvitationIsAccepted(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.HideAccounts = true })
	w.exec(`UPDATE contact SET email_verified_at = 1 WHERE user_id = (SELECT id FROM user WHERE username = 'alice')`)
	if r := w.Do("donny", "POST /api/profile/cowork/roles/contributor", `{"email":"alice@alice.example"}`); r.Code != 201 || strings.Contains(r.Body.String(), "last_login\":\"") {
		t.Fatal(r.Code, r.Body)
	}
	var key string
	if err := w.Store.Read(t.Context(), func(r store.Reader) error {
		return r.QueryRow(`SELECT grant_key FROM invitation WHERE email = 'alice@alice.example'`).Scan(&key)
	}); err != nil {
		t.Fatal(err)
	}
	if r := w.Do("alice", "PUT /api/users/alice/accessibles/accept/"+key, `{}`); r.Code != 200 {
		t.Error(r.Code, r.Body)
	}
}

// Who is invited by an address and then by a name, or the other way round, gets two invitations, whether both are of one account or
// not, and taking one back leaves the other.
func TestHiddenAddressAndNameAreApart(t *testing.T) {
	for _, order := range [][]string{{`{"email":"WHO"}`, `{"slug":"alice"}`}, {`{"slug":"alice"}`, `{"email":"WHO"}`}} {
		answers := map[string]string{}
		for _, who := range []string{"alice@alice.example", "olga@olga.example", "nobody@nobody.example"} {
			w := newWorld(t, func(s *Settings) { s.HideAccounts = true })
			w.exec(`UPDATE contact SET email_verified_at = 1 WHERE user_id IN (SELECT id FROM user WHERE username IN ('alice', 'olga'))`)
			got := ""
			ask := func(line, body string) {
				r := w.Do("donny", line, strings.ReplaceAll(body, "WHO", who))
				text := regexp.MustCompile(`\b\w{40}\b`).ReplaceAllString(r.Body.String(), "KEY")
				got += fmt.Sprint(r.Code, " ", strings.ReplaceAll(text, who, "WHO"), "\n")
			}
			for _, body := range append(order, order...) {
				ask("POST /api/profile/cowork/roles/contributor", body)
			}
			ask("GET /api/profile/cowork/roles?role_status=invited", "")
			ask("DELETE /api/profile/cowork/roles/contributor/"+who, "")
			ask("POST /api/profile/cowork/roles/contributor/"+who, "")
			ask("GET /api/profile/cowork/roles?role_status=invited", "")
			ask("DELETE /api/profile/cowork/roles/contributor/alice", "")
			ask("GET /api/profile/cowork/roles?role_status=invited", "")
			answers[got] += who + " "
		}
		if len(answers) != 1 {
			t.Errorf("%s: %v", order, answers)
		}
	}
}

// A request for a role on whatever has an address is mailed there, and nothing else: who manages that profile gives the role to the
// user, who accepts it.
func TestHiddenRequestIsMailed(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.HideAccounts = true })
	w.exec(`UPDATE profile SET email = 'desk@desk.example' WHERE slug = 'cowork'`)
	for _, who := range []string{"desk@desk.example", "nobody@nobody.example"} {
		w.Run(t, resttest.Case("ask", "alice", "POST /api/users/alice/accessibles/contributor", `{"email":"`+who+`","message":"Me too"}`, 201,
			`~"request_key":"~"slug":"`+who+`"~"slug":"contributor"`))
		payload := get[string](w, `SELECT payload FROM outbox ORDER BY id DESC LIMIT 1`)
		if !strings.Contains(payload, `"email":"`+who+`"`) || !strings.Contains(payload, "Me too") || strings.Contains(payload, "cowork") {
			t.Errorf("%s: %s", who, payload)
		}
	}
	w.Run(t,
		resttest.Case("no list has it", "alice", "GET /api/users/alice/accessibles", "", 200, `~"requested_count":0,"count":0`),
		resttest.Case("nor the profile's", "donny", "GET /api/profile/cowork/roles", "", 200, `~"requested_count":1`), // ray's
		resttest.Case("answer", "donny", "POST /api/profile/cowork/roles/contributor", `{"slug":"alice"}`, 201, `~"grant_key":"`),
	)
}

// Requests that mail people are bounded by client and by user, each with 429 and when to try again; 0 is no bound.
func TestInvitationsAreBounded(t *testing.T) {
	for _, bound := range []rest.Bound{{PerClient: 2}, {PerUser: 2}, {}} {
		w := newWorld(t)
		w.Service.Limits = rest.Limits{rest.LimitInvitations: bound}
		got, retry := "", ""
		for i := range 3 {
			r := w.Do("donny", "POST /api/profile/cowork/roles/contributor?force=1", fmt.Sprintf(`{"email":"new%d@example.com","full_name":"New"}`, i))
			got += fmt.Sprint(r.Code, " ")
			retry = r.Header().Get("Retry-After")
		}
		r := w.Do("donny", "POST /api/users/donny/accessibles", `{"slug":"gym"}`)
		got += fmt.Sprint(r.Code)
		want := "201 201 429 429"
		if bound == (rest.Bound{}) {
			want = "201 201 201 201"
		}
		if got != want || bound != (rest.Bound{}) && retry != "3600" {
			t.Errorf("%+v: %s, Retry-After %q", bound, got, retry)
		}
	}
}
