package stripe

import (
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// tolerance is how far the clock of an event may be from ours.
const tolerance = 5 * time.Minute

// maxSignatures bounds the work that a forged header makes.
const maxSignatures = 16

var kinds = map[stripe.EventType]processor.EventKind{
	stripe.EventTypeChargeSucceeded:      processor.ChargeSucceeded,
	stripe.EventTypeChargeFailed:         processor.ChargeFailed,
	stripe.EventTypeChargeCaptured:       processor.ChargeCaptured,
	stripe.EventTypeChargeRefunded:       processor.ChargeRefunded,
	stripe.EventTypeChargeDisputeCreated: processor.DisputeCreated,
	stripe.EventTypeChargeDisputeUpdated: processor.DisputeUpdated,
	stripe.EventTypeChargeDisputeClosed:  processor.DisputeClosed,
}

// ParseWebhook implements processor.Processor (ledger.md 8.4). Of what is posted only the charge counts: what became of it is asked for,
// so that the version of the API that the event was written with does not matter. Events of connected accounts, and of the other one of
// test and live mode, are none of ours: OtherEvent.
func (s *Stripe) ParseWebhook(h http.Header, body []byte, now time.Time) (processor.Event, error) {
	if err := s.verify(h.Values("Stripe-Signature"), body, now); err != nil {
		return processor.Event{}, err
	}
	var e struct {
		ID       string
		Type     stripe.EventType
		Created  int64
		Livemode bool
		Account  string
		Data     struct {
			Object struct {
				ID     string
				Object string
				Charge stripe.Charge // of a dispute: a key, or all of it
			}
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return processor.Event{}, fmt.Errorf("stripe: an event that cannot be read: %w", err)
	}
	if e.ID == "" {
		return processor.Event{}, errors.New("stripe: an event without a name")
	}
	event := processor.Event{ID: e.ID, CreatedAt: time.Unix(e.Created, 0).UTC()}
	if e.Account != "" || e.Livemode != s.live {
		return event, nil
	}
	event.Kind = kinds[e.Type]
	switch object := e.Data.Object; object.Object {
	case "charge":
		event.ChargeKey = object.ID
	case "dispute":
		event.ChargeKey = object.Charge.ID
	}
	return event, nil
}

// verify holds that a body was signed with one of the secrets, less than five minutes ago. It compares in constant time.
func (s *Stripe) verify(header []string, body []byte, now time.Time) error {
	if len(header) != 1 {
		return errors.New("stripe: no signature, or several")
	}
	var at *int64
	var signatures [][]byte
	for _, pair := range strings.Split(header[0], ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		switch name {
		case "t":
			t, err := strconv.ParseInt(value, 10, 64)
			if err != nil || at != nil { // of two times, one would be checked and the other signed
				return errors.New("stripe: a signature without one time")
			}
			at = &t
		case "v1":
			if mac, err := hex.DecodeString(value); err == nil && len(signatures) < maxSignatures {
				signatures = append(signatures, mac)
			}
		}
	}
	if at == nil {
		return errors.New("stripe: a signature without one time")
	}
	signed := time.Unix(*at, 0)
	good := false
	for _, secret := range s.webhookSecrets {
		want := webhook.ComputeSignature(signed, body, secret)
		for _, got := range signatures {
			good = hmac.Equal(got, want) || good
		}
	}
	if !good {
		return errors.New("stripe: a wrong signature")
	}
	if age := now.Sub(signed); age > tolerance || age < -tolerance {
		return errors.New("stripe: a signature of another time")
	}
	return nil
}
