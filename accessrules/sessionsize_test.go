package accessrules_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// crowded has a role on many profiles, the last of which is at hand.
func crowded(profiles int) *accessrules.User {
	u := &accessrules.User{Username: "ann", Credentials: true}
	for i := range profiles {
		u.Roles = append(u.Roles, accessrules.Role{Description: [...]string{"manager", "trap"}[i%2], Profile: &accessrules.Profile{
			Slug: fmt.Sprintf("profile-%03d-%s", i, strings.Repeat("x", 30)), PrintableName: strings.Repeat("é", 60), Active: true}})
	}
	return u
}

// TestSessionSize: however many roles somebody has, the session fits into a line of 8 KB in every form; the profile at hand comes
// first, and what has no room is named.
func TestSessionSize(t *testing.T) {
	key, err := accessrules.NewAssertionKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 5, 12, 120, 2000} {
		u := crowded(n)
		last := u.Roles[n-1]
		s := accessrules.Session{User: u, Site: &accessrules.Site{Slug: "hub", PrintableName: strings.Repeat("🍰", 100)}, Profile: last.Profile.Slug}
		token, err := s.JWT("k3y-for-tests-16", now)
		if err != nil {
			t.Fatal(err)
		}
		cookie, err := s.Cookie("k3y-for-tests-16", now, bytes.NewReader([]byte{1, 2, 3, 4, 5, 6, 7, 8}))
		if err != nil {
			t.Fatal(err)
		}
		assertion, err := s.Assertion(key, "https://site.example", "app", now)
		if err != nil {
			t.Fatal(err)
		}
		var told struct {
			Roles     map[string][]struct{ Slug string }
			Truncated *[]string `json:"roles_truncated"`
		}
		for form, text := range map[string]string{"JWT": payload(t, token), "cookie": open(t, cookie), "assertion": payload(t, assertion)} {
			told.Roles, told.Truncated = nil, nil
			if err := json.Unmarshal([]byte(text), &told); err != nil {
				t.Fatalf("%s: %v\n%s", form, err, text)
			}
			if len(told.Roles[last.Description]) == 0 || told.Roles[last.Description][0].Slug != last.Profile.Slug {
				t.Errorf("%s of %d roles: the profile at hand is not the first", form, n)
			}
			var seen []string
			for _, list := range told.Roles {
				for _, p := range list {
					seen = append(seen, p.Slug)
				}
			}
			if n <= 5 {
				if len(seen) != n || told.Truncated != nil {
					t.Errorf("%s of %d roles: %d are told, cut: %v", form, n, len(seen), told.Truncated)
				}
				continue
			}
			if told.Truncated == nil {
				t.Fatalf("%s of %d roles: nothing is named as cut", form, n)
			}
			cut := *told.Truncated
			for _, r := range u.Roles {
				if slices.Contains(seen, r.Profile.Slug) == slices.Contains(cut, r.Profile.Slug) && !slices.Contains(cut, "...") {
					t.Errorf("%s of %d roles: %s is told and cut, or neither", form, n, r.Profile.Slug)
				}
			}
			if len(seen) < 5 {
				t.Errorf("%s of %d roles: no more than %d are told", form, n, len(seen))
			}
		}
		for form, line := range map[string]string{"JWT": "Authorization: Bearer " + token, "cookie": `Cookie: sessionid="` + cookie + `"`, "assertion": "Tollgate-Assertion: " + assertion} {
			if len(line) > 8<<10 {
				t.Errorf("%s of %d roles: a line of %d bytes", form, n, len(line))
			}
		}
	}
}

// TestSessionNeedsOTP: an application is told of no role that does not count for want of one-time passwords.
func TestSessionNeedsOTP(t *testing.T) {
	u := crowded(2)
	u.Roles[1].OTPRequired = true
	s := accessrules.Session{User: u}
	if got := string(s.JSON(now)); strings.Contains(got, "trap") || !strings.Contains(got, `"manager":[{"slug"`) {
		t.Errorf("without one-time passwords: %s", got)
	}
	u.OTP = true
	if got := string(s.JSON(now)); !strings.Contains(got, `"trap":[{"slug"`) {
		t.Errorf("with them: %s", got)
	}
}
