package auth

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestHiddenAccountsAnswerAlike: where the site does not tell who has an account (decision 78), the doors that lead to one answer a
// name that is known and one that is not with the same status and body, and take about as long. TOLLGATE_ENUMERATION is how
// often each is tried; the medians are printed.
func TestHiddenAccountsAnswerAlike(t *testing.T) {
	tries := 8
	if n, err := strconv.Atoi(os.Getenv("TOLLGATE_ENUMERATION")); err == nil {
		tries = n
	}
	for _, door := range []struct {
		name, path, body string
		known            []string
	}{
		{"log-in", "/api/auth", `{"username":%q,"password":"wrong word"}`, []string{"xia", "nina"}},
		{"log-in without a password", "/api/auth", `{"username":%q}`, []string{"xia", "nina"}},
		{"log-in with a new password", "/api/auth", `{"username":%q,"password":"wrong word","new_password":"another word"}`, []string{"xia", "nina"}},
		{"log-in by a code", "/api/auth", `{"username":%q,"email_code":"123456"}`, []string{"xia", "nina"}},
		{"recover", "/api/auth/recover", `{"username":%q}`, []string{"xia", "nina"}},
	} {
		t.Run(door.name, func(t *testing.T) {
			s := newSite(t, func(o *Options) {
				o.Settings.HideAccountExistence = true
				o.Settings.Throttle = Throttle{}
			})
			took := map[string][]time.Duration{}
			var first string
			for range tries {
				for _, name := range append([]string{"ghost"}, door.known...) {
					begin := time.Now()
					r := s.Do("", "POST "+door.path, fmt.Sprintf(door.body, name))
					took[name] = append(took[name], time.Since(begin))
					answer := fmt.Sprint(r.Code, " ", strings.ReplaceAll(r.Body.String(), name, "NAME"))
					if first == "" {
						first = answer
					}
					if answer != first {
						t.Fatalf("%s: %s\nanother name: %s", name, answer, first)
					}
				}
			}
			median := func(name string) time.Duration {
				slices.Sort(took[name])
				return took[name][len(took[name])/2]
			}
			unknown := median("ghost")
			for _, name := range door.known {
				known := median(name)
				t.Logf("%s: known %v, unknown %v", name, known, unknown)
				if apart := known - unknown; max(apart, -apart) > 250*time.Millisecond {
					t.Errorf("%s takes %v, an unknown name %v", name, known, unknown)
				}
			}
		})
	}
}
