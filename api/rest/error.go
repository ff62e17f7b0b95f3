package rest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// An Error is an answer other than success, with the exact body of the contract (conventions.md 9).
type Error struct {
	Status     int
	Body       any           // Fields, or a value with a "detail"; nil: nothing at all
	RetryAfter time.Duration // sent rounded up to seconds when not zero
	Err        error         // cause, for the log; never shown

	limit Limit // that the caller has reached, "" for none
}

func (e *Error) Error() string {
	if e.Err != nil {
		return http.StatusText(e.Status) + ": " + e.Err.Error()
	}
	b, _ := json.Marshal(e.Body)
	return http.StatusText(e.Status) + ": " + string(b)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail is {"detail": detail} with a status.
func Fail(status int, detail string) *Error {
	return &Error{Status: status, Body: Fields{{"detail", detail}}}
}

// Bad is a 400 of a business rule: {"field": "message"}, a plain string (conventions.md 9.1).
func Bad(field, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Body: Fields{{field, message}}}
}

// Invalid is a 400 of field validation: {"field": ["message", …]}, a list (conventions.md 9.1).
func Invalid(field string, messages ...string) *Error {
	return &Error{Status: http.StatusBadRequest, Body: Fields{{field, messages}}}
}

// NotFound is the 404 of an object looked up by slug; kind is "Organization", "Plan", "User", … (conventions.md 9.5).
func NotFound(kind string) *Error {
	return Fail(http.StatusNotFound, "No "+kind+" matches the given query.")
}

// Forbidden is the 403 of a check made by a handler; an empty reason is the standard one.
func Forbidden(reason string) *Error {
	if reason == "" {
		reason = "You do not have permission to perform this action."
	}
	return Fail(http.StatusForbidden, reason)
}

// Throttled is the 429 of a limit that is reached; wait is how long until the next try may succeed, zero when it is not known.
func Throttled(wait time.Duration) *Error {
	detail := "Request was throttled."
	switch n := seconds(wait); {
	case n == 1:
		detail += " Expected available in 1 second."
	case n > 1:
		detail += fmt.Sprintf(" Expected available in %d seconds.", n)
	}
	e := Fail(http.StatusTooManyRequests, detail)
	e.RetryAfter = wait
	return e
}

// Conflict is the 409 of a clash with the state of a payment or a document (decision 40).
func Conflict(detail string) *Error { return Fail(http.StatusConflict, detail) }

// Errors that every endpoint may answer (conventions.md 2, 6, 9).
var (
	errNotFound      = Fail(http.StatusNotFound, "Not found.")
	errPage          = Fail(http.StatusNotFound, "Invalid page.")
	errDenied        = Fail(http.StatusForbidden, "Permission denied")
	errNoCredentials = Fail(http.StatusUnauthorized, "Authentication credentials were not provided.")
	errAccept        = Fail(http.StatusNotAcceptable, "Could not satisfy the request Accept header.")
	errServer        = Fail(http.StatusInternalServerError, "A server error occurred.")
)

// retryAfter is when a busy or unavailable store is worth another try.
const retryAfter = time.Second

// unavailable is the 503 of facts that cannot be read now.
func unavailable(cause error) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Body: Fields{{"detail", "The service is temporarily unavailable."}},
		RetryAfter: retryAfter, Err: cause}
}

// errorOf is the answer to an error that is not one yet (conventions.md 9.2): what no operation need handle by itself.
func errorOf(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if column, ok := store.IsUnique(err); ok {
		column = strings.TrimSuffix(column, "_id")
		if column == "" {
			return Fail(http.StatusBadRequest, "This is already taken.")
		}
		return Bad(column, "This "+column+" is already taken.")
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return errNotFound
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded): // nobody reads the answer
		return unavailable(nil)
	case errors.Is(err, store.ErrBusy), errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed):
		return unavailable(err)
	}
	return errServer
}

// Field is a key of an object whose order matters.
type Field struct {
	Name  string
	Value any
}

// Fields is an object with its keys in order.
type Fields []Field

// MarshalJSON prints the keys in order.
func (f Fields) MarshalJSON() ([]byte, error) {
	b := new(bytes.Buffer)
	if err := f.append(b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// append prints Fields in each other in one go: the encoder would check what MarshalJSON prints once for every level.
func (f Fields) append(b *bytes.Buffer) error {
	b.WriteByte('{')
	for i, kv := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := appendJSON(b, kv.Name); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := appendValue(b, kv.Value); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func appendValue(b *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case Fields:
		return v.append(b)
	case []Fields:
		b.WriteByte('[')
		for i, f := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := f.append(b); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	}
	return appendJSON(b, v)
}

// unauthorized is the 401 of a credential that is bad (conventions.md 2.2).
func unauthorized(detail string) *Error { return Fail(http.StatusUnauthorized, detail) }
