package caddymodule

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

// headerWords are what identity headers tell, in the order of the documentation.
var headerWords = []string{"user", "id", "email", "email_unproven", "name", "profile", "roles", "plan"}

var headerName = regexp.MustCompile(`^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$`)

// taken are headers that mean something else: a name of an identity header would break requests.
var taken = map[string]bool{
	"accept": true, "authorization": true, "connection": true, "content-length": true, "content-type": true, "cookie": true, "date": true,
	"expect": true, "host": true, "origin": true, "range": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"user-agent": true, "proxy-authorization": true,
}

func checkHeaderName(name string) error {
	if !headerName.MatchString(name) || taken[strings.ToLower(name)] {
		return fmt.Errorf("%q is no name for a header of the gate: use letters, digits and -, as in X-Remote-User", name)
	}
	return nil
}

// checkCredentialsHeader looks at the header that carries our credentials.
func checkCredentialsHeader(name string) error {
	if !headerName.MatchString(name) || taken[strings.ToLower(name)] && !strings.EqualFold(name, directory.DefaultCredentials) {
		return fmt.Errorf("%q is no header that our tokens and keys could have to themselves: write one, as in X-Tollgate-Token", name)
	}
	return nil
}

// warnOfLogs tells of access logs that may show our credentials: Caddy masks Authorization and Cookie by itself, and no other header.
func (a *App) warnOfLogs(served *caddyhttp.App) {
	if strings.EqualFold(a.Credentials, directory.DefaultCredentials) {
		return
	}
	for _, server := range served.Servers {
		if server.Logs != nil {
			a.logger.Warn("access logs show the header that carries our tokens and API keys, unless they leave it out: write "+
				"`format filter { request>headers>"+a.Credentials+" delete }` into each `log`, if it is not there", zap.String("header", a.Credentials))
			return
		}
	}
}

// identityHeaders are the names of the identity headers. They are known even when they are off, so that incoming copies are
// stripped.
func (g *Gate) identityHeaders() (*accessrules.Headers, error) {
	prefix := g.HeaderPrefix
	if prefix == "" {
		prefix = accessrules.DefaultPrefix
	}
	if err := checkHeaderName(prefix + "User"); err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	h := accessrules.NewHeaders(prefix)
	h.Also(prefix + "Email-Unproven") // sent when it is switched on, and nobody else's when it is not
	fields := map[string]*string{
		"user": &h.User, "id": &h.ID, "email": &h.Email, "email_unproven": &h.EmailUnproven, "name": &h.Name, "profile": &h.Profile, "roles": &h.Roles, "plan": &h.Plan,
	}
	for word, name := range g.HeaderNames {
		field := fields[word]
		if field == nil {
			return nil, fmt.Errorf("headers: unknown header %q: write one of %s", word, strings.Join(headerWords, ", "))
		}
		if word == "email_unproven" && name == "on" {
			name = prefix + "Email-Unproven"
		}
		h.Also(*field) // nobody else may send what it would be called without another name
		if name == "off" {
			*field = ""
			continue
		}
		if err := checkHeaderName(name); err != nil {
			return nil, fmt.Errorf("headers: %w", err)
		}
		*field = name
	}
	if g.Assertion != nil {
		if err := checkHeaderName(g.Assertion.name()); err != nil {
			return nil, fmt.Errorf("assertion: %w", err)
		}
		h.Also(g.Assertion.name())
	}
	return h.Seal(), nil
}

// shareNames makes the gates of a configuration strip what any of them sends: a request may reach the application of another one.
func (g *Gate) shareNames() {
	for _, other := range g.app.gates {
		if other != g {
			names := other.headers.Names()
			other.headers.Also(g.headers.Names()...)
			g.headers.Also(names...)
			other.headers.Seal()
		}
	}
	g.headers.Seal()
}
