package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-tollgate/tollgate/api/auth"
	"github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/metrics"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/proxy"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options are one configuration of the service.
type Options struct {
	BaseURL   string // public address of the site; "" to use the request's
	Broker    Broker
	Demo      bool // create the demo's users and plans on the first start
	ReadOnly  bool
	CORS      []string                   // origins that may call with credentials
	Pages     func(target string) string // URL of a page of the contract, "" for none
	Link      func(path string) string   // path of a page of the contract, as mails have it; nil: the same
	From      string                     // sender of messages
	Mailer    notice.Mailer
	MailOff   bool                    // no messages about events, but for verification codes
	Templates fs.FS                   // of the site's own messages; nil for none
	Sinks     []notice.Sink           // others that are told events
	Webhooks  []notice.WebhookOptions // are told events; Now is filled in
	Logins    bool                    // users are told of log-ins to their account
	OptIn     bool                    // users are mailed about events that they chose alone (notifications_opt_out)
	// SalesReport is how often the broker is told what was sold (metrics.md 6); 0: never.
	SalesReport ledger.Period
	// WelcomeEmail says whether new users are sent a message; nil: the API chooses.
	WelcomeEmail *bool
	// Processor takes the payments; the profile that stands for it in the ledger is made on the first start.
	Processor                    processor.Processor
	ProcessorSlug, ProcessorName string                     // default: "processor", "Payment processor"
	Origin                       func(*http.Request) string // scheme and host of a request, by the trusted-proxy logic
	Client                       func(*http.Request) string // address of the client, likewise
	// SendTo is the address of a page with the way back to what was asked (decision 73).
	SendTo func(r *http.Request, page, asked string) string

	Crowd  func(*http.Request) bool // the client is many who are not told apart; see rest.Options
	Limits rest.Limits              // of what clients and users do; nil for none
	Bodies rest.BodyLimits          // of how bodies of requests arrive
	Pace   rest.Pace                // of what one client has the API do

	TokenLifetime time.Duration
	Cookies       directory.Cookies
	Credentials   string // header that carries our credentials

	Auth         auth.Settings
	Profile      profile.Settings
	Subscription subscription.Settings
	Billing      billing.Settings

	// FailPoint lets a test end the process at a step of a payment; see billing.Options. Optional.
	FailPoint func(step string) error
}

// Broker is the profile that runs the site, created on the first start.
type Broker struct {
	Slug, FullName, Email string
	Manager               *Manager // its first manager, created when it has none
}

// Manager is a login that manages the broker.
type Manager struct {
	Username, Email string
	Password        func() (string, error) // asked when the manager is made
}

// Service is the API of a site under one configuration.
type Service struct {
	options       Options
	site          *Site
	rest          *rest.Service
	notices       *notice.Notices
	auth          *auth.Service
	profiles      *profile.Service
	subscriptions *subscription.Service
	billing       *billing.Service
	metrics       *metrics.Service
	pictures      *rest.Pictures
	proxy         *proxy.Service
	gateSite      atomic.Pointer[gateSite]
	ready         atomic.Bool
	openAPI       func() (rest.Document, error)
}

