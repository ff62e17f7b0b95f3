package caddymodule

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
	"github.com/caddy-tollgate/tollgate/pages/buying"
	"github.com/caddy-tollgate/tollgate/pages/people"
)

func init() {
	caddy.RegisterModule(new(Pages))
	httpcaddyfile.RegisterHandlerDirective("tollgate_pages", parsePages)
}

// allPages are the pages that there can be.
func allPages() []pages.Page { return slices.Concat(people.Pages(), buying.Pages()) }

// Pages shows the site to people: they register, log in, and look after their accounts, in a browser. Addresses that no page has it
// passes on. It needs the app `tollgate`.
type Pages struct {
	// Theme is a folder whose files take the place of the product's own, one by one: style sheet, logo, blocks, pages and messages.
	// Default: none.
	Theme string `json:"theme,omitempty"`

	// Title is what the site is called. Default: what its broker is called.
	Title string `json:"title,omitempty"`

	// Logo is a picture in the header, as a file: svg or png. Default: the theme's.
	Logo string `json:"logo,omitempty"`

	// Prefix is the path below which all pages are. Default: none, they are where the contract has them.
	Prefix string `json:"prefix,omitempty"`

	// Only are groups of pages that there are. Default: all.
	Only []string `json:"only,omitempty"`

	// Except are paths that are left to the application, with all below them. Default: none.
	Except []string `json:"except,omitempty"`

	// Languages are those that the pages are shown in, as in `en`, the first where nobody asks for another. Default: all that there
	// are messages of, that of the site first.
	Languages []string `json:"languages,omitempty"`

	// Sources are the places of the words in the Caddyfile, for errors about their values.
	Sources sources `json:"sources,omitempty"`

	app    *App
	site   *pages.Site
	logger *zap.Logger
	gates  atomic.Pointer[[]*Gate] // of the same site of the Caddyfile, nil before the start
	api    atomic.Pointer[API]     // of the same site, nil before the start and for none
}

// CaddyModule returns the Caddy module information.
func (*Pages) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.tollgate_pages", New: func() caddy.Module { return new(Pages) }}
}

// Provision reads the theme.
func (p *Pages) Provision(ctx caddy.Context) (err error) {
	p.logger = ctx.Logger()
	if p.app, err = appOf(ctx); err != nil {
		return err
	}
	defer func() { err = p.located(err) }()
	o, err := p.options()
	if err != nil {
		return err
	}
	o.API, o.Logger, o.Forwards = p, p.logger, p.forwards
	if p.site, err = pages.New(o); err != nil {
		return err
	}
	p.app.shown.CompareAndSwap(nil, p)
	return nil
}

// options are those of the site, but for what is behind it.
func (p *Pages) options() (o pages.Options, err error) {
	if p.Prefix != "" {
		if err := checkPagesPrefix(p.Prefix); err != nil {
			return o, err
		}
	}
	for _, path := range p.Except {
		if !strings.HasPrefix(path, "/") {
			return o, fmt.Errorf("except: %q is not a path, as in /contact/", path)
		}
	}
	o = pages.Options{
		Pages: allPages(), Others: []pages.Page{buying.Refusals()}, Prefix: p.Prefix, Only: p.Only, Except: p.Except,
		Languages: p.Languages, Language: p.app.Language, RequestID: requestID,
		Title: p.title, Refused: buying.Refuse, Hosts: p.app.nextHosts.Load,
	}
	if o.Theme, err = openTheme(p.Theme); err != nil {
		return o, err
	}
	o.Logo, err = readLogo(p.Logo)
	return o, err
}

// located says in an error where the word was written that it is about. Every other error is about a file of the theme.
func (p *Pages) located(err error) error {
	if err == nil {
		return nil
	}
	for _, w := range pagesWords {
		if strings.HasPrefix(err.Error(), w.name+":") {
			return p.Sources.at(w.name, err)
		}
	}
	return p.Sources.at("theme", err)
}

func checkPagesPrefix(prefix string) error {
	if prefix == "/api" || strings.HasPrefix(prefix, "/api/") {
		return fmt.Errorf("prefix: below %s is the API: choose another path, as in /account", prefix)
	}
	return checkPrefix(prefix)
}

func (p *Pages) title() string {
	if p.Title != "" {
		return p.Title
	}
	return p.app.Broker.FullName
}

// requestID is the id that Caddy's log has of a request.
func requestID(r *http.Request) string {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		id, _ := repl.GetString("http.request.uuid")
		return id
	}
	return ""
}

// openTheme opens the folder of a theme, which no link leads out of.
func openTheme(folder string) (fs.FS, error) {
	if folder == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("theme: %w", err)
	}
	return root.FS(), nil
}

