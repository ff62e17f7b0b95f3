package api

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// town is a site of a broker, whose manager is the operator's word, with people who register by themselves.
type town struct {
	*door
	t      *testing.T
	tokens map[string]string
}

func newTown(t *testing.T) *town {
	s := newService(t, func(o *Options) {
		o.Auth.MinPassword = 4
		o.Auth.Hashing.Memory, o.Auth.Hashing.Iterations = 64, 1
		o.Mailer, o.From, o.BaseURL = new(notice.MemoryMailer), "site@cowork.example", resttest.Base
		o.Broker.Manager = &Manager{Username: "alice", Email: "alice@cowork.example", Password: func() (string, error) { return "yoyo", nil }}
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	town := &town{door: s, t: t, tokens: map[string]string{}}
	town.logIn("alice")
	return town
}

func (s *town) do(user, request, body string) *httptest.ResponseRecorder {
	s.t.Helper()
	headers := []string{}
	if user != "" {
		headers = append(headers, "Authorization: Bearer "+s.tokens[user])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, resttest.NewRequest("", request, body, headers...))
	return w
}

func (s *town) must(status int, user, request, body string) string {
	s.t.Helper()
	w := s.do(user, request, body)
	if w.Code != status {
		s.t.Fatalf("%s %s as %q: %d %s, want %d", request, body, user, w.Code, w.Body, status)
	}
	return w.Body.String()
}

var tokenPattern = regexp.MustCompile(`"token":"([^"]+)"`)

func (s *town) keep(user, answer string) {
	s.t.Helper()
	token := tokenPattern.FindStringSubmatch(answer)
	if token == nil {
		s.t.Fatalf("no token in %s", answer)
	}
	s.tokens[user] = token[1]
}

func (s *town) logIn(user string) {
	s.t.Helper()
	s.keep(user, s.must(http.StatusCreated, "", "POST /api/auth", `{"username":"`+user+`","password":"yoyo"}`))
}

func (s *town) register(user, email string) {
	s.t.Helper()
	s.keep(user, s.must(http.StatusCreated, "", "POST /api/auth/register",
		`{"username":"`+user+`","password":"yoyo","email":"`+email+`","full_name":"Somebody"}`))
}

// prove has a code mailed to an address and brings it back as a user who is logged in.
func (s *town) prove(user, email string) {
	s.t.Helper()
	s.must(http.StatusOK, "", "POST /api/auth/recover", `{"username":"`+email+`"}`)
	s.must(http.StatusOK, user, "PATCH /api/users/"+user, `{"email":"`+email+`","email_code":"`+s.code(email)+`"}`)
}

func (s *town) code(email string) string {
	s.t.Helper()
	return s.value(`SELECT coalesce(email_code, '') FROM contact WHERE email = ?`, email)
}

func (s *town) value(query string, args ...any) (text string) {
	s.t.Helper()
	err := s.site.Store.Read(s.t.Context(), func(r store.Reader) error { return r.QueryRow(query, args...).Scan(&text) })
	if err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return text
}

// grantKey is the key of the mail about the latest grant of a kind.
func (s *town) grantKey(event string) string {
	s.t.Helper()
	back := s.value(`SELECT payload ->> 'back_url' FROM outbox WHERE event = ? AND sink = 'mail' ORDER BY id DESC LIMIT 1`, event)
	return regexp.MustCompile(`[0-9a-f]{40}`).FindString(back)
}

// Somebody who registers with the address of a person, or takes it as its own later, receives nothing that is given to that address:
// it waits until somebody proves the address.
func TestUnprovenAddressReceivesNothing(t *testing.T) {
	const cfo = "cfo@acme.test"
	doors := map[string]func(s *town){
		"registered with": func(s *town) { s.register("mallory", cfo) },
		"changed to": func(s *town) {
			s.register("mallory", "mallory@example.com")
			s.must(http.StatusOK, "mallory", "PATCH /api/users/mallory", `{"email":"`+cfo+`"}`)
		},
		"of a profile as well": func(s *town) {
			s.register("mallory", cfo)
			s.must(http.StatusCreated, "mallory", "POST /api/users/mallory/profiles", `{"full_name":"Mall","email":"`+cfo+`"}`)
		},
	}
	for name, squat := range doors {
		t.Run(name, func(t *testing.T) {
			s := newTown(t)
			squat(s)
			invitation := `{"email":"` + cfo + `","full_name":"Carla F. Oster"}`
			s.must(http.StatusNotFound, "alice", "POST /api/profile/cowork/roles/manager", invitation)
			answer := s.must(http.StatusCreated, "alice", "POST /api/profile/cowork/roles/manager?force=1", invitation)
			for _, typed := range []string{`"printable_name":"Carla F. Oster"`, `"email":"` + cfo + `"`, `"grant_key":null`} {
				if !strings.Contains(answer, typed) || strings.Contains(answer, "mallory") {
					t.Errorf("the answer lacks %s, or tells of mallory: %s", typed, answer)
				}
			}
			key := s.grantKey("role_grant_created")
			for _, list := range []string{"/api/users/mallory/accessibles", "/api/users/mallory", "/api/profile/cowork/roles"} {
				if text := s.do("mallory", "GET "+list, "").Body.String(); strings.Contains(text, key) || strings.Contains(text, `"slug":"cowork"`) {
					t.Errorf("%s shows %s", list, text)
				}
			}
			if text := s.must(http.StatusOK, "alice", "GET /api/profile/cowork/roles", ""); strings.Contains(text, key) || strings.Contains(text, cfo) {
				t.Errorf("the list of roles shows %s", text)
			}
			s.must(http.StatusNotFound, "mallory", "PUT /api/users/mallory/accessibles/accept/"+key, "")

			s.must(http.StatusCreated, "alice", "POST /api/profile/cowork/plans", `{"title":"Premium","period_amount":100,"is_active":true}`)
			granted := s.must(http.StatusCreated, "alice", "POST /api/profile/cowork/plans/premium/subscriptions",
				`{"profile":{"email":"`+cfo+`","full_name":"Carla","type":"personal"}}`)
			managed := s.value(`SELECT count(*) FROM subscription s JOIN role r ON r.profile_id = s.profile_id JOIN user u ON u.id = r.user_id
				WHERE u.username = 'mallory'`)
			if managed != "0" || strings.Contains(granted, "mallory") {
				t.Errorf("mallory received the plan: %s", granted)
			}

			// The person registers under another address and proves this one.
			s.register("oster", "oster@example.com")
			s.must(http.StatusNotFound, "oster", "PUT /api/users/oster/accessibles/accept/"+key, "")
			s.prove("oster", cfo)
			s.must(http.StatusOK, "oster", "PUT /api/users/oster/accessibles/accept/"+key, "")
			s.must(http.StatusOK, "oster", "GET /api/profile/cowork/roles", "")
			s.must(http.StatusNotFound, "oster", "PUT /api/users/oster/accessibles/accept/"+key, "")
		})
	}
}

// What was there before the first proof of an address ends when the address alone opened the account, and stays when the request
// proves the account too. A user who has proven another address is not opened by it at all.
func TestFirstProof(t *testing.T) {
	const address = "owner@acme.test"
	type state struct{ code, key string }
	ways := []struct {
		name    string
		do      func(s *town, at state) *httptest.ResponseRecorder
		nothing string // proven before: what happens to the API key and the password of the account
		proven  string // another address is proven
	}{
		{"a registration with the code and a password", func(s *town, at state) *httptest.ResponseRecorder {
			return s.do("", "POST /api/auth/register", `{"email":"`+address+`","email_code":"`+at.code+`","full_name":"Own Er","new_password":"fresh"}`)
		}, "201 mal: key gone, password gone", "201 owner: key kept, password kept"},
		{"a log-in with the code alone", func(s *town, at state) *httptest.ResponseRecorder {
			return s.do("", "POST /api/auth", `{"username":"`+address+`","email_code":"`+at.code+`"}`)
		}, "201 mal: key gone, password gone", "401 mal: key kept, password kept"},
		{"the link", func(s *town, at state) *httptest.ResponseRecorder {
			return s.do("", "POST /api/auth/"+at.key, `{"new_password":"fresh"}`)
		}, "201 mal: key gone, password gone", "400 mal: key kept, password kept"},
		{"the link with the session", func(s *town, at state) *httptest.ResponseRecorder {
			return s.do("mal", "POST /api/auth/"+at.key, `{"new_password":"fresh"}`)
		}, "201 mal: key kept, password gone", "201 mal: key kept, password gone"},
		{"a log-in with the code and the password", func(s *town, at state) *httptest.ResponseRecorder {
			return s.do("", "POST /api/auth", `{"username":"`+address+`","password":"yoyo","email_code":"`+at.code+`"}`)
		}, "201 mal: key kept, password kept", "401 mal: key kept, password kept"},
		{"the code typed into the session", func(s *town, at state) *httptest.ResponseRecorder {
			return s.do("mal", "PATCH /api/users/mal", `{"email":"`+address+`","email_code":"`+at.code+`"}`)
		}, "200 mal: key kept, password kept", "200 mal: key kept, password kept"},
		{"the code as re-authentication", func(s *town, at state) *httptest.ResponseRecorder {
			return s.do("mal", "POST /api/users/mal/api-keys", `{"title":"two","email_code":"`+at.code+`"}`)
		}, "201 mal: key kept, password kept", "401 mal: key kept, password kept"},
		{"the code of another user who is logged in", func(s *town, at state) *httptest.ResponseRecorder {
			s.register("owner", "other@example.com")
			return s.do("owner", "PATCH /api/users/owner", `{"email":"`+address+`","email_code":"`+at.code+`"}`)
		}, "200 owner: key kept, password kept", "200 owner: key kept, password kept"},
	}
	for _, proven := range []bool{false, true} {
		for _, way := range ways {
			name, want := way.name+", nothing proven", way.nothing
			if proven {
				name, want = way.name+", another address proven", way.proven
			}
			t.Run(name, func(t *testing.T) {
				s := newTown(t)
				if proven {
					s.register("mal", "mal@example.com")
					s.prove("mal", "mal@example.com")
					s.must(http.StatusUnauthorized, "mal", "PATCH /api/users/mal", `{"email":"`+address+`"}`)
					s.must(http.StatusOK, "mal", "PATCH /api/users/mal", `{"email":"`+address+`","password":"yoyo"}`)
				} else {
					s.register("mal", address)
					s.must(http.StatusBadRequest, "mal", "PUT /api/users/mal/otp",
						`{"password":"yoyo","otp_enabled":true,"email_verification_enabled":false,"phone_verification_enabled":false}`)
				}
				s.must(http.StatusCreated, "mal", "POST /api/users/mal/api-keys", `{"title":"one","password":"yoyo"}`)
				s.must(http.StatusOK, "", "POST /api/auth/recover", `{"username":"`+address+`"}`)
				w := way.do(s, state{s.code(address), s.value(`SELECT email_verification_key FROM contact WHERE email = ?`, address)})

				holder := s.value(`SELECT coalesce((SELECT u.username FROM contact c JOIN user u ON u.id = c.user_id WHERE c.email = ?), '')`, address)
				key, password := "kept", "kept"
				if s.value(`SELECT count(*) FROM api_key WHERE title = 'one'`) == "0" {
					key = "gone"
				}
				if s.do("", "POST /api/auth", `{"username":"mal","password":"yoyo"}`).Code != http.StatusCreated {
					password = "gone"
				}
				got := strconv.Itoa(w.Code) + " " + holder + ": key " + key + ", password " + password
				if got != want {
					t.Errorf("%s, want %s; %s", got, want, w.Body)
				}
			})
		}
	}
}

// The application is told of the address that is proven, through changes of the one that is shown.
func TestProvenAddressIsTold(t *testing.T) {
	s := newTown(t)
	s.register("ann", "ann@example.com")
	told := func(want, unproven string) {
		t.Helper()
		u, err := s.site.Directory.User("ann")
		if err != nil || u.Email != want || u.EmailUnproven != unproven {
			t.Errorf("the application is told of %q and %q, want %q and %q (%v)", u.Email, u.EmailUnproven, want, unproven, err)
		}
	}
	told("", "ann@example.com")
	s.prove("ann", "ann@example.com")
	told("ann@example.com", "")
	s.must(http.StatusOK, "ann", "PATCH /api/users/ann", `{"email":"hello@cowork.example","password":"yoyo"}`)
	told("ann@example.com", "hello@cowork.example")
	s.must(http.StatusOK, "ann", "PATCH /api/users/ann", `{"email":"ann@example.com"}`)
	told("ann@example.com", "")
	s.must(http.StatusOK, "ann", "PATCH /api/users/ann", `{"email":"ann@example.org","password":"yoyo"}`)
	s.prove("ann", "ann@example.org")
	told("ann@example.org", "")
	if n := s.value(`SELECT count(*) FROM contact WHERE email = 'ann@example.com'`); n != "0" {
		t.Error("the address that was replaced is still there")
	}
	s.must(http.StatusForbidden, "ann", "POST /api/users/ann/confirm", `{"email":"ann@example.org"}`)
	s.register("bob", "bob@example.com")
	s.must(http.StatusBadRequest, "alice", "POST /api/users/bob/confirm", `{"email":"ann@example.org"}`)
	s.must(http.StatusOK, "alice", "POST /api/users/bob/confirm", `{"email":"bob@example.com"}`)
	if u, err := s.site.Directory.User("bob"); err != nil || u.Email != "bob@example.com" {
		t.Errorf("confirmed by the broker: %q %v", u.Email, err)
	}
	if n := s.value(`SELECT count(*) FROM audit WHERE action = 'confirm email' AND subject = 'bob' AND actor = 'alice'`); n != "1" {
		t.Errorf("%s rows of the audit tell of it", n)
	}
}
