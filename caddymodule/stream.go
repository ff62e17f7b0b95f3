package caddymodule

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

// A stream is a request that a gate has admitted and that runs: a WebSocket, a download, or one that is over in a moment, which nobody
// knows beforehand. All are listed, since that costs next to nothing; whatever is still there at the keeper's second look is decided
// again (decision 74).
type stream struct {
	// Written before the stream is listed, and not again.
	gate      *Gate
	wants     wants
	presented directory.Presented
	told      toldUser
	w         http.ResponseWriter
	ctx       context.Context
	cancel    context.CancelFunc // of ctx; nil where the server does it
	shard     *shard
	born      uint32 // the keeper's look at that time
	writer    cookieWriter
	http1     bool // alone on its connection

	// Guarded by the shard.
	phase      phase
	aborting   bool // in hand: w is needed until it is done
	aborted    bool
	prev, next *stream // in the shard's list, while phase is young

	record record // the keeper's alone
}

// asked is what a request asks for: what the rules decide on.
type asked struct {
	method string
	accessrules.Asked
}

// wants is asked as a stream keeps it, in little memory: nearly all requests are for one path with one method.
type wants struct {
	method, path string
	all          *asked // nil for such a request
}

// keep is what to keep of what a request asks for.
func (a *asked) keep() wants {
	if a.Rewritten || a.Deep || a.Behind != nil || a.Destination != nil || len(a.Methods) > 0 ||
		a.Path.Unsure() != "" || a.Path.Form() != a.Path.String() {
		all := *a
		return wants{all: &all}
	}
	return wants{method: a.method, path: a.Path.String()}
}

// asked is what the request asked for. Errors: none for what keep was given.
func (k *wants) asked(scripts accessrules.Scripts) (a asked, err error) {
	if k.all != nil {
		return *k.all, nil
	}
	a.method, a.Scripts = k.method, scripts
	a.Path, err = accessrules.Read(k.path)
	return a, err
}

// toldUser is who the upstream was told that the caller is, zero for nobody.
type toldUser struct {
	id   int64
	name string
}

// tells is who an admitted request is told to be.
func tells(d *accessrules.Decision, u *accessrules.User) toldUser {
	if u == nil || !d.Rule.Forward {
		return toldUser{}
	}
	return toldUser{u.ID, u.Username}
}

type phase uint8

const (
	young phase = iota // in the shard's list
	kept               // taken over by the keeper
	over               // the handlers have returned
)

// shards of the list, so that requests do not wait for each other.
const shards = 64

// A shard is a part of the streams.
type shard struct {
	mu     sync.Mutex
	ready  *sync.Cond // an abort is done
	newest *stream
	oldest *stream
	gone   []*stream // over since the keeper's last look, of those that it has taken over
	_      [64]byte  // the next one is in another cache line
}

// streams are all that run, of all gates of a site, through all reloads of the configuration.
type streams struct {
	shards [shards]shard
	pool   sync.Pool
	turn   atomic.Uint32 // of the shards
	look   atomic.Uint32 // counts the keeper's looks
	keeper keeper
}

func newStreams() *streams {
	s := new(streams)
	for i := range s.shards {
		s.shards[i].ready = sync.NewCond(&s.shards[i].mu)
	}
	s.pool.New = func() any { return &stream{shard: &s.shards[s.turn.Add(1)%shards]} }
	s.keeper.init(s)
	return s
}

// serve passes an admitted request on, and aborts it when the access to it ends.
func (g *Gate) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, a *asked, id *directory.Identity, d *accessrules.Decision) error {
	if d.Rule.Keep && !slices.ContainsFunc(d.Beside, func(r *accessrules.Rule) bool { return !r.Keep }) {
		return g.pass(w, r, next)
	}
	s := g.app.streams.begin(g, a, id, d)
	if r.ProtoMajor == 3 { // its server cancels the context of a stream that the client ends, and of no other
		outer := r.Context()
		ctx, cancel := context.WithCancel(outer)
		defer func() {
			cancel()
			*r = *r.WithContext(outer) // error handlers, which may come next, are not cut off
		}()
		*r = *r.WithContext(ctx) // in place: Caddy's placeholders are about this request
		s.cancel = cancel
		guarded := newGuardedWriter(w)
		defer guarded.done()
		w = guarded
	}
	s.w, s.ctx, s.http1 = w, r.Context(), r.ProtoMajor == 1
	g.app.streams.list(s)
	defer g.app.streams.end(s)
	return s.writer.pass(g, w, r, next)
}