// readLogo reads the file of the logo.
func readLogo(name string) (pages.File, error) {
	if name == "" {
		return pages.File{}, nil
	}
	ext := strings.ToLower(filepath.Ext(name))
	if ext != ".svg" && ext != ".png" {
		return pages.File{}, fmt.Errorf("logo: %s is neither an svg nor a png", name)
	}
	body, err := os.ReadFile(name)
	if err != nil {
		return pages.File{}, fmt.Errorf("logo: %w", err)
	}
	return pages.File{Name: "logo" + ext, Body: body}, nil
}

// ServeHTTP answers requests for pages.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	serve := p.site.Handler(r)
	if serve == nil {
		caddyhttp.SetVar(r.Context(), pagesVar, p)
		if err := next.ServeHTTP(w, r); err != nil {
			return p.fail(w, r, err)
		}
		return nil
	}
	if !p.app.admit(r) {
		return caddyhttp.Error(http.StatusForbidden, errDemo)
	}
	serve(w, r)
	return nil
}

// Visit opens a visit of the service. Its operations are asked as at the addresses that the API has on the site: a rule over those speaks
// of them, and a rule for the application's own /api does not.
func (p *Pages) Visit(w http.ResponseWriter, r *http.Request, files int64) (*rest.Visit, error) {
	prefix := ""
	if api := p.api.Load(); api != nil {
		prefix = api.Prefix
	} else if all := p.app.apis; len(all) > 0 {
		prefix = all[0].Prefix
	}
	return p.app.service.Visit(w, rest.Beside(prefix, r), files)
}

func parsePages(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	p := new(Pages)
	return p, p.UnmarshalCaddyfile(h.Dispenser)
}

// pagesWords are the words of the directive: how they are written, and where their values go, one or several.
var pagesWords = []struct {
	name, usage string
	at          func(p *Pages) any
}{
	{"theme", "theme <folder>", func(p *Pages) any { return &p.Theme }},
	{"title", "title <text>", func(p *Pages) any { return &p.Title }},
	{"logo", "logo <file>", func(p *Pages) any { return &p.Logo }},
	{"prefix", "prefix </path>", func(p *Pages) any { return &p.Prefix }},
	{"only", "only <group>...", func(p *Pages) any { return &p.Only }},
	{"except", "except </path>...", func(p *Pages) any { return &p.Except }},
	{"languages", "languages <language>...", func(p *Pages) any { return &p.Languages }},
}

// UnmarshalCaddyfile reads the directive:
//
//	tollgate_pages [<matcher>] {
//		theme     <folder>
//		title     <text>
//		logo      <file>
//		prefix    </path>
//		only      <group>...
//		except    </path>...
//		languages <language>...
//	}
//
// Files in the folder `theme` take the place of the product's own. `prefix` is the path below which all pages are. `only` takes groups of
// pages (login, account, legal, contact, pricing, app, …); `except` leaves addresses to the application.
func (p *Pages) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.Errf("tollgate_pages: %q is no matcher, and it has no values: write `tollgate_pages [<matcher>] [{ … }]`", d.Val())
	}
	var names []string
	for _, w := range pagesWords {
		names = append(names, w.name)
	}
	seen := map[string]bool{}
	for d.NextBlock(0) {
		word := d.Val()
		i := slices.Index(names, word)
		if i < 0 {
			return unknown(d, "word", word, names)
		}
		if seen[word] {
			return d.Errf("%s is written twice: leave one out", word)
		}
		seen[word] = true
		p.Sources.note(word, sourceOf(d))
		switch to := pagesWords[i].at(p).(type) {
		case *string:
			if !d.AllArgs(to) || *to == "" {
				return misused(d, word, pagesWords[i].usage)
			}
		case *[]string:
			if *to = d.RemainingArgs(); len(*to) == 0 || contains(*to, "") {
				return misused(d, word, pagesWords[i].usage)
			}
			if err := twice(*to); err != nil {
				return d.Errf("%s: %w", word, err)
			}
		}
		if word == "prefix" {
			p.Prefix = strings.TrimSuffix(p.Prefix, "/")
			if err := checkPagesPrefix(p.Prefix); err != nil {
				return d.WrapErr(err)
			}
		}
	}
	return nil
}

// pageAt is where a page of the contract is that the product's own pages show, "" when they do not.
func (a *App) pageAt(target string) string {
	shown := a.shown.Load()
	if shown == nil {
		return ""
	}
	address, _, _ := strings.Cut(target, "?")
	if !shown.site.Has(address) {
		return ""
	}
	return shown.Prefix + target
}

// link is the path of a page of the contract as mails have it: below the prefix, where the product's own pages show it.
func (a *App) link(path string) string {
	if own := a.pageAt(path); own != "" {
		return own
	}
	return path
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Pages)(nil)
	_ caddyhttp.MiddlewareHandler = (*Pages)(nil)
	_ pages.API                   = (*Pages)(nil)
	_ caddyfile.Unmarshaler       = (*Pages)(nil)
)
