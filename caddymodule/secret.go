package caddymodule

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// hidden refuses a secret that is written into the configuration: Caddy shows it to who asks its admin endpoint, and saves it to disk.
// The secret itself is not in the error. "" is no secret.
func hidden(value string) error {
	if name, ok := strings.CutPrefix(value, pathPlaceholder); ok {
		name = strings.TrimSuffix(name, "}")
		return fmt.Errorf("in a Caddyfile {file.%s} is a part of the request's path: write the path of the file with a slash, "+
			"as in {file./run/secrets/%s} or {file../%s}", name, name, name)
	}
	if value == "" || placeholder(value) {
		return nil
	}
	return errors.New("a secret is not written here, where Caddy shows it to who may read its configuration: " +
		"write {env.NAME} or {file./run/secrets/name}, and not {$NAME}")
}

// pathPlaceholder is what a Caddyfile makes of {file.name} where name has no dot and no slash.
const pathPlaceholder = "{http.request.uri.path.file."

// placeholder reports whether a value is one placeholder of a variable or of a file, which is read when Caddy starts.
func placeholder(value string) bool {
	for _, kind := range []string{"{env.", "{file."} {
		name, ok := strings.CutPrefix(value, kind)
		if ok && len(name) > 1 && strings.HasSuffix(name, "}") && !strings.ContainsAny(name[:len(name)-1], "{}") {
			return true
		}
	}
	return false
}

// readSecret is what a placeholder stands for. A variable that is not set and a file that cannot be read are errors, which say what is
// missing: an empty secret would be none, or another one.
func readSecret(repl *caddy.Replacer, value string) (string, error) {
	if value == "" {
		return "", nil
	}
	if err := hidden(value); err != nil {
		return "", err
	}
	return readPlaceholder(repl, value)
}

// readPlaceholder is a value whose placeholders are replaced, none of them by nothing.
func readPlaceholder(repl *caddy.Replacer, value string) (string, error) {
	if name, ok := strings.CutPrefix(value, "{file."); ok && placeholder(value) {
		file, err := os.Open(strings.TrimSuffix(name, "}")) // Caddy reads it, and logs why it cannot
		if err != nil {
			return "", err
		}
		file.Close()
	}
	out, err := repl.ReplaceOrErr(value, true, true)
	switch {
	case err == nil:
		return out, nil
	case placeholder(value) && strings.HasPrefix(value, "{env."):
		return "", fmt.Errorf("the variable %s of Caddy's environment is not set, or is empty", value[len("{env."):len(value)-1])
	case placeholder(value):
		return "", fmt.Errorf("the file %s is empty", value[len("{file."):len(value)-1])
	}
	return "", err
}

// A source is the place of a word in a Caddyfile.
func sourceOf(d *caddyfile.Dispenser) string {
	return fmt.Sprintf("%s:%d", filepath.Base(d.File()), d.Line())
}

// sources are the places of words whose values are read when Caddy starts: an error about one says where it was written.
type sources map[string]string

func (s *sources) note(word, place string) {
	if *s == nil {
		*s = sources{}
	}
	(*s)[word] = place
}

// locate says in an error which word it is about, and where that was written.
func (s sources) locate(word string, err error) error {
	if err == nil {
		return nil
	}
	return s.at(word, fmt.Errorf("%s: %w", word, err))
}

// at says in an error that tells which word it is about where that was written.
func (s sources) at(word string, err error) error {
	if at := s[word]; at != "" {
		err = fmt.Errorf("%w, at %s", err, at)
	}
	return err
}

var variable = regexp.MustCompile(`\{\$([^}:]+)\}`)

// unset names a variable {$NAME} on the dispenser's line that is not set: Caddy replaced it by nothing before anybody could see it, and
// what follows the word is not what was meant. "" for none, and where the file cannot be read.
func unset(d *caddyfile.Dispenser) string {
	file, err := os.Open(d.File())
	if err != nil {
		return ""
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		if n != d.Line() {
			continue
		}
		for _, m := range variable.FindAllStringSubmatch(lines.Text(), -1) {
			if os.Getenv(m[1]) == "" {
				return m[1]
			}
		}
	}
	return ""
}

// errUnset is the error for a word without its value, or with an empty one, when a variable is to blame; usage says how the word is
// written. It is nil when none is.
func errUnset(d *caddyfile.Dispenser, word, usage string) error {
	if name := unset(d); name != "" {
		return d.Errf("%s: {$%s} is not set, and was replaced by nothing: set it, or write `%s`", word, name, usage)
	}
	return nil
}

// noValue is the error for a word whose values are missing or empty.
func noValue(d *caddyfile.Dispenser, word, usage string) error {
	if err := errUnset(d, word, usage); err != nil {
		return err
	}
	return d.Errf("%s: a value is missing or empty: write `%s`", word, usage)
}

var errShortKey = errors.New("the key has fewer than 32 bytes: a key of HS256 has at least 256 bits (RFC 7518 3.2); " +
	"make one with `openssl rand -hex 32`")
