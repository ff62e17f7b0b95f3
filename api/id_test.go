package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The id by which an application knows a user or a profile stands in the answers about itself to those who may change its name (decision
// 69): oneself, the managers of a profile and the broker. Others who read it, and all lists, do without.
func TestIDs(t *testing.T) {
	s := newTown(t)
	for _, user := range []string{"ann", "eve", "bea", "sid"} {
		s.register(user, user+"@example.com")
	}
	s.must(http.StatusCreated, "eve", "POST /api/users/eve/profiles", `{"full_name":"Lab","slug":"lab","email":"lab@example.com"}`)
	for profile, grant := range map[string][3]string{"lab": {"eve", "contributor", "ann"}, "cowork": {"alice", "contributor", "bea"}} {
		s.must(http.StatusCreated, grant[0], "POST /api/profile/"+profile+"/roles/"+grant[1], `{"slug":"`+grant[2]+`"}`)
		s.must(http.StatusOK, grant[2], "PUT /api/users/"+grant[2]+"/accessibles/accept/"+s.grantKey("role_grant_created"), "")
	}
	ann, lab := s.value(`SELECT public_id FROM user WHERE username = 'ann'`), s.value(`SELECT public_id FROM profile WHERE slug = 'lab'`)
	if !regexp.MustCompile(`^[a-z2-7]{20}$`).MatchString(ann) || ann == lab {
		t.Fatalf("the ids are %q and %q", ann, lab)
	}

	user := `"slug":"ann","username":"ann","printable_name":"Somebody","picture":null,"email":"ann@example.com","phone":null,` +
		`"full_name":"Somebody","nick_name":"Somebody","lang":"en","credentials":true,"otp_enabled":false,"created_at":"AT","last_login":"AT"`
	profile := `"slug":"lab","printable_name":"Lab","picture":null,"type":"organization","credentials":false,"created_at":"AT","full_name":"Lab",` +
		`"email":"lab@example.com","phone":"","street_address":"","locality":"","region":"","postal_code":"","country":"","default_timezone":"UTC",` +
		`"no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":null`
	const addresses = `,"addresses":[{"kind":"email","address":"ann@example.com","state":"shown","verified_at":null}],` +
		`"email_verification_enabled":false,"phone_verification_enabled":false`
	const notes, said, changed = `,"subscriptions":[],"activities":[]`, `,"detail":"The account was updated."`, `,"detail":"Profile was updated."`
	dates := regexp.MustCompile(`"20\d\d-[^"]*Z"`)
	for _, c := range []struct {
		as, request, body, want string
	}{
		{"ann", "GET /api/users/ann", "", `{"id":"` + ann + `",` + user + addresses + `}`},
		{"alice", "GET /api/users/ann", "", `{"id":"` + ann + `",` + user + addresses + `}`},
		{"bea", "GET /api/users/ann", "", `{"id":"` + ann + `",` + user + addresses + `}`},
		{"eve", "GET /api/users/ann", "", `{` + user + `}`},
		{"ann", "PATCH /api/users/ann", `{"lang":"en"}`, `{"id":"` + ann + `",` + user + said + `}`},
		{"ann", "PUT /api/users/ann", `{"full_name":"Somebody"}`, `{"id":"` + ann + `",` + user + said + `}`},
		{"alice", "PATCH /api/users/ann", `{"lang":"en"}`, `{"id":"` + ann + `",` + user + said + `}`},
		{"eve", "GET /api/profile/lab", "", `{"id":"` + lab + `",` + profile + notes + `}`},
		{"alice", "GET /api/profile/lab", "", `{"id":"` + lab + `",` + profile + notes + `}`},
		{"bea", "GET /api/profile/lab", "", `{"id":"` + lab + `",` + profile + notes + `}`},
		{"ann", "GET /api/profile/lab", "", `{` + profile + notes + `}`},
		{"eve", "PATCH /api/profile/lab", `{"phone":""}`, `{"id":"` + lab + `",` + profile + changed + notes + `}`},
		{"alice", "PUT /api/profile/lab", `{"full_name":"Lab"}`, `{"id":"` + lab + `",` + profile + changed + notes + `}`},
	} {
		got := dates.ReplaceAllString(s.must(http.StatusOK, c.as, c.request, c.body), `"AT"`)
		if got != c.want {
			t.Errorf("%s as %s:\n%s\nwant\n%s", c.request, c.as, got, c.want)
		}
	}

	renamed := s.must(http.StatusOK, "eve", "PATCH /api/profile/lab", `{"slug":"lab2"}`)
	if !strings.Contains(renamed, `"id":"`+lab+`","slug":"lab2"`) {
		t.Errorf("a rename answers %s", renamed)
	}
	for _, c := range [][2]string{
		{"alice", "GET /api/users"}, {"alice", "GET /api/contacts"}, {"alice", "GET /api/profile"}, {"eve", "GET /api/profile/lab2/roles"},
		{"ann", "GET /api/users/ann/accessibles"}, {"eve", "GET /api/users/eve/profiles"}, {"sid", "GET /api/accounts?q=lab"},
		{"sid", "GET /api/accounts/users?q=ann"}, {"sid", "GET /api/accounts/profiles/lab2"}, {"ann", "GET /api/auth/tokens"},
	} {
		if got := s.must(http.StatusOK, c[0], c[1], ""); strings.Contains(got, `"id":`) || strings.Contains(got, ann) || strings.Contains(got, lab) {
			t.Errorf("%s as %s tells ids: %s", c[1], c[0], got)
		}
	}
	s.must(http.StatusForbidden, "sid", "GET /api/users/ann", "")
}

// The description of the API says of the id that not every answer has it, and what it looks like.
func TestIDsAreDescribed(t *testing.T) {
	document, err := newService(t).Schema()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage
				Required   []string
			}
		}
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	var with []string
	for name, schema := range doc.Components.Schemas {
		id, ok := schema.Properties["id"]
		if !ok || strings.Contains(string(id), "integer") {
			continue // it is of an item of an invoice
		}
		with = append(with, name)
		if !strings.Contains(string(id), `"^[a-z2-7]{20}$"`) || strings.Contains(strings.Join(schema.Required, " ")+" ", "id ") {
			t.Errorf("%s: %s, required are %q", name, id, schema.Required)
		}
	}
	if len(with) < 2 {
		t.Errorf("an id have %q", with)
	}
}
