package caddymodule

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// TestWebhookWords reads the words of webhooks; secrets and URLs may be placeholders, which the configuration keeps.
func TestWebhookWords(t *testing.T) {
	t.Setenv("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	t.Setenv("HOOK_OTHER", "whsec_AAAAAAAAYqrTwjUPD8ILPZIo2LaLaSwA")
	read := func(words string) (*App, error) {
		a := new(App)
		err := a.UnmarshalCaddyfile(caddyfile.NewTestDispenser("tollgate {\n" + words + "\n}"))
		if err == nil {
			err = a.Settings.provision()
		}
		return a, err
	}
	a, err := read(`webhook https://b.example/hook
		webhook https://a.example/hook order_executed card_updated
		webhook_secret https://a.example/hook {env.HOOK_SECRET} {env.HOOK_OTHER}`)
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := a.webhooks(caddy.NewReplacer())
	if err != nil || len(hooks) != 2 {
		t.Fatalf("%d webhooks, %v", len(hooks), err)
	}
	if h := hooks[0]; h.URL != "https://a.example/hook" || !slices.Equal(h.Events, []string{"order_executed", "card_updated"}) ||
		!slices.Equal(h.Secrets, []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAYqrTwjUPD8ILPZIo2LaLaSwA"}) || h.AllowPrivate {
		t.Errorf("%+v", h)
	}
	if h := hooks[1]; h.URL != "https://b.example/hook" || len(h.Events) != 0 || len(h.Secrets) != 0 {
		t.Errorf("%+v", h)
	}
	if a.WebhookSecret["https://a.example/hook"][0] != "{env.HOOK_SECRET}" {
		t.Error("the configuration holds the secret")
	}
	for words, want := range map[string]string{
		"webhook": "it takes at least <url>",
		"webhook https://a.example\nwebhook https://a.example":                                               "written twice",
		"webhook_secret https://a.example {env.HOOK_SECRET}":                                                 "is the URL of no webhook",
		"webhook https://a.example\nwebhook_secret https://a.example":                                        "it takes at least <url> <placeholder>",
		"webhook https://a.example\nwebhook_secret https://a.example whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "webhook_secret: a secret is not written here",
		"webhook https://a.example\nwebhook_private maybe":                                                   "neither on nor off",
		"webhook https://a.example\nwebhook_private\nwebhook_private\nx y":                                   "written twice",
	} {
		if _, err := read(words); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", words, err, want)
		}
	}
}
