package caddymodule

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-tollgate/tollgate/api"
)

// TestReload reloads the configuration under load: no request is lost, the database stays the one that is open, and who was
// logged in stays so.
func TestReload(t *testing.T) {
	s := newSite(t)
	joe := s.register("joe1")
	s.subscribe("joe1", joe)
	path, err := caddy.FastAbs(filepath.Join(s.dir, "tollgate.db"))
	if err != nil {
		t.Fatal(err)
	}
	before := poolValue(t, path)
	// A reload of any Caddy resets connections that wait to be accepted on the socket of the configuration before. What was never
	// read is sent again, as a browser or a load balancer does; what was read must be answered.
	send := func(method, path string, body any) (answer, error) {
		a, err := s.try(method, path, body, joe)
		for i := 0; err != nil && i < 5; i++ {
			a, err = s.try(method, path, body, joe)
		}
		return a, err
	}
	writes := before.Store.Stats().Writes

	var lost, served atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, c := range []struct{ method, path string }{{"GET", "/app/joe1/"}, {"GET", "/api/profile/joe1"}} {
					a, err := send(c.method, c.path, nil)
					if err != nil || a.status != http.StatusOK {
						lost.Add(1)
						t.Errorf("%s %s: %d %s %v", c.method, c.path, a.status, a.body, err)
						return
					}
					served.Add(1)
				}
			}
		}()
	}
	defer wg.Wait()
	for i := range 6 {
		s.global = []string{"token_lifetime 14d", "token_lifetime 7d", "welcome_email off"}[i%3]
		s.load()
		if a, err := send("PATCH", "/api/profile/joe1", map[string]any{"locality": "Oakland"}); err != nil || a.status != http.StatusOK {
			t.Errorf("PATCH: %d %s %v", a.status, a.body, err)
		}
	}
	close(stop)
	wg.Wait()
	if served.Load() == 0 {
		t.Error("nothing was served")
	}
	after := poolValue(t, path)
	if before != after {
		t.Error("the database was opened again")
	}
	if n := after.Store.Stats().Writes; n <= writes {
		t.Errorf("the counter of writes went from %d to %d", writes, n)
	}
}

// poolValue is the site that is open for a path.
func poolValue(t *testing.T, path string) *api.Site {
	t.Helper()
	var found *api.Site
	sites.Range(func(key, value any) bool {
		if key == path {
			found = value.(*api.Site)
		}
		return true
	})
	if found == nil {
		t.Fatalf("%s is not open", path)
	}
	return found
}

// TestValidateChangesNothing provisions and cleans up a configuration, as caddy validate does.
func TestValidateChangesNothing(t *testing.T) {
	dir := t.TempDir()
	app := &App{Store: filepath.Join(dir, "deep", "tollgate.db"), Broker: Broker{Slug: "cowork", Email: "hello@cowork.example"}}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	if err := app.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	if err := app.Cleanup(); err != nil {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v %v", files, err)
	}
}

// TestManagerIsMadeOnce makes the broker's first manager from the configuration, whose password is a placeholder, and does not
// touch who is there afterwards.
func TestManagerIsMadeOnce(t *testing.T) {
	t.Setenv("TOLLGATE_TEST_PASSWORD", "a password of ann")
	t.Setenv("TOLLGATE_ANOTHER_PASSWORD", "another password")
	dir := t.TempDir()
	login := func(password, try string) int {
		t.Helper()
		app := &App{Store: filepath.Join(dir, "tollgate.db"), Broker: Broker{Slug: "acme", Email: "hello@acme.example",
			Manager: &Manager{Username: "ann", Email: "ann@acme.example", Password: password}}}
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		defer cancel()
		if err := app.Provision(ctx); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := app.Cleanup(); err != nil {
				t.Error(err)
			}
		}()
		if err := app.Start(); err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest("POST", "/api/auth", strings.NewReader(`{"username":"ann","password":"`+try+`"}`))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		app.service.ServeHTTP(w, req)
		return w.Code
	}
	if got := login("{env.TOLLGATE_TEST_PASSWORD}", "a password of ann"); got != 201 {
		t.Errorf("first start: %d", got)
	}
	if got := login("{env.TOLLGATE_ANOTHER_PASSWORD}", "a password of ann"); got != 201 {
		t.Errorf("second start: %d", got)
	}
	if got := login("{env.TOLLGATE_ANOTHER_PASSWORD}", "another password"); got != 401 {
		t.Errorf("the password of the configuration was set again: %d", got)
	}
}
