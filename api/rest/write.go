package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// The runner of writes: everything that an endpoint changes goes through here.

// errDryRun undoes a transaction that did what it should.
var errDryRun = errors.New("dry run")

// DryRun reports whether the caller wants to know what would happen (?dry_run=true on an endpoint that is Keyed): the answer is
// made as always and every Write is undone. An Act leaves out its steps outside.
func (c *Call) DryRun() bool {
	if !c.endpoint.Keyed {
		return false
	}
	dry, _ := parseBool(c.QueryString("dry_run"))
	return dry
}

// Write runs fn in one transaction in the caller's name, and adds the audit row to it. fn may be run twice, see
// store.Store.Write; what it tells the call about the answer counts once. An Act may Write several times: once the first is
// committed, the next ones run even if the client has gone away.
func (c *Call) Write(fn func(tx *store.Tx) error) error {
	ctx := c.r.Context()
	if c.wrote {
		ctx = context.WithoutCancel(ctx)
	}
	before, cookies := c.outcome, len(c.cookies)
	dry, counted := c.DryRun(), c.counted()
	c.zone() // asks the directory, which may not be asked in a transaction
	err := c.service.Store.Write(ctx, func(tx *store.Tx) error {
		c.outcome, c.cookies = before, c.cookies[:cookies]
		c.at(tx)
		tx.Actor = c.actor()
		if err := fn(tx); err != nil {
			return err
		}
		if counted && !c.replayed {
			if err := c.Count(tx, LimitWrites); err != nil {
				return err
			}
		}
		if !c.audited && !c.replayed && !c.endpoint.opts.noAudit {
			if err := tx.Audit(c.endpoint.Method+" "+c.endpoint.Path, c.subject(), ""); err != nil {
				return err
			}
		}
		if dry {
			return errDryRun
		}
		return nil
	})
	switch {
	case err == nil:
		c.wrote, c.audited = true, true
	case errors.Is(err, errDryRun):
		return nil
	}
	return err
}

// counted reports whether a write counts as one of its user's: not what the broker's managers do, what takes away, nor the second step
// of something.
func (c *Call) counted() bool {
	return c.User != nil && !c.wrote && c.r.Method != http.MethodDelete && c.service.Limits[LimitWrites].PerUser > 0 &&
		!c.Query.IsBrokerManager()
}

// operate is Write for an operation that is one transaction: with an Idempotency-Key the answer is kept in it.
func (c *Call) operate(fn func(tx *store.Tx) (any, error)) (out any, err error) {
	key, err := c.idempotencyKey()
	if err != nil {
		return nil, err
	}
	err = c.Write(func(tx *store.Tx) error {
		if key == nil {
			out, err = fn(tx)
			return err
		}
		kept, err := key.find(tx)
		if err != nil {
			return err
		}
		if c.replayed = kept != nil; c.replayed {
			out = *kept
			return nil
		}
		if out, err = fn(tx); err != nil {
			return err
		}
		a, err := c.answer(out)
		if err != nil {
			return err
		}
		out = a
		return key.keep(tx, a)
	})
	return out, err
}

func (c *Call) actor() string {
	if c.User == nil {
		return "anonymous"
	}
	return c.User.Username
}

// secretParams are parameters whose value opens something: they are not written down.
var secretParams = map[string]bool{"verification_key": true, "grant_key": true, "request_key": true, "claim_code": true}

// subject is what a call is about: the parameters of its path.
func (c *Call) subject() string {
	var b strings.Builder
	for _, p := range c.Query.Params {
		if secretParams[p.Name] {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(p.Value)
	}
	return b.String()
}