// New wires a service. It changes nothing in the database.
func New(site *Site, o Options) (*Service, error) {
	if o.ProcessorSlug == "" {
		o.ProcessorSlug, o.ProcessorName = "processor", "Payment processor"
	}
	s := &Service{options: o, site: site}
	var err error
	sinks := slices.Clone(o.Sinks)
	for _, hook := range o.Webhooks {
		hook.Now = site.Now
		sink, err := notice.NewWebhook(hook)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, sink)
	}
	s.notices, err = notice.New(notice.Options{
		Directory: site.Directory, Store: site.Store, Now: site.Now, Logger: site.Logger,
		BaseURL: strings.TrimRight(o.BaseURL, "/"), Link: o.Link, From: o.From, Mailer: o.Mailer, Sinks: sinks,
		WelcomeEmail: s.welcomes, MailOff: o.MailOff, Language: o.Auth.Language,
		Templates: o.Templates, OptIn: o.OptIn, Logins: o.Logins,
		Room: func(tx *store.Tx, user int64) (bool, error) { return o.Limits.Room(tx, rest.LimitInvitations, user) },
	})
	if err != nil {
		return nil, err
	}
	s.proxy = proxy.New(proxy.Options{
		Store: site.Store, Directory: site.Directory, Visits: site.visits, Logger: site.Logger,
		SessionKey: func() string { return site.Secrets().Session }, Authentication: o.Auth.Authentication.String(),
	})
	s.pictures = &rest.Pictures{Dir: filepath.Join(filepath.Dir(site.Path), "media")}
	s.profiles = profile.NewService(profile.Options{
		Store: site.Store, Directory: site.Directory, Notices: s.notices, Settings: o.Profile, Pictures: s.pictures,
	})
	s.auth = auth.New(auth.Options{
		Store: site.Store, Directory: site.Directory, Notices: s.notices, Settings: o.Auth, Profiles: s.profiles,
		Pictures: s.pictures, Logger: site.Logger, SenderDomain: o.Profile.ArchiveDomain,
	})
	s.subscriptions = subscription.New(subscription.Options{
		Store: site.Store, Directory: site.Directory, Notices: s.notices, Settings: o.Subscription,
		Profiles: s.profiles, Users: s.auth,
	})
	if sandbox, ok := o.Processor.(*processor.Sandbox); ok {
		sandbox.Keep(site.Store)
	}
	s.billing = billing.New(billing.Options{
		Store: site.Store, Directory: site.Directory, Notices: s.notices, Settings: o.Billing, Subscriptions: s.subscriptions,
		Profiles: s.profiles, Processor: o.Processor, Logger: site.Logger, FailPoint: o.FailPoint,
	})
	s.metrics = metrics.New(metrics.Options{
		Directory: site.Directory, Billing: s.billing, Unit: o.Billing.Unit,
		CanPay: func() bool { return o.Processor != nil && o.Processor.Configured() },
		Store:  site.Store, Notices: s.notices, Logger: site.Logger, Report: o.SalesReport,
	})
	s.profiles.SetUsers(s.auth)
	s.profiles.SetActivities(s.auth.ActivitiesOf)
	s.profiles.SetSubscriptions(s.subscriptions)
	s.auth.SetCarts(s.billing)
	s.subscriptions.SetOrders(s.billing)

	var endpoints []rest.Endpoint
	for _, part := range [][]rest.Endpoint{s.auth.Endpoints(), s.profiles.Endpoints(), s.subscriptions.Endpoints(), s.billing.Endpoints(), s.metrics.Endpoints(), s.proxy.Endpoints(), s.notificationEndpoints(), s.endpoints()} {
		endpoints = append(endpoints, part...)
	}
	s.rest, err = rest.New(rest.Options{
		Store: site.Store, Directory: site.Directory, Logger: site.Logger, Now: site.Now, BaseURL: o.BaseURL,
		Pages: o.Pages, Link: o.Link, Origins: o.CORS, ReadOnly: o.ReadOnly, Origin: o.Origin, SendTo: o.SendTo, Client: o.Client,
		Crowd: o.Crowd, Limits: o.Limits, Bodies: o.Bodies, Pace: o.Pace,
		NotActivated: s.auth.NotActivated, Rule: s.proxy.Rule, CORSRestricted: s.proxy.Restricted,
	}, endpoints)
	s.openAPI = sync.OnceValues(func() (rest.Document, error) { return rest.NewDocument(s.rest.OpenAPI()) })
	return s, err
}

// Start prepares the service and runs its jobs in place of those of the configuration before.
func (s *Service) Start(ctx context.Context) error {
	s.site.mu.Lock()
	defer s.site.mu.Unlock()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	s.site.run(s.jobs())
	s.ready.Store(true)
	return nil
}

// Prepare makes the service ready for the operations of a command: without jobs, and without answering requests.
func (s *Service) Prepare(ctx context.Context) error {
	s.site.mu.Lock()
	defer s.site.mu.Unlock()
	return s.prepare(ctx)
}

// Attach makes the service ready for the operations of a command on a database that exists: it makes none, and nothing in it. With
// readOnly nothing is changed, not even the schema. Errors: store.ErrNone, store.ErrOlder, *BrokerError.
func (s *Service) Attach(ctx context.Context, readOnly bool) error {
	s.site.mu.Lock()
	defer s.site.mu.Unlock()
	if err := s.site.Store.Exists(ctx); err != nil {
		return err
	}
	if err := s.CheckBroker(ctx); err != nil {
		return err
	}
	var err error
	if readOnly {
		err = s.site.Store.Attach(ctx)
	} else {
		err = s.site.Store.Migrate(ctx)
	}
	if err == nil {
		err = s.site.readSecrets(ctx, false)
	}
	if err == nil {
		err = s.configure()
	}
	if err == nil {
		err = s.proxy.Reload(ctx)
	}
	return err
}

