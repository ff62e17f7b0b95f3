package caddymodule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	xlanguage "golang.org/x/text/language"
)

// Settings are the switches of the site. Each has one word, the same in the Caddyfile and in JSON, and a default; the table below
// is their reference.
type Settings struct {
	// TokenLifetime is how long a login lasts. Default: `14d`.
	TokenLifetime *caddy.Duration `json:"token_lifetime,omitempty"`
	// VerificationLifetime is how long an e-mailed code or link is valid. Default: `1h`.
	VerificationLifetime *caddy.Duration `json:"verification_lifetime,omitempty"`
	// VerifiedLifetime is how long a proof of access to an address counts. Default: `365d`.
	VerifiedLifetime *caddy.Duration `json:"verified_lifetime,omitempty"`
	// APIKeyLifetime is how long an API key is valid; 0, or `-1s`, for ever. Default: `365d`.
	APIKeyLifetime *caddy.Duration `json:"api_key_lifetime,omitempty"`
	// MinLength is the least length of a password. Default: `8`.
	MinLength *int `json:"min_length,omitempty"`
	// MFAMaxAttempts is after how many wrong one-time passwords all are refused for 15 minutes. Default: `3`.
	MFAMaxAttempts *int `json:"mfa_max_attempts,omitempty"`
	// LoginThrottle is how many failed log-ins in 15 minutes one account takes from one client; 0, or -1, for no limit.
	// Default: `10`.
	LoginThrottle *int `json:"login_throttle,omitempty"`
	// LoginThrottleAddress is the same for all accounts from one address; 0, or -1, for no limit. Default: `50`.
	LoginThrottleAddress *int `json:"login_throttle_address,omitempty"`
	// Authentication is who may come in: `enabled`, `login-only` (nobody registers) or `disabled` (broker managers only).
	// Default: `enabled`.
	Authentication string `json:"authentication,omitempty"`
	// Registration is what a new user gets without asking: `user`, `personal` (a personal profile), `organization` or
	// `implicit`. Default: `user`.
	Registration string `json:"registration,omitempty"`
	// ProviderRegistration lets anybody register as a provider. Default: `off`.
	ProviderRegistration bool `json:"provider_registration,omitempty"`
	// VerifyEmail asks for a proof of the e-mail address before an account is created. Default: `off`.
	VerifyEmail bool `json:"verify_email_on_registration,omitempty"`
	// UseVerificationLinks sends links in place of codes. Default: `off`.
	UseVerificationLinks bool `json:"use_verification_links,omitempty"`
	// HideAccountExistence keeps to itself who has an account: every door answers alike, and addresses are proven before they count.
	// Default: `off`.
	HideAccountExistence bool `json:"hide_account_existence,omitempty"`
	// RecoverStatus401 answers 401 in place of 200 when a recovery code was sent. Default: `off`.
	RecoverStatus401 bool `json:"recover_status_401,omitempty"`
	// DisableUpdates makes the site read-only. Default: `off`.
	DisableUpdates bool `json:"disable_updates,omitempty"`
	// DisabledUserUpdate refuses changes of credentials and registration. Default: `off`.
	DisabledUserUpdate bool `json:"disabled_user_update,omitempty"`
	// WelcomeEmail sends a message to new users. Default: `on`.
	WelcomeEmail *bool `json:"welcome_email,omitempty"`
	// ShadowProfiles is how many profiles without a manager a user may create in an hour; 0 for none. Default: `60`.
	ShadowProfiles *int `json:"shadow_profiles,omitempty"`
	// RegistrationsPerClient is how many accounts may be made in an hour from one client: an IPv4 address, or the /64 of an IPv6 address,
	// whose /48 may do eight times as much; 0 for no limit. Default: `20`.
	RegistrationsPerClient *int `json:"registrations_per_client,omitempty"`
	// InvitationsPerClient is how many invitations and other messages to addresses that are not their sender's own may be caused in an
	// hour from one client; 0 for no limit. Default: `120`.
	InvitationsPerClient *int `json:"invitations_per_client,omitempty"`
	// InvitationsPerUser is the same for one user. Default: `60`.
	InvitationsPerUser *int `json:"invitations_per_user,omitempty"`
	// VisitorCarts is how many carts visitors who have not logged in may begin in an hour from one client; 0 for no limit.
	// Default: `60`.
	VisitorCarts *int `json:"visitor_carts,omitempty"`
	// SessionsPerClient is how many log-ins may succeed in an hour from one client; 0 for no limit. Default: `120`.
	SessionsPerClient *int `json:"sessions_per_client,omitempty"`
	// UploadsPerClient is how many files may be uploaded in an hour from one client; 0 for no limit. Default: `60`.
	UploadsPerClient *int `json:"uploads_per_client,omitempty"`
	// UploadsPerUser is the same for one user. Default: `60`.
	UploadsPerUser *int `json:"uploads_per_user,omitempty"`
	// UnpaidOrders is how many orders that nothing is paid for at once a user may place in an hour; 0 for no limit. Default: `60`.
	UnpaidOrders *int `json:"unpaid_orders,omitempty"`
	// PaymentsPerClient is how many payments by card may be begun in an hour from one client, whatever becomes of them; 0 for no limit.
	// Default: `3600`.
	PaymentsPerClient *int `json:"payments_per_client,omitempty"`
	// PaymentsPerUser is the same for one user. Default: `3600`.
	PaymentsPerUser *int `json:"payments_per_user,omitempty"`
	// ProfilesPerUser is how many profiles of his own a user may make in an hour; 0 for no limit. Default: `600`.
	ProfilesPerUser *int `json:"profiles_per_user,omitempty"`
	// WritesPerUser is how many changes of any kind a user may make in an hour, who is no manager of the broker and takes nothing away; 0
	// for no limit. Default: `36000`.
	WritesPerUser *int `json:"writes_per_user,omitempty"`
	// BodyGrace is how long the body of a request to the API may take to arrive; 0 for no limit. Default: `10s`.
	BodyGrace *caddy.Duration `json:"body_grace,omitempty"`
	// BodyRate is how many bytes that have arrived earn a body one more second; 0 for none. Default: `16384`.
	BodyRate *int `json:"body_rate,omitempty"`
	// BodyMemory is how many bytes of bodies one client may have in memory at a time; 0 for no limit. Default: `16777216`.
	BodyMemory *int `json:"body_memory,omitempty"`
	// Unit is the currency of a provider's first plan and of empty balances, ISO 4217. Default: `usd`.
	Unit string `json:"unit,omitempty"`
	// BrokerFeePercent is the broker's share of a new plan's sales, in 1/100 of a percent. Default: `0`.
	BrokerFeePercent *int `json:"broker_fee_percent,omitempty"`
	// InactivityDays is after how many days without a log-in a subscriber counts as unengaged. Default: `90`.
	InactivityDays *int `json:"inactivity_days,omitempty"`
	// MaxRenewalAttempts is after how many refused charges subscriptions end. Default: `3`.
	MaxRenewalAttempts *int `json:"max_renewal_attempts,omitempty"`
	// ExpireNoticeDays are how many days before its end a subscription's profile is told. Default: `15`.
	ExpireNoticeDays []int `json:"expire_notice_days,omitempty"`
	// MinimumAmount is the least price of a plan, in 1/100 of its unit, by type of period. Default: none.
	MinimumAmount map[string]int64 `json:"minimum_amount,omitempty"`
	// Cookies are the names of cookies: `tollgate`, our own, or `contract`, those of the reference (sessionid, csrftoken, cart).
	// Default: `tollgate`.
	Cookies string `json:"cookies,omitempty"`
	// CookieDomain is a domain on whose hosts sessions hold: each of them receives them. It is the host of `url`, or a domain above it.
	// Default: none, and sessions hold on the host alone where somebody logged in.
	CookieDomain string `json:"cookie_domain,omitempty"`
	// NextHosts are hosts beside that of `url` to which people may come back after a page that cured a refusal: names, with the port of
	// `url` unless they have one, or `*.example.com`. Default: the hosts of CookieDomain that have a site in this Caddy, without those
	// with a star.
	NextHosts []string `json:"next_hosts,omitempty"`
	// Credentials is the header that carries the gate's own tokens and API keys. Another one leaves `Authorization`, which is then never
	// read, to the application. Default: `Authorization`.
	Credentials string `json:"credentials,omitempty"`
	// CORSOrigins are the origins whose scripts may call the API with credentials. Default: none.
	CORSOrigins []string `json:"cors_origins,omitempty"`
	// PublicMailDomains are added to the mail providers whose addresses never give a role. Default: none.
	PublicMailDomains []string `json:"public_mail_domains,omitempty"`
	// Language is that of people who never said which one, as in `de`: their messages are written in it. Default: `en`.
	Language string `json:"language,omitempty"`
	// From is the sender of messages. Default: the broker's e-mail address.
	From string `json:"from,omitempty"`
	// SMTP is the mail server, `host:port`, that messages are sent through. Default: none, they are logged.
	SMTP string `json:"smtp,omitempty"`
	// SMTPUser logs in at the mail server. Default: nobody does.
	SMTPUser string `json:"smtp_user,omitempty"`
	// SMTPPassword is the password of SMTPUser, as a placeholder: `{env.SMTP_PASSWORD}` or `{file./run/secrets/smtp}`.
	SMTPPassword string `json:"smtp_password,omitempty"`
	// SMTPTLS is how the connection to the mail server is encrypted: `starttls`, `implicit` (from the first byte on) or `none`.
	// Default: `starttls`.
	SMTPTLS string `json:"smtp_tls,omitempty"`
	// MailFile is a folder that messages are written to as files in place of being sent, for development. Default: none; `mail` beside the
	// database of a demo without SMTP.
	MailFile string `json:"mail_file,omitempty"`
	// MailTemplates is the folder of the site's own messages, which take the place of ours file by file. Default: none.
	MailTemplates string `json:"mail_templates,omitempty"`
	// NotificationEmailDisabled stops the messages about events, but for verification codes. Default: `off`.
	NotificationEmailDisabled bool `json:"notification_email_disabled,omitempty"`
	// NotificationsOptOut mails users about every event but those they switched off; without it, about those alone that they
	// switched on. What was stored changes its meaning with it. Default: `on`.
	NotificationsOptOut *bool `json:"notifications_opt_out,omitempty"`
	// LoginNotices tells users by mail of log-ins to their account, and of those that failed: `user_logged_in` and `user_login_failed`.
	// Default: `off`.
	LoginNotices bool `json:"login_notices,omitempty"`
	// SalesReport is how often the broker is mailed what was sold: `hourly`, `daily`, `weekly`, `monthly`, `yearly` (the year so far,
	// every month) or `off`. Default: `weekly`.
	SalesReport string `json:"sales_report,omitempty"`
	// Webhook are the URLs that events are posted to, each with the names of those it is told, or none for all. A URL may be a
	// placeholder. Default: none.
	Webhook map[string][]string `json:"webhook,omitempty"`
	// WebhookSecret are the secrets that sign what is posted to a URL of Webhook, best given as placeholders. Default: none.
	WebhookSecret map[string][]string `json:"webhook_secret,omitempty"`
	// WebhookPrivate lets webhooks lead to this machine and private networks. Default: `off`.
	WebhookPrivate bool `json:"webhook_private,omitempty"`
}

