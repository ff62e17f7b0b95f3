package rest_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func csrf(reason string) string { return `{"detail":"CSRF Failed: ` + reason + `"}` }

func TestCSRF(t *testing.T) {
	clock := storetest.NewClock()
	s := storetest.NewAt(t, clock)
	plain := resttest.With(t, rest.Options{Store: s, Directory: resttest.Cowork(), BaseURL: "http://elsewhere.example.com",
		Origin: func(r *http.Request) string { return "http://app.example.com" }}, clock, shop()).Undescribed()
	secure := resttest.With(t, rest.Options{Store: s, Directory: resttest.Cowork(), Origins: []string{"https://spa.example.com"}}, clock, shop()).Undescribed()
	const put, body = "PUT /api/profile/acme", `{"title":"a"}`
	const session, both = "Cookie: sessionid=xia", "Cookie: sessionid=xia; csrftoken=" + resttest.CSRF
	const header = "X-CSRFToken: " + resttest.CSRF
	ok := `{"slug":"a"}`
	wrong := "X-CSRFToken: " + "abcdefghijklmnopqrstuvwxyz012346"

	plain.Run(t,
		resttest.Case("reading needs none", "", "GET /api/profile/acme", "", 200, "*").With(session),
		resttest.Case("bearer needs none", "xia", put, body, 200, ok),
		resttest.Case("anonymous needs none", "", "POST /api/contact", body, 200, ok),
		resttest.Case("no cookie", "", put, body, 403, csrf("CSRF cookie not set.")).With(session, header),
		resttest.Case("no token", "", put, body, 403, csrf("CSRF token missing.")).With(both),
		resttest.Case("empty token", "", put, body, 403, csrf("CSRF token missing.")).With(both, "X-CSRFToken: "),
		resttest.Case("header", "", put, body, 200, ok).With(both, header),
		resttest.Case("wrong header", "", put, body, 403, csrf("CSRF token from the 'X-Csrftoken' HTTP header incorrect.")).With(both, wrong),
		resttest.Case("short header", "", put, body, 403, csrf("CSRF token from the 'X-Csrftoken' HTTP header has incorrect length.")).With(both, "X-CSRFToken: abc"),
		resttest.Case("strange header", "", put, body, 403, csrf("CSRF token from the 'X-Csrftoken' HTTP header has invalid characters.")).
			With(both, "X-CSRFToken: "+"abcdefghijklmnopqrstuvwxyz01234!"),
		resttest.Case("cookie and header that agree, but are not the session's", "", put, body, 403, csrf("CSRF token from the 'X-Csrftoken' HTTP header incorrect.")).
			With("Cookie: sessionid=xia; csrftoken=abcdefghijklmnopqrstuvwxyz012346", wrong),
		resttest.Case("before the method", "", "POST /api/profile/acme", body, 403, csrf("CSRF token missing.")).With(both),
		resttest.Case("after the gate", "", "PUT /api/profile/nobody", body, 403, denied).With(both),
		resttest.Case("own origin", "", put, body, 200, ok).With(both, header, "Origin: http://app.example.com"),
		resttest.Case("configured origin", "", put, body, 200, ok).With(both, header, "Origin: http://elsewhere.example.com"),
		resttest.Case("foreign origin", "", put, body, 403, csrf("Origin checking failed - https://evil.example.com does not match any trusted origins.")).
			With(both, header, "Origin: https://evil.example.com"),
		resttest.Case("no origin to speak of", "", put, body, 403, csrf("Origin checking failed - null does not match any trusted origins.")).
			With(both, header, "Origin: null"),
	)
	form := "Content-Type: application/x-www-form-urlencoded"
	const post = "POST /api/profile/acme/plans"
	plain.Run(t,
		resttest.Case("field", "", post, "title=a&csrfmiddlewaretoken="+resttest.CSRF, 201, ok).With(both, form),
		resttest.Case("field before header", "", post, "title=a&csrfmiddlewaretoken=abcdefghijklmnopqrstuvwxyz012346", 403, csrf("CSRF token from POST incorrect.")).
			With(both, form, header),
		resttest.Case("empty field, header", "", post, "title=a&csrfmiddlewaretoken=", 201, ok).With(both, form, header),
		resttest.Case("field of a PUT is not read", "", put, "title=a&csrfmiddlewaretoken="+resttest.CSRF, 403, csrf("CSRF token missing.")).With(both, form),
	)
	secure.Run(t,
		resttest.Case("tls, no referer", "", put, body, 403, csrf("Referer checking failed - no Referer.")).With(both, header),
		resttest.Case("tls, malformed referer", "", put, body, 403, csrf("Referer checking failed - Referer is malformed.")).With(both, header, "Referer: /x"),
		resttest.Case("tls, insecure referer", "", put, body, 403, csrf("Referer checking failed - Referer is insecure while host is secure.")).
			With(both, header, "Referer: http://app.example.com/x"),
		resttest.Case("tls, foreign referer", "", put, body, 403, csrf("Referer checking failed - https://app.example.com.evil.com/x does not match any trusted origins.")).
			With(both, header, "Referer: https://app.example.com.evil.com/x"),
		resttest.Case("tls, own referer", "", put, body, 200, ok).With(both, header, "Referer: https://app.example.com/x"),
		resttest.Case("tls, origin in place of a referer", "", put, body, 200, ok).With(both, header, "Origin: https://app.example.com"),
		resttest.Case("listed origin", "", put, body, 200, ok).With(both, header, "Origin: https://spa.example.com"),
		resttest.Case("listed origin without token", "", put, body, 403, csrf("CSRF token missing.")).With(both, "Origin: https://spa.example.com"),
	)
}

