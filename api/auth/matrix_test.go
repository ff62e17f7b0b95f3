package auth

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Who gets past the gate of each endpoint with {user} and {profile} xia: "anybody", or by name. nina is a stranger; yan manages a
// profile on which xia has a role; alice manages the broker, cindy contributes to it.
var matrix = map[string]string{
	"GET /api":                               "anybody",
	"POST /api/auth":                         "anybody",
	"POST /api/auth/recover":                 "anybody",
	"GET /api/auth/register":                 "anybody",
	"POST /api/auth/register":                "anybody",
	"GET /api/auth/tokens":                   "xia nina yan cindy alice",
	"POST /api/auth/tokens":                  "xia nina yan cindy alice",
	"DELETE /api/auth/tokens":                "xia nina yan cindy alice",
	"GET /api/auth/tokens/realms/{profile}":  "xia cindy alice",
	"POST /api/auth/tokens/verify":           "xia nina yan cindy alice",
	"GET /api/auth/{verification_key}":       "anybody",
	"POST /api/auth/{verification_key}":      "anybody",
	"GET /api/users":                         "cindy alice",
	"POST /api/users":                        "alice",
	"GET /api/users/{user}":                  "xia yan cindy alice",
	"PUT /api/users/{user}":                  "xia alice",
	"PATCH /api/users/{user}":                "xia alice",
	"DELETE /api/users/{user}":               "xia alice",
	"POST /api/users/{user}/activate":        "xia yan alice",
	"POST /api/users/{user}/confirm":         "alice",
	"GET /api/users/{user}/api-keys":         "xia cindy alice",
	"POST /api/users/{user}/api-keys":        "xia alice",
	"POST /api/users/{user}/api-keys/{key}":  "xia alice",
	"GET /api/users/{user}/deletion":         "xia cindy alice",
	"PUT /api/users/{user}/otp":              "xia alice",
	"PUT /api/users/{user}/password":         "xia alice",
	"DELETE /api/users/{user}/password":      "xia alice",
	"POST /api/users/{user}/picture":         "xia alice",
	"DELETE /api/users/{user}/picture":       "xia alice",
	"GET /api/users/{user}/ssh-keys":         "xia cindy alice",
	"DELETE /api/users/{user}/ssh-keys":      "xia alice",
	"PUT /api/users/{user}/ssh-keys":         "xia alice",
	"GET /api/contacts":                      "cindy alice",
	"POST /api/contacts":                     "alice",
	"GET /api/contacts/{user}":               "cindy alice",
	"PUT /api/contacts/{user}":               "alice",
	"PATCH /api/contacts/{user}":             "alice",
	"DELETE /api/contacts/{user}":            "alice",
	"GET /api/contacts/{user}/activities":    "cindy alice",
	"POST /api/contacts/{user}/activities":   "alice",
	"POST /api/contacts/{user}/picture":      "alice",
	"DELETE /api/contacts/{user}/picture":    "alice",
	"GET /api/activities":                    "cindy alice",
	"GET /api/activities/{profile}":          "cindy alice",
	"POST /api/activities/{profile}":         "alice",
	"GET /api/activities/{profile}/contacts": "cindy alice",
	"POST /api/contact":                      "anybody",
	"GET /api/todos":                         "cindy alice",
	"GET /api/proxy/recent":                  "cindy alice",
	"POST /api/proxy/generate-error":         "alice",
	"GET /api/accounts/places":               "xia nina yan cindy alice",
	"GET /api/accounts/places/{place_id}":    "xia nina yan cindy alice",
}

func TestMatrix(t *testing.T) {
	fill := strings.NewReplacer("{user}", "xia", "{profile}", "xia", "{key}", "k", "{place_id}", "p", "{verification_key}", strings.Repeat("f", 40))
	s := newSite(t)
	rows := s.Service.Endpoints()
	if len(rows) != len(matrix) {
		t.Errorf("%d endpoints, %d rows of the matrix", len(rows), len(matrix))
	}
	for _, e := range rows {
		row := e.Method + " " + e.Path
		allowed, ok := matrix[row]
		if !ok {
			t.Errorf("%s is not in the matrix", row)
		}
		for _, as := range []string{"", "nina", "yan", "xia", "cindy", "alice"} {
			body := "[]" // a body that no endpoint takes: those who get past the gate change nothing
			if e.In == noBody {
				body = ""
				if e.Method != http.MethodGet {
					s = newSite(t)
				}
			}
			w := s.Do(as, e.Method+" "+fill.Replace(e.Path), body)
			passed := w.Code != 401 && !(w.Code == 403 && w.Body.String() == denied)
			want := allowed == "anybody" || as != "" && strings.Contains(" "+allowed+" ", " "+as+" ")
			if passed != want {
				t.Errorf("%s as %q: %d %s, want passed = %v", row, as, w.Code, w.Body, want)
			}
			if !passed && as == "" && w.Code != 401 {
				t.Errorf("%s: an anonymous caller is told %d", row, w.Code)
			}
		}
	}
}

var noBody = rest.Get("/api", nil, func(*rest.Call, store.Reader) (rest.None, error) { return rest.None{}, nil }).In
