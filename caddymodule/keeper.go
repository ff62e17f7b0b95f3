package caddymodule

import (
	"container/heap"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
)

const (
	// lookEvery is how often the keeper looks for changes. A write of another process is seen after a quarter of a second, and what ends
	// must have ended within one.
	lookEvery = 50 * time.Millisecond
	// takeEvery is how many looks there are for one that takes over what lasts: most requests are over by then.
	takeEvery = 4
	// mostAborts is how many streams are aborted at a time.
	mostAborts = 256
	// mostRows is how many rows of the database a stream is found by. What rests on more is decided again with every change.
	mostRows = 32
)

// A keeper decides again on the streams that last, in one goroutine for all: on each one when it takes it over, which makes up for what
// changed since its admission, and then when something changes that the decision rests on, when the first of its facts ends, and when
// the rules of its gate change. Others are not touched.
type keeper struct {
	streams *streams
	front   atomic.Pointer[front]
	starts  sync.Once
	stop    chan struct{}
	stopped chan struct{}
	lasting atomic.Int64 // how many streams it has
	aborts  sync.WaitGroup
	hands   chan struct{} // for aborts

	// The goroutine's alone.
	looks   int
	lost    []lost // what is to be aborted
	basis   *directory.Basis
	epoch   uint64                        // of the directory, by which all has been decided
	sets    map[string]*accessrules.Set   // of the gates by name, likewise
	app     *App                          // likewise
	first   *stream                       // of all that it has
	by      map[directory.Row]*dependence // streams by the rows that they rest on
	broad   map[*stream]struct{}          // those that rest on too many
	doubted map[*stream]struct{}          // those whose facts could not be read
	ends    endHeap
}

// front is the configuration that is in force.
type front struct {
	app   *App
	gates map[string]*Gate
}

// record is what the keeper knows of a stream.
type record struct {
	prev, next *stream
	rows       []dependence
	until      int64 // µs since 1970 of its next end, 0 for none
	at         int   // in the heap, when until is set
	doubts     int   // how often its facts could not be read, one after the other
}

// A dependence is that of a stream on a row.
type dependence struct {
	row        directory.Row
	stream     *stream
	prev, next *dependence // of the same row
}

func (k *keeper) init(s *streams) {
	k.streams = s
	k.stop, k.stopped = make(chan struct{}), make(chan struct{})
	k.hands = make(chan struct{}, mostAborts)
	k.sets = map[string]*accessrules.Set{}
	k.by = map[directory.Row]*dependence{}
	k.broad, k.doubted = map[*stream]struct{}{}, map[*stream]struct{}{}
}

// follow makes the gates of a configuration decide from now on, also on what others of the same name have admitted.
func (k *keeper) follow(app *App) {
	f := &front{app: app, gates: map[string]*Gate{}}
	for _, g := range app.gates {
		if f.gates[g.Name] == nil {
			f.gates[g.Name] = g
		}
	}
	k.front.Store(f)
	k.starts.Do(func() { go k.run() })
}

// Destruct ends the goroutine.
func (s *streams) Destruct() error {
	close(s.keeper.stop)
	s.keeper.starts.Do(func() { close(s.keeper.stopped) }) // it has never run
	<-s.keeper.stopped
	return nil
}

func (k *keeper) run() {
	defer close(k.stopped)
	defer k.aborts.Wait()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-ticker.C:
			k.look()
		}
	}
}

// look takes over the streams that last, and decides on those that something has changed for.
func (k *keeper) look() {
	f := k.front.Load()
	due := map[*stream]struct{}{}
	for s := range k.doubted {
		due[s] = struct{}{}
	}
	if k.looks++; k.looks%takeEvery == 0 {
		for _, s := range k.takeOver() {
			due[s] = struct{}{}
		}
	}
	k.changed(f, due)
	for now := f.app.site.Now().UnixMicro(); len(k.ends) > 0 && k.ends[0].record.until < now; {
		s := k.ends[0]
		k.setEnd(s, 0)
		due[s] = struct{}{}
	}
	began := time.Now()
	for s := range due {
		k.decide(f, s)
		if time.Since(began) > lookEvery {
			k.abort()
			began = time.Now()
		}
	}
	k.abort()
}

