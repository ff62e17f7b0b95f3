package accessrules

import (
	"net/http"
	"slices"
	"strings"
)

// What else a request may say of its path and its method. Some frameworks act on it in place of what the gate has decided on.

// rerouting are headers by which a proxy tells the path that it was asked for, or how much of it leads to the application: no client has
// a say in them.
var rerouting = []string{"X-Original-Url", "X-Rewrite-Url", "X-Original-Uri", "X-Override-Url", "X-Http-Destinationurl", "X-Http-Destination-Url", "X-Script-Name"}

// overriding are headers by which a client asks for another method than the request's own.
var overriding = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// addMethods adds the methods that a header asks for. Of a list, and of what else may stand around a method, some take this part and some
// that: each counts.
func addMethods(methods, values []string) []string {
	for _, value := range values {
		for method := range strings.FieldsFuncSeq(value, noLetter) {
			if method = capitals(method); len(methods) <= MaxMethods && !slices.Contains(methods, method) {
				methods = append(methods, method)
			}
		}
	}
	return methods
}

func noLetter(c rune) bool { return (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') }

// MaxMethods is how many methods a request may ask for in place of its own. Strip returns one more of a request that asks for more.
const MaxMethods = 8

func among(names []string, name string) bool {
	for _, n := range names {
		if len(n) == len(name) && sameHeader(name, n) {
			return true
		}
	}
	return false
}

// Method is the method that an upstream may take a request to have: in capitals, since some put it so, and GET for a WebSocket over
// HTTP/2 and HTTP/3, which goes on as one. ok is false for a request for a tunnel: what passes through it would pass unseen.
func Method(r *http.Request) (method string, ok bool) {
	if r.Method == http.MethodConnect {
		return http.MethodGet, r.ProtoMajor == 2 && r.Header.Get(":protocol") == "websocket" || r.ProtoMajor == 3 && r.Proto == "websocket"
	}
	return capitals(r.Method), true
}

// capitals is a method in capitals.
func capitals(method string) string {
	for i := range len(method) {
		if 'a' <= method[i] && method[i] <= 'z' {
			b := []byte(method)
			for j, c := range b[i:] {
				if 'a' <= c && c <= 'z' {
					b[i+j] = c - 'a' + 'A'
				}
			}
			return string(b)
		}
	}
	return method
}

// StripUpgrade keeps a request from becoming something else than a WebSocket: over h2c or TLS further requests would follow, which
// nobody decides on. A server may take no notice of an Upgrade (RFC 9110 7.8), and so do we.
func StripUpgrade(r *http.Request) {
	if values := r.Header["Upgrade"]; len(values) > 0 && (len(values) > 1 || r.Method != http.MethodGet || !isWebSocket(values[0])) {
		delete(r.Header, "Upgrade")
	}
}

// IsWebSocket reports whether a request is a handshake of a WebSocket, in any version of HTTP.
func IsWebSocket(r *http.Request) bool {
	return r.Method == http.MethodConnect || len(r.Header["Upgrade"]) == 1 && isWebSocket(r.Header["Upgrade"][0])
}

func isWebSocket(upgrade string) bool {
	return len(upgrade) == len("websocket") && capitals(upgrade) == "WEBSOCKET"
}