func (all *streams) begin(g *Gate, a *asked, id *directory.Identity, d *accessrules.Decision) *stream {
	s := all.pool.Get().(*stream)
	s.gate, s.wants, s.presented, s.told = g, a.keep(), id.Presented, tells(d, id.User)
	s.born = all.look.Load()
	return s
}

// list makes the keeper see a stream.
func (all *streams) list(s *stream) {
	h := s.shard
	h.mu.Lock()
	s.prev, h.newest = h.newest, s
	if s.prev != nil {
		s.prev.next = s
	} else {
		h.oldest = s
	}
	h.mu.Unlock()
}

// unlist takes a young stream off the list. The shard is locked.
func (h *shard) unlist(s *stream) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		h.oldest = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		h.newest = s.prev
	}
	s.prev, s.next = nil, nil
}

// end is called when the handlers have returned or panicked. What was aborted ends by a reset, whatever they made of it: the server
// resets what panics like this, and a client does not take the part that it got for the whole.
func (all *streams) end(s *stream) {
	h := s.shard
	h.mu.Lock()
	for s.aborting {
		h.ready.Wait()
	}
	aborted, was := s.aborted, s.phase
	s.phase = over
	if was == young {
		h.unlist(s)
	} else {
		h.gone = append(h.gone, s)
	}
	h.mu.Unlock()
	if was == young { // nobody else knows it
		*s = stream{shard: h}
		all.pool.Put(s)
	}
	if aborted {
		panic(http.ErrAbortHandler)
	}
}

// claim takes a stream that the keeper has taken over for abort, unless it is over. It reports whether it did.
func (s *stream) claim() bool {
	h := s.shard
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.phase == over || s.aborted {
		return false
	}
	s.aborting, s.aborted = true, true
	return true
}

// abort ends a stream that was claimed.
func (s *stream) abort() {
	s.reset()
	s.shard.mu.Lock()
	s.aborting = false
	s.shard.ready.Broadcast()
	s.shard.mu.Unlock()
}

// reset cuts a stream off its client at once. Over HTTP/1 the connection is closed, which carries nothing else: that ends a tunnel, an
// upload and a download alike, whatever the handlers wait for. HTTP/2 resets a stream whose time to write is over, and cancels its
// context. Over HTTP/3 both are done by hand.
func (s *stream) reset() {
	if s.cancel != nil {
		s.cancel()
	}
	if conn, ok := s.ctx.Value(connKey{}).(net.Conn); ok && s.http1 {
		closeHard(conn)
		return
	}
	past := time.Unix(1, 0)
	control := http.NewResponseController(innermost(s.w))
	_ = control.SetWriteDeadline(past)
	_ = control.SetReadDeadline(past)
	if w, ok := s.w.(*guardedWriter); ok {
		w.cut()
	}
}

// innermost is the server's own writer, whose deadlines may be set beside its handler: Caddy's wrapper of it keeps some in fields.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// closeHard closes a connection so that its client cannot take the end for that of the answer: by a reset, and without the farewell
// of TLS.
func closeHard(conn net.Conn) {
	for {
		inner, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = inner.NetConn()
	}
	if tcp, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// connKey finds the connection in the context of a request.
type connKey struct{}

// rememberConn makes the server of a configuration put connections into the contexts of their requests.
func rememberConn(ctx caddy.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return // not in a server, as in tests
	}
	server.RegisterConnContext(func(ctx context.Context, c net.Conn) context.Context {
		if ctx.Value(connKey{}) != nil {
			return ctx // of another gate
		}
		return context.WithValue(ctx, connKey{}, c)
	})
}
