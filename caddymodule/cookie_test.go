package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/directory"
)

// TestStripCookies takes the site's cookies off, in every way in which a server may find one, and leaves the others as they are.
func TestStripCookies(t *testing.T) {
	key := strings.Repeat("0a", 20)
	contract, ours, https := directory.ContractCookies(false, ""), directory.NewCookies(false, ""), directory.NewCookies(true, "")
	for _, test := range []struct {
		cookies    *directory.Cookies
		session    bool
		sent, want []string
	}{
		{&contract, true, []string{"a=1; b=2"}, []string{"a=1; b=2"}},
		{&contract, true, []string{"a=1;b=2 ; c"}, []string{"a=1;b=2 ; c"}},
		{&contract, true, []string{`list=1,2,3; q="a,b;c"`}, []string{`list=1,2,3; q="a,b;c"`}},
		{&contract, true, []string{"sessionid=x"}, nil},
		{&contract, true, []string{"sessionid"}, nil},
		{&contract, true, []string{"__Host-sessionid=" + key + "; csrftoken=y; cart=z"}, nil},
		{&contract, true, []string{"a=1; sessionid=x; b=2"}, []string{"a=1; b=2"}},
		{&contract, true, []string{"sessionid=x; b=2"}, []string{"b=2"}},
		{&contract, true, []string{"a=1; sessionid=x"}, []string{"a=1"}},
		{&contract, true, []string{"a=1", "sessionid=x", "b=2; sessionid=y"}, []string{"a=1", "b=2"}},
		{&contract, true, []string{"a=1; sessionid=x; sessionid=y; sessionid=z"}, []string{"a=1"}},
		{&contract, true, []string{"a=1;\tsessionid\t=x"}, []string{"a=1"}},
		{&contract, true, []string{"a=1;\u00a0sessionid=x"}, []string{"a=1"}},
		{&contract, true, []string{"a=1;\xa0sessionid\x85=x"}, []string{"a=1"}},
		{&contract, true, []string{"a=1; \"sessionid\"=x"}, []string{"a=1"}},
		{&contract, true, []string{"a=1, sessionid=x; b=2"}, []string{"a=1; b=2"}},
		{&contract, true, []string{"a=1, sessionid=x, b=2"}, []string{"a=1, b=2"}},
		{&contract, true, []string{"sessionid=x,y; b=2"}, []string{"y; b=2"}},
		{&contract, true, []string{`q="1; sessionid=x"`}, []string{`q="1`}},
		{&contract, true, []string{"a=1 sessionid=x; b=2"}, []string{"a=1; b=2"}},
		{&contract, true, []string{"a=1\tsessionid = x, b=2"}, []string{"a=1, b=2"}},
		{&contract, true, []string{`q="1 sessionid=x"`, "a=b c sessionid=x"}, []string{`q="1`, "a=b c"}},
		{&contract, true, []string{"n=a sessionid b; c= d=e"}, []string{"n=a sessionid b; c= d=e"}},
		{&contract, true, []string{"sessionids=1; mysessionid=2; sessionid.x=3; Cart=4"}, []string{"sessionids=1; mysessionid=2; sessionid.x=3; Cart=4"}},
		{&contract, false, []string{"tollgate_session=x; tollgate_session=" + key}, []string{"tollgate_session=x"}},
		{&ours, false, []string{"tollgate_session=x; tollgate_csrf=y; tollgate_cart=z; a=1"}, []string{"a=1"}},
		{&ours, false, []string{"sessionid=x; csrftoken=y; cart=z"}, []string{"sessionid=x; csrftoken=y; cart=z"}},
		{&ours, true, []string{"sessionid=x; csrftoken=y; cart=z"}, []string{"csrftoken=y; cart=z"}},
		{&ours, false, []string{"sessionid=" + key + "; csrftoken=y"}, []string{"csrftoken=y"}},
		{&ours, false, []string{`a=1; sessionid = "` + key + `"`}, []string{"a=1"}},
		{&ours, false, []string{`sessionid='` + key + `'; b=2`, `sessionid=\"` + key + `\"; sessionid==` + key}, []string{"b=2"}},
		{&ours, false, []string{"sessionid=" + key + ".signature"}, []string{"sessionid=" + key + ".signature"}},
		{&ours, false, []string{"__Host-sessionid=" + key + "; __Host-tollgate_session=" + key}, nil},
		{&https, false, []string{"__Host-tollgate_session=x; __Host-tollgate_csrf=y; __Host-tollgate_cart=z"}, nil},
		{&https, false, []string{"tollgate_session=" + key + "; tollgate_csrf=y"}, []string{"tollgate_csrf=y"}},
	} {
		h := http.Header{"Cookie": test.sent}
		own := ownCookies{test.cookies, test.session}
		own.strip(h)
		if !slices.Equal(h["Cookie"], test.want) {
			t.Errorf("%s %q: got %q, want %q", test.cookies.Session, test.sent, h["Cookie"], test.want)
		}
	}
}

