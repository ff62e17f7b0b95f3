package accessrules

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// NextHosts are the hosts of a site, to which somebody may be sent back after a page that cured a refusal, by an absolute `next`
// (decision 73). The nil value has none: a `next` is a path of the host that is asked.
type NextHosts struct {
	scheme string          // "https://", of all of them
	hosts  map[string]bool // in small letters, with a port that is not the scheme's own
	under  map[string]bool // what follows the star of "*.example.com", likewise
}

// NewNextHosts makes the set of the host of a site's address, as in "https://example.com", and of others: names, with the port of the
// site unless they have one, or all names of one label below a domain, as in "*.example.com".
func NewNextHosts(site string, others []string) (*NextHosts, error) {
	u, err := url.Parse(site)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the address of a site, as in https://app.example.com", site)
	}
	n := &NextHosts{scheme: u.Scheme + "://", hosts: map[string]bool{}, under: map[string]bool{}}
	for _, host := range append([]string{u.Host}, others...) {
		name, below := strings.CutPrefix(host, "*.")
		if port := u.Port(); port != "" && !strings.Contains(name, ":") {
			name += ":" + port
		}
		name, ok := n.canonical(name)
		if !ok {
			return nil, fmt.Errorf("%q is no host: write a name, as in app.example.com, or *.example.com for all names below one", host)
		}
		if below {
			n.under["."+name] = true
		} else {
			n.hosts[name] = true
		}
	}
	return n, nil
}

// Has reports whether a host, with its port if there is one, is one of them.
func (n *NextHosts) Has(host string) bool {
	_, ok := n.find(host)
	return ok
}

// Origin is the origin of a host of the site, "" for any other host.
func (n *NextHosts) Origin(host string) string {
	if name, ok := n.find(host); ok {
		return n.scheme + name
	}
	return ""
}

// Sources are the hosts as a policy of browsers names them (Content-Security-Policy), in order.
func (n *NextHosts) Sources() (sources []string) {
	if n == nil {
		return nil
	}
	for host := range n.hosts {
		sources = append(sources, n.scheme+host)
	}
	for host := range n.under {
		sources = append(sources, n.scheme+"*"+host)
	}
	slices.Sort(sources)
	return sources
}

// find is a host in the form in which addresses have it.
func (n *NextHosts) find(host string) (string, bool) {
	if n == nil {
		return "", false
	}
	host, ok := n.canonical(host)
	if !ok {
		return "", false
	}
	at := strings.IndexByte(host, '.')
	return host, n.hosts[host] || at > 0 && n.under[host[at:]]
}

// canonical is a host in small letters and without the scheme's own port. ok is false for whatever is not a name of plain labels,
// and a port: nothing that a browser might see another host in.
func (n *NextHosts) canonical(host string) (name string, ok bool) {
	name, port, withPort := strings.Cut(strings.ToLower(host), ":")
	if withPort && (port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "" || port[0] == '0') {
		return "", false
	}
	if len(name) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", false
		}
	}
	if withPort && port != map[string]string{"http://": "80", "https://": "443"}[n.scheme] {
		name += ":" + port
	}
	return name, true
}

// SafeNext is SafeNext for a value that may be an absolute address too, on one of the hosts and by the scheme of the site.
func (n *NextHosts) SafeNext(value string) string {
	if n == nil || len(value) < len(n.scheme) || !strings.EqualFold(value[:len(n.scheme)], n.scheme) {
		return SafeNext(value)
	}
	rest := value[len(n.scheme):]
	end := len(rest)
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		end = at
	}
	host, ok := n.find(rest[:end])
	if !ok {
		return ""
	}
	if rest = rest[end:]; !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	back := SafeNext(rest)
	if back == "" {
		return ""
	}
	return n.scheme + host + back
}