// A large upload is read for its token and for itself.
func TestCSRFOfUpload(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), []rest.Endpoint{
		rest.Post("/api/profile/{profile}/picture", accessrules.DirectFrictionless, func(c *rest.Call, tx *store.Tx, in *rest.None) (int64, error) {
			header, r, err := c.File("file")
			if err != nil {
				return 0, err
			}
			return header.Size, r.Close()
		}, rest.File(4<<20)),
	})
	upload := func(token string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n" + token +
			"\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n" + strings.Repeat("x", 3<<20) + "\r\n--x--\r\n"
	}
	headers := []string{"Content-Type: multipart/form-data; boundary=x", "Cookie: sessionid=xia; csrftoken=" + resttest.CSRF, "Origin: " + resttest.Base}
	const path = "POST /api/profile/acme/picture"
	site.Run(t,
		resttest.Case("field", "", path, upload(resttest.CSRF), 200, "3145728").With(headers...),
		resttest.Case("wrong field", "", path, upload("abc"), 403, csrf("CSRF token from POST has incorrect length.")).With(headers...),
		resttest.Case("header", "", path, upload(""), 200, "3145728").With(headers...).With("X-CSRFToken: "+resttest.CSRF),
	)
}

func TestCSRFCookie(t *testing.T) {
	site := resttest.New(t, resttest.Cowork(), shop())
	cookie := regexp.MustCompile(`^csrftoken=([a-zA-Z0-9]{32}); Path=/; Max-Age=31536000; Secure; SameSite=Lax$`)
	sent := func(headers ...string) string {
		t.Helper()
		m := cookie.FindStringSubmatch(site.Do("", "GET /api", "", headers...).Header().Get("Set-Cookie"))
		if m == nil {
			t.Fatalf("the cookie is %q", site.Do("", "GET /api", "", headers...).Header())
		}
		return m[1]
	}
	first := sent()
	if second := sent(); second == first {
		t.Error("two callers share a token")
	}
	if kept := sent("Cookie: csrftoken=" + first); kept != first {
		t.Error("the caller's token was replaced")
	}
	if replaced := sent("Cookie: csrftoken=short"); replaced == "short" {
		t.Error("a token that is none was kept")
	}
	if own := sent("Cookie: sessionid=xia; csrftoken=" + first); own != resttest.CSRF {
		t.Errorf("the token is %q, want the session's", own)
	}
}

func TestCORS(t *testing.T) {
	clock := storetest.NewClock()
	s := storetest.NewAt(t, clock)
	site := resttest.With(t, rest.Options{Store: s, Directory: resttest.Cowork(), Origins: []string{"https://spa.example.com"}}, clock, shop()).Undescribed()
	listed := "Origin: https://spa.example.com"
	for _, request := range []string{"GET /api", "GET /api/nope", "GET /api/profile/acme", "OPTIONS /api/profile/acme"} {
		site.Run(t, resttest.Case(request, "", request, "", site.Do("", request, "").Code, "*").With(listed).Wants(
			"Access-Control-Allow-Origin: https://spa.example.com",
			"Access-Control-Allow-Credentials: true",
			"Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
			"Access-Control-Allow-Headers: Origin, X-Requested-With, Content-Type, Accept, X-CSRFToken, Authorization",
			"Access-Control-Expose-Headers: Location",
			"Vary: Accept, Accept-Language, Cookie, DNT, Origin",
		))
	}
	none := []string{"Access-Control-Allow-Origin:", "Access-Control-Allow-Credentials:", "Access-Control-Allow-Methods:"}
	site.Run(t,
		resttest.Case("not listed", "", "GET /api", "", 200, "*").With("Origin: https://evil.example.com").Wants(none...),
		resttest.Case("listed as the beginning", "", "GET /api", "", 200, "*").With("Origin: https://spa.example.com.evil.com").Wants(none...),
		resttest.Case("no origin", "", "GET /api", "", 200, "*").Wants(none...),
	)
	restricted := true
	asked := func(*http.Request) string { return "http://app.site.example" }
	within := resttest.With(t, rest.Options{Store: s, Directory: resttest.Cowork(), Origins: []string{"https://spa.example.com"}, Origin: asked,
		CORSRestricted: func() bool { return restricted }}, clock, shop()).Undescribed()
	for origin, reads := range map[string]bool{ // of a site at http://app.site.example
		"http://site.example": true, "https://site.example": true, "http://www.site.example:8080": true, "http://app.site.example:8080": true,
		"http://app.site.example": false, "http://other.site.example": false, "http://example": false, "ftp://site.example": false,
		"http://evilsite.example": false, "http://site.example.evil.com": false, "null": false, "site.example": false,
	} {
		for _, restricted = range []bool{true, false} {
			test := resttest.Case(origin, "", "GET /api", "", 200, "*").With("Origin: " + origin)
			if reads && restricted {
				test = test.Wants("Access-Control-Allow-Origin: "+origin, "Access-Control-Allow-Credentials: true")
			} else {
				test = test.Wants(none...)
			}
			within.Run(t, test)
		}
	}
	alone := resttest.With(t, rest.Options{Store: s, Directory: resttest.Cowork(), Origin: asked, CORSRestricted: func() bool { return true }}, clock, shop()).Undescribed()
	alone.Run(t, resttest.Case("none is listed", "", "GET /api", "", 200, "*").With("Origin: http://site.example").Wants(none...))
	off := resttest.With(t, rest.Options{Store: s, Directory: resttest.Cowork(), Logger: zap.NewNop()}, clock, shop()).Undescribed()
	off.Run(t, resttest.Case("off by default", "", "GET /api", "", 200, "*").With(listed).
		Wants(append(none, "Vary: Accept, Accept-Language, Cookie, DNT")...))
}
