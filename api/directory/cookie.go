package directory

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// Cookies are what the cookies of a site are called and where they hold (decisions 72, 73).
type Cookies struct {
	Session string // holds the key of a session
	CSRF    string // holds the token that unsafe requests of a session echo
	Cart    string // holds the cart of a visitor
	Domain  string // whose hosts receive them; "" is the host that was asked, alone
	Secure  bool   // they travel by https only, whatever the request came by
}

// NewCookies are the cookies of a site. With https, and no domain, no other host can set or read them: their names begin with __Host-.
func NewCookies(https bool, domain string) Cookies {
	prefix := ""
	if https && domain == "" {
		prefix = "__Host-"
	}
	return Cookies{prefix + "tollgate_session", prefix + "tollgate_csrf", prefix + "tollgate_cart", domain, https}
}

// ContractCookies are the cookies of a site under the names of the reference.
func ContractCookies(https bool, domain string) Cookies {
	return Cookies{ContractSession, "csrftoken", "cart", domain, https}
}

// ContractSession is what the contract calls the cookie of a session, the one for the application too.
const ContractSession = "sessionid"

// formerSessions are the names that the cookie of a session has or ever had, under some configuration.
var formerSessions = []string{ContractSession, "__Host-sessionid", "tollgate_session", "__Host-tollgate_session"}

// Holds reports whether a cookie holds, or may hold, what is ours: it has a name in use, or one that a session's cookie ever had and
// the form of a session's key. Under such a name an application may have cookies of its own.
func (k *Cookies) Holds(name, value string) bool {
	if k.InUse(name) {
		return true
	}
	for _, former := range formerSessions {
		if name == former {
			value, _ = word(strings.TrimFunc(value, notOfKeys))
			return isSessionKey(strings.TrimFunc(value, notOfKeys))
		}
	}
	return false
}

// notOfKeys reports whether a character is neither letter nor digit, as keys of sessions consist of: quotes of any kind are around them.
func notOfKeys(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9')
}

// InUse reports whether a cookie of the site has this name.
func (k *Cookies) InUse(name string) bool {
	return name == k.Session || name == k.CSRF || name == k.Cart
}

// New makes a cookie of the site, for a year at most. Scripts read it only when it is theirs to echo.
func (k *Cookies) New(name, value string, age time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", Domain: k.Domain, Secure: k.Secure, MaxAge: int(age / time.Second),
		HttpOnly: name != k.CSRF, SameSite: http.SameSiteLaxMode,
	}
	if age <= 0 {
		c.MaxAge = -1
	}
	return c
}

// Cookies are the cookies of the site.
func (d *Directory) Cookies() *Cookies { return &d.conf.Load().Cookies }

// SessionCookie is the cookie that presents a session: scripts cannot read it, other sites' forms do not send it.
func (d *Directory) SessionCookie(s Session) *http.Cookie {
	cookies := d.Cookies()
	c := cookies.New(cookies.Session, s.Key, s.EndsAt.Sub(s.CreatedAt.Time))
	c.Expires = s.EndsAt.Time
	return c
}

// EndedCookie is the cookie that makes a browser forget its session.
func (d *Directory) EndedCookie() *http.Cookie {
	cookies := d.Cookies()
	return cookies.New(cookies.Session, "", 0)
}

// FindCookie finds the cookie of a name. Of two none is believed, since somebody else may have set one of them (decision 72).
func FindCookie(h http.Header, name string) (value string, present bool) {
	value, n := findCookie(h, name)
	return value, n == 1
}

// Twice reports whether there are two cookies of a name.
func Twice(h http.Header, name string) bool {
	_, n := findCookie(h, name)
	return n == 2
}

func findCookie(h http.Header, name string) (value string, n int) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var part string
			part, line, _ = strings.Cut(line, ";")
			called, v, ok := strings.Cut(trim(part), "=")
			if !ok || trim(called) != name {
				continue
			}
			if n++; n == 2 {
				return "", n
			}
			if v = trim(v); len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			value = v
		}
	}
	return value, n
}

// csrfKey is what CSRF tokens are made with: derived, so that all who read the secrets agree.
func csrfKey(s Secrets) []byte {
	key, err := hkdf.Key(sha256.New, s.Rest, nil, "tollgate csrf", sha256.Size)
	if err != nil {
		panic(err) // only for a length that SHA-256 cannot give
	}
	return key
}

// csrf is the token that unsafe requests of a session echo: a MAC of the session's key, so that nobody can plant one (decision 72).
func (d *Directory) csrf(key string) string {
	mac := hmac.New(sha256.New, d.conf.Load().csrf)
	mac.Write([]byte(key))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
