package caddymodule

import (
	"fmt"
	"strings"

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
		return d.ArgErr()
	}
	seen := map[string]bool{}
	for d.NextBlock(0) {
		word := d.Val()
		if seen[word] && !contains([]string{"page", "minimum_amount", "webhook", "webhook_secret"}, word) {
			return d.Errf("%s is written twice: leave one out", word)
		}
		seen[word] = true
		switch word {
		case "url":
			if !d.AllArgs(&a.URL) {
				return d.ArgErr()
			}
		case "store":
			if !d.AllArgs(&a.Store) {
				return d.ArgErr()
			}
		case "secrets":
			if !d.AllArgs(&a.Secrets) {
				return d.ArgErr()
			}
		case "demo":
			if d.NextArg() {
				return d.ArgErr()
			}
			a.Demo = true
		case "broker":
			a.Sources.note("broker", sourceOf(d))
			if err := a.Broker.unmarshal(d, &a.Sources); err != nil {
				return err
			}
		case "page":
			args := d.RemainingArgs()
			if len(args) == 0 || len(args) > 2 {
				return d.Err("a page has a name and, unless it is where the contract has it, a URL: write `page <name> [<url>]`")
			}
			if !contains(pageNames, args[0]) {
				return d.Errf("unknown page %q: write one of %s", args[0], strings.Join(pageNames, ", "))
			}
			if a.Pages == nil {
				a.Pages = map[string]string{}
			}
			a.Pages[args[0]] = strings.Join(args[1:], "")
		case "processor":
			if !d.NextArg() {
				return d.ArgErr()
			}
			name := d.Val()
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
				return d.Errf("unrecognized option %q: docs/settings.md has all of them", word)
			}
			if err := st.unmarshal(d, &a.Settings, &a.Sources); err != nil {
				return err
			}
		}
	}
	return nil
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
	if len(args) == 0 || len(args) > 3 {
		return d.ArgErr()
	}
	b.Slug = args[0]
	if !slug.MatchString(b.Slug) {
		return d.Errf("%q is not a slug: use letters, digits, - and _", b.Slug)
	}
	if len(args) > 1 {
		b.FullName = args[1]
	}
	if len(args) > 2 {
		b.Email = args[2]
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "manager" {
			return d.Errf("unrecognized subdirective %q: write `manager <username> <e-mail> <placeholder>`", d.Val())
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
		if err := hidden(b.Manager.Password); err != nil {
			return d.Errf("manager: %w", err)
		}
	}
	return nil
}
