package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestSettingsKeepToTheirRanges holds that a value out of range is refused with its line and with what is taken, in a Caddyfile and
// in JSON alike, and that 0 is a value where it means something.
func TestSettingsKeepToTheirRanges(t *testing.T) {
	for _, c := range []struct {
		line, json string
		want       string // part of the error; "" for none
	}{
		{"login_throttle 0", `"login_throttle":0`, ""},
		{"login_throttle -1", `"login_throttle":-1`, ""},
		{"login_throttle -500", `"login_throttle":-500`, "login_throttle: -500 is out of range: it goes from -1 to 1000000"},
		{"login_throttle_address 0", `"login_throttle_address":0`, ""},
		{"shadow_profiles 0", `"shadow_profiles":0`, ""},
		{"shadow_profiles -1", `"shadow_profiles":-1`, "shadow_profiles: -1 is out of range: it goes from 0 to 1000000"},
		{"api_key_lifetime 0", `"api_key_lifetime":0`, ""},
		{"api_key_lifetime -1s", `"api_key_lifetime":"-1s"`, ""},
		{"api_key_lifetime -5d", `"api_key_lifetime":"-5d"`, "out of range: it goes from 1m to 36500d, or 0, or -1s"},
		{"max_renewal_attempts 0", `"max_renewal_attempts":0`, "max_renewal_attempts: 0 is out of range: it goes from 1 to 365"},
		{"max_renewal_attempts -1", `"max_renewal_attempts":-1`, "max_renewal_attempts: -1 is out of range"},
		{"mfa_max_attempts 0", `"mfa_max_attempts":0`, "mfa_max_attempts: 0 is out of range: it goes from 1 to 1000"},
		{"inactivity_days 0", `"inactivity_days":0`, "inactivity_days: 0 is out of range: it goes from 1 to 3650"},
		{"token_lifetime 0", `"token_lifetime":0`, "token_lifetime: 0s is out of range: it goes from 1m to 3650d"},
		{"verification_lifetime 0s", `"verification_lifetime":"0s"`, "verification_lifetime: 0s is out of range"},
		{"min_length 0", `"min_length":0`, "min_length: 0 is out of range: it goes from 1 to 256"},
		{"broker_fee_percent 0", `"broker_fee_percent":0`, ""},
		{"broker_fee_percent -500", `"broker_fee_percent":-500`, "broker_fee_percent: -500 is out of range: it goes from 0 to 10000"},
		{"broker_fee_percent 10001", `"broker_fee_percent":10001`, "broker_fee_percent: 10001 is out of range"},
		{"expire_notice_days 0 7", `"expire_notice_days":[0,7]`, ""},
		{"expire_notice_days 7 -1", `"expire_notice_days":[7,-1]`, "expire_notice_days: -1 is out of range: it goes from 0 to 3650"},
		{"minimum_amount monthly -1", `"minimum_amount":{"monthly":-1}`, "minimum_amount: -1 is out of range"},
		{"minimum_amount fortnightly 1", `"minimum_amount":{"fortnightly":1}`, `minimum_amount: "fortnightly" is none of hourly`},
		{"language pt-br", `"language":"pt-br"`, ""},
		{"language German", `"language":"German"`, `language: "German" is no language, as in de or pt-br`},
		{"authentication maybe", `"authentication":"maybe"`, `authentication: "maybe" is none of enabled, login-only, disabled`},
	} {
		var app App
		_, err := adapt("{\n\ttollgate {\n\t\t" + c.line + "\n\t}\n}\n")
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Caddyfile:3") {
				t.Errorf("%s: %v, want %q at line 3", c.line, err, c.want)
			}
		} else if err != nil {
			t.Errorf("%s: %v", c.line, err)
		}
		if err := json.Unmarshal([]byte("{"+c.json+"}"), &app); err != nil {
			t.Errorf("%s: %v", c.json, err)
		} else if err := app.Settings.provision(); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.json, err, c.want)
		}
	}
}

// TestZeroIsNotTheDefault holds that a 0 that is written arrives, through the Caddyfile and its JSON.
func TestZeroIsNotTheDefault(t *testing.T) {
	raw, err := adapt("{\n\ttollgate {\n\t\tlogin_throttle 0\n\t\tshadow_profiles 0\n\t}\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Apps struct {
			Tollgate App `json:"tollgate"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	s := config.Apps.Tollgate.Settings
	if err := s.provision(); err != nil {
		t.Fatal(err)
	}
	if *s.LoginThrottle != 0 || *s.ShadowProfiles != 0 || *s.MinLength != 8 {
		t.Errorf("login_throttle %d, shadow_profiles %d, min_length %d", *s.LoginThrottle, *s.ShadowProfiles, *s.MinLength)
	}
}
