package resttest

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

// People is a directory of made-up facts. A request is known by "Authorization: Bearer <username>", or by the cookie
// "sessionid=<username>", whose CSRF token is CSRF.
type People struct {
	Site       string // slug of the broker
	Users      []*accessrules.User
	Profiles   []*accessrules.Profile
	Plans      []*accessrules.Plan
	Agreements map[string]time.Time
	Err        error // the answer to every question, when set
}

// CSRF is the token of every session of People.
const CSRF = "abcdefghijklmnopqrstuvwxyz012345"

// Broker is the slug of the profile that runs the site.
func (p *People) Broker() string { return p.Site }

// Profile finds a profile by slug.
func (p *People) Profile(slug string) (*accessrules.Profile, error) {
	for _, f := range p.Profiles {
		if f.Slug == slug {
			return f, p.Err
		}
	}
	return nil, p.Err
}

// User finds a user by username.
func (p *People) User(username string) (*accessrules.User, error) {
	for _, u := range p.Users {
		if u.Username == username {
			return u, p.Err
		}
	}
	return nil, p.Err
}

// Plan finds a plan by slug.
func (p *People) Plan(slug string) (*accessrules.Plan, error) {
	for _, f := range p.Plans {
		if f.Slug == slug {
			return f, p.Err
		}
	}
	return nil, p.Err
}

// Agreement is the date of the last version of an agreement.
func (p *People) Agreement(slug string) (time.Time, error) { return p.Agreements[slug], p.Err }

// Identify says who a request comes from.
func (p *People) Identify(r *http.Request) (directory.Identity, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		name, bearer := strings.CutPrefix(header, "Bearer ")
		if u, err := p.User(name); !bearer || u == nil || err != nil {
			return directory.Identity{}, &directory.CredentialError{Detail: "Invalid token"}
		} else {
			return directory.Identity{User: u, Scheme: directory.Bearer}, nil
		}
	}
	cookie, err := r.Cookie("sessionid")
	if err != nil {
		return directory.Identity{}, p.Err
	}
	u, err := p.User(cookie.Value)
	if u == nil {
		return directory.Identity{DeadCookie: true}, err
	}
	return directory.Identity{User: u, Scheme: directory.Cookie, Session: 1, CSRF: CSRF}, err
}

// Cookies are those of the contract.
func (p *People) Cookies() *directory.Cookies {
	cookies := directory.ContractCookies(false, "")
	return &cookies
}

// EndedCookie makes a browser forget its session.
func (p *People) EndedCookie() *http.Cookie {
	return &http.Cookie{Name: "sessionid", Path: "/", MaxAge: -1, HttpOnly: true}
}

// Cowork are people to test with: the broker is cowork. alice manages it and cindy contributes to it; xia manages acme, joe
// contributes to it, and yan is nobody anywhere.
func Cowork() *People {
	p := &People{Site: "cowork", Profiles: []*accessrules.Profile{
		{ID: 1, Slug: "cowork", PrintableName: "Cowork", Active: true, Provider: true, Managed: true},
		{ID: 2, Slug: "acme", PrintableName: "Acme", Active: true, Managed: true, Timezone: "America/Los_Angeles"},
	}}
	for i, u := range []struct{ name, role, profile string }{
		{"alice", "manager", "cowork"}, {"cindy", "contributor", "cowork"},
		{"xia", "manager", "acme"}, {"joe", "contributor", "acme"}, {"yan", "", ""},
	} {
		user := &accessrules.User{ID: int64(i + 1), Username: u.name, Email: u.name + "@example.com", Name: u.name, Credentials: true}
		if u.role != "" {
			profile, _ := p.Profile(u.profile)
			user.Roles = []accessrules.Role{{Profile: profile, Description: u.role}}
		}
		p.Users = append(p.Users, user)
	}
	return p
}

// Seal encrypts nothing, and remembers the purpose.
func (p *People) Seal(plain []byte, purpose string) ([]byte, error) {
	return append([]byte(purpose+"\n"), plain...), nil
}

// Open takes back what was sealed for a purpose.
func (p *People) Open(sealed []byte, purpose string) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte(purpose+"\n"))
	if !ok {
		return nil, errors.New("not sealed for this")
	}
	return plain, nil
}
