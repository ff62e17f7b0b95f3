package caddymodule

import (
	"fmt"
	"strings"
)

// hidden refuses a secret that is written into the configuration: Caddy shows it to who asks its admin endpoint, and saves it to disk.
// The secret itself is not in the error. "" is no secret.
func hidden(word, value string) error {
	if value == "" || placeholder(value) {
		return nil
	}
	return fmt.Errorf("%s: a secret is not written here, where Caddy shows it to who may read its configuration: "+
		"write {env.NAME} or {file./run/secrets/name}, and not {$NAME}", word)
}

// placeholder reports whether a value is one placeholder, which is replaced when Caddy starts.
func placeholder(value string) bool {
	return strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") && !strings.HasPrefix(value, "{$") && strings.Count(value, "{") == 1 &&
		strings.Contains(value, ".") // no key has one
}
