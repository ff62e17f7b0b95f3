package caddymodule

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestOrigin has no page of another site make a browser act as its user, at the gate, at the API and at the log-in (decisions 117, 119).
func TestOrigin(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.gate = "origin https://partner.example\n\t\trule /hook/ any\n\t\trule /open/ {\n\t\t\tauthenticated\n\t\t\torigin any\n\t\t}\n\t\trule /own/ {\n\t\t\tauthenticated\n\t\t\torigin same\n\t\t}\n\t\trule /listed/ {\n\t\t\tauthenticated\n\t\t\torigin https://Partner.example:443 https://münchen.example\n\t\t}\n\t\trule / authenticated"
	})
	joe := s.register("joe1")
	cookie, csrf := s.browser("joe1")
	key := s.apiKey("joe1", joe)
	const evil, null, partner, own = "Origin: https://evil.example", "Origin: null", "Origin: https://partner.example", "Origin: " + base
	const cross, sameSite, sameOrigin = "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: same-origin"
	socket := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-Websocket-Version: 13", "Sec-Websocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for _, c := range []struct {
		name, method, path string
		headers            []string
		status             int
	}{
		{"cookie", "POST", "/x", []string{cookie}, 200},
		{"cookie, own origin", "POST", "/x", []string{cookie, own, sameOrigin}, 200},
		{"cookie, own origin by https", "POST", "/x", []string{cookie, "Origin: https://127.0.0.1:9080"}, 200},
		{"cookie, own origin, which the browser denies", "POST", "/x", []string{cookie, own, cross}, 403},
		{"cookie, own origin, of a sibling host all the same", "POST", "/x", []string{cookie, own, sameSite}, 403},
		{"cookie, cross-site in a second header", "POST", "/x", []string{cookie, sameOrigin, cross}, 403},
		{"cookie, listed with the port of its scheme", "POST", "/listed/", []string{cookie, partner, cross}, 200},
		{"cookie, listed under its name in letters", "POST", "/listed/", []string{cookie, "Origin: https://xn--mnchen-3ya.example", cross}, 200},
		{"cookie, listed with another port", "POST", "/listed/", []string{cookie, partner + ":8443"}, 403},
		{"cookie, foreign origin", "POST", "/x", []string{cookie, evil}, 403},
		{"cookie, origin of another port", "POST", "/x", []string{cookie, "Origin: http://127.0.0.1:9081"}, 403},
		{"cookie, no origin to speak of", "DELETE", "/x", []string{cookie, null}, 403},
		{"cookie, two origins", "POST", "/x", []string{cookie, own, evil}, 403},
		{"cookie, cross-site", "PUT", "/x", []string{cookie, cross}, 403},
		{"cookie, a sibling host", "POST", "/x", []string{cookie, sameSite}, 403},
		{"cookie, listed origin", "POST", "/x", []string{cookie, partner, cross}, 200},
		{"cookie, listed for the gate and not for the rule", "POST", "/own/", []string{cookie, partner, cross}, 403},
		{"cookie, any origin for the rule", "POST", "/open/", []string{cookie, evil, cross}, 200},
		{"cookie, reading", "GET", "/x", []string{cookie, evil, cross}, 200},
		{"cookie, reading as another method", "GET", "/x", []string{cookie, evil, "X-HTTP-Method-Override: DELETE"}, 403},
		{"cookie, reading, with an empty method besides", "GET", "/x", []string{cookie, evil, "X-HTTP-Method-Override: "}, 200},
		{"cookie, WebSocket", "GET", "/x", slices.Concat(socket, []string{cookie, evil}), 403},
		{"cookie, own WebSocket", "GET", "/x", slices.Concat(socket, []string{cookie, own}), 200},
		{"basic", "POST", "/x", []string{basicOf(key + ":")}, 200},
		{"basic, foreign origin", "POST", "/x", []string{basicOf(key + ":"), evil}, 403},
		{"basic, cross-site", "POST", "/x", []string{basicOf(key + ":"), cross}, 403},
		{"bearer, foreign origin", "POST", "/x", []string{joe, evil, cross}, 200},
		{"key as bearer, foreign origin", "POST", "/x", []string{"Authorization: Bearer " + key, evil, cross}, 200},
		{"nobody, foreign origin", "POST", "/hook/", []string{evil, cross}, 200},
		{"the API with basic, foreign origin", "PATCH", "/api/users/joe1", []string{basicOf(key + ":"), evil}, 403},
		{"the API with basic, cross-site", "PATCH", "/api/users/joe1", []string{basicOf(key + ":"), cross}, 403},
		{"the API with basic", "PATCH", "/api/users/joe1", []string{basicOf(key + ":")}, 200},
		{"the API with a key as bearer, foreign origin", "PATCH", "/api/users/joe1", []string{"Authorization: Bearer " + key, evil}, 200},
		{"the API with a cookie, and a foreign bearer", "PATCH", "/api/users/joe1", []string{cookie, "Authorization: Bearer x"}, 401},
		{"the API with a cookie and its token", "PATCH", "/api/users/joe1", []string{cookie, "X-CSRFToken: " + csrf}, 200},
		{"the API with a cookie and its token, by https", "PATCH", "/api/users/joe1", []string{cookie, "X-CSRFToken: " + csrf, "Origin: https://127.0.0.1:9080"}, 200},
		{"the API with basic, by https", "PATCH", "/api/users/joe1", []string{basicOf(key + ":"), "Origin: https://127.0.0.1:9080"}, 200},
		{"the API with basic, own origin, which the browser denies", "PATCH", "/api/users/joe1", []string{basicOf(key + ":"), own, cross}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			var body any
			if c.method == "PATCH" {
				body = map[string]any{"nick_name": "J"}
			}
			s.upstream.take()
			a := s.must(c.status, c.method, c.path, body, c.headers...)
			if c.status == 403 && !strings.HasPrefix(c.path, "/api") && (a.json(t)["reason"] != "foreign-origin" || s.upstream.take() != nil) {
				t.Errorf("answer %s", a.body)
			}
		})
	}
	t.Run("doors that log in", func(t *testing.T) {
		login := map[string]any{"username": "joe1", "password": "yoyo"}
		for _, path := range []string{"/api/auth?cookie=1", "/api/auth/register", "/api/auth/recover", "/api/auth/0123456789012345678901234567890123456789"} {
			for _, header := range []string{evil, null, cross, sameSite} {
				if a := s.must(403, "POST", path, login, header); a.header["Set-Cookie"] != nil {
					t.Errorf("%s sets %q", path, a.header["Set-Cookie"])
				}
			}
		}
		s.must(403, "POST", "/api/auth?cookie=1", login, own, cross)
		for _, header := range []string{own, "Origin: https://127.0.0.1:9080", sameOrigin, "Sec-Fetch-Site: none"} {
			s.must(201, "POST", "/api/auth?cookie=1", login, header)
		}
	})
	t.Run("a proxy that names the port of the scheme", func(t *testing.T) {
		for _, path := range []string{"/x", "/api/auth"} {
			req, err := http.NewRequest("POST", base+path, strings.NewReader(`{"username": "joe1", "password": "yoyo"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "127.0.0.1:443"
			req.Header = http.Header{"Content-Type": {"application/json"}, "Origin": {"https://127.0.0.1"}, "Cookie": {strings.TrimPrefix(cookie, "Cookie: ")}}
			res, err := s.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode/100 != 2 {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
		}
	})
	t.Run("a second log-in", func(t *testing.T) {
		first, _ := s.browser("joe1")
		login := map[string]any{"username": "joe1", "password": "yoyo"}
		if a := s.must(201, "POST", "/api/auth", login, first); a.header["Set-Cookie"] != nil {
			t.Errorf("a log-in without a cookie sets %q", a.header["Set-Cookie"])
		}
		s.must(200, "GET", "/x", nil, first)
		a := s.must(201, "POST", "/api/auth?cookie=1", login, first)
		var second []string
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			second = append(second, c.Name+"="+c.Value)
		}
		s.must(200, "GET", "/x", nil, "Cookie: "+strings.Join(second, "; "))
		s.must(401, "GET", "/x", nil, first)
	})
}

// TestOriginOfSeveralRules has each rule that admits a request allow where it comes from, and the gate decide on the paths below /api that
// are the application's (decisions 75, 115, 119).
func TestOriginOfSeveralRules(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.more = "rewrite /open/* /own/x"
		s.gate = "rule /open/ {\n\t\t\tauthenticated\n\t\t\torigin any\n\t\t}\n\t\trule /own/ authenticated\n\t\trule /api/kernels/ authenticated\n\t\t" +
			"rule /api/hooks/ {\n\t\t\tauthenticated\n\t\t\torigin https://evil.example\n\t\t}"
	})
	s.register("joe1")
	cookie, _ := s.browser("joe1")
	const evil = "Origin: https://evil.example"
	for _, c := range []struct {
		path   string
		origin string
		status int
		listed string
	}{
		{"/open/x", evil, 403, "any"}, {"/open/x", "Origin: " + base, 200, "any"},
		{"/own/x", evil, 403, "same"},
		{"/api/kernels/1", evil, 403, "same"}, {"/api/kernels/1", "Origin: " + base, 200, "same"},
		{"/api/hooks/1", evil, 200, "https://evil.example"}, {"/api/hooks/1", "Origin: https://other.example", 403, "https://evil.example"},
	} {
		if a := s.do("POST", c.path, nil, cookie, c.origin); a.status != c.status {
			t.Errorf("%s from %s: %d %s, want %d", c.path, c.origin, a.status, a.body, c.status)
		}
		res, err := http.Post("http://localhost:2999/tollgate/explain", "application/json", strings.NewReader(`{"as":"joe1","method":"POST","url":"`+base+c.path+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		var explained struct{ Origin []string }
		err = json.NewDecoder(res.Body).Decode(&explained)
		res.Body.Close()
		if err != nil || !slices.Equal(explained.Origin, []string{c.listed}) {
			t.Errorf("%s is explained with the origins %q, want %s (%v)", c.path, explained.Origin, c.listed, err)
		}
	}
}

// TestChallenge offers programs what they know, and browsers nothing that asks people for a password (decision 116).
func TestChallenge(t *testing.T) {
	s := newSite(t)
	const bearer, basic = `Bearer realm="cowork"`, `Basic realm="cowork", charset="UTF-8"`
	for _, c := range []struct {
		challenge string
		headers   []string
		want      []string
	}{
		{"", nil, []string{bearer, basic}},
		{"", []string{"User-Agent: git/2.39.2", "Accept: */*"}, []string{bearer, basic}},
		{"", []string{basicOf(badKey + ":")}, []string{bearer, basic}},
		{"", []string{"User-Agent: Mozilla/5.0 (X11; Linux x86_64)"}, []string{bearer}},
		{"", []string{"Sec-Fetch-Mode: cors"}, []string{bearer}},
		{"", []string{"Origin: https://spa.example"}, []string{bearer}},
		{"", []string{"X-Requested-With: XMLHttpRequest"}, []string{bearer}},
		{"", []string{"Accept: text/html;q=0.9"}, []string{bearer}},
		{"", []string{"Cookie: tollgate_session=x"}, []string{bearer}},
		{"", []string{"Cookie: other=x"}, []string{bearer, basic}},
		{"bearer", nil, []string{bearer}},
		{"basic", []string{"Sec-Fetch-Mode: navigate"}, []string{basic}},
		{"both", []string{"Sec-Fetch-Mode: navigate"}, []string{bearer, basic}},
		{"off", nil, nil},
	} {
		if gate := demoGate + "\n\t\tchallenge " + c.challenge; c.challenge != "" && s.gate != gate {
			s.gate = gate
			s.load()
		}
		if got := s.must(401, "GET", "/account/", nil, c.headers...).header["Www-Authenticate"]; !slices.Equal(got, c.want) {
			t.Errorf("challenge %s, %q: %q, want %q", c.challenge, c.headers, got, c.want)
		}
	}
	if got := s.must(401, "GET", "/api/users/donny", nil).header["Www-Authenticate"]; !slices.Equal(got, []string{bearer}) {
		t.Errorf("the API: %q", got)
	}
}

// TestRedirected sends navigations and people's forms to a page, and tells everybody else (decision 120).
func TestRedirected(t *testing.T) {
	s := newSite(t, func(s *site) { s.global = "page login" })
	const html = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
	for _, c := range []struct {
		name, method string
		headers      []string
		location     string // "" for 401
	}{
		{"navigation", "GET", []string{html, "Sec-Fetch-Mode: navigate"}, "/login/?next=/account/"},
		{"navigation of an old browser", "HEAD", []string{html}, "/login/?next=/account/"},
		{"script", "GET", []string{html, "Sec-Fetch-Mode: cors"}, ""},
		{"script of another age", "GET", []string{html, "X-Requested-With: XMLHttpRequest"}, ""},
		{"image", "GET", []string{"Accept: image/*", "Sec-Fetch-Mode: no-cors"}, ""},
		{"form", "POST", []string{html, "Sec-Fetch-Mode: navigate", "Referer: " + base + "/account/edit?a=1"}, "/login/?next=/account/edit%3Fa%3D1"},
		{"form without a referer", "POST", []string{html}, "/login/?next=/"},
		{"form of another site", "POST", []string{html, "Referer: https://evil.example/x"}, "/login/?next=/"},
		{"form with a referer that only looks like ours", "POST", []string{html, "Referer: " + base + "@evil.example/x"}, "/login/?next=/"},
		{"form of a page whose path goes away", "POST", []string{html, "Referer: " + base + "/0;/.."}, "/login/?next=/"},
		{"script that posts", "POST", []string{html, "Sec-Fetch-Mode: cors"}, ""},
		{"program that posts", "POST", []string{"Accept: application/json"}, ""},
		{"what is asked of a page is none", "OPTIONS", []string{html, "Sec-Fetch-Mode: navigate"}, ""},
	} {
		status := 302
		if c.location == "" {
			status = 401
		}
		for _, path := range []string{"/account/", "/api/users/donny"} {
			if c.method == "OPTIONS" && path != "/account/" {
				continue // the API says what it takes
			}
			if c.method == "POST" && path != "/account/" {
				path = "/api/users/donny/api-keys"
			}
			a := s.must(status, c.method, path, nil, c.headers...)
			want := c.location
			if c.method != "POST" {
				want = strings.Replace(want, "/account/", path, 1)
			}
			if l := a.header.Get("Location"); l != want {
				t.Errorf("%s: %s to %q, want %q", c.name, path, l, want)
			}
		}
	}
}