// A setting is a row of the table of settings. Numbers and durations are pointers in Settings, since 0 is a value like others: what
// is not written is nil until the default is filled in.
type setting struct {
	word    string
	args    string // what follows the word
	initial string // default, as it would be written
	within  ranges // numbers and durations that are taken; "" for what is neither
	doc     string
	at      func(*Settings) any // pointer to the field
}

var settings = []setting{
	{"token_lifetime", "<duration>", "14d", "1m..3650d", "how long a login lasts, as a token or a cookie", func(s *Settings) any { return &s.TokenLifetime }},
	{"verification_lifetime", "<duration>", "1h", "1m..30d", "how long an e-mailed code or link is valid", func(s *Settings) any { return &s.VerificationLifetime }},
	{"verified_lifetime", "<duration>", "365d", "1m..36500d", "how long a proof of access to an address counts; no endpoint asks for it so far", func(s *Settings) any { return &s.VerifiedLifetime }},
	{"api_key_lifetime", "<duration>", "365d", "1m..36500d or 0 or -1s", "how long an API key is valid; 0 (or -1s) for ever", func(s *Settings) any { return &s.APIKeyLifetime }},
	{"min_length", "<number>", "8", "1..256", "least length of a password", func(s *Settings) any { return &s.MinLength }},
	{"mfa_max_attempts", "<number>", "3", "1..1000", "wrong one-time passwords before all are refused for 15 minutes", func(s *Settings) any { return &s.MFAMaxAttempts }},
	{"login_throttle", "<number>", "10", "-1..1000000", "failed log-ins in 15 minutes to one account from one client; 0 (or -1) for no limit", func(s *Settings) any { return &s.LoginThrottle }},
	{"login_throttle_address", "<number>", "50", "-1..1000000", "failed log-ins in 15 minutes from one address; 0 (or -1) for no limit", func(s *Settings) any { return &s.LoginThrottleAddress }},
	{"authentication", "enabled|login-only|disabled", "enabled", "", "who may come in: everybody, nobody new, broker managers only", func(s *Settings) any { return &s.Authentication }},
	{"registration", "user|personal|organization|implicit", "user", "", "what a new user gets without asking", func(s *Settings) any { return &s.Registration }},
	{"provider_registration", "[on|off]", "off", "", "anybody may register as a provider", func(s *Settings) any { return &s.ProviderRegistration }},
	{"verify_email_on_registration", "[on|off]", "off", "", "the e-mail address is proven before an account is created", func(s *Settings) any { return &s.VerifyEmail }},
	{"use_verification_links", "[on|off]", "off", "", "messages carry a link in place of a code", func(s *Settings) any { return &s.UseVerificationLinks }},
	{"hide_account_existence", "[on|off]", "off", "", "no answer tells who has an account; addresses are proven before they count", func(s *Settings) any { return &s.HideAccountExistence }},
	{"recover_status_401", "[on|off]", "off", "", "401 in place of 200 when a recovery code was sent", func(s *Settings) any { return &s.RecoverStatus401 }},
	{"disable_updates", "[on|off]", "off", "", "the site is read-only", func(s *Settings) any { return &s.DisableUpdates }},
	{"disabled_user_update", "[on|off]", "off", "", "nobody registers or changes credentials", func(s *Settings) any { return &s.DisabledUserUpdate }},
	{"welcome_email", "[on|off]", "on", "", "new users get a message", func(s *Settings) any { return &s.WelcomeEmail }},
	{"shadow_profiles", "<number>", "60", "0..1000000", "profiles without a manager that a user may create in an hour; 0 for none", func(s *Settings) any { return &s.ShadowProfiles }},
	{"registrations_per_client", "<number>", "20", "0..1000000", "accounts made in an hour from one client; 0 for no limit", func(s *Settings) any { return &s.RegistrationsPerClient }},
	{"invitations_per_client", "<number>", "120", "0..1000000", "invitations and other messages to addresses that are not one's own, in an hour from one client; 0 for no limit", func(s *Settings) any { return &s.InvitationsPerClient }},
	{"invitations_per_user", "<number>", "60", "0..1000000", "the same for one user; 0 for no limit", func(s *Settings) any { return &s.InvitationsPerUser }},
	{"visitor_carts", "<number>", "60", "0..1000000", "carts that visitors begin in an hour from one client; 0 for no limit", func(s *Settings) any { return &s.VisitorCarts }},
	{"sessions_per_client", "<number>", "120", "0..1000000", "log-ins that succeed in an hour from one client; 0 for no limit", func(s *Settings) any { return &s.SessionsPerClient }},
	{"uploads_per_client", "<number>", "60", "0..1000000", "pictures, and lists of seats (`sync_on`), uploaded in an hour from one client; 0 for no limit", func(s *Settings) any { return &s.UploadsPerClient }},
	{"uploads_per_user", "<number>", "60", "0..1000000", "the same for one user; 0 for no limit", func(s *Settings) any { return &s.UploadsPerUser }},
	{"unpaid_orders", "<number>", "60", "0..1000000", "orders of one user in an hour that nothing is paid for at once: free, asked for, or paid later; 0 for no limit", func(s *Settings) any { return &s.UnpaidOrders }},
	{"payments_per_client", "<number>", "3600", "0..1000000", "payments by card that are begun in an hour from one client, whatever becomes of them; 0 for no limit", func(s *Settings) any { return &s.PaymentsPerClient }},
	{"payments_per_user", "<number>", "3600", "0..1000000", "the same for one user; 0 for no limit", func(s *Settings) any { return &s.PaymentsPerUser }},
	{"profiles_per_user", "<number>", "600", "0..1000000", "profiles of one's own that a user makes in an hour; 0 for no limit", func(s *Settings) any { return &s.ProfilesPerUser }},
	{"writes_per_user", "<number>", "36000", "0..1000000", "changes of any kind, but those that take away, by a user in an hour who is no manager of the broker; 0 for no limit", func(s *Settings) any { return &s.WritesPerUser }},
	{"body_grace", "<duration>", "10s", "0..1h", "how long the body of a request to the API may take to arrive; 0 for no limit", func(s *Settings) any { return &s.BodyGrace }},
	{"body_rate", "<number>", "16384", "0..1000000000", "bytes that earn a body one more second once they have arrived; 0 for none", func(s *Settings) any { return &s.BodyRate }},
	{"body_memory", "<number>", "16777216", "0..1000000000", "bytes of bodies that one client may have in memory at a time; 0 for no limit", func(s *Settings) any { return &s.BodyMemory }},
	{"unit", "<currency>", "usd", "", "currency of a provider's first plan and of empty balances", func(s *Settings) any { return &s.Unit }},
	{"broker_fee_percent", "<number>", "0", "0..10000", "the broker's share of a new plan's sales, in 1/100 of a percent", func(s *Settings) any { return &s.BrokerFeePercent }},
	{"inactivity_days", "<number>", "90", "1..3650", "days without a log-in before a subscriber counts as unengaged", func(s *Settings) any { return &s.InactivityDays }},
	{"max_renewal_attempts", "<number>", "3", "1..365", "refused charges before subscriptions end (renewals)", func(s *Settings) any { return &s.MaxRenewalAttempts }},
	{"expire_notice_days", "<number>...", "15", "0..3650", "days before its end that a subscription's profile is told", func(s *Settings) any { return &s.ExpireNoticeDays }},
	{"minimum_amount", "<period> <amount>", "", "0..1000000000", "least price of a plan with that type of period, in 1/100 of its unit; may be repeated", func(s *Settings) any { return &s.MinimumAmount }},
	{"cookies", "tollgate|contract", "tollgate", "", "names of cookies: tollgate_session, tollgate_csrf and tollgate_cart, with `__Host-` before them where `url` is https; or the reference's sessionid, csrftoken and cart", func(s *Settings) any { return &s.Cookies }},
	{"cookie_domain", "<domain>", "", "", "domain on whose hosts sessions hold, each of which receives them: the host of `url`, or a domain above it; without it they hold on one host (docs/gate.md)", func(s *Settings) any { return &s.CookieDomain }},
	{"next_hosts", "<host>...", "", "", "hosts beside that of `url` that `next` may lead to, as in app.example.com or *.example.com; without it those of cookie_domain that have a site in this Caddy", func(s *Settings) any { return &s.NextHosts }},
	{"credentials", "<header>", "Authorization", "", "header that carries our tokens and API keys; another one leaves Authorization to the application (docs/gate.md)", func(s *Settings) any { return &s.Credentials }},
	{"cors_origins", "<origin>...", "", "", "origins whose scripts may call the API with credentials", func(s *Settings) any { return &s.CORSOrigins }},
	{"public_mail_domains", "<domain>...", "", "", "more mail providers whose addresses never give a role", func(s *Settings) any { return &s.PublicMailDomains }},
	{"language", "<language>", "en", "", "language of people who never said which one, as in de: messages are written in it, and pages shown where browsers ask for none that there is", func(s *Settings) any { return &s.Language }},
	{"from", "<address>", "", "", "sender of messages; the broker's address when not set", func(s *Settings) any { return &s.From }},
	{"smtp", "<host>[:<port>]", "", "", "mail server that sends messages; without one they are logged", func(s *Settings) any { return &s.SMTP }},
	{"smtp_user", "<user>", "", "", "who logs in there; may be a placeholder", func(s *Settings) any { return &s.SMTPUser }},
	{"smtp_password", "<placeholder>", "", "", "its password: `{env.NAME}` or `{file./path}`, never the password itself", func(s *Settings) any { return &s.SMTPPassword }},
	{"smtp_tls", "starttls|implicit|none", "starttls", "", "encryption of that connection: by STARTTLS, from the first byte on, or none", func(s *Settings) any { return &s.SMTPTLS }},
	{"mail_file", "<folder>", "", "", "for development, in place of smtp: folder that messages are written to, the last 500, one file each; `mail` beside the database of a demo (docs/notices.md)", func(s *Settings) any { return &s.MailFile }},
	{"mail_templates", "<folder>", "", "", "the site's own messages, in place of ours file by file (docs/notices.md)", func(s *Settings) any { return &s.MailTemplates }},
	{"notification_email_disabled", "[on|off]", "off", "", "no messages about events, but for verification codes", func(s *Settings) any { return &s.NotificationEmailDisabled }},
	{"notifications_opt_out", "[on|off]", "on", "", "users are mailed about every event but those they switched off; off: about those alone that they switched on", func(s *Settings) any { return &s.NotificationsOptOut }},
	{"login_notices", "[on|off]", "off", "", "users are told of log-ins to their account, and of those that failed (docs/notices.md)", func(s *Settings) any { return &s.LoginNotices }},
	{"sales_report", "hourly|daily|weekly|monthly|yearly|off", "weekly", "", "how often the broker is mailed what was sold; yearly: the year so far, every month", func(s *Settings) any { return &s.SalesReport }},
	{"webhook", "<url> [<event>...]", "", "", "URL that events are posted to, those named or all; may be repeated", func(s *Settings) any { return &s.Webhook }},
	{"webhook_secret", "<url> <placeholder>...", "", "", "placeholders for the secrets that sign what is posted to that URL, `{env.NAME}` or `{file./path}`, each `whsec_` and base64; several while one takes the place of another; may be repeated", func(s *Settings) any { return &s.WebhookSecret }},
	{"webhook_private", "[on|off]", "off", "", "webhooks may lead to this machine and private networks", func(s *Settings) any { return &s.WebhookPrivate }},
}

