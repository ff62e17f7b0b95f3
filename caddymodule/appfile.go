package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() { httpcaddyfile.RegisterGlobalOption("tollgate", parseApp) }

func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		return nil, d.Err("the global option `tollgate` is written twice: put all into one block")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "tollgate", Value: caddyconfig.JSON(a, nil)}, nil
}

// UnmarshalCaddyfile reads the global option:
//
//	tollgate {
//		url       <address>
//		broker    <slug> [<full name> [<e-mail>]] {
//			manager <username> <e-mail> <placeholder>
//		}
//		store     <path>
//		secrets   <path>
//		processor <name> [{ ... }]
//		page      <name> [<url>]
//		demo
//		<setting> <value>...
//	}
//
// `url` is the public address of the site. `broker` is the profile that runs it; its first manager is created on the first start,
// with a password that is given as a placeholder. `store` and `secrets` default to tollgate/tollgate.db and
// tollgate/secrets.json in Caddy's data directory. `processor` takes the payments (default: sandbox, which moves no money).
// `page` says where people log in (login), sign terms (legal), choose a plan (pricing), … ; see docs/gate.md. `demo` must not be
// used in production. Settings, their values and defaults are in docs/settings.md.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.Errf("tollgate: %q stands before the block: write `tollgate { … }`", d.Val())
	}
	seen, lines := map[string]bool{}, sources{}
	for d.NextBlock(0) {
		word := d.Val()
		lines.note(word, sourceOf(d))
		if seen[word] && !contains([]string{"page", "minimum_amount", "webhook", "webhook_secret"}, word) {
			return d.Errf("%s is written twice: leave one out", word)
		}
		seen[word] = true
		switch word {
		case "url":
			if !d.AllArgs(&a.URL) || a.URL == "" {
				return misused(d, "url", "url <address>")
			}
			if err := checkURL(a.URL); err != nil {
				return d.WrapErr(err)
			}
		case "store":
			if !d.AllArgs(&a.Store) || a.Store == "" {
				return misused(d, "store", "store <path>")
			}
		case "secrets":
			if !d.AllArgs(&a.Secrets) || a.Secrets == "" {
				return misused(d, "secrets", "secrets <path>")
			}
		case "demo":
			if d.NextArg() {
				return misused(d, "demo", "demo")
			}
			a.Demo = true
		case "broker":
			a.Sources.note("broker", sourceOf(d))
			if err := a.Broker.unmarshal(d, &a.Sources); err != nil {
				return err
			}
		case "page":
			args := d.RemainingArgs()
			if len(args) == 0 || len(args) > 2 || contains(args, "") {
				return misused(d, "page", "page <name> [<url>]")
			}
			if err := checkPage(args[0], strings.Join(args[1:], "")); err != nil {
				return d.WrapErr(err)
			}
			if _, again := a.Pages[args[0]]; again {
				return d.Errf("page %s is written twice: leave one out", args[0])
			}
			if a.Pages == nil {
				a.Pages = map[string]string{}
			}
			a.Pages[args[0]] = strings.Join(args[1:], "")
		case "processor":
			if !d.NextArg() {
				return misused(d, "processor", "processor <name>")
			}
			name := d.Val()
			if _, err := caddy.GetModule("tollgate.processors." + name); err != nil {
				return unknown(d, "processor", name, processorNames())
			}
			module, err := caddyfile.UnmarshalModule(d, "tollgate.processors."+name)
			if err != nil {
				return fmt.Errorf("processor %s: %w", name, err) // which says where
			}
			a.ProcessorRaw = caddyconfig.JSONModuleObject(module, "processor", name, nil)
		default:
			if word == "cookie_name" {
				return d.Err("cookie_name is gone: cookies have names of their own, with __Host- where `url` is https; `cookies contract` has the former ones")
			}
			st, ok := settingOf(word)
			if !ok {
				if guess := closest(word, optionWords()); guess != "" {
					return d.Errf("unknown option %q: did you mean `%s`?", word, guess)
				}
				if _, ok := gateWords[word]; ok {
					return d.Errf("unknown option %q: it belongs into the directive `tollgate` of a site", word)
				}
				return d.Errf("unknown option %q: docs/settings.md has all of them", word)
			}
			if err := st.unmarshal(d, &a.Settings, &a.Sources); err != nil {
				return err
			}
		}
	}
	var bad *settingError
	if err := a.Settings.agree(); errors.As(err, &bad) {
		return lines.locate(bad.word, bad.err)
	}
	return nil
}

