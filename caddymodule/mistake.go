package caddymodule

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
)

// What is wrong in a Caddyfile is said with file and line, and with what to write instead.

// misused is the error for a word that has too few values, or too many, or an empty one.
func misused(d *caddyfile.Dispenser, word, usage string) error {
	if err := errUnset(d, word, usage); err != nil {
		return err
	}
	return d.Errf("%s: it has too few or too many values: write `%s`", word, usage)
}

// oneOf reads a word's only value, which is one of some.
func oneOf(d *caddyfile.Dispenser, to *string, choices ...string) error {
	word := d.Val()
	if !d.AllArgs(to) || *to == "" {
		return misused(d, word, word+" "+strings.Join(choices, "|"))
	}
	if !contains(choices, *to) {
		return unknown(d, "value of "+word, *to, choices)
	}
	return nil
}

// inWords is an answer of the API as an error that an operator reads.
func inWords(err error) error {
	var e *rest.Error
	if !errors.As(err, &e) {
		return err
	}
	fields, ok := e.Body.(rest.Fields)
	if !ok {
		return err
	}
	var words []string
	for _, f := range fields {
		texts, ok := f.Value.([]string)
		if !ok {
			texts = []string{fmt.Sprint(f.Value)}
		}
		words = append(words, fmt.Sprintf("%s: %s", f.Name, strings.Join(texts, " ")))
	}
	return errors.New(strings.Join(words, "; "))
}

// unknown is the error for a word that is none of those that may stand there.
func unknown(d *caddyfile.Dispenser, what, word string, words []string) error {
	return d.WrapErr(unknownWord(what, word, words))
}

func unknownWord(what, word string, words []string) error {
	if guess := closest(word, words); guess != "" {
		return fmt.Errorf("unknown %s %q: did you mean `%s`?", what, word, guess)
	}
	return fmt.Errorf("unknown %s %q: write one of %s", what, word, strings.Join(words, ", "))
}

// twice is the error for a value that stands in a list twice, as after a line was copied and not changed; nil when none does.
func twice(values []string) error {
	for i, v := range values {
		if slices.ContainsFunc(values[:i], func(w string) bool { return strings.EqualFold(v, w) }) {
			return fmt.Errorf("%s is written twice: leave one out", v)
		}
	}
	return nil
}

// forms are what values of settings look like.
var forms = map[string]func(value string) error{
	"cors_origins": func(v string) error {
		if !isOrigin(v) {
			return fmt.Errorf("%q is no origin: an origin has a scheme and no path, as in https://app.example.com", v)
		}
		return nil
	},
	"public_mail_domains": func(v string) error {
		if !mailDomain.MatchString(v) {
			return fmt.Errorf("%q is no domain of mail addresses, as in example.com", v)
		}
		return nil
	},
	"from": checkMailAddress,
	"unit": func(v string) error {
		if _, err := ledger.ParseUnit(v); err != nil {
			return fmt.Errorf("%q is not a currency of ISO 4217, as in usd", v)
		}
		return nil
	},
	"credentials": checkCredentialsHeader,
	"smtp": func(v string) error {
		if strings.Contains(v, "://") {
			return fmt.Errorf("%q is an address of the web: write host and port, as in smtp.example.com:587", v)
		}
		return nil
	},
	"webhook": func(v string) error {
		if strings.Contains(v, "{") {
			return nil // read when Caddy starts
		}
		if u, err := url.Parse(v); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("%q is no URL that could be posted to, as in https://example.com/events", v)
		}
		return nil
	},
}

var mailDomain = regexp.MustCompile(`^[-a-zA-Z0-9\x{80}-\x{10ffff}]+(\.[-a-zA-Z0-9\x{80}-\x{10ffff}]+)+$`)

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Path == "" && u.RawQuery == "" &&
		u.Fragment == "" && u.User == nil && !strings.Contains(text, "*")
}

func checkMailAddress(text string) error {
	if _, err := mail.ParseAddress(text); err != nil {
		return fmt.Errorf("%q is no e-mail address, as in hello@example.com", text)
	}
	return nil
}

// checkURL looks at the address of the site.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil:
		return fmt.Errorf("url: %q is not the address of a site: write scheme and host, as in https://app.example.com", text)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("url: %q has a path: write scheme and host alone, as in %s://%s", text, u.Scheme, u.Host)
	}
	return nil
}

// checkPage looks at where a page is.
func checkPage(name, address string) error {
	if !contains(pageNames, name) {
		return unknownWord("page", name, pageNames)
	}
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" && !strings.HasPrefix(address, "/") || u.Host != "" && u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("page %s: %q is neither a path, as in /login/, nor a URL, as in https://example.com/login", name, address)
	}
	return nil
}
