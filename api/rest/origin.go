package rest

import (
	"net/http"
	"strings"

	"golang.org/x/net/idna"
)

// CanonicalOrigin is an origin as browsers send it: in small letters, without the port that its scheme has by itself, and with the ASCII
// form of its host.
func CanonicalOrigin(origin string) string {
	scheme, host, ok := strings.Cut(strings.ToLower(origin), "://")
	if !ok {
		return origin // "null"
	}
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	if strings.ContainsFunc(host, func(c rune) bool { return c >= 0x80 }) {
		name, port, _ := strings.Cut(host, ":")
		if ascii, err := idna.Lookup.ToASCII(name); err == nil {
			host = strings.TrimSuffix(ascii+":"+port, ":")
		}
	}
	return scheme + "://" + host
}

// OwnOrigin reports whether an origin is that of the host that was asked, as in "http://app.example.com". Something before Caddy may have
// taken the encryption off, and then the page came by https.
func OwnOrigin(asked, sent string) bool {
	sent = CanonicalOrigin(sent)
	if sent == CanonicalOrigin(asked) {
		return true
	}
	host, plain := strings.CutPrefix(asked, "http://")
	return plain && sent == CanonicalOrigin("https://"+host)
}

// FetchedByOthers is what a browser says of who made it send a request, when that is a page of another site or host; "" when none did.
func FetchedByOthers(h http.Header) string {
	for _, site := range h["Sec-Fetch-Site"] {
		switch site {
		case "", "same-origin", "none":
		default:
			return site
		}
	}
	return ""
}
