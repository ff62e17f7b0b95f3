package rest

import (
	"context"
	"errors"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// errDryRun undoes a transaction that did what it should.
var errDryRun = errors.New("dry run")

// DryRun reports whether the caller wants to know what would happen (?dry_run=true): Write undoes everything, and an Act leaves
// out its steps outside.
func (c *Call) DryRun() bool {
	if !c.endpoint.Keyed {
		return false
	}
	dry, _ := parseBool(c.QueryString("dry_run"))
	return dry
}

// Write is the runner of writes: fn in one transaction of the caller, with the audit row.
func (c *Call) Write(fn func(tx *store.Tx) error) error {
	ctx := c.r.Context()
	if c.wrote {
		ctx = context.WithoutCancel(ctx)
	}
	status, location, cookies := c.status, c.location, len(c.cookies)
	err := c.service.Store.Write(ctx, func(tx *store.Tx) error {
		c.status, c.location, c.cookies = status, location, c.cookies[:cookies]
		c.Now = tx.Now()
		c.Query.Now = c.Now.Time
		tx.Actor = c.actor()
		if err := fn(tx); err != nil {
			return err
		}
		if !c.endpoint.opts.noAudit && !c.audited {
			if err := tx.Audit(c.endpoint.Method+" "+c.endpoint.Path, c.subject(), ""); err != nil {
				return err
			}
		}
		if c.DryRun() {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	if err == nil {
		c.wrote, c.audited = true, true
	}
	return err
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
