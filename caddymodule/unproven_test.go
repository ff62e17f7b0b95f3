package caddymodule

import (
	"slices"
	"strings"
	"testing"
)

// An address that nobody has proven reaches the application in a header of its own, where the Caddyfile asks for it, and in no session.
// What a client sends under that name never does.
func TestUnprovenAddressHeader(t *testing.T) {
	const header = "Tollgate-Email-Unproven"
	for name, on := range map[string]bool{"asked for": true, "by default": false} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(s *site) {
				s.gate += "\n\t\tsession jwt " + sessionKey
				if on {
					s.gate = strings.Replace(s.gate, "headers", "headers {\n\t\t\temail_unproven on\n\t\t}", 1)
				}
			})
			joe := s.register("joe1")
			s.subscribe("joe1", joe)
			told := func(proven, unproven string) {
				t.Helper()
				s.must(200, "GET", "/app/joe1/", nil, joe, header+": root@example.com", "Tollgate-Email: root@example.com")
				got := s.upstream.take().Headers
				for name, want := range map[string]string{"Tollgate-Email": proven, header: unproven} {
					if v := got[name]; want == "" && len(v) != 0 || want != "" && !slices.Equal(v, []string{want}) {
						t.Errorf("%s %q, want %q", name, v, want)
					}
				}
				session := decodeSession(t, got["Authorization"][0])
				profile := session["roles"].(map[string]any)["manager"].([]any)[0].(map[string]any)
				if profile["email"] != proven {
					t.Errorf("the session tells %v of the profile, want %q", profile["email"], proven)
				}
			}
			unproven := "joe1@example.com"
			if !on {
				unproven = ""
			}
			told("", unproven)
			s.confirm("joe1")
			told("joe1@example.com", "")
		})
	}
}
