package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// answer is what goes out.
type answer struct {
	status      int
	contentType string
	location    string
	retryAfter  time.Duration
	replayed    bool // of a key that was used before
	body        []byte
	buffer      *bytes.Buffer // that holds body, to be used again; or nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled is the largest buffer worth keeping.
const maxPooled = 1 << 18

// appendJSON encodes v as conventions.md 6.1 says: compact, nothing escaped that need not be, no newline at the end.
func appendJSON(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}

// encode makes an answer of v.
func (c *Call) encode(status int, v any) (answer, error) {
	a := answer{status: status, contentType: typeJSON}
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	if err := appendJSON(b, v); err != nil {
		return a, err
	}
	if n := c.accept.indent; n > 0 {
		flat := b
		b = new(bytes.Buffer)
		if err := json.Indent(b, flat.Bytes(), "", strings.Repeat(" ", n)); err != nil {
			return a, err
		}
		buffers.Put(flat)
	}
	a.body, a.buffer = b.Bytes(), b
	return a, nil
}

// answer is the answer to a call that succeeded with out.
func (c *Call) answer(out any) (answer, error) {
	if a, ok := out.(answer); ok { // of the runner
		return a, nil
	}
	status := c.status
	if status == 0 {
		status = http.StatusOK
		if _, ok := out.(None); ok {
			status = http.StatusNoContent
		}
	}
	if status == http.StatusNoContent {
		return answer{status: status, location: c.location}, nil
	}
	if c.accept.yaml {
		body, err := out.(yamler).YAML()
		return answer{status: status, contentType: typeYAML, body: body}, err
	}
	a, err := c.encode(status, out)
	a.location = c.location
	return a, err
}

// failed is the answer to a call that failed.
func (c *Call) failed(e *Error) answer {
	if c.page {
		name := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
		return answer{status: e.Status, contentType: typeHTML + "; charset=utf-8",
			body: []byte(`<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>` + name + `</title><h1>` + name + `</h1></html>`)}
	}
	if e.Body == nil {
		return answer{status: e.Status, retryAfter: e.RetryAfter}
	}
	a, err := c.encode(e.Status, e.Body)
	if err != nil {
		a = answer{status: http.StatusInternalServerError}
	}
	a.retryAfter = e.RetryAfter
	return a
}

// send writes an answer.
func (c *Call) send(a answer) {
	c.leave()
	c.discardBody()
	c.sent = true
	h := c.w.Header()
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if a.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="`+c.service.Directory.Broker()+`"`)
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(a.retryAfter), 10))
	}
	if a.replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	c.sendCookies(a.status < http.StatusBadRequest)
	if a.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	c.w.WriteHeader(a.status)
	if c.r.Method != http.MethodHead {
		c.w.Write(a.body)
	}
	if a.buffer != nil && a.buffer.Cap() <= maxPooled {
		buffers.Put(a.buffer)
	}
}

// sendCookies sends the cookies of a success, and takes back a session cookie that opens nothing.
func (c *Call) sendCookies(succeeded bool) {
	if c.DeadCookie {
		ended := c.service.Directory.EndedCookie()
		c.placeCookie(ended)
		http.SetCookie(c.w, ended)
	}
	if !succeeded {
		return
	}
	for _, cookie := range c.cookies {
		http.SetCookie(c.w, cookie)
	}
}

// seconds rounds up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
