package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// tries is how often a request is sent that Stripe does not answer, or is too busy to.
const tries = 3

// ask sends a request, again when there is no answer. All tries have the same idempotency key, so that Stripe acts once. lost says that
// it was sent before and its answer got lost. Errors: a *processor.CardError; a *refusal when Stripe did not do it; a
// *processor.UnknownError when nobody knows, which is so whenever the answer to a try got lost and no later one tells what came of it.
func (s *Stripe) ask(ctx context.Context, lost bool, request func() error) error {
	for try := 1; ; try++ {
		err := request()
		if err == nil {
			return nil
		}
		again, done, err := s.answer(err)
		if asCard(err) {
			return err
		}
		lost = lost || done
		if again && try < tries && s.pause(ctx, try) {
			continue
		}
		if lost || ctx.Err() != nil {
			return &processor.UnknownError{Err: err}
		}
		return err
	}
}

// pause waits before the next try; it reports whether there is time left for one.
func (s *Stripe) pause(ctx context.Context, try int) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(s.backoff << (try - 1)):
		return ctx.Err() == nil
	}
}

// answer says whether another try makes sense after an error, whether Stripe may have acted, and what the error means in our words.
func (s *Stripe) answer(err error) (again, acted bool, meaning error) {
	var e *stripe.Error
	if !errors.As(err, &e) {
		return true, true, fmt.Errorf("stripe: %s", s.clean(err.Error())) // no answer, or one that is cut off
	}
	if e.Type == stripe.ErrorTypeCard {
		return false, false, cardError(e)
	}
	kind := string(e.Type)
	if e.OAuthError != "" {
		kind, e.Msg = e.OAuthError, e.OAuthErrorDescription
	}
	r := &refusal{status: e.HTTPStatusCode, kind: kind, code: e.Code, param: e.Param, request: e.RequestID, text: s.clean(e.Msg)}
	switch {
	case e.Type == stripe.ErrorTypeIdempotency && e.HTTPStatusCode != http.StatusConflict:
		return false, true, r // the key is known, with other parameters: something became of it
	case e.HTTPStatusCode == http.StatusConflict:
		return true, true, r // the same request is being carried out
	case e.HTTPStatusCode >= http.StatusInternalServerError:
		return true, true, r
	case e.HTTPStatusCode == http.StatusTooManyRequests:
		return true, false, r
	}
	return false, false, r
}

// A refusal is a request that Stripe did not carry out. Its text is for logs, and holds no key.
type refusal struct {
	status        int
	kind          string
	code          stripe.ErrorCode
	param         string
	request, text string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("stripe: %d %s %s %s: %s (request %s)", r.status, r.kind, r.code, r.param, r.text, r.request)
}

// refused reports whether Stripe refused with one of these codes.
func refused(err error, codes ...stripe.ErrorCode) bool {
	var r *refusal
	if errors.As(err, &r) {
		for _, code := range codes {
			if r.code == code {
				return true
			}
		}
	}
	return false
}

// missing reports whether Stripe does not have what was asked for.
func missing(err error) bool { return refused(err, stripe.ErrorCodeResourceMissing) }

var secrets = regexp.MustCompile(`(?:\b(?:sk|rk|whsec)_|_secret_)[A-Za-z0-9_*]+`)

// clean is a text of Stripe's without keys: those of a refusal are masked but for their ends.
func (s *Stripe) clean(text string) string { return secrets.ReplaceAllString(text, "(secret)") }

// telling are reasons of a bank that the payer can do something about; the others are left to the advice for "card_declined".
var telling = map[stripe.DeclineCode]bool{
	"authentication_required": true, "card_not_supported": true, "card_velocity_exceeded": true, "currency_not_supported": true,
	"expired_card": true, "incorrect_cvc": true, "incorrect_number": true, "incorrect_zip": true, "insufficient_funds": true,
	"invalid_cvc": true, "invalid_expiry_month": true, "invalid_expiry_year": true, "withdrawal_count_limit_exceeded": true,
}

// cardError is a card that was refused. Stripe's text of it is for payers.
func cardError(e *stripe.Error) *processor.CardError {
	c := &processor.CardError{Code: string(e.Code), Detail: e.Msg, ChargeKey: e.ChargeID}
	if e.Code == stripe.ErrorCodeCardDeclined && telling[e.DeclineCode] {
		c.Code = string(e.DeclineCode)
	}
	if c.Code == "" {
		c.Code = string(stripe.ErrorCodeCardDeclined)
	}
	if c.Detail == "" {
		c.Detail = "Your card was declined."
	}
	return c
}

// params are those of every request.
func params(ctx context.Context, key string) stripe.Params {
	p := stripe.Params{Context: ctx}
	if key != "" {
		p.IdempotencyKey = stripe.String(key)
	}
	return p
}

// asCard reports whether an error is a card that was refused.
func asCard(err error) bool { return errors.As(err, new(*processor.CardError)) }
