package rest

import "net/netip"

// A Client is who the bounds on clients count: an IPv4 address, or the /64 of an IPv6 address, which one subscriber of a network has at
// the least. All of a /48, which one site often has, share eight times the bound of one (decision 77).
type Client struct {
	Name string // "192.0.2.1", "2001:db8:1:2::/64"
	Site string // the /48 that it belongs to, "" for IPv4
	Wide string // the /16 of IPv4 or /32 of IPv6 that it belongs to, "" for what is no address
}

// siteShare is how many clients' bound all clients of a site share.
const siteShare = 8

// ClientOf is the client at an address. What is no address stands for itself.
func ClientOf(address string) Client {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return Client{Name: address}
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		wide, _ := a.Prefix(16)
		return Client{Name: a.String(), Wide: wide.String()}
	}
	client, _ := a.Prefix(64)
	site, _ := a.Prefix(48)
	wide, _ := a.Prefix(32)
	return Client{Name: client.String(), Site: site.String(), Wide: wide.String()}
}
