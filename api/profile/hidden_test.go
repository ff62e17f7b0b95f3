package profile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Where the site does not tell which addresses have accounts (decision 78), an address gets the same answer to every request of
// somebody who may ask, whoever has it; and as much is written.
func TestAddressesAnswerAlike(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.HideAccounts = true })
	w.exec(`UPDATE contact SET email_verified_at = 1 WHERE user_id IN (SELECT id FROM user WHERE username IN ('xia', 'alice'))`)
	for _, request := range []string{
		`POST /api/profile/cowork/roles/contributor {"email":"WHO"}`,
		`POST /api/profile/cowork/roles/contributor {"email":"WHO","full_name":"Some One"}`,
		`POST /api/profile/cowork/roles/contributor?force=1 {"email":"WHO","full_name":"Some One"}`,
		`POST /api/profile/cowork/roles/contributor {"slug":"nosuch","email":"WHO"}`,
		`POST /api/profile/cowork/roles/contributor?force=1 {"slug":"nosuch","email":"WHO","full_name":"Some One"}`,
		`POST /api/users/donny/accessibles {"email":"WHO"}`,
		`POST /api/users/donny/accessibles/manager {"email":"WHO"}`,
		`GET /api/accounts?q=WHO`, `GET /api/accounts/users?q=WHO`, `GET /api/accounts/profiles?q=WHO`, `GET /api/accounts/users?q=WHO&q_f=email`,
		`GET /api/accounts/profiles?q=WHO&q_f=email`, `GET /api/accounts/users?o=email&q=WHO`,
	} {
		answers := map[string]string{}
		for _, who := range []string{"xia@xia.example", "alice@alice.example", "nina@nina.example", "nobody@nobody.example"} {
			line, body, _ := strings.Cut(strings.ReplaceAll(request, "WHO", who), " {")
			if body != "" {
				body = "{" + body
			}
			before := w.Store.Stats().Writes
			r := w.Do("donny", line, body)
			if r.Code >= 300 && !strings.HasPrefix(line, "POST /api/users/") { // failing is no way of answering alike
				t.Errorf("%s for %s: %d %s", line, who, r.Code, r.Body)
			}
			name, _, _ := strings.Cut(who, "@")
			text := strings.NewReplacer(who, "WHO", `"`+name+`"`, `"NAME"`).Replace(r.Body.String()) // a name is made of the address
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
