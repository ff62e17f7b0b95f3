package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/processor/stripe"
)

func init() { caddy.RegisterModule(new(Stripe)) }

// Stripe takes payments through Stripe. Its keys are written as placeholders, so that Caddy's configuration holds none of them:
// `{env.STRIPE_KEY}` or `{file./run/secrets/stripe}`.
type Stripe struct {
	// SecretKey is a placeholder for the secret key, or for a restricted one.
	SecretKey string `json:"secret_key,omitempty"`
	// PublishableKey is what browsers are told, or a placeholder for it.
	PublishableKey string `json:"publishable_key,omitempty"`
	// WebhookSecret are placeholders for the signing secrets of the webhook endpoint; several while one takes the place of another.
	// Default: none, so that nothing that is posted is taken and charges are asked about once a minute.
	WebhookSecret []string `json:"webhook_secret,omitempty"`
	// ConnectClient is the client id of Stripe Connect, or a placeholder for it. With it providers are paid to accounts of their own.
	// Default: none; all money arrives at the broker.
	ConnectClient string `json:"connect_client,omitempty"`
	// ConnectRedirect is the page that providers come back to from Stripe. Default: the first that Stripe was told of.
	ConnectRedirect string `json:"connect_redirect,omitempty"`

	// Sources are the places in the Caddyfile of these words, for errors.
	Sources sources `json:"sources,omitempty"`

	processor *stripe.Stripe
}

// CaddyModule returns the Caddy module information.
func (*Stripe) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tollgate.processors.stripe", New: func() caddy.Module { return new(Stripe) }}
}

// Provision reads the keys and checks their form. It asks Stripe nothing.
func (s *Stripe) Provision(caddy.Context) error {
	repl := caddy.NewReplacer()
	var err error
	with := func(read func(*caddy.Replacer, string) (string, error)) func(word, value string) string {
		return func(word, value string) string {
			if err != nil || value == "" {
				return ""
			}
			if value, err = read(repl, value); err != nil {
				err = s.Sources.locate(word, err)
			}
			return strings.TrimSpace(value)
		}
	}
	read, secret := with(readPlaceholder), with(readSecret)
	o := stripe.Options{SecretKey: secret("secret_key", s.SecretKey), PublishableKey: read("publishable_key", s.PublishableKey),
		ClientID: read("connect", s.ConnectClient), RedirectURL: read("connect", s.ConnectRedirect)}
	for _, w := range s.WebhookSecret {
		o.WebhookSecrets = append(o.WebhookSecrets, secret("webhook_secret", w))
	}
	if err == nil {
		s.processor, err = stripe.New(o)
	}
	return err
}

// Processor makes the processor.
func (s *Stripe) Processor() processor.Processor { return s.processor }

var stripeWords = []string{"secret_key", "publishable_key", "webhook_secret", "connect"}

// UnmarshalCaddyfile reads the option:
//
//	processor stripe {
//		secret_key      <placeholder>
//		publishable_key <key>
//		webhook_secret  <placeholder>...
//		connect         <client id> [<redirect URL>]
//	}
//
// Secrets are placeholders, such as {env.STRIPE_KEY} or {file./run/secrets/stripe}. See docs/payments.md.
func (s *Stripe) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return misused(d, "processor", "processor stripe { … }")
	}
	head := *d
	seen := map[string]bool{}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		word := d.Val()
		if seen[word] {
			return d.Errf("%s is written twice: leave one out", word)
		}
		seen[word] = true
		s.Sources.note(word, sourceOf(d))
		args := d.RemainingArgs()
		if len(args) == 0 || contains(args, "") {
			if !contains(stripeWords, word) {
				return unknown(d, "word", word, stripeWords)
			}
			return noValue(d, word, word+" {env.NAME}")
		}
		switch {
		case word == "secret_key" && len(args) == 1:
			s.SecretKey = args[0]
		case word == "publishable_key" && len(args) == 1:
			s.PublishableKey = args[0]
		case word == "webhook_secret" && len(args) > 0:
			s.WebhookSecret = args
		case word == "connect" && len(args) == 1:
			s.ConnectClient = args[0]
		case word == "connect" && len(args) == 2:
			s.ConnectClient, s.ConnectRedirect = args[0], args[1]
		case !contains(stripeWords, word):
			return unknown(d, "word", word, stripeWords)
		default:
			return misused(d, word, word+" {env.NAME}")
		}
		if word == "secret_key" || word == "webhook_secret" {
			for _, arg := range args {
				if err := hidden(arg); err != nil {
					return d.Errf("%s: %w", word, err)
				}
			}
		}
	}
	for _, word := range []string{"secret_key", "publishable_key"} {
		if !seen[word] {
			return head.Errf("stripe needs its %s: write `%s {env.NAME}` into the block", word, word)
		}
	}
	return nil
}

// Interface guards
var (
	_ ProcessorModule       = (*Stripe)(nil)
	_ caddy.Provisioner     = (*Stripe)(nil)
	_ caddyfile.Unmarshaler = (*Stripe)(nil)
)