// blockRows are what may stand in the block besides settings: the word, what follows it, and what the documentation says of it.
var blockRows = [][3]string{
	{"url", "<address>", "public address of the site, scheme and host, as in `https://app.example.com`: links in answers and messages begin with it; that of the request where it is not set"},
	{"broker", "<slug> [<full name> [<e-mail>]] { manager <username> <e-mail> <placeholder> }", "the profile that runs the site, kept in the database from the first start on ([operations.md](operations.md#the-broker)), and its first manager, whose password is a placeholder; default `broker`"},
	{"store", "<path>", "the database; default `tollgate/tollgate.db` in Caddy's data directory"},
	{"secrets", "<path>", "the generated keys; default `secrets.json` beside the database"},
	{"processor", "sandbox\\|stripe { … }", "who takes the payments ([payments.md](payments.md)); default `sandbox`, which moves no money"},
	{"page", "<name> [<url>]", "where a page of the site is that people are sent to ([gate.md](gate.md)): login, activate, password, legal, invitation, pricing, cart or balance; without a URL, where the contract has it; may be repeated"},
	{"demo", "", "makes users with a known password, refuses other machines, and writes mails into a folder; never in production"},
}

// blockWords are their words.
var blockWords = func() (words []string) {
	for _, row := range blockRows {
		words = append(words, row[0])
	}
	return words
}()

// optionWords are all that may stand there.
func optionWords() []string {
	words := slices.Clone(blockWords)
	for _, st := range settings {
		words = append(words, st.word)
	}
	return words
}

func processorNames() (names []string) {
	for _, m := range caddy.GetModules("tollgate.processors") {
		names = append(names, m.ID.Name())
	}
	return names
}

func settingOf(word string) (setting, bool) {
	for _, st := range settings {
		if st.word == word {
			return st, true
		}
	}
	return setting{}, false
}

func (b *Broker) unmarshal(d *caddyfile.Dispenser, places *sources) error {
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 3 || args[0] == "" {
		return misused(d, "broker", "broker <slug> [<full name> [<e-mail>]]")
	}
	b.Slug = args[0]
	if !slug.MatchString(b.Slug) {
		return d.Errf("broker: %q is not a slug: use letters, digits, - and _", b.Slug)
	}
	if len(args) > 1 {
		b.FullName = args[1]
	}
	if len(args) == 2 && strings.Contains(b.FullName, "@") {
		return d.Errf("broker: the full name comes before the address: write `broker %s \"<full name>\" %s`", b.Slug, b.FullName)
	}
	if len(args) > 2 {
		if b.Email = args[2]; checkMailAddress(b.Email) != nil {
			return d.Errf("broker: %w", checkMailAddress(b.Email))
		}
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "manager" {
			return d.Errf("unknown word %q of broker: write `manager <username> <e-mail> <placeholder>`", d.Val())
		}
		if b.Manager != nil {
			return d.Err("manager is written twice: leave one out")
		}
		b.Manager = new(Manager)
		places.note("manager", sourceOf(d))
		if !d.AllArgs(&b.Manager.Username, &b.Manager.Email, &b.Manager.Password) {
			if err := errUnset(d, "manager", "manager <username> <e-mail> {env.NAME}"); err != nil {
				return err
			}
			return d.Err("a manager has a username, an e-mail address and a password: write `manager <username> <e-mail> {file./run/secrets/…}`")
		}
		if b.Manager.Password == "" {
			return noValue(d, "manager", "manager <username> <e-mail> {env.NAME}")
		}
		if !slug.MatchString(b.Manager.Username) {
			return d.Errf("manager: %q is no user name: use letters, digits, - and _", b.Manager.Username)
		}
		if err := checkMailAddress(b.Manager.Email); err != nil {
			return d.Errf("manager: %w", err)
		}
		if err := hidden(b.Manager.Password); err != nil {
			return d.Errf("manager: %w", err)
		}
	}
	return nil
}
