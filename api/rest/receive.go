package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// How a body is received: memory grows with the bytes that arrive, never by a length that was announced; it must arrive in time; and
// what one client has us hold at a time is bounded (decision 77).

// BodyLimits bound how bodies arrive. 0 turns a bound off.
type BodyLimits struct {
	Grace  time.Duration // for every body. Default: 10 seconds
	Rate   int           // bytes that earn another second once they have arrived. Default: 16 KiB
	Memory int64         // bytes of bodies that one client may have in memory at a time. Default: 16 MiB
}

// maxDiscard is the most of a body that nobody wants that is still read, so that the connection can be used again. The server gives up a
// connection by itself when more is left.
const maxDiscard = 256 << 10

// smallBody is up to which announced length memory is taken for all of a body before it arrives.
const smallBody = 2048

var errTooSlow = Fail(http.StatusRequestTimeout, "The request body did not arrive in time.")

// readBody reads the body of a call. Errors: 413, 408, 429, and 400 when the connection broke.
func (c *Call) readBody(limit int64) ([]byte, error) {
	r := c.r
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	tooLarge := Fail(http.StatusRequestEntityTooLarge, fmt.Sprintf("The request body is larger than %d bytes.", limit))
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	c.leave() // what arrives slowly is no work
	in := c.receive(http.MaxBytesReader(c.w, r.Body, limit))
	defer in.stop()
	b := new(bytes.Buffer)
	if n := r.ContentLength; n <= smallBody {
		b.Grow(int(max(n, 0)) + bytes.MinRead) // all of it in one piece
	}
	_, err := b.ReadFrom(in)
	var over *http.MaxBytesError
	var own *Error
	switch {
	case in.stop():
		c.hangUp()
		return nil, errTooSlow
	case errors.As(err, &own):
		c.hangUp()
		return nil, own
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, Fail(http.StatusBadRequest, "The request body could not be read.")
	}
	return b.Bytes(), c.enter()
}

// discardBody reads what is left of a body that nobody wanted, in the time that it would have had: the server would wait for it without
// end before it sends the answer.
func (c *Call) discardBody() {
	r := c.r
	if r.ProtoMajor != 1 || r.Body == nil || r.Body == http.NoBody || c.body.read || r.ContentLength > maxDiscard || r.Header.Get("Expect") != "" {
		return
	}
	c.body.read = true
	in := c.receive(r.Body)
	in.held = nil // nothing is kept
	io.CopyN(io.Discard, in, maxDiscard)
	if in.stop() {
		c.hangUp()
	}
}

// hangUp closes the connection behind the answer: what is left of the body is not worth waiting for. Other versions of HTTP give up the
// stream alone.
func (c *Call) hangUp() {
	if c.r.ProtoMajor == 1 {
		c.w.Header().Set("Connection", "close")
	}
}

// incoming is a body that is being read. A timer stops it: it sets the connection's deadline into the past.
type incoming struct {
	body   io.Reader
	held   func(n int) error // counts bytes that are kept
	rate   int
	cutOff func()

	mu      sync.Mutex
	timer   *time.Timer // nil without a bound
	arrived int
	earned  time.Duration // that arrived was good for
	late    bool
}

func (c *Call) receive(body io.Reader) *incoming {
	bounds := c.service.Bodies
	in := &incoming{body: body, held: c.hold, rate: bounds.Rate}
	connection := http.NewResponseController(c.w)
	in.cutOff = func() { connection.SetReadDeadline(time.Unix(1, 0)) }
	if bounds.Grace > 0 {
		in.mu.Lock() // expire may come at once
		in.timer = time.AfterFunc(bounds.Grace, in.expire)
		in.mu.Unlock()
	}
	return in
}

// expire grants the time that was earned since it was last asked, or ends the reading.
func (in *incoming) expire() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.timer == nil {
		return // just stopped
	}
	if in.rate > 0 {
		earned := time.Duration(float64(in.arrived) / float64(in.rate) * float64(time.Second))
		if more := earned - in.earned; more > 0 {
			in.earned = earned
			in.timer.Reset(more)
			return
		}
	}
	in.late = true
	in.cutOff()
}

// Read implements io.Reader.
func (in *incoming) Read(p []byte) (int, error) {
	n, err := in.body.Read(p)
	in.mu.Lock()
	in.arrived += n
	late := in.late
	in.mu.Unlock()
	if late {
		return n, errTooSlow
	}
	if in.held != nil && n > 0 {
		if over := in.held(n); over != nil {
			return n, over
		}
	}
	return n, err
}

// stop ends the clock and reports whether the body came too late.
func (in *incoming) stop() (late bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.timer != nil {
		in.timer.Stop()
		in.timer = nil
	}
	return in.late
}

// held are the bytes of bodies in memory, by client. It is as large as there are requests being answered.
type held struct {
	mu    sync.Mutex
	bytes map[string]int64
}

// hold counts n more bytes that the call holds. Error: 429 when its client has us hold too many.
func (c *Call) hold(n int) error {
	most := c.service.Bodies.Memory
	if most <= 0 {
		return nil
	}
	h, client := &c.service.held, ClientOf(c.Client)
	h.mu.Lock()
	defer h.mu.Unlock()
	c.held += int64(n)
	h.bytes[client.Name] += int64(n)
	if client.Site != "" {
		h.bytes[client.Site] += int64(n)
	}
	if h.bytes[client.Name] > most*c.crowd() || client.Site != "" && h.bytes[client.Site] > most*siteShare*c.crowd() {
		return Refused(LimitBodies, time.Second)
	}
	return nil
}

// release gives back what the call held.
func (c *Call) release() {
	if c.held == 0 {
		return
	}
	h, client := &c.service.held, ClientOf(c.Client)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range []string{client.Name, client.Site} {
		if name == "" {
			continue
		}
		if h.bytes[name] -= c.held; h.bytes[name] <= 0 {
			delete(h.bytes, name)
		}
	}
	c.held = 0
}
