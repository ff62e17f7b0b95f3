package caddymodule

import (
	"strings"
	"testing"
)

// TestAPIBesideAnother: paths below /api whose first word is none of the API's go to the application where a gate decides on them, and
// every other stays the API's, whether there is an endpoint or not.
func TestAPIBesideAnother(t *testing.T) {
	s := newSite(t, func(s *site) { s.gate += "\n\t\trule /api/kernels/ authenticated\n\t\trule /api/open/ any" })
	ann := s.register("ann")
	for _, c := range []struct {
		method, path, as string
		status           int
		passes           bool
	}{
		{"GET", "/api/open/x", "", 200, true},
		{"GET", "/api/kernels/1", "", 401, false},
		{"GET", "/api/kernels/1", ann, 200, true},
		{"GET", "/api/other", ann, 403, false}, // no rule
		{"GET", "/api/users/nobody/nothing/here", ann, 404, false},
		{"DELETE", "/api/auth", ann, 405, false},
		{"GET", "/api//users", ann, 404, false},
		{"GET", "/api/open/../users/", ann, 404, false},
		{"GET", "/api", "", 200, false},
	} {
		s.upstream.take()
		var headers []string
		if c.as != "" {
			headers = append(headers, c.as)
		}
		a := s.do(c.method, c.path, nil, headers...)
		if passed := s.upstream.take() != nil; a.status != c.status || passed != c.passes {
			t.Errorf("%s %s: %d %s, passed %v; want %d, %v", c.method, c.path, a.status, a.body, passed, c.status, c.passes)
		}
		if c.status == 404 || c.status == 405 {
			a.json(t)
		}
	}
}

// TestAPIPasses passes paths that are none of its own on where JSON says so, and not to a gate that stands before it.
func TestAPIPasses(t *testing.T) {
	for _, c := range []struct {
		name, pass string
		before     bool // the gate stands before the API
		want       int
	}{
		{"a gate behind it", "", false, 200},
		{"a gate before it", "", true, 404},
		{"a gate before it, passed on", `"pass":true,`, true, 200},
		{"a gate behind it, kept", `"pass":false,`, false, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, func(s *site) {
				s.gate = "rule / any"
				if c.before {
					s.options = "\torder tollgate before tollgate_api\n"
				}
			})
			raw, err := adapt(s.caddyfile())
			if err == nil {
				err = post([]byte(strings.Replace(string(raw), `"handler":"tollgate_api"`, c.pass+`"handler":"tollgate_api"`, 1)))
			}
			if err != nil {
				t.Fatal(err)
			}
			s.client.CloseIdleConnections()
			if a := s.do("GET", "/api/kernels/1", nil); a.status != c.want {
				t.Errorf("%d %s, want %d", a.status, a.body, c.want)
			}
		})
	}
}

// TestAPIInOtherSpellings keeps from the application what it may take for an address of the API, in whatever spelling it came.
func TestAPIInOtherSpellings(t *testing.T) {
	for _, prefix := range []string{"/api", "/tollgate"} {
		t.Run(prefix, func(t *testing.T) {
			s := newSite(t, func(s *site) {
				s.gate = "rule / any"
				s.api = " {\n\t\tprefix " + prefix + "\n\t}"
			})
			for _, path := range []string{
				"/P/auth", "//P/auth", "/./P/auth", "/x/../P/auth", "/x//..//P//auth", "/x;/../P/auth", "/P/x/../auth", "/P/100%25/../auth", "/%2e/P/auth", "/P/%61uth", "/P%2fauth",
				"/%2fP/auth", "/P%252fauth", "/P/%2561uth", "/P;v=1/auth", "/P/;v/auth", "/P/auth;v=1", "/P/auth%3bv/x", "/P/auth%5cx", `/P\auth`, "/%5cP/auth", "/;/P/auth",
				"/.;/P/auth", "/x/..;/P/auth", "/x/%2e%2e/P/auth", "/x%2f..%2fP/auth", "/x/%252e%252e/P/auth", "/P/%25252561uth", base + "//P/auth", base + "/x/../P/auth",
			} {
				path = strings.Replace(path, "P", strings.TrimPrefix(prefix, "/"), 1)
				s.upstream.take()
				if status := raw(t, base, path); status != 404 && status != 405 {
					t.Errorf("%s: %d", path, status)
				}
				if got := s.upstream.take(); got != nil {
					t.Errorf("%s reached the application as %s", path, got.URI)
				}
			}
			for _, path := range []string{"/P/kernels//1", "/P/kernels;auth", "//P/kernels", "/x//P/auth", "/proxy/http%3A%2F%2Fexample.com%2FP%2Fauth", "/P-docs//auth", "/a%2fb/..//x"} {
				path = strings.Replace(path, "P", strings.TrimPrefix(prefix, "/"), 1)
				s.upstream.take()
				if status := raw(t, base, path); status != 200 || s.upstream.take() == nil {
					t.Errorf("%s: %d", path, status)
				}
			}
		})
	}
}

