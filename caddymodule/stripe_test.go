package caddymodule

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestStripeKeys reads the keys when Caddy starts, and tells none of them: neither in the configuration nor in an error.
func TestStripeKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("rk_test_Zz9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"KEY": "sk_test_Zz9", "LIVE": "sk_live_Zz9", "PUB": "pk_test_Zz9", "HOOK": "whsec_Zz9", "ODD": "Zz9", "EMPTY": ""} {
		t.Setenv("TOLLGATE_STRIPE_"+name, value)
	}
	const key, pub = "{env.TOLLGATE_STRIPE_KEY}", "{env.TOLLGATE_STRIPE_PUB}"
	for _, test := range []struct {
		s    Stripe
		want string // of the error, "" for none
	}{
		{Stripe{SecretKey: key, PublishableKey: pub, WebhookSecret: []string{"{env.TOLLGATE_STRIPE_HOOK}"}, ConnectClient: "ca_1"}, ""},
		{Stripe{SecretKey: "{file." + file + "}", PublishableKey: "pk_test_1"}, ""},
		{Stripe{SecretKey: "sk_test_Zz9", PublishableKey: pub}, "secret_key: a secret is not written here"},
		{Stripe{SecretKey: "{sk_test_Zz9}", PublishableKey: pub}, "secret_key: a secret is not written here"},
		{Stripe{SecretKey: key, PublishableKey: pub, WebhookSecret: []string{"whsec_Zz9"}}, "webhook_secret: a secret is not written here"},
		{Stripe{SecretKey: "{env.TOLLGATE_STRIPE_LIVE}", PublishableKey: pub}, "one key is a test key"},
		{Stripe{SecretKey: "{env.TOLLGATE_STRIPE_ODD}", PublishableKey: pub}, "the secret key is none"},
		{Stripe{SecretKey: key, PublishableKey: pub, WebhookSecret: []string{"{env.TOLLGATE_STRIPE_ODD}"}}, "a webhook secret is none"},
		{Stripe{SecretKey: "{env.TOLLGATE_STRIPE_EMPTY}", PublishableKey: pub}, "secret_key:"},
		{Stripe{SecretKey: "{env.TOLLGATE_STRIPE_NONE}", PublishableKey: pub}, "secret_key:"},
		{Stripe{PublishableKey: pub}, "the secret key is none"},
	} {
		raw, err := json.Marshal(struct {
			Processor string `json:"processor"`
			Stripe
		}{"stripe", test.s})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		a := &App{ProcessorRaw: raw}
		p, err := a.processor(ctx)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.s, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "Zz9") && !strings.Contains(err.Error(), file) {
			t.Errorf("a key is told: %v", err)
		}
		if err == nil && (p.Name() != "stripe" || !p.Configured()) {
			t.Errorf("%+v makes %s", test.s, p.Name())
		}
		a.ProcessorRaw, a.command = raw, true
		if _, err := a.processor(ctx); err != nil {
			t.Errorf("a command wants the keys: %v", err)
		}
		cancel()
		if dump, err := json.Marshal(a); test.want == "" && (err != nil || strings.Contains(string(dump), "Zz9")) {
			t.Errorf("the configuration shows a key: %s, %v", dump, err)
		}
	}
}
