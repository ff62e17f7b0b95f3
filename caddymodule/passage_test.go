package caddymodule

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestPassageInCircle does not follow a named route into itself for ever.
func TestPassageInCircle(t *testing.T) {
	again := caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{&caddyhttp.Invoke{Name: "again"}}}
	app := &caddyhttp.App{Servers: map[string]*caddyhttp.Server{"s": {
		Listen: []string{":80"}, Routes: caddyhttp.RouteList{again}, NamedRoutes: map[string]*caddyhttp.Route{"again": &again},
	}}}
	u, _ := url.Parse("http://localhost/")
	if _, err := passageOf(app, "GET", u); err == nil || !strings.Contains(err.Error(), "in a circle") {
		t.Errorf("%v", err)
	}
}
