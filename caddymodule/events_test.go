package caddymodule

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() { caddy.RegisterModule(listener{}) }

// listener is a handler of Caddy events that tells the test.
type listener struct{}

var heard atomic.Pointer[chan caddy.Event]

func (listener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.tollgate_test", New: func() caddy.Module { return new(listener) }}
}

func (*listener) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { d.Next(); return nil }

func (*listener) Handle(_ context.Context, e caddy.Event) error {
	if to := heard.Load(); to != nil {
		*to <- e
	}
	return nil
}

// TestCaddyEvents listens to what happens on a site, as any module of Caddy can: after it happened, and never to what did not, nor to
// codes.
func TestCaddyEvents(t *testing.T) {
	events := make(chan caddy.Event, 100)
	heard.Store(&events)
	defer heard.Store(nil)
	s := newSite(t, func(s *site) { s.options = "\tevents {\n\t\ton * tollgate_test\n\t}\n" })
	next := func() (string, map[string]any) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if origin := e.Origin(); origin != nil && origin.CaddyModule().ID == "tollgate" {
					return e.Name(), e.Data
				}
			case <-time.After(patience):
				t.Fatal("no event")
			}
		}
	}
	joe := s.register("joe1")
	for _, want := range []string{"user_welcome user/joe1", "user_registered user/joe1"} {
		name, data := next()
		if got := fmt.Sprint(data["event"], " ", data["subject"]); got != want || name != "tollgate."+data["event"].(string) || len(data) != 2 {
			t.Errorf("%s: %v, want %s", name, data, want)
		}
	}
	s.must(200, "POST", "/api/auth/recover", map[string]any{"username": "joe1"}) // a code is sent
	s.must(400, "PATCH", "/api/profile/joe1", map[string]any{"full_name": "Other", "email": "no address"}, joe)
	s.must(200, "PATCH", "/api/profile/joe1", map[string]any{"full_name": "Other"}, joe)
	if name, data := next(); name != "tollgate.profile_updated" || data["subject"] != "profile/joe1" {
		t.Errorf("%s: %v", name, data)
	}
}
