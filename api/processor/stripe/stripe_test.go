package stripe

import (
	"strings"
	"testing"
)

// TestOptions takes test keys, live keys and restricted ones, and tells what is wrong without telling a key.
func TestOptions(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string // of the error, "" for none
	}{
		{Options{SecretKey: "sk_test_Ab1", PublishableKey: "pk_test_Ab1"}, ""},
		{Options{SecretKey: "rk_live_Ab1", PublishableKey: "pk_live_Ab1", WebhookSecrets: []string{"whsec_a", "whsec_b"}, ClientID: "ca_1", RedirectURL: "https://a.example/x"}, ""},
		{Options{}, "secret key"},
		{Options{SecretKey: "pk_test_Zz9", PublishableKey: "pk_test_Ab1"}, "secret key"},
		{Options{SecretKey: "sk_test_Zz9\n", PublishableKey: "pk_test_Ab1"}, "secret key"},
		{Options{SecretKey: "sk_test_Zz9", PublishableKey: "sk_test_Zz9"}, "publishable key"},
		{Options{SecretKey: "sk_test_Zz9", PublishableKey: "pk_live_Ab1"}, "test key"},
		{Options{SecretKey: "sk_test_Zz9", PublishableKey: "pk_test_Ab1", WebhookSecrets: []string{"Zz9"}}, "webhook secret"},
		{Options{SecretKey: "sk_test_Zz9", PublishableKey: "pk_test_Ab1", WebhookSecrets: []string{""}}, "webhook secret"},
		{Options{SecretKey: "sk_test_Zz9", PublishableKey: "pk_test_Ab1", ClientID: "acct_1"}, "client id"},
		{Options{SecretKey: "sk_test_Zz9", PublishableKey: "pk_test_Ab1", RedirectURL: "https://a.example/x"}, "without the client id"},
		{Options{SecretKey: "sk_test_Zz9", PublishableKey: "pk_test_Ab1", ClientID: "ca_1", RedirectURL: "/x"}, "address of a page"},
	} {
		s, err := New(test.o)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.o, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "Zz9") {
			t.Errorf("a key is told: %v", err)
		}
		if err == nil && (!s.Configured() || s.Name() != "stripe" || s.DisputeFee(1) != 1500 || s.TransferFee(1) != 0) {
			t.Errorf("%+v is not configured", test.o)
		}
	}
}

// TestStatement is what card statements have room for after the broker's own name.
func TestStatement(t *testing.T) {
	for name, want := range map[string]string{"Cowork": "Cowork", "Café \"Zum <Bären>\"": "Caf Zum Br", "24/7": "", "東京": "", "": "", "A Very Long Name": "A Very Lon"} {
		if got := statement(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// TestClean takes keys out of what is logged.
func TestClean(t *testing.T) {
	s := new(Stripe)
	for text, want := range map[string]string{
		"Invalid API Key provided: sk_live_****1234": "Invalid API Key provided: (secret)",
		"rk_test_abc pi_1_secret_xyz whsec_9":        "(secret) pi_1(secret) (secret)",
		"No such customer: 'cus_1'":                  "No such customer: 'cus_1'",
	} {
		if got := s.clean(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
