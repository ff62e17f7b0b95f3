package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/store"
)

// Idempotency keys. A caller who sends the header Idempotency-Key may send the request again and be answered the same, while it
// happens once. The answer to a success is kept (for KeyRetention), that to a failure is not: nothing happened, and
// the caller may try again.

const (
	keyHeader = "Idempotency-Key"
	maxKey    = 255
	// keyLease is how long a key is in flight: a process that has not answered by then was killed.
	keyLease = 5 * time.Minute
)

var (
	errKeyForm   = Fail(http.StatusBadRequest, "The header Idempotency-Key holds 1 to 255 printable ASCII characters.")
	errKeyUsed   = Conflict("This Idempotency-Key was used for another request.")
	errKeyFlying = &Error{Status: http.StatusConflict, RetryAfter: retryAfter,
		Body: Fields{{"detail", "A request with this Idempotency-Key is being processed."}}}
)

// requestKey is a key with the request it was sent with.
type requestKey struct {
	name   string // of the row: caller, endpoint and key
	digest []byte // of method, path, query and body
}

// IdempotencyKey is the caller's Idempotency-Key with the caller and the endpoint, unique in the site; "" for none, and for a
// dry run. An Act that does something outside may give it to whom it asks, so that a repetition is known there as well.
func (c *Call) IdempotencyKey() string {
	key, err := c.idempotencyKey()
	if err != nil || key == nil {
		return ""
	}
	return key.name
}

func (c *Call) idempotencyKey() (*requestKey, error) {
	text := c.r.Header.Get(keyHeader)
	if text == "" || !c.endpoint.Keyed || c.DryRun() {
		return nil, nil
	}
	if len(text) > maxKey || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errKeyForm
	}
	raw, err := c.BodyBytes()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	io.WriteString(h, c.r.Method+" "+c.r.URL.RequestURI()+"\n")
	h.Write(raw)
	return &requestKey{
		name:   c.keeper() + " " + c.endpoint.Method + " " + c.endpoint.Path + " " + text,
		digest: h.Sum(nil),
	}, nil
}

// keeper is whose keys the call's is one of.
func (c *Call) keeper() string {
	if c.User != nil {
		return "user " + strconv.FormatInt(c.User.ID, 10)
	}
	return "client " + c.Client
}

// find returns the answer that is kept, nil when the key is new or what used it has died. Errors: 409.
func (k *requestKey) find(tx *store.Tx) (*answer, error) {
	var digest, body []byte
	var createdAt store.Time
	var status sql.NullInt64
	var headers sql.NullString
	err := tx.QueryRow(`SELECT request, created_at, status, headers, body FROM idempotency_key WHERE key = ?`, k.name).
		Scan(&digest, &createdAt, &status, &headers, &body)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case subtle.ConstantTimeCompare(digest, k.digest) != 1:
		return nil, errKeyUsed
	case status.Valid:
		a := &answer{status: int(status.Int64), body: body, replayed: true}
		a.contentType, a.location, _ = strings.Cut(headers.String, "\n")
		return a, nil
	case tx.Wall().Sub(createdAt.Time) < keyLease:
		return nil, errKeyFlying
	}
	return nil, nil
}

// keep writes the answer down.
func (k *requestKey) keep(tx *store.Tx, a answer) error {
	_, err := tx.Exec(`INSERT INTO idempotency_key (key, created_at, request, status, headers, body) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET created_at = excluded.created_at, status = excluded.status, headers = excluded.headers, body = excluded.body`,
		k.name, tx.Wall(), k.digest, a.status, a.contentType+"\n"+a.location, a.body)
	return err
}

// reserve is find, and marks the key as in flight.
func (k *requestKey) reserve(tx *store.Tx) (*answer, error) {
	kept, err := k.find(tx)
	if err != nil || kept != nil {
		return kept, err
	}
	_, err = tx.Exec(`INSERT INTO idempotency_key (key, created_at, request) VALUES (?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET created_at = excluded.created_at`, k.name, tx.Wall(), k.digest)
	return nil, err
}

func (k *requestKey) release(tx *store.Tx) error {
	_, err := tx.Exec(`DELETE FROM idempotency_key WHERE key = ? AND status IS NULL`, k.name)
	return err
}

// act runs an operation of several steps under the key of the request, if it has one: reserved before, and completed with the
// answer or given back after.
func (c *Call) act(fn func() (any, error)) (out any, err error) {
	key, err := c.idempotencyKey()
	if err != nil {
		return nil, err
	}
	if key == nil {
		return fn()
	}
	ctx := context.WithoutCancel(c.r.Context())
	var kept *answer
	err = c.service.Store.Write(c.r.Context(), func(tx *store.Tx) (err error) {
		kept, err = key.reserve(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	if kept != nil {
		c.replayed = true
		return *kept, nil
	}
	done := false
	defer func() {
		if done {
			return
		}
		if err := c.service.Store.Write(ctx, key.release); err != nil {
			c.Log().Warn("an idempotency key stays in flight", zap.Error(err))
		}
	}()
	if out, err = fn(); err != nil {
		return nil, err
	}
	a, err := c.answer(out)
	if err != nil {
		return nil, err
	}
	done = true // whatever happens now, it is not to happen again
	if err := c.service.Store.Write(ctx, func(tx *store.Tx) error { return key.keep(tx, a) }); err != nil {
		c.Log().Warn("an idempotency key stays in flight", zap.Error(err))
	}
	return a, nil
}
