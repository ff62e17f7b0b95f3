package caddymodule

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/api/auth"
	"github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
)

// options are the configuration in the words of the service. Placeholders are resolved here, so that what Caddy keeps of the
// configuration holds no secret.
func (a *App) options(ctx caddy.Context) (api.Options, error) {
	var err error
	repl := caddy.NewReplacer()
	if a.URL != "" {
		if err := checkURL(a.URL); err != nil {
			return api.Options{}, err
		}
	}
	if !slug.MatchString(a.Broker.Slug) {
		return api.Options{}, fmt.Errorf("broker: %q is not a slug: use letters, digits, - and _", a.Broker.Slug)
	}
	for name, address := range a.Pages {
		if err := checkPage(name, address); err != nil {
			return api.Options{}, err
		}
	}
	if err := a.checkHosts(); err != nil {
		return api.Options{}, err
	}
	o := api.Options{
		BaseURL:       a.URL,
		Broker:        api.Broker{Slug: a.Broker.Slug, FullName: a.Broker.FullName, Email: a.Broker.Email},
		Demo:          a.Demo,
		ReadOnly:      a.DisableUpdates,
		CORS:          a.CORSOrigins,
		Pages:         a.page,
		Link:          a.link,
		Origin:        origin,
		SendTo:        a.sendTo,
		Client:        client,
		Crowd:         a.crowd,
		TokenLifetime: time.Duration(*a.TokenLifetime),
		Cookies:       a.cookies(),
		Credentials:   a.Credentials,
		Auth:          auth.DefaultSettings(),
		Profile:       profile.DefaultSettings(),
		Subscription:  subscription.DefaultSettings(),
		Billing:       billing.DefaultSettings(),
	}
	if err := a.mail(repl, &o); err != nil {
		return o, err
	}
	o.Sinks = []notice.Sink{announcer{a}}
	o.WelcomeEmail = a.WelcomeEmail
	o.OptIn = a.NotificationsOptOut != nil && !*a.NotificationsOptOut
	o.Logins = a.LoginNotices
	o.SalesReport, _ = ledger.ParsePeriod(a.SalesReport) // none when it is off
	if o.Webhooks, err = a.webhooks(repl); err != nil {
		return o, err
	}
	if o.Processor, err = a.processor(ctx); err != nil {
		return o, err
	}
	if m := a.Broker.Manager; m != nil && !a.command {
		if err := hidden(m.Password); err != nil {
			return o, a.Sources.locate("manager", err)
		}
		o.Broker.Manager = &api.Manager{Username: m.Username, Email: m.Email, Password: func() (string, error) { return readSecret(repl, m.Password) }}
	}

	switch a.Authentication {
	case "login-only":
		o.Auth.Authentication = auth.LoginOnly
	case "disabled":
		o.Auth.Authentication = auth.Disabled
	}
	o.Auth.VerificationLifetime = time.Duration(*a.VerificationLifetime)
	o.Auth.Language = a.Language
	o.Auth.UseVerificationLinks = a.UseVerificationLinks
	o.Auth.VerifyEmail = a.VerifyEmail
	o.Auth.RecoverStatus401 = a.RecoverStatus401
	o.Auth.DisabledUserUpdate = a.DisabledUserUpdate
	o.Auth.Registration = a.Registration
	o.Auth.ProviderRegistration = a.ProviderRegistration
	o.Auth.MinPassword = *a.MinLength
	o.Auth.MFAMaxAttempts = *a.MFAMaxAttempts
	o.Auth.APIKeyLifetime = max(0, time.Duration(*a.APIKeyLifetime))
	o.Auth.Throttle.PerAccount = max(0, *a.LoginThrottle)
	o.Auth.Throttle.PerClient = max(0, *a.LoginThrottleAddress)

	o.Limits = a.limits()
	o.Bodies = rest.BodyLimits{
		Grace: time.Duration(*a.BodyGrace), Rate: *a.BodyRate, Memory: int64(*a.BodyMemory),
	}
	o.Pace = rest.DefaultPace()

	for _, hide := range []*bool{&o.Auth.HideAccountExistence, &o.Profile.HideAccounts, &o.Subscription.HideAccounts} {
		*hide = a.HideAccountExistence
	}
	o.Profile.ForcePersonal = a.Registration == "personal" || a.Registration == "implicit"
	o.Profile.ShadowsPerHour = *a.ShadowProfiles
	o.Profile.PublicMail = append(o.Profile.PublicMail, a.PublicMailDomains...)
	if _, domain, ok := strings.Cut(o.From, "@"); ok {
		o.Profile.ArchiveDomain = strings.Trim(domain, "> ")
	}

	unit, err := ledger.ParseUnit(a.Unit)
	if err != nil {
		return o, fmt.Errorf("unit: %q is not a currency of ISO 4217, as in usd", a.Unit)
	}
	o.Subscription.Unit = unit
	o.Billing.Unit = unit
	o.Billing.MaxRenewalAttempts = int64(*a.MaxRenewalAttempts)
	o.Billing.ExpireNoticeDays = a.ExpireNoticeDays
	o.Subscription.BrokerFeePercent = int64(*a.BrokerFeePercent)
	o.Subscription.InactivityDays = *a.InactivityDays
	o.Subscription.MinimumAmounts = map[ledger.Period]int64{}
	for name, amount := range a.MinimumAmount {
		period, ok := ledger.ParsePeriod(name)
		if !ok {
			return o, fmt.Errorf("minimum_amount: %q is no type of period", name)
		}
		o.Subscription.MinimumAmounts[period] = amount
	}
	return o, nil
}

