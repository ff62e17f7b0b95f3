package stripe

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

var posted = time.Unix(1767225600, 0)

func sign(body, secret string, at time.Time) string {
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(webhook.ComputeSignature(at, []byte(body), secret)))
}

func parse(s *Stripe, body string, header ...string) (processor.Event, error) {
	return s.ParseWebhook(http.Header{"Stripe-Signature": header}, []byte(body), posted)
}

const succeeded = `{"id":"evt_1","object":"event","api_version":"2020-08-27","created":1767225599,"livemode":false,"type":"charge.succeeded",
	"data":{"object":{"id":"ch_1","object":"charge","amount":20000,"status":"succeeded"}},"request":{"id":null,"idempotency_key":null},"pending_webhooks":1}`

// TestEvents reads what Stripe posts, whatever version of its API it was written with.
func TestEvents(t *testing.T) {
	_, s, _ := opened(t, false)
	for body, want := range map[string]processor.Event{
		succeeded: {ID: "evt_1", Kind: processor.ChargeSucceeded, ChargeKey: "ch_1"},
		strings.Replace(succeeded, "charge.succeeded", "charge.failed", 1):                                                                              {ID: "evt_1", Kind: processor.ChargeFailed, ChargeKey: "ch_1"},
		strings.Replace(succeeded, "charge.succeeded", "charge.captured", 1):                                                                            {ID: "evt_1", Kind: processor.ChargeCaptured, ChargeKey: "ch_1"},
		strings.Replace(succeeded, "charge.succeeded", "charge.refunded", 1):                                                                            {ID: "evt_1", Kind: processor.ChargeRefunded, ChargeKey: "ch_1"},
		strings.Replace(succeeded, "charge.succeeded", "charge.pending", 1):                                                                             {ID: "evt_1", ChargeKey: "ch_1"},
		strings.Replace(succeeded, `"livemode":false`, `"livemode":true`, 1):                                                                            {ID: "evt_1"},
		strings.Replace(succeeded, `"type"`, `"account":"acct_1","type"`, 1):                                                                            {ID: "evt_1"},
		`{"id":"evt_2","type":"charge.dispute.created","created":1767225599,"data":{"object":{"id":"dp_1","object":"dispute","charge":"ch_1"}}}`:        {ID: "evt_2", Kind: processor.DisputeCreated, ChargeKey: "ch_1"},
		`{"id":"evt_3","type":"charge.dispute.updated","created":1767225599,"data":{"object":{"id":"dp_1","object":"dispute","charge":{"id":"ch_1"}}}}`: {ID: "evt_3", Kind: processor.DisputeUpdated, ChargeKey: "ch_1"},
		`{"id":"evt_4","type":"charge.dispute.closed","created":1767225599,"data":{"object":{"id":"dp_1","object":"dispute","charge":"ch_1"}}}`:         {ID: "evt_4", Kind: processor.DisputeClosed, ChargeKey: "ch_1"},
		`{"id":"evt_5","type":"customer.created","created":1767225599,"data":{"object":{"id":"cus_1","object":"customer"}}}`:                            {ID: "evt_5"},
		`{"id":"evt_6","type":"payout.paid","created":1767225599,"data":{"object":{"id":"po_1","object":"payout","amount":1}}}`:                         {ID: "evt_6"},
	} {
		want.CreatedAt = posted.Add(-time.Second).UTC()
		if got, err := parse(s, body, sign(body, hook, posted)); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", body, got, err, want)
		}
	}
	for _, body := range []string{"", "{", "[]", `"x"`, `{"type":"charge.succeeded"}`, `{"id":7}`} {
		if _, err := parse(s, body, sign(body, hook, posted)); err == nil {
			t.Errorf("%q is an event", body)
		}
	}
}

// TestSignatures takes what is signed with any of the secrets, within five minutes, and nothing else.
func TestSignatures(t *testing.T) {
	_, s, _ := opened(t, false)
	good := sign(succeeded, hook, posted)
	mac := strings.Split(good, "v1=")[1]
	at := fmt.Sprintf("t=%d", posted.Unix())
	for _, test := range []struct {
		name   string
		header []string
		ok     bool
	}{
		{"signed", []string{good}, true},
		{"signed with the other secret", []string{sign(succeeded, "whsec_second", posted)}, true},
		{"while Stripe rolls a secret", []string{at + ",v1=" + strings.Repeat("0", 64) + ",v1=" + mac + ",v0=abc"}, true},
		{"with spaces", []string{at + ", v1=" + mac}, true},
		{"almost too old", []string{sign(succeeded, hook, posted.Add(-300*time.Second))}, true},
		{"a fast clock", []string{sign(succeeded, hook, posted.Add(300*time.Second))}, true},
		{"too old", []string{sign(succeeded, hook, posted.Add(-301*time.Second))}, false},
		{"of tomorrow", []string{sign(succeeded, hook, posted.Add(301*time.Second))}, false},
		{"no header", nil, false},
		{"empty", []string{""}, false},
		{"two headers", []string{good, good}, false},
		{"another secret", []string{sign(succeeded, "whsec_third", posted)}, false},
		{"no secret", []string{sign(succeeded, "", posted)}, false},
		{"of another body", []string{sign(succeeded+" ", hook, posted)}, false},
		{"an old one with a new time", []string{strings.Replace(sign(succeeded, hook, posted.Add(-time.Hour)), "t=", at+",t=", 1)}, false},
		{"a new time after it", []string{sign(succeeded, hook, posted.Add(-time.Hour)) + "," + at}, false},
		{"of another time", []string{at + ",v1=" + strings.Split(sign(succeeded, hook, posted.Add(-time.Second)), "v1=")[1]}, false},
		{"no time", []string{"v1=" + mac}, false},
		{"no number", []string{"t=now,v1=" + mac}, false},
		{"another scheme", []string{at + ",v0=" + mac}, false},
		{"cut off", []string{at + ",v1=" + mac[:62]}, false},
		{"no signature", []string{at + ",v1="}, false},
		{"after many", []string{at + strings.Repeat(",v1="+strings.Repeat("0", 64), maxSignatures) + ",v1=" + mac}, false},
	} {
		if _, err := parse(s, succeeded, test.header...); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for i := range len(mac) {
		forged := []byte(good)
		if p := len(good) - len(mac) + i; forged[p] == '0' {
			forged[p] = '1'
		} else {
			forged[p] = '0'
		}
		if _, err := parse(s, succeeded, string(forged)); err == nil {
			t.Errorf("digit %d of a signature does not matter", i)
		}
	}
	none, err := New(Options{SecretKey: testKey, PublishableKey: "pk_test_abc"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse(none, succeeded, sign(succeeded, "", posted)); err == nil {
		t.Error("without a secret, anything is taken")
	}
}

// FuzzSignature finds no header that opens what was not signed.
func FuzzSignature(f *testing.F) {
	s, err := New(Options{SecretKey: testKey, PublishableKey: "pk_test_abc", WebhookSecrets: []string{hook}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("t=1767225600,v1=00", succeeded)
	f.Add(sign(succeeded, "whsec_other", posted), succeeded)
	f.Fuzz(func(t *testing.T, header, body string) {
		if _, err := parse(s, body, header); err == nil {
			t.Errorf("%q opens %q", header, body)
		}
	})
}