// TestCookiesOfTheSite has the cookies of the site under names of their own, those of the application beside them, and of two of one
// name none (decision 72).
func TestCookiesOfTheSite(t *testing.T) {
	const gate = "rule /app/ any\n\t\trule /account/ authenticated\n\t\tsession "
	t.Run("names and attributes", func(t *testing.T) {
		for _, c := range []struct{ global, url, names, attributes string }{
			{"", base, "tollgate_csrf tollgate_session", "Path=/; Max-Age=N; SameSite=Lax|Path=/; Expires; Max-Age=N; HttpOnly; SameSite=Lax"},
			{"", "https://app.example.com", "__Host-tollgate_csrf __Host-tollgate_session",
				"Path=/; Max-Age=N; Secure; SameSite=Lax|Path=/; Expires; Max-Age=N; HttpOnly; Secure; SameSite=Lax"},
			{"cookies contract", "https://app.example.com", "csrftoken sessionid",
				"Path=/; Max-Age=N; Secure; SameSite=Lax|Path=/; Expires; Max-Age=N; HttpOnly; Secure; SameSite=Lax"},
		} {
			s := newSite(t, func(s *site) { s.global, s.url = c.global, c.url })
			a := s.must(201, "POST", "/api/auth?cookie=1", map[string]any{"username": "donny", "password": "yoyo"})
			var names, attributes []string
			lines := slices.Sorted(slices.Values(a.header["Set-Cookie"]))
			for _, line := range lines {
				name, _, _ := strings.Cut(line, "=")
				_, rest, _ := strings.Cut(line, "; ")
				rest = regexp.MustCompile(`Expires=[^;]*`).ReplaceAllString(rest, "Expires")
				names = append(names, name)
				attributes = append(attributes, regexp.MustCompile(`Max-Age=\d+`).ReplaceAllString(rest, "Max-Age=N"))
			}
			if n, at := strings.Join(names, " "), strings.Join(attributes, "|"); n != c.names || at != c.attributes {
				t.Errorf("%s %s: cookies %s with %s", c.url, c.global, n, at)
			}
		}
	})
	t.Run("two of one name", func(t *testing.T) {
		s := newSite(t, func(s *site) { s.gate = gate + "none" })
		cookie, csrf := s.browser("donny")
		planted := "tollgate_session=" + strings.Repeat("0", 40)
		s.must(200, "GET", "/account/", nil, cookie)
		s.must(401, "GET", "/account/", nil, cookie+"; "+planted)
		s.must(401, "GET", "/account/", nil, cookie, "Cookie: "+planted)
		s.must(401, "GET", "/account/", nil, "Cookie: "+planted+"; "+strings.TrimPrefix(cookie, "Cookie: "))
		a := s.must(401, "GET", "/api/users/donny", nil, cookie+"; "+planted)
		if a.header["Set-Cookie"] != nil {
			t.Errorf("the answer sets %q, which would log out who did nothing", a.header["Set-Cookie"])
		}
		patch := func(status int, headers ...string) {
			t.Helper()
			s.must(status, "PATCH", "/api/users/donny", map[string]any{"nick_name": "D"}, headers...)
		}
		patch(200, cookie, "X-CSRFToken: "+csrf)
		other := strings.Repeat("a", 32) // what a neighbour could plant
		patch(403, strings.ReplaceAll(cookie, csrf, other), "X-CSRFToken: "+other)
		patch(403, cookie+"; tollgate_csrf="+other, "X-CSRFToken: "+csrf)
		if second, _ := s.browser("donny"); strings.Contains(second, csrf) {
			t.Error("two sessions share a CSRF token")
		}
	})
	t.Run("cookies that look like ours to the browser only", func(t *testing.T) {
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Set-Cookie"] = []string{"=tollgate_session=x; Path=/", " = tollgate_csrf =x", "=theirs=x", "tollgate_cart"}
			w.Header().Set("Trailer", "Set-Cookie")
			fmt.Fprint(w, "hello")
			w.Header()["Set-Cookie"] = []string{"tollgate_session=x", "theirs=y"}
			if r.URL.Query().Has("late") {
				w.Header()[http.TrailerPrefix+"Set-Cookie"] = []string{"tollgate_session=x"}
			}
		}))
		t.Cleanup(app.Close)
		s := newSite(t, func(s *site) { s.upstream, s.gate = &upstream{Server: app}, gate+"none" })
		for _, path := range []string{"/app/", "/app/?late"} {
			res, err := s.client.Get(base + path)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if sets := res.Header["Set-Cookie"]; !slices.Equal(sets, []string{"=theirs=x"}) {
				t.Errorf("%s sets %q", path, sets)
			}
			if sets := res.Trailer["Set-Cookie"]; !slices.Equal(sets, []string{"=theirs=x", "theirs=y"}) {
				t.Errorf("%s sets %q behind its body", path, sets)
			}
		}
	})
	t.Run("an application that has cookies of our former names", func(t *testing.T) {
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"sessionid", "csrftoken", "cart", "tollgate_session", "tollgate_csrf"} {
				w.Header().Add("Set-Cookie", name+"=theirs; Path=/")
			}
			if r.URL.Query().Has("flush") {
				_ = http.NewResponseController(w).Flush()
			}
			fmt.Fprint(w, r.Header["Cookie"])
		}))
		t.Cleanup(app.Close)
		s := newSite(t, func(s *site) { s.upstream, s.gate = &upstream{Server: app}, gate+"none" })
		cookie, _ := s.browser("donny")
		for _, form := range []string{"none", "jwt " + sessionKey} {
			s.gate = gate + form
			s.load()
			want, sets := "[sessionid=s; csrftoken=t; cart=u]", []string{"sessionid=theirs; Path=/", "csrftoken=theirs; Path=/", "cart=theirs; Path=/"}
			if form != "none" {
				want, sets = "[csrftoken=t; cart=u]", sets[1:] // the contract's name belongs to the session
			}
			for _, path := range []string{"/app/", "/app/?flush=1", "/account/"} {
				a := s.must(200, "GET", path, nil, cookie+"; sessionid=s; csrftoken=t; cart=u")
				if a.body != want || !slices.Equal(a.header["Set-Cookie"], sets) {
					t.Errorf("session %s: %s: the application receives %s and sets %q", form, path, a.body, a.header["Set-Cookie"])
				}
			}
		}
	})
}
