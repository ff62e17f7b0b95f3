package caddymodule

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

// cookies are the cookies of the site.
func (a *App) cookies() directory.Cookies {
	https := strings.HasPrefix(a.URL, "https://")
	if a.Cookies == "contract" {
		return directory.ContractCookies(https, a.CookieDomain)
	}
	return directory.NewCookies(https, a.CookieDomain)
}

// ownCookies tells our cookies from the application's.
type ownCookies struct {
	*directory.Cookies
	application bool // the application may take the contract's cookie for a session of ours
}

// ownCookies are those at present. An application that is told of sessions reads the contract's cookie, also where they come as a JWT.
func (f *forwarder) ownCookies() ownCookies {
	return ownCookies{f.gate.app.site.Directory.Cookies(), f.gate.live.Form(f.gate.live.Chosen()) != accessrules.NoSession}
}

// holds reports whether a cookie of a request is not for the application.
func (o *ownCookies) holds(name, value string) bool {
	return o.Holds(name, value) || o.application && name == directory.ContractSession
}

// suspects reports whether one of our names may be in a line: most have none.
func (o *ownCookies) suspects(line string) bool {
	return strings.Contains(line, "tollgate_") || strings.Contains(line, directory.ContractSession) ||
		strings.Contains(line, o.CSRF) || strings.Contains(line, o.Cart)
}

// strip takes our cookies off a request and leaves the others byte for byte. Commas part cookies too, as they do for servers
// that follow RFC 2965, and what is around a name that no name may hold is no part of it, since who reads it may take it for blanks.
func (o *ownCookies) strip(h http.Header) {
	lines := h["Cookie"]
	kept := lines[:0:0]
	changed := false
	for _, line := range lines {
		was := len(line)
		if line = o.without(line); len(line) != was {
			changed = true
		}
		if line != "" {
			kept = append(kept, line)
		}
	}
	switch {
	case !changed:
	case len(kept) == 0:
		delete(h, "Cookie")
	default:
		h["Cookie"] = kept
	}
}

// without is a line of cookies without ours.
func (o *ownCookies) without(line string) string {
	if !o.suspects(line) {
		return line
	}
	var kept []byte
	for rest := line; rest != ""; {
		part, separator := rest, ""
		if at := strings.IndexAny(rest, ";,"); at >= 0 {
			part, separator, rest = rest[:at], rest[at:at+1], rest[at+1:]
		} else {
			rest = ""
		}
		if at := o.begins(part); at > 0 {
			part, separator, rest = part[:at], "", part[at:]+separator+rest
		}
		name, value, _ := strings.Cut(part, "=")
		switch n := len(kept); {
		case o.holds(strings.TrimFunc(name, notOfNames), value):
			switch {
			case n == 0 || separator == "":
			case kept[n-1] != ';' && kept[n-1] != ',':
				kept = append(kept, separator...)
			case separator == ";":
				kept[n-1] = ';' // what comes next is another cookie, whatever was before
			}
			continue
		case n == 0 && len(part)+len(separator)+len(rest) < len(line):
			part = strings.TrimLeft(part, " \t") // what was before it is gone
		}
		kept = append(append(kept, part...), separator...)
	}
	if len(kept) < len(line) {
		return strings.TrimRight(string(kept), ";, \t")
	}
	return line
}

// begins is where a cookie of ours begins behind another one and a blank, 0 for nowhere: some servers take blanks to part cookies.
func (o *ownCookies) begins(part string) int {
	for from := 0; ; {
		at := strings.IndexByte(part[from:], '=')
		if at < 0 {
			return 0
		}
		from += at + 1
		name := strings.TrimRight(part[:from-1], " \t")
		blank := strings.LastIndexFunc(name, notOfNames)
		if blank > 0 && (name[blank] == ' ' || name[blank] == '\t') && strings.Trim(name[:blank], " \t") != "" && o.holds(name[blank+1:], part[from:]) {
			return blank
		}
	}
}

// notOfNames reports whether a character is no letter, digit, hyphen or underscore, as the names of our cookies consist of.
func notOfNames(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_')
}

func addCookie(r *http.Request, cookie string) {
	if lines := r.Header["Cookie"]; len(lines) > 0 {
		r.Header["Cookie"] = []string{strings.Join(lines, "; ") + "; " + cookie}
		return
	}
	r.Header["Cookie"] = []string{cookie}
}

// pass hands a request on to the application, and keeps its answer from setting a cookie of ours: that would log people out, or in as
// somebody else.
func (g *Gate) pass(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return new(cookieWriter).pass(g, w, r, next)
}

func (w *cookieWriter) pass(g *Gate, to http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	w.ResponseWriter, w.gate = to, g
	err := next.ServeHTTP(w, r)
	w.drop() // of the trailers
	return err
}

// A cookieWriter drops the cookies of an answer that have a name of ours.
type cookieWriter struct {
	caddyhttp.ResponseWriterWrapper
	gate  *Gate
	begun bool // the header is sent, but for that of an answer in between
}

func (w *cookieWriter) WriteHeader(code int) {
	w.drop()
	w.begun = code >= 200 || code == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(code)
}

func (w *cookieWriter) Write(b []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(b)
}

// ReadFrom lets a file go out by the shortest way.
func (w *cookieWriter) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError sends the header too, if it is not sent yet.
func (w *cookieWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *cookieWriter) begin() {
	if !w.begun {
		w.drop()
		w.begun = true
	}
}

// drop takes our cookies out of the header, and out of the trailers, which some clients merge into it.
func (w *cookieWriter) drop() {
	for _, field := range [...]string{"Set-Cookie", http.TrailerPrefix + "Set-Cookie"} {
		lines := w.Header()[field]
		if len(lines) == 0 {
			continue
		}
		g := w.gate
		ours := g.upward.ownCookies()
		kept := lines[:0:0]
		for _, line := range lines {
			if name := nameSet(line); ours.InUse(name) || ours.application && name == directory.ContractSession {
				g.warnOfCookie(name)
				continue
			}
			kept = append(kept, line)
		}
		switch len(kept) {
		case len(lines):
		case 0:
			delete(w.Header(), field)
		default:
			w.Header()[field] = kept
		}
	}
}

// nameSet is the name of the cookie that a line of Set-Cookie makes a browser send. One without a name is sent as its value alone, which
// looks like a cookie of the name in it.
func nameSet(line string) string {
	name, rest, _ := strings.Cut(line, "=")
	if name = strings.TrimSpace(name); name == "" {
		name, _, _ = strings.Cut(rest, "=")
		name = strings.TrimSpace(name)
	}
	return name
}

// warnOfCookie tells the operator, once an hour, of an application that sets a cookie of ours.
func (g *Gate) warnOfCookie(name string) {
	now := g.app.site.Now().UnixMicro()
	last := g.cookieWarning.Load()
	if now-last < time.Hour.Microseconds() || !g.cookieWarning.CompareAndSwap(last, now) {
		return
	}
	g.logger.Warn("the application sets a cookie that is the site's: it is dropped; give the application's another name, or the gate "+
		"`session none` if it is sessionid", zap.String("cookie", name), zap.String("gate", g.Name))
}
