package auth

import (
	"context"
	"errors"

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
}

var doors = map[door]rest.LoginDoor{
	loginDoor: rest.DoorLogin, registerDoor: rest.DoorRegister, recoverDoor: rest.DoorRecover, activateDoor: rest.DoorActivate,
}

func (f *failing) log(reason rest.Reason) { f.call.LoginFailed(f.door, reason, f.typed) }

func (f *failing) audit(tx *store.Tx, reason rest.Reason) error {
	if f.account == nil {
		return nil
	}
	actor := "anonymous"
	if f.call.User != nil {
		actor = f.call.User.Username
	}
	return tx.AuditCounted(actor, "log-in failed", f.account.Username, "last from "+f.call.Client+" at "+string(f.door)+": "+string(reason))
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

// badLink notes a link that opens nothing.
func badLink(c *rest.Call, err error) error {
	if errors.Is(err, errLink) {
		c.LoginFailed(rest.DoorActivate, rest.ReasonLink, "")
	}
	return err
}
