package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// A pocket is a phone back-end that keeps what was sent, by number.
type pocket struct {
	mu   sync.Mutex
	sent map[string]string
}

func (p *pocket) Send(_ context.Context, phone, code string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent == nil {
		p.sent = map[string]string{}
	}
	p.sent[phone] = code
	return nil
}

var (
	sixDigits = regexp.MustCompile(`^[0-9]{6}$`)
	aKey      = regexp.MustCompile(`[0-9a-f]{40}`)
)

// message is what the last message to an address holds: a code, a key, whom it names and what it says that the code does.
type message struct{ code, key, names, purpose string }

func (s *site) message(t testing.TB, texts *pocket, address string) (m message) {
	t.Helper()
	if strings.HasPrefix(address, "+") {
		m.code = texts.sent[address]
		return m
	}
	var body struct {
		Code    string  `json:"code"`
		Back    *string `json:"back_url"`
		Purpose string  `json:"purpose"`
		User    *struct {
			Username string `json:"username"`
		} `json:"user"`
	}
	payload := one[string](t, s, `SELECT coalesce((SELECT payload FROM outbox WHERE event = 'user_verification' AND subject = ? ORDER BY id DESC LIMIT 1), '{}')`,
		"address/"+address)
	if err := json.Unmarshal([]byte(payload), &body); err != nil {
		t.Fatal(err)
	}
	if body.Back != nil {
		m.key = aKey.FindString(*body.Back)
	} else if sixDigits.MatchString(body.Code) {
		m.code = body.Code
	}
	if body.User != nil {
		m.names = body.User.Username
	}
	m.purpose = body.Purpose
	return m
}

