package rest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Call is one request to an endpoint, as handlers see it.
type Call struct {
	directory.Identity            // who calls; Identity.User is nil for anonymous callers
	Now                store.Time // time of the request; inside Read and Write the time of the snapshot or the transaction
	Query              *accessrules.Query
	Client             string // address of the client, by Caddy's trusted-proxy logic

	service  *Service
	route    *route    // nil when the path has none
	endpoint *Endpoint // nil when the path lacks the method
	w        http.ResponseWriter
	r        *http.Request
	sent     bool // the answer has begun
	page     bool // a browser is refused: tell a human

	values values // of the query, once parsed
	local  *time.Location
	ahead  time.Duration // of the clock of whom the path is about; see accessrules.Profile
	accept accepted
	body   requestBody
	held   int64     // bytes of the body in memory
	turns  [2]*paced // that the call has, of its client and of its /48

	outcome
	cookies  []*http.Cookie
	audited  bool    // the audit row is written
	reading  bool    // holds a slot for what may be long
	wrote    bool    // a step is committed: the next ones do not depend on the client's patience
	replayed bool    // answered from an idempotency key
	rows     *cursor // of a CSV answer
}

// outcome is what an operation says about the answer to its success.
type outcome struct {
	status   int
	location string
}

// Param is a parameter of the path, "" when absent.
func (c *Call) Param(name string) string { return c.Query.Params.Get(name) }

// Context ends when the client goes away.
func (c *Call) Context() context.Context { return c.r.Context() }

// Log is the logger of the service with what is asked: the method, the path as in the contract, and its parameters, but for those
// that are secrets.
func (c *Call) Log() *zap.Logger {
	path, subject := "", ""
	if c.route != nil {
		path = c.route.path
	}
	if c.Query != nil {
		subject = c.subject()
	}
	return c.service.Logger.With(zap.String("method", c.r.Method), zap.String("path", path), zap.String("subject", subject))
}

// RequestHeader is a header of the request, as a webhook's signature.
func (c *Call) RequestHeader(name string) string { return c.r.Header.Get(name) }

// RequestHeaders are the headers of the request; they may not be changed.
func (c *Call) RequestHeaders() http.Header { return c.r.Header }

// cookie is the value of a cookie of the request, "" when absent, or there twice.
func (c *Call) cookie(name string) string {
	value, _ := directory.FindCookie(c.r.Header, name)
	return value
}

func (c *Call) cookieNames() *directory.Cookies { return c.service.Directory.Cookies() }

// CartCookie is the value of the cookie that keeps the cart of a visitor, "" when absent.
func (c *Call) CartCookie() string { return c.cookie(c.cookieNames().Cart) }

// SetCartCookie keeps the cart of a visitor; age 0 forgets it.
func (c *Call) SetCartCookie(value string, age time.Duration) {
	cookies := c.cookieNames()
	c.SetCookie(cookies.New(cookies.Cart, value, age))
}

// Header are the headers of the answer. Set, never Add: an operation may run twice.
func (c *Call) Header() http.Header { return c.w.Header() }

// SetStatus is the status of a successful answer; the default is 200, and 204 for None.
func (c *Call) SetStatus(status int) { c.status = status }

// Created makes the answer a 201, with a Location if it is not empty: absolute, or a path of this site.
func (c *Call) Created(location string) {
	c.status = http.StatusCreated
	if strings.HasPrefix(location, "/") {
		location = c.URL(location)
	}
	c.location = location
}

// SetCookie sends a cookie with a successful answer; it is Secure when the site is reached by https. What a transaction that is
// rolled back set is dropped.
func (c *Call) SetCookie(cookie *http.Cookie) {
	cookie.Secure = cookie.Secure || c.secure()
	cookie.Path = at(c.r, cookie.Path)
	c.placeCookie(cookie)
	if cookie.Domain != "" && directory.Twice(c.r.Header, cookie.Name) {
		stale := *cookie // of this host alone, from before a domain was set: beside it the other one would not be believed
		stale.Domain, stale.Value, stale.MaxAge, stale.Expires = "", "", -1, time.Time{}
		c.cookies = append(c.cookies, &stale)
	}
	c.cookies = append(c.cookies, cookie)
}

// placeCookie makes a cookie of a domain one of this host alone, where the host is none of the domain: a browser would not take it.
func (c *Call) placeCookie(cookie *http.Cookie) {
	host, _, _ := strings.Cut(strings.ToLower(c.r.Host), ":")
	if cookie.Domain != "" && host != cookie.Domain && !strings.HasSuffix(host, "."+cookie.Domain) {
		cookie.Domain = ""
	}
}

func (c *Call) secure() bool { return strings.HasPrefix(c.base(), "https://") }

// base is the address that absolute URLs are built on (decision 48).
func (c *Call) base() string {
	if c.service.BaseURL != "" {
		return c.service.BaseURL
	}
	return c.service.Origin(c.r)
}

// URL is the absolute URL of a path of this site (conventions.md 1.3), which begins with "/" and is escaped already.
func (c *Call) URL(path string) string { return c.base() + at(c.r, path) }

// PageURL is the absolute URL of a page of the contract (pages.md 2), values standing for its parameters in their order.
func (c *Call) PageURL(pattern string, values ...string) string {
	path := Path(pattern, values...)
	if link := c.service.Link; link != nil {
		path = link(path)
	}
	return c.URL(path)
}

// Zone is the zone of conventions.md 7.4: the parameter timezone, else the profile's, else UTC. A name that is not known is UTC.
func (c *Call) Zone(profileTimezone string) *time.Location {
	name := c.QueryString("timezone")
	if name == "" {
		name = profileTimezone
	}
	return Location(name)
}

// Bounds on reads that may be long: how many may wait for one of store.LongReads, and for how long.
const (
	longQueue = 256
	longWait  = 10 * time.Second
)

// Read runs fn on one snapshot. Lists and tables may take long, whoever asks for them: their endpoints, and those that are Long, share a
// part of the connections, fairly by client (decision 77).
func (c *Call) Read(fn func(r store.Reader) error) error {
	c.zone() // asks the directory, which reads by itself
	read := c.service.Store.Read
	if c.endpoint != nil && c.endpoint.long() && !c.reading {
		if err := c.enterLong(); err != nil {
			return err
		}
		release, err := c.service.long.Acquire(c.r.Context(), ClientOf(c.Client))
		if err != nil {
			if c.r.Context().Err() != nil {
				return err
			}
			return Busy(LimitReads, err)
		}
		c.reading = true
		defer func() { c.reading = false; release() }()
		read = c.service.Store.ReadLong
	}
	return read(c.r.Context(), func(r store.Reader) error {
		c.at(r)
		return fn(r)
	})
}

// at takes the time of a snapshot or a transaction over. Who may call is a matter of the site's time; all else is one of the profile that
// the path is about.
func (c *Call) at(r store.Reader) {
	c.Query.Now = r.Now().Time
	store.Shift(r, c.ahead)
	c.Now = r.Now()
}
