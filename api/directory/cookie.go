package directory

import (
	"net/http"
	"strings"
	"time"
)

// SessionCookie is the cookie that presents a session: scripts cannot read it, other sites' forms do not send it.
func (d *Directory) SessionCookie(s Session) *http.Cookie {
	c := d.EndedCookie()
	c.Value, c.Expires, c.MaxAge = s.Key, s.EndsAt.Time, int(s.EndsAt.Sub(s.CreatedAt.Time)/time.Second)
	return c
}

// EndedCookie is the cookie that makes a browser forget its session.
func (d *Directory) EndedCookie() *http.Cookie {
	name := d.conf.Load().CookieName
	return &http.Cookie{
		Name: name, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(name, "__Host-") || strings.HasPrefix(name, "__Secure-"),
	}
}