// configure tells the directory of users what this configuration and the secrets say.
func (s *Service) configure() error {
	return s.site.Directory.Configure(directory.Config{
		Broker: s.options.Broker.Slug, Secrets: s.site.secrets,
		TokenLifetime: s.options.TokenLifetime, Language: s.options.Auth.Language, Cookies: s.options.Cookies,
		Credentials: s.options.Credentials,
	})
}

// prepare migrates the database and creates what a first start creates.
func (s *Service) prepare(ctx context.Context) error {
	if err := s.CheckBroker(ctx); err != nil { // before anything is changed
		return err
	}
	if err := s.site.migrate(ctx); err != nil {
		return err
	}
	if err := s.configure(); err != nil {
		return err
	}
	if err := s.bootstrap(ctx); err != nil {
		return fmt.Errorf("first start: %w", err)
	}
	if err := s.proxy.Load(ctx, s.options.Broker.Slug); err != nil {
		return fmt.Errorf("rules of the API: %w", err)
	}
	return nil
}

// welcomes reports whether new users are sent a message.
func (s *Service) welcomes(r store.Reader) (bool, error) {
	if w := s.options.WelcomeEmail; w != nil {
		return *w, nil
	}
	return s.proxy.WelcomeEmail(r)
}

func (s *Service) jobs() []job {
	return []job{
		{name: "deliver notices", do: s.notices.Deliver},
		{name: "send codes", do: s.auth.AnswerRequests},
		{name: "follow the gate", do: func(ctx context.Context) error { return s.proxy.Follow(ctx, s.site.changed) }},
		{name: "note the use of keys", every: time.Minute, do: s.site.Directory.FlushKeyUse},
		{name: "forget counts", every: time.Minute, do: s.rest.ForgetCounts},
		{name: "finish payments", every: time.Minute, do: s.billing.Sweep},
		{name: "renew", every: time.Hour, do: s.Renew},
		{name: "prune", every: time.Hour, do: s.prune},
	}
}

// Renew runs the renewal engine at the present (subscriptions.md 13), and then reports on the sales of periods that ended, which may hold
// what it ordered.
func (s *Service) Renew(ctx context.Context) error {
	return errors.Join(s.billing.Renew(ctx), s.metrics.ReportSales(ctx))
}

// ServeHTTP answers requests under /api; 503 until Start is done.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.ready.Load() && r.URL.Path != "/api/health" {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"detail":"The service is starting."}`))
		return
	}
	s.rest.ServeHTTP(w, r)
}

// Visit opens the visit of a request for a page; see rest.Service.Visit. Errors: also 503 until Start is done.
func (s *Service) Visit(w http.ResponseWriter, r *http.Request, files int64) (*rest.Visit, error) {
	return s.rest.Visit(w, r, files)
}

// Owns reports whether a path is the API's below a prefix.
func (s *Service) Owns(prefix, path string) bool { return s.rest.Owns(prefix, path) }

// Mentions reports whether an address of the API, or any below the prefix, stands somewhere in a path that is not clear.
func (s *Service) Mentions(prefix, path string, ours bool) bool {
	return s.rest.Mentions(prefix, path, ours)
}

// CORS lets scripts of other origins read an answer of the gate itself, as those of the API (access.md B.9).
func (s *Service) CORS(h http.Header, r *http.Request) { s.rest.CORS(h, r) }

// Picture answers a request for a picture that was uploaded: GET and HEAD of /media/<sha256>.<extension>.
func (s *Service) Picture(w http.ResponseWriter, r *http.Request) { s.pictures.ServeHTTP(w, r) }

// Billing are the operations of billing that jobs and webhooks need.
func (s *Service) Billing() *billing.Service { return s.billing }

// Table prints the endpoints with who may call them.
func (s *Service) Table() string { return s.rest.Table() }

// Endpoints are the rows of the API.
func (s *Service) Endpoints() []rest.Endpoint { return s.rest.Endpoints() }
