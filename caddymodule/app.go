// Package caddymodule is everything Caddy: the app, the two handlers, the Caddyfile grammar and the commands. What it knows of
// the product is the assembly in package api and the rules in package accessrules.
package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api"
)

func init() { caddy.RegisterModule(new(App)) }

// App is Tollgate itself: it knows who the users of the site are and what they paid for. The handlers `tollgate_api` (the API
// under /api) and `tollgate` (the gate in front of an application) work with it.
//
// It keeps its database in one SQLite file. Reloads of the configuration keep the file, its caches and the jobs: nothing is
// opened twice and no request is lost.
type App struct {
	// URL is the public address of the site, as in `https://example.com`, on which links in answers and messages are built.
	// Without it, answers use the address of the request and messages have no links.
	URL string `json:"url,omitempty"`

	// Store is the path of the database. Default: `tollgate/tollgate.db` in Caddy's data directory.
	Store string `json:"store,omitempty"`

	// Secrets is the path of the file with the generated secrets. Default: `secrets.json` beside the database.
	Secrets string `json:"secrets,omitempty"`

	// Broker is the profile that runs the site. It is created on the first start.
	Broker Broker `json:"broker,omitempty"`

	// Demo creates the users donny and xia (password "yoyo") and two plans on the first start, and refuses peers that are not on
	// this machine. It must not be used in production.
	Demo bool `json:"demo,omitempty"`

	// Pages are the URLs of the pages that cure a refusal, by name: login, activate, password, legal, invitation, pricing, cart,
	// balance. `{…}` in a URL stands for what varies. An empty URL is the contract's own path. A page that is not named is never
	// redirected to.
	Pages map[string]string `json:"pages,omitempty"`

	// Processor takes the payments. Default: `sandbox`, which moves no money.
	ProcessorRaw json.RawMessage `json:"processor,omitempty" caddy:"namespace=tollgate.processors inline_key=processor"`

	// Sources are the places in the Caddyfile of words whose values are read when Caddy starts, for its errors.
	Sources sources `json:"sources,omitempty"`

	Settings

	site         *api.Site
	nextHosts    atomic.Pointer[accessrules.NextHosts]
	crowdWarning sync.Once
	service      *api.Service
	shown        atomic.Pointer[Pages] // that people are sent to, nil for none
	gates        []*Gate               // of the configuration, in the order in which they were provisioned
	apis         []*API                // likewise
	key          string                // of the site in the pool, and of its streams
	started      bool
	streams      *streams
	command      bool // used by a command, outside of a server
	adopt        bool // by a command: the broker is the database's, whatever the configuration names
	ctx          caddy.Context
	events       *listeners // from Start on; nil when nobody can listen
	logger       *zap.Logger
	mails        string // folder that mails are written to, "" for none
}

// Broker is the profile that runs the site.
type Broker struct {
	// Slug names the profile. Default: `broker`.
	Slug string `json:"slug,omitempty"`
	// FullName is printed in lists and messages. Default: the slug.
	FullName string `json:"full_name,omitempty"`
	// Email is where the site is told what happens, and what it writes from.
	Email string `json:"email,omitempty"`
	// Manager is the first manager, created on the first start when the profile has none.
	Manager *Manager `json:"manager,omitempty"`
}

// Manager is a user who manages the broker.
type Manager struct {
	// Username of the login.
	Username string `json:"username,omitempty"`
	// Email of the login.
	Email string `json:"email,omitempty"`
	// Password, as a placeholder: `{env.TOLLGATE_PASSWORD}` or `{file./run/secrets/tollgate}`. It is read while the broker has no
	// manager, and not afterwards.
	Password string `json:"password,omitempty"`
}

// sites are the open databases, by path alone: a change of any other setting does not open the file a second time.
var sites = caddy.NewUsagePool()

// running are the streams of these sites, which outlive configurations likewise.
var running = caddy.NewUsagePool()

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tollgate", New: func() caddy.Module { return new(App) }}
}

