package auth

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// failing is what is written down of an attempt that fails: a line of the log and a counter each time, and for a user who exists a row of
// the audit an hour, so that guessing cannot make the database grow.
type failing struct {
	call    *rest.Call
	door    rest.LoginDoor
	typed   string // name, as it was typed
	account *user  // whom it is about, nil for nobody who exists
	// later writes down what is looked at after the answer, where it is not told whether there is an account; nil elsewhere
	later func(tx *store.Tx, reason rest.Reason) error
}

var doors = map[door]rest.LoginDoor{
	loginDoor: rest.DoorLogin, registerDoor: rest.DoorRegister, recoverDoor: rest.DoorRecover, activateDoor: rest.DoorActivate,
}

func (f *failing) log(reason rest.Reason) { f.call.LoginFailed(f.door, reason, f.typed) }

func (f *failing) audit(tx *store.Tx, reason rest.Reason) error {
	if f.later != nil {
		return f.later(tx, reason)
	}
	if f.account == nil {
		return nil
	}
	return auditFailure(tx, f.actor(), f.account, f.from(reason))
}

func (f *failing) actor() string {
	if f.call.User != nil {
		return f.call.User.Username
	}
	return "anonymous"
}

func (f *failing) from(reason rest.Reason) string {
	return "last from " + f.call.Client + " at " + string(f.door) + ": " + string(reason)
}

func auditFailure(tx *store.Tx, actor string, account *user, from string) error {
	return tx.AuditCounted(actor, "log-in failed", account.Username, from)
}

// attempt takes a place for an attempt on an account, "" for none in particular. The error is a 429 while a bucket is closed.
func (s *Service) attempt(ctx context.Context, who *failing, account string) (*attempt, error) {
	place, err := s.throttle.try(ctx, account, who.call.Client, who.call.ClientBound(1))
	if err != nil {
		if throttled(err) {
			who.log(rest.ReasonThrottled)
		}
		return nil, err
	}
	place.who = who
	return place, nil
}

// throttled reports whether an error is a 429.
func throttled(err error) bool {
	var e *rest.Error
	return errors.As(err, &e) && e.Status == http.StatusTooManyRequests
}

// badLink notes a link that opens nothing.
func badLink(c *rest.Call, err error) error {
	if errors.Is(err, errLink) {
		c.LoginFailed(rest.DoorActivate, rest.ReasonLink, "")
	}
	return err
}