// readAtStart are the words whose values stand for something that is read when Caddy starts.
var readAtStart = []string{
	"cookie_domain", "next_hosts", "smtp", "smtp_user", "smtp_password", "mail_file", "mail_templates", "webhook", "webhook_secret",
}

// provision fills in the defaults and checks the values, those of JSON configurations too.
func (s *Settings) provision() error {
	for _, st := range settings {
		at := st.at(s)
		if st.initial != "" && isZero(at) {
			if err := st.set(at, strings.Fields(st.initial)); err != nil {
				return fmt.Errorf("%s: %w", st.word, err)
			}
		}
		if err := st.check(at); err != nil {
			return fmt.Errorf("%s: %w", st.word, err)
		}
	}
	for period := range s.MinimumAmount {
		if !slices.Contains(periodWords, period) {
			return fmt.Errorf("minimum_amount: %q is none of %s", period, strings.Join(periodWords, ", "))
		}
	}
	return s.agree()
}

// A settingError is what is wrong with a setting beside others.
type settingError struct {
	word string
	err  error
}

func (e *settingError) Error() string { return e.word + ": " + e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }

// agree checks what settings say of each other. Errors: *settingError.
func (s *Settings) agree() error {
	for _, url := range slices.Sorted(maps.Keys(s.WebhookSecret)) {
		if _, ok := s.Webhook[url]; !ok || len(s.WebhookSecret[url]) == 0 {
			return &settingError{"webhook_secret", fmt.Errorf("%s is the URL of no webhook: write `webhook %s` as well", url, url)}
		}
	}
	_, err := xlanguage.Parse(s.Language)
	if s.Language != "" && (err != nil || len(s.Language) > 8 || strings.ToLower(s.Language) != s.Language) {
		return &settingError{"language", fmt.Errorf("%q is no language, as in de or pt-br", s.Language)}
	}
	return s.checkMail()
}
