package caddymodule

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"golang.org/x/net/publicsuffix"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// Several hosts of one site: sessions hold on all that are below a domain, people log in at `url` and come back (decision 73).

var domainForm = regexp.MustCompile(`^([a-z0-9_]([-a-z0-9_]*[a-z0-9_])?\.)+[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?$`)

// checkHosts looks at cookie_domain and next_hosts.
func (a *App) checkHosts() error {
	a.CookieDomain = strings.ToLower(a.CookieDomain)
	if a.CookieDomain != "" {
		if err := a.checkDomain(); err != nil {
			return a.Sources.locate("cookie_domain", err)
		}
	}
	if len(a.NextHosts) > 0 {
		if err := a.checkNextHosts(); err != nil {
			return a.Sources.locate("next_hosts", err)
		}
	}
	return nil
}

func (a *App) checkDomain() error {
	domain := a.CookieDomain
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" {
		return errors.New("it needs the address at which people log in: write `url` as well")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case net.ParseIP(domain) != nil || net.ParseIP(host) != nil:
		return errors.New("an address of numbers has no hosts below it: write the name of a domain, as in example.com")
	case !domainForm.MatchString(domain):
		return fmt.Errorf("%q is no domain with a dot in it: write its name alone, as in example.com, without a port", domain)
	case !below(host, domain):
		return fmt.Errorf("%s of url is not a host of %s: write it, or a domain above it", host, domain)
	}
	if suffix, _ := publicsuffix.PublicSuffix(domain); suffix == domain {
		return fmt.Errorf("%s is a public suffix, below which anybody has hosts: write the domain that is yours", domain)
	}
	return nil
}

func (a *App) checkNextHosts() error {
	if a.URL == "" {
		return errors.New("it needs the address at which people log in: write `url` as well")
	}
	if _, err := accessrules.NewNextHosts(a.URL, a.NextHosts); err != nil {
		return err
	}
	for _, host := range a.NextHosts {
		name, wild := strings.CutPrefix(strings.ToLower(host), "*.")
		name, _, _ = strings.Cut(name, ":")
		if suffix, _ := publicsuffix.PublicSuffix(name); wild && suffix == name {
			return fmt.Errorf("%s are anybody's hosts: %s is a public suffix", host, name)
		}
	}
	return nil
}

// below reports whether a host is a domain, or one of its hosts.
func below(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }

// shareSessions finds out, when a configuration starts, to which hosts people may come back, and says who receives sessions.
func (a *App) shareSessions(app *caddyhttp.App) {
	others := a.NextHosts
	if len(others) == 0 && a.CookieDomain != "" && app != nil {
		others = hostsBelow(app, a.CookieDomain)
	}
	if len(others) == 0 && a.CookieDomain == "" {
		return
	}
	hosts, err := accessrules.NewNextHosts(a.URL, others)
	if err != nil { // looked at before
		a.logger.Error("next_hosts", zap.Error(err))
		return
	}
	a.nextHosts.Store(hosts)
	if a.CookieDomain != "" {
		a.logger.Info("sessions hold on every host of a domain, and each of these hosts, whoever serves it, receives them",
			zap.String("cookie_domain", a.CookieDomain), zap.Strings("next_hosts", others))
	}
}

// hostsBelow are the hosts of the sites of a configuration that a domain holds. Names with a star are anybody's to write: who means
// them says so.
func hostsBelow(app *caddyhttp.App, domain string) (hosts []string) {
	for _, server := range app.Servers {
		for i := range server.Routes {
			for _, set := range server.Routes[i].MatcherSets {
				for _, m := range set {
					names, ok := m.(*caddyhttp.MatchHost)
					if !ok {
						continue
					}
					for _, name := range *names {
						name = strings.ToLower(name)
						if domainForm.MatchString(name) && below(name, domain) && !slices.Contains(hosts, name) {
							hosts = append(hosts, name)
						}
					}
				}
			}
		}
	}
	slices.Sort(hosts)
	return hosts
}

// sibling reports whether a request is for another host than that of `url`, and one on which its sessions hold.
func (a *App) sibling(r *http.Request) bool {
	if a.CookieDomain == "" {
		return false
	}
	host := strings.ToLower(r.Host)
	if _, own, _ := strings.Cut(a.URL, "://"); withoutPort(host) == withoutPort(strings.TrimRight(own, "/")) {
		return false
	}
	host, _, _ = strings.Cut(host, ":")
	return below(strings.TrimSuffix(host, "."), a.CookieDomain)
}

// address is where a page that cures a refusal is for a request: people log in, sign and pay at `url`, whichever host sent them.
func (a *App) address(r *http.Request, page string) string {
	if strings.HasPrefix(page, "/") && a.sibling(r) {
		return strings.TrimRight(a.URL, "/") + page
	}
	return page
}

// withNext is the address of a page with the way back to what was asked, own being the origin to which that belongs. From a host to
// which nobody may be sent back there is none.
func (a *App) withNext(r *http.Request, page, own, asked string) string {
	if a.sibling(r) {
		if own = a.nextHosts.Load().Origin(r.Host); own == "" {
			return page
		}
	}
	return accessrules.NextFrom(page, own, accessrules.Back(r, own, asked))
}

// sendTo is where the API sends people to a page.
func (a *App) sendTo(r *http.Request, page, asked string) string {
	return a.withNext(r, a.address(r, page), origin(r), asked)
}