// letIn is the user whom an answer lets in, "nobody" for none.
func letIn(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var out struct{ Token string }
	if json.Unmarshal(w.Body.Bytes(), &out) != nil || out.Token == "" {
		return "nobody"
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(out.Token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Username string }
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Username
}

// The code of a change to an address that another user has is the user's whose change it is: it counts in a request that is
// authenticated as that user, and lets nobody in. No link goes out for it, since a link is opened without a session. For an address that
// is free, code and link are those of the user who shows it now.
func TestPendingAddress(t *testing.T) {
	kinds := map[string]string{"email": "wanted@example.com", "phone": "+14155550177"}
	ways := []struct {
		name, as, request, body string
		pending                 map[string]string // by who has the address: proven by another user, told by another user, or free
	}{
		{"log-in without a session", "", "POST /api/auth", `{"username":"ADDRESS","KIND_code":"CODE"}`,
			map[string]string{"proven": "400 nobody hal", "told": "400 nobody hal", "free": "201 rae rae"}},
		{"log-in with the password of who has it", "", "POST /api/auth", `{"username":"ADDRESS","password":"yoyo","KIND_code":"CODE"}`,
			map[string]string{"proven": "400 nobody hal", "told": "400 nobody hal", "free": "201 rae rae"}},
		{"registration", "", "POST /api/auth/register", `{"full_name":"New Er","KIND":"ADDRESS","KIND_code":"CODE","new_password":"fresh"}`,
			map[string]string{"proven": "400 nobody hal", "told": "400 nobody hal", "free": "201 rae rae"}},
		{"log-in with another's session", "tom", "POST /api/auth", `{"username":"ADDRESS","KIND_code":"CODE"}`,
			map[string]string{"proven": "400 nobody hal", "told": "400 nobody hal", "free": "201 rae rae"}},
		{"change with another's session", "tom", "PATCH /api/users/tom", `{"KIND":"ADDRESS","KIND_code":"CODE"}`,
			map[string]string{"proven": "400 nobody hal", "told": "400 nobody hal", "free": "200 nobody tom"}},
		{"proof with the session of who has it", "hal", "PATCH /api/users/hal", `{"KIND":"ADDRESS","KIND_code":"CODE"}`,
			map[string]string{"proven": "400 nobody hal", "told": "400 nobody hal", "free": "200 nobody hal"}},
		{"re-authentication with the session of who has it", "hal", "PUT /api/users/hal/password", `{"new_password":"fresh","KIND_code":"CODE"}`,
			map[string]string{"proven": "401 nobody hal", "told": "401 nobody hal", "free": "401 nobody rae"}},
		{"re-authentication with the session of who asked", "rae", "PUT /api/users/rae/password", `{"new_password":"fresh","KIND_code":"CODE"}`,
			map[string]string{"proven": "401 nobody hal", "told": "401 nobody hal", "free": "200 nobody rae"}},
		{"link without a session", "", "POST /api/auth/KEY", `{"new_password":"fresh"}`,
			map[string]string{"proven": "no link", "told": "no link", "free": "201 rae rae"}},
		{"link with another's session", "tom", "POST /api/auth/KEY", `{"new_password":"fresh"}`,
			map[string]string{"proven": "no link", "told": "no link", "free": "201 rae rae"}},
		{"link with the session of who asked", "rae", "POST /api/auth/KEY", `{"new_password":"fresh"}`,
			map[string]string{"proven": "no link", "told": "no link", "free": "201 rae rae"}},
		{"the change with the session of who asked", "rae", "PATCH /api/users/rae", `{"KIND":"ADDRESS","KIND_code":"CODE"}`,
			map[string]string{"proven": "400 nobody hal", "told": "200 nobody rae", "free": "200 nobody rae"}},
	}
	for kind, address := range kinds {
		for _, links := range []bool{false, true} {
			for _, has := range []string{"proven", "told", "free"} {
				for _, way := range ways {
					byLink := strings.Contains(way.request, "KEY")
					if byLink && (kind == "phone" || !links) || !byLink && has == "free" && kind == "email" && links {
						continue // a message holds a link or a code, a text the code
					}
					t.Run(fmt.Sprintf("%s %s, links %t, %s", has, kind, links, way.name), func(t *testing.T) {
						texts := &pocket{}
						s := newSite(t, func(o *Options) { o.Texts, o.Settings.UseVerificationLinks = texts, links })
						tokens := map[string]string{}
						for _, user := range []string{"hal", "rae", "tom"} {
							tokens[user] = "Authorization: Bearer " + s.token(t, "POST /api/auth/register",
								`{"username":"`+user+`","password":"yoyo","email":"`+user+`@example.com","full_name":"Some Body"}`)
						}
						if has != "free" {
							s.Do("", "PATCH /api/users/hal", `{"`+kind+`":"`+address+`"}`, tokens["hal"])
						}
						if has == "proven" {
							s.exec(t, `UPDATE contact SET `+kind+`_verified_at = 1 WHERE `+kind+` = ?`, address)
						}
						if w := s.Do("", "PATCH /api/users/rae", `{"`+kind+`":"`+address+`"}`, tokens["rae"]); w.Code != 200 {
							t.Fatalf("the change: %d %s", w.Code, w.Body)
						}
						if has == "free" {
							s.Do("", "POST /api/auth/recover", `{"username":"`+address+`"}`)
						}
						got := s.message(t, texts, address)
						if has != "free" && kind == "email" && (got.names != "rae" || got.purpose != "change") {
							t.Errorf("the message names %q and says %q", got.names, got.purpose)
						}
						if has == "free" && kind == "email" && (got.names != "rae" || got.purpose != "first_proof") {
							t.Errorf("the message names %q and says %q", got.names, got.purpose)
						}
						want := way.pending[has]
						if byLink && got.key == "" {
							if want != "no link" {
								t.Errorf("there is no link, want %s", want)
							}
							return
						}
						fill := strings.NewReplacer("ADDRESS", address, "KIND", kind, "CODE", got.code, "KEY", got.key)
						if !byLink && got.code == "" {
							t.Fatalf("there is no code in the message")
						}
						headers := []string{}
						if way.as != "" {
							headers = append(headers, tokens[way.as])
						}
						w := s.Do("", fill.Replace(way.request), fill.Replace(way.body), headers...)
						holder := one[string](t, s, `SELECT u.username FROM contact c JOIN user u ON u.id = c.user_id WHERE c.`+kind+` = ?`, address)
						if now := fmt.Sprintf("%d %s %s", w.Code, letIn(t, w), holder); now != want {
							t.Errorf("%s, want %s: %s", now, want, w.Body)
						}
					})
				}
			}
		}
	}
}
