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

// TestAPIWithoutGate: without a gate for all of the prefix nothing below it passes.
func TestAPIWithoutGate(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.matcher = " /api/open/*"
		s.gate = "rule / any"
	})
	s.must(404, "GET", "/api/open/x", nil)
	if s.upstream.take() != nil {
		t.Error("it has passed")
	}
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
