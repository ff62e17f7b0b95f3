package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// An Error is an answer other than success, with the exact body of the contract (conventions.md 9).
type Error struct {
	Status     int
	Body       any           // Fields, or a value with a "detail"
	RetryAfter time.Duration // sent rounded up to seconds when not zero
	Err        error         // cause, for the log; never shown
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

// Field is a key of an object whose order matters.
type Field struct {
	Name  string
	Value any
}

// Fields is an object with its keys in order.
type Fields []Field

// MarshalJSON prints the keys in order.
func (f Fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, kv := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(kv.Name)
		if err != nil {
			return nil, err
		}
		v, err := json.Marshal(kv.Value)
		if err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