// limits are what clients and users may do in an hour.
func (a *App) limits() rest.Limits {
	return rest.Limits{
		rest.LimitRegistrations: {PerClient: *a.RegistrationsPerClient},
		rest.LimitInvitations:   {PerClient: *a.InvitationsPerClient, PerUser: *a.InvitationsPerUser},
		rest.LimitCarts:         {PerClient: *a.VisitorCarts},
		rest.LimitSessions:      {PerClient: *a.SessionsPerClient},
		rest.LimitUploads:       {PerClient: *a.UploadsPerClient, PerUser: *a.UploadsPerUser},
		rest.LimitOrders:        {PerUser: *a.UnpaidOrders},
		rest.LimitPayments:      {PerClient: *a.PaymentsPerClient, PerUser: *a.PaymentsPerUser},
		rest.LimitProfiles:      {PerUser: *a.ProfilesPerUser},
		rest.LimitWrites:        {PerUser: *a.WritesPerUser},
	}
}

// webhooks are the settings of webhooks, in the order of their URLs.
func (a *App) webhooks(repl *caddy.Replacer) (all []notice.WebhookOptions, err error) {
	for _, raw := range slices.Sorted(maps.Keys(a.Webhook)) {
		hook := notice.WebhookOptions{Events: a.Webhook[raw], AllowPrivate: a.WebhookPrivate, Now: now}
		if hook.URL, err = readPlaceholder(repl, raw); err != nil {
			return nil, a.Sources.locate("webhook "+raw, err)
		}
		if _, err := notice.NewWebhook(hook); err != nil {
			return nil, a.Sources.at("webhook "+raw, err)
		}
		if !a.command { // a command posts nothing
			for _, s := range a.WebhookSecret[raw] {
				secret, err := readSecret(repl, s)
				if err != nil {
					return nil, a.Sources.locate("webhook_secret "+raw, err)
				}
				hook.Secrets = append(hook.Secrets, strings.TrimSpace(secret))
			}
			if _, err := notice.NewWebhook(hook); err != nil {
				return nil, a.Sources.at("webhook_secret "+raw, err)
			}
		}
		all = append(all, hook)
	}
	return all, nil
}

// processor loads the payment processor.
func (a *App) processor(ctx caddy.Context) (processor.Processor, error) {
	var module any
	var err error
	if a.ProcessorRaw == nil {
		module, err = ctx.LoadModuleByID("tollgate.processors.sandbox", nil)
	} else {
		module, err = ctx.LoadModule(a, "ProcessorRaw")
	}
	if err != nil && a.command {
		// Whoever runs a command may not be allowed to read the keys: it does without what charges.
		fmt.Fprintf(os.Stderr, "warning: the payment processor is left out, nothing is charged: %v\n", err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("payment processor: %w", err)
	}
	return module.(ProcessorModule).Processor(), nil
}

// origin is the public address of the site.
func (a *App) origin(r *http.Request) string {
	if a.URL != "" {
		return strings.TrimRight(a.URL, "/")
	}
	return origin(r)
}

// client is the address of the client, by Caddy's trusted-proxy logic.
func client(r *http.Request) string {
	if ip, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok && ip != "" {
		return ip
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// origin is the scheme and host that the client asked, by the same logic.
func origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		if proto := r.Header.Get("X-Forwarded-Proto"); proto == "http" || proto == "https" {
			scheme = proto
		}
	}
	return scheme + "://" + r.Host
}
