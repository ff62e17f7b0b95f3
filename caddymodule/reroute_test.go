package caddymodule

import (
	"strings"
	"testing"
)

// TestOtherReadings sends what an application may read as another method, another path, or as the beginning of another protocol
// than the gate decides on.
func TestOtherReadings(t *testing.T) {
	c := newCatcher(t)
	s := newSite(t, func(s *site) {
		s.upstream = &upstream{Server: c.Server}
		s.gate = `rule /feed/ {
			authenticated
			methods DELETE POST
		}
		rule /feed/ any
		rule /account/ authenticated`
	})
	const host = " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	joe := s.register("joe1") + "\r\n"
	for name, test := range map[string]struct {
		request string
		status  int
	}{
		"the method in small letters":     {"post /feed/" + host, 401},
		"the method in mixed letters":     {"DeleTe /feed/" + host, 401},
		"another method by header":        {"GET /feed/" + host + "X-HTTP-Method-Override: DELETE\r\n", 401},
		"another method in small letters": {"PUT /feed/" + host + "x-http-method: post\r\n", 401},
		"another method, one of two":      {"GET /feed/" + host + "X-Method-Override: GET\r\nX-Method-Override: DELETE\r\n", 401},
		"another method, first of a list": {"GET /feed/" + host + "X-HTTP-Method-Override: DELETE, GET\r\n", 401},
		"another method, last of a list":  {"GET /feed/" + host + "X-HTTP-Method: GET,delete\r\n", 401},
		"another method with parameters":  {"GET /feed/" + host + "X-Method-Override: \"DELETE\";q=1\r\n", 401},
		"a harmless list":                 {"GET /feed/" + host + "X-HTTP-Method-Override: HEAD, GET\r\n", 200},
		"more methods than there are":     {"GET /feed/" + host + "X-HTTP-Method-Override: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z\r\n", 400},
		"a harmless one":                  {"GET /feed/" + host + "X-HTTP-Method-Override: HEAD\r\n", 200},
		"who may":                         {"GET /feed/" + host + "X-HTTP-Method-Override: DELETE\r\n" + joe, 200},
		"a preflight that is none":        {"OPTIONS /account/" + host + "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\nX-HTTP-Method-Override: GET\r\n", 401},
		"a preflight that upgrades":       {"OPTIONS /account/" + host + "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", 200},
		"another path by header": {"GET /feed/" + host + "X-Original-URL: /account/\r\nX-Rewrite-URL: /account/\r\n" +
			"X-Override-URL: /account/\r\nX-HTTP-Destination-URL: /account/\r\n", 200},
		"another prefix of the path by header":  {"GET /feed/account/" + host + "X-Script-Name: /feed\r\n", 200},
		"HTTP/2 in the clear":                   {"GET /feed/" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n", 200},
		"HTTP/2 in the clear, settings apart":   {"GET /feed/" + host + "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n", 200},
		"a WebSocket or else HTTP/2":            {"GET /feed/" + host + "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", 200},
		"a WebSocket and HTTP/2 in two headers": {"GET /feed/" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n", 200},
		"TLS":                                   {"GET /feed/" + host + "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n", 200},
		"a WebSocket by POST":                   {"POST /feed/" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n" + joe, 200},
		"a tunnel":                              {"CONNECT /feed/" + host, 400},
		"a tunnel to a host":                    {"CONNECT 127.0.0.1:9080" + host, 400},
	} {
		t.Run(name, func(t *testing.T) {
			c.last()
			if res := speak(t, test.request+"\r\n"); res.StatusCode != test.status {
				t.Errorf("%s", res.Status)
			}
			got := c.last()
			if (got != nil) != (test.status == 200) {
				t.Errorf("the upstream received %v", got)
			}
			for name := range got {
				if name == "Upgrade" || strings.HasSuffix(name, "-Url") || name == "X-Script-Name" {
					t.Errorf("the upstream received %s: %q", name, got[name])
				}
			}
		})
	}
}
