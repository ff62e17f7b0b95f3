package caddymodule

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLimits reaches each limit by its setting: 429 with Retry-After, which its metric counts; and none with 0.
func TestLimits(t *testing.T) {
	s := newSite(t)
	donny := "" // the header of a log-in, which the first limit counts
	seq := 0    // makes names that nobody has had
	picture := func() answer {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		part, err := w.CreateFormFile("file", "a.png")
		if err != nil {
			t.Fatal(err)
		}
		part.Write([]byte("no picture: it costs as much"))
		w.Close()
		return s.send("POST", "/api/users/donny/picture", b.String(), "Content-Type: "+w.FormDataContentType(), donny)
	}
	for _, test := range []struct {
		limit, setting string
		admitted       int // status
		send           func() answer
	}{
		{"sessions", "sessions_per_client", 201, func() answer {
			a := s.do("POST", "/api/auth", map[string]any{"username": "donny", "password": "yoyo"})
			if a.status == 201 {
				donny = "Authorization: Bearer " + a.json(t)["token"].(string)
			}
			return a
		}},
		{"carts", "visitor_carts", 201, func() answer { return s.do("POST", "/api/cart", map[string]any{"plan": "premium"}) }},
		{"uploads", "uploads_per_user", 400, picture},
		{"invitations", "invitations_per_user", 201, func() answer {
			return s.do("POST", "/api/profile/cowork/plans/premium/subscriptions", map[string]any{
				"profile": map[string]any{"email": fmt.Sprintf("new%d@example.net", seq), "full_name": "New", "type": "organization"}}, donny)
		}},
		{"orders", "unpaid_orders", 200, func() answer {
			s.do("POST", "/api/profile/cowork/plans", map[string]any{"title": "Free", "period_amount": 0, "is_active": true}, donny)
			s.do("POST", "/api/cart", map[string]any{"plan": "free"}, donny)
			return s.do("POST", "/api/billing/cowork/checkout", map[string]any{}, donny)
		}},
		{"registrations", "registrations_per_client", 201, func() answer {
			name := fmt.Sprint("new", seq)
			return s.do("POST", "/api/auth/register", map[string]any{
				"username": name, "password": "yoyo", "email": name + "@example.com", "full_name": "New", "type": "personal"})
		}},
	} {
		set := func(value int) {
			s.global = fmt.Sprint(test.setting, " ", value)
			s.load()
		}
		send := func(want int) answer {
			t.Helper()
			seq++
			a := test.send()
			if a.status != want {
				t.Errorf("%s: %d %s, want %d", s.global, a.status, a.body, want)
			}
			return a
		}
		metric := `tollgate_rejections_total{limit="` + test.limit + `"}`
		set(1)
		before := scrape(t)
		send(test.admitted)
		if a := send(429); a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", s.global)
		}
		if grown := scrape(t)[metric] - before[metric]; grown != 1 {
			t.Errorf("%s grew by %v, want 1", metric, grown)
		}
		set(2)
		send(test.admitted)
		send(429)
		set(0)
		send(test.admitted)
	}
}

// TestCartsOfCrowd gives clients behind a proxy that is not trusted 100 times the bound of one, together: they are not told apart. The log
// warns once.
func TestCartsOfCrowd(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	s := newSite(t, func(s *site) {
		s.global = "visitor_carts 1"
		s.options = "\tlog {\n\t\toutput file " + log + "\n\t\tlevel WARN\n\t}\n"
	})
	cart := func(headers ...string) int {
		return s.do("POST", "/api/cart", map[string]any{"plan": "premium"}, headers...).status
	}
	if first, second := cart(), cart(); first != 201 || second != 429 {
		t.Errorf("alone: %d %d", first, second)
	}
	admitted := 0
	for i := range 105 {
		if cart(fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", i)) == 201 {
			admitted++
		}
	}
	if admitted != 99 {
		t.Errorf("%d carts after the first, want 100 in all", admitted)
	}
	text, err := os.ReadFile(log)
	if n := strings.Count(string(text), "a proxy is not trusted"); n != 1 || err != nil {
		t.Errorf("warned %d times, %v", n, err)
	}
}