// takeOver goes through the shards for streams that are over, and for those that last.
func (k *keeper) takeOver() (taken []*stream) {
	look := k.streams.look.Add(1)
	for i := range k.streams.shards {
		h := &k.streams.shards[i]
		h.mu.Lock()
		gone := h.gone
		h.gone = nil
		from := len(taken)
		for s := h.oldest; s != nil && s.born+1 < look; s = h.oldest {
			h.unlist(s)
			s.phase = kept
			taken = append(taken, s)
		}
		h.mu.Unlock()
		for _, s := range taken[from:] {
			k.add(s)
		}
		for _, s := range gone {
			k.remove(s)
		}
	}
	return taken
}

// changed adds to due the streams whose decision rests on something that has changed since the last look.
func (k *keeper) changed(f *front, due map[*stream]struct{}) {
	rows, everything, epoch := f.app.site.Directory.ChangedSince(k.epoch)
	if k.basis == nil || f.app != k.app {
		k.basis, everything = f.app.site.Directory.Basis(), true
	}
	if epoch != k.epoch {
		for s := range k.broad {
			due[s] = struct{}{}
		}
	}
	k.epoch, k.app = epoch, f.app
	for _, row := range rows {
		for d := k.by[row]; d != nil; d = d.next {
			due[d.stream] = struct{}{}
		}
	}
	for name, g := range f.gates {
		set := g.live.Set()
		if k.sets[name] == set {
			continue
		}
		k.sets[name] = set
		for s := k.first; s != nil; s = s.record.next {
			if s.gate.Name == name {
				due[s] = struct{}{}
			}
		}
	}
	if everything {
		for s := k.first; s != nil; s = s.record.next {
			due[s] = struct{}{}
		}
	}
}

// decide asks whether a stream would be admitted now, as the same caller, and aborts it if not. What cannot be known is asked once
// more at the next look; then nobody passes.
func (k *keeper) decide(f *front, s *stream) {
	g := s.gate
	if g.app != f.app {
		g = f.gates[g.Name]
	}
	k.basis.Reset()
	v, q, d := g.decideAgain(k.basis, s)
	if v.Reason == accessrules.Unavailable && s.record.doubts == 0 {
		s.record.doubts++
		k.doubted[s] = struct{}{}
		return
	}
	delete(k.doubted, s)
	s.record.doubts = 0
	switch {
	case v.OK():
	case d.Rule != nil && d.Rule.Keep: // the rule has come since
	default:
		k.lost = append(k.lost, lost{s, v})
		return
	}
	until := d.Until(&q, k.basis.Profiles()...)
	if t := k.basis.Until(); !t.IsZero() && (until.IsZero() || t.Before(until)) {
		until = t
	}
	end := int64(0)
	if !until.IsZero() {
		end = until.UnixMicro()
	}
	k.setEnd(s, end)
	k.setRows(s, k.basis.Rows())
}

// lost is a stream that is to be aborted, and why.
type lost struct {
	*stream
	accessrules.Verdict
}

// abort aborts what is to be, beside each other: closing a connection waits for whoever reads from it. Only then are there others to
// run, who would be in the way of those that come last.
func (k *keeper) abort() {
	for _, l := range k.lost {
		if !l.claim() {
			continue
		}
		aborted.WithLabelValues(l.gate.Name, string(l.Reason)).Inc()
		k.hands <- struct{}{}
		k.aborts.Go(func() {
			defer func() { <-k.hands }()
			l.stream.abort()
			l.gate.logger.Info("aborted what was under way, as the access to it has ended",
				zap.String("user", l.told.name), zap.String("reason", string(l.Reason)), zap.Error(l.Err))
		})
	}
	clear(k.lost)
	k.lost = k.lost[:0]
}

