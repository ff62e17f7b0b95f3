package rest

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
)

const (
	csrfHeader = "X-CSRFToken"
	csrfField  = "csrfmiddlewaretoken"
	csrfLength = 32
	csrfAge    = 365 * 24 * time.Hour
)

// checkCSRF protects callers who are known by their cookie from requests that other sites made their browsers send
// (conventions.md 3).
func (s *Service) checkCSRF(c *Call) error {
	door := c.endpoint != nil && c.endpoint.opts.door
	switch {
	case safe(c.r.Method) && !door:
		return nil
	case door, c.Ambient && c.Scheme != directory.Cookie: // what a browser attaches by itself says nothing about who made it send
		if reason := c.foreignReason(); reason != "" {
			return forged(reason)
		}
		return nil
	case c.Scheme != directory.Cookie:
		return nil
	}
	if reason := c.csrfReason(); reason != "" {
		return forged(reason)
	}
	return nil
}

// forged is the answer to a request that another site may have made somebody's browser send.
func forged(reason string) *Error { return Fail(http.StatusForbidden, "CSRF Failed: "+reason) }

func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// foreignReason is why a request that carries no token is refused: a page of another site made a browser send it. "" when none did, or
// one that is listed.
func (c *Call) foreignReason() string {
	if sent, ok := c.r.Header["Origin"]; ok {
		switch {
		case len(sent) == 1 && OwnOrigin(c.service.Origin(c.r), sent[0]):
		case len(sent) == 1 && c.service.trusted(sent[0]):
			return ""
		default:
			return "Origin checking failed - " + strings.Join(sent, ", ") + " does not match any trusted origins."
		}
	}
	if site := FetchedByOthers(c.r.Header); site != "" {
		return "Origin checking failed - a " + site + " request."
	}
	return ""
}

// csrfReason is why the request is refused, "" when it is not.
func (c *Call) csrfReason() string {
	origin := c.service.Origin(c.r)
	if sent, ok := c.r.Header["Origin"]; ok {
		if len(sent) != 1 || !OwnOrigin(origin, sent[0]) && !c.service.trusted(sent[0]) {
			return "Origin checking failed - " + strings.Join(sent, ", ") + " does not match any trusted origins."
		}
	} else if strings.HasPrefix(origin, "https://") {
		if reason := refererReason(c.r.Referer(), origin); reason != "" {
			return reason
		}
	}
	cookie := c.cookie(c.cookieNames().CSRF)
	if cookie == "" {
		return "CSRF cookie not set."
	}
	token, from := "", "POST"
	if c.r.Method == http.MethodPost {
		token = c.formField(csrfField)
	}
	if token == "" {
		token, from = c.r.Header.Get(csrfHeader), "the 'X-Csrftoken' HTTP header"
	}
	want := c.CSRF
	if want == "" {
		want = cookie
	}
	switch {
	case token == "":
		return "CSRF token missing."
	case len(token) != len(want):
		return "CSRF token from " + from + " has incorrect length."
	case strings.ContainsFunc(token, func(r rune) bool { return !alphanumeric(r) }):
		return "CSRF token from " + from + " has invalid characters."
	case subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1:
		return "CSRF token from " + from + " incorrect."
	}
	return ""
}

func alphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

func refererReason(referer, origin string) string {
	if referer == "" {
		return "Referer checking failed - no Referer."
	}
	u, err := url.Parse(referer)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		return "Referer checking failed - Referer is malformed."
	case !strings.EqualFold(u.Scheme, "https"):
		return "Referer checking failed - Referer is insecure while host is secure."
	case !OwnOrigin(origin, "https://"+u.Host):
		return "Referer checking failed - " + referer + " does not match any trusted origins."
	}
	return ""
}

// SendCSRF sends the cookie that a page reads and echoes. It is the given token; or, when that is empty, the
// session's, the one that the caller has already, or a new one.
func (c *Call) SendCSRF(token string) {
	if token == "" {
		token = c.CSRF
	}
	if token == "" {
		token = c.cookie(c.cookieNames().CSRF)
		if len(token) != csrfLength || strings.ContainsFunc(token, func(r rune) bool { return !alphanumeric(r) }) {
			token = NewCSRF()
		}
	}
	cookies := c.cookieNames()
	c.SetCookie(cookies.New(cookies.CSRF, token, csrfAge))
}

// NewCSRF makes a token for the CSRF protection of a session: 32 letters and digits.
func NewCSRF() string { return rand.Text() + rand.Text()[:csrfLength-26] }