// TestAPIWithoutGate: without a gate for all of the prefix nothing below it passes.
func TestAPIWithoutGate(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.matcher = " /api/open/*"
		s.gate = "rule / any"
	})
	for _, path := range []string{"/api/open/x", "//api/open/x", "/x/../api/kernels", "/api%2fopen", "/x/%2e%2e/api/kernels"} {
		if status := raw(t, base, path); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
		if s.upstream.take() != nil {
			t.Errorf("%s has passed", path)
		}
	}
	s.must(200, "GET", "/elsewhere", nil)
}

// TestAPIWithoutGateBehindRewrites: a rewrite for the application does not take what is below the prefix past a gate that does not
// cover it.
func TestAPIWithoutGateBehindRewrites(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.more = "rewrite * /index.php"
		s.matcher = " /app/*"
		s.gate = "rule / any"
	})
	for _, path := range []string{"/api/kernels/x", "//api/kernels/x", "/api/auth;x"} {
		if status := raw(t, base, path); status != 404 || s.upstream.take() != nil {
			t.Errorf("%s: %d", path, status)
		}
	}
	s.must(200, "GET", "/elsewhere", nil)
}

// TestAPIElsewhere: the API below another prefix, whose links lead there; /api is the application's.
func TestAPIElsewhere(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.gate += "\n\t\trule /api/ any"
		s.api = " {\n\t\tprefix /tollgate\n\t}"
	})
	a := s.must(200, "GET", "/api/users", nil)
	if s.upstream.take() == nil {
		t.Errorf("/api did not pass: %s", a.body)
	}
	donny := s.must(201, "POST", "/tollgate/auth", map[string]any{"username": "donny", "password": "yoyo"}).json(t)["token"].(string)
	as := "Authorization: Bearer " + donny
	list := s.must(200, "GET", "/tollgate/users?page_size=1", nil, as)
	if next, _ := list.json(t)["next"].(string); !strings.HasPrefix(next, base+"/tollgate/users?") {
		t.Errorf("next is %q", next)
	}
	s.must(401, "GET", "/tollgate/users", nil)       // the rule over /api is about the application's paths
	s.must(403, "GET", "/tollgate/nothing", nil, as) // none of the API: the gate has no rule for it
	made := s.must(201, "POST", "/tollgate/contacts", map[string]any{"full_name": "Joe", "email": "joe@example.com", "slug": "joe"}, as)
	if at := made.header.Get("Location"); !strings.HasPrefix(at, base+"/tollgate/") {
		t.Errorf("Location %q", at)
	}
}

// TestPagesBesideAPI: what the application has at /api, and who its rules let in there, says nothing of the operations that pages call;
// rules over the API speak of them, wherever the pages are.
func TestPagesBesideAPI(t *testing.T) {
	s := pagesSite(t, func(s *site) {
		s.gate += "\n\t\trule /api/users/ any\n\t\trule /api/profile/ any"
		s.api = " {\n\t\tprefix /tollgate\n\t}"
	})
	s.must(200, "GET", "/api/users/donny", nil) // the application's
	s.visitor().must(303, "/users/donny/")
	x := s.knownVisitor("xia")
	x.must(403, "/users/donny/").says("This page is not for you")
	x.must(200, "/users/xia/")
	form := x.fill("details", "full_name", "Mallory")
	a := x.send("POST", "/users/donny/", urlencoded, form.values.Encode())
	if a.status != 403 {
		t.Errorf("xia changes the account of donny: %d %s", a.status, a.header.Get("Location"))
	}
	s.knownVisitor("donny").must(200, "/users/donny/").silent("Mallory")

	t.Run("a rule over the API", func(t *testing.T) {
		s := pagesSite(t, func(s *site) { s.gate += "\n\t\trule /api/users/ direct strong profile=cowork" })
		s.knownVisitor("xia").must(403, "/users/xia/")
		s.knownVisitor("donny").must(200, "/users/donny/")
	})
}

// TestAPIBehindRewrites: an address of the API is the API's, although a rewrite for the application came first.
func TestAPIBehindRewrites(t *testing.T) {
	for _, rewrite := range []string{"rewrite * /index.php?{query}", "try_files /nothing /index.php", "uri strip_prefix /api"} {
		t.Run(rewrite, func(t *testing.T) {
			s := newSite(t, func(s *site) {
				s.more = rewrite
				s.gate = "rule / any"
			})
			s.must(200, "GET", "/api/pricing?x=1", nil)
			if got := s.upstream.take(); got != nil {
				t.Errorf("the application received %s", got.URI)
			}
			s.login("donny")
			s.must(200, "GET", "/page", nil)
		})
	}
}