// Provision opens and checks the database without changing it, and sets the API up.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger = ctx, ctx.Logger()
	if a.command { // it is not started
		follow(a.logger)
	}
	if a.Store == "" {
		a.Store = filepath.Join(caddy.AppDataDir(), "tollgate", "tollgate.db")
	}
	path, err := caddy.FastAbs(a.Store)
	if err != nil {
		return fmt.Errorf("path of the store: %w", err)
	}
	if a.Secrets == "" {
		a.Secrets = filepath.Join(filepath.Dir(path), "secrets.json")
	}
	if a.Broker.Slug == "" {
		a.Broker.Slug = "broker"
	}
	if a.Broker.FullName == "" {
		a.Broker.FullName = a.Broker.Slug
	}
	if err := a.Settings.provision(); err != nil {
		return err
	}
	options, err := a.options(ctx)
	if err != nil {
		return err
	}
	site, _, err := sites.LoadOrNew(path, func() (caddy.Destructor, error) {
		return api.Open(context.Background(), api.SiteOptions{Path: path, Secrets: a.Secrets, Now: func() time.Time { return now() }, Logger: following()})
	})
	if err != nil {
		return fmt.Errorf("opening the store %s: %w", path, err)
	}
	a.site, a.key = site.(*api.Site), path
	all, _, err := running.LoadOrNew(path, func() (caddy.Destructor, error) { return newStreams(), nil })
	if err != nil {
		return err
	}
	a.streams = all.(*streams)
	if a.adopt {
		if options.Broker.Slug, err = a.site.Broker(ctx); err != nil {
			return err
		}
		a.Broker.Slug = options.Broker.Slug
	}
	if a.service, err = api.New(a.site, options); err != nil {
		return err
	}
	if !a.command {
		if err := a.service.CheckBroker(ctx); err != nil {
			return a.Sources.locate("broker", err)
		}
		if err := a.service.CheckManager(ctx); err != nil {
			return a.Sources.locate("manager", inWords(err))
		}
	}
	return (&siteMetrics{a.site, a.service}).register(ctx.GetMetricsRegistry())
}

// Start brings the database up to date, creates what a first start creates, and starts the jobs. Requests that come before it is
// done are answered 503.
func (a *App) Start() error {
	follow(a.logger)
	if err := a.startMail(); err != nil {
		return err
	}
	a.events = listenersOf(a.ctx)
	if err := a.service.Start(context.Background()); err != nil {
		return err
	}
	for _, g := range a.gates {
		g.warnOfNames()
		g.warnOfKey()
	}
	a.started = true
	a.warnOfPaths()
	a.streams.keeper.follow(a)
	a.besides()
	if served, err := a.ctx.AppIfConfigured("http"); err == nil {
		a.shareSessions(served.(*caddyhttp.App))
		a.warnOfLogs(served.(*caddyhttp.App))
	} else {
		a.shareSessions(nil)
	}
	return nil
}

// Stop leaves everything as it is: the next configuration may go on with it. See Cleanup.
func (a *App) Stop() error { return nil }

// Cleanup closes the database when no configuration uses it any more.
func (a *App) Cleanup() error {
	if a.key == "" {
		return nil
	}
	if !a.started && (len(a.gates) > 0 || a.shown.Load() != nil) { // a configuration that is checked comes no further
		a.warnOfPaths()
		a.besides()
	}
	_, err := running.Delete(a.key) // before the site, whose facts they ask for
	_, closed := sites.Delete(a.key)
	return errors.Join(err, closed)
}

// admit refuses a peer that is not on this machine in demo mode.
func (a *App) admit(r *http.Request) bool {
	if !a.Demo {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// appOf finds the app that the handlers work with.
func appOf(ctx caddy.Context) (*App, error) {
	app, err := ctx.AppIfConfigured("tollgate")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, errors.New("there is no global option `tollgate`: add `{ tollgate { url … broker … } }` at the top of the Caddyfile")
	}
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