// Reasons of an abort, beside those of a refusal.
const (
	reasonOther  accessrules.Reason = "other-caller" // admitted as somebody else than the application was told
	reasonNoGate accessrules.Reason = "no-gate"      // the configuration has no gate of that name any more
)

// decideAgain is the decision on a stream by the facts of now. A nil gate admits nobody.
func (g *Gate) decideAgain(facts *directory.Basis, s *stream) (v accessrules.Verdict, q accessrules.Query, d accessrules.Decision) {
	if g == nil {
		return accessrules.Verdict{Reason: reasonNoGate}, q, d
	}
	a, err := s.wants.asked(g.scripts)
	if err != nil {
		return verdictOf(err), q, d
	}
	q = accessrules.Query{Facts: facts, Now: g.app.site.Now(), Method: a.method, ReadOnly: g.app.DisableUpdates}
	id, err := facts.Identify(&s.presented)
	if err != nil {
		return badIdentity(err), q, d
	}
	q.Caller = id.User
	d = g.decide(&q, &a)
	if v = d.Verdict; v.OK() && tells(&d, id.User) != s.told {
		v = accessrules.Verdict{Reason: reasonOther}
	}
	return v, q, d
}

func (k *keeper) add(s *stream) {
	s.presented = s.presented.Clone() // the stream's own by now, as nobody else reads it
	if s.record.next = k.first; k.first != nil {
		k.first.record.prev = s
	}
	k.first = s
	k.lasting.Add(1)
}

func (k *keeper) remove(s *stream) {
	k.setEnd(s, 0)
	k.setRows(s, nil)
	delete(k.doubted, s)
	r := &s.record
	if r.prev != nil {
		r.prev.record.next = r.next
	} else {
		k.first = r.next
	}
	if r.next != nil {
		r.next.record.prev = r.prev
	}
	r.prev, r.next = nil, nil
	k.lasting.Add(-1)
}

// setRows notes what a stream rests on.
func (k *keeper) setRows(s *stream, rows []directory.Row) {
	old := s.record.rows
	if len(old) == len(rows) && len(rows) > 0 {
		same := true
		for i := range rows {
			same = same && old[i].row == rows[i]
		}
		if same {
			return
		}
	}
	for i := range old {
		d := &old[i]
		if d.next != nil {
			d.next.prev = d.prev
		}
		switch {
		case d.prev != nil:
			d.prev.next = d.next
		case d.next != nil:
			k.by[d.row] = d.next
		default:
			delete(k.by, d.row)
		}
	}
	s.record.rows = nil
	delete(k.broad, s)
	if len(rows) > mostRows {
		k.broad[s] = struct{}{}
		return
	}
	if len(rows) == 0 {
		return
	}
	list := make([]dependence, len(rows))
	for i, row := range rows {
		d := &list[i]
		d.row, d.stream, d.next = row, s, k.by[row]
		if d.next != nil {
			d.next.prev = d
		}
		k.by[row] = d
	}
	s.record.rows = list
}

// setEnd notes when a stream is decided on again, 0 for never.
func (k *keeper) setEnd(s *stream, until int64) {
	r := &s.record
	switch was := r.until; {
	case was == until:
	case was == 0:
		r.until = until
		heap.Push(&k.ends, s)
	case until == 0:
		heap.Remove(&k.ends, r.at)
		r.until = 0
	default:
		r.until = until
		heap.Fix(&k.ends, r.at)
	}
}

// endHeap are streams, the one that ends first at the top.
type endHeap []*stream

func (h endHeap) Len() int           { return len(h) }
func (h endHeap) Less(i, j int) bool { return h[i].record.until < h[j].record.until }
func (h endHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].record.at, h[j].record.at = i, j
}
func (h *endHeap) Push(x any) {
	s := x.(*stream)
	s.record.at = len(*h)
	*h = append(*h, s)
}
func (h *endHeap) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return s
}
