package store

import "sync/atomic"

// Stats are counters since Open, for metrics.
type Stats struct {
	Queued   int    // Writes that wait now
	Writes   uint64 // committed
	Batches  uint64 // commits, each of one Write or more
	Failures uint64 // Writes that the engine or the queue refused; those that their own function gave up are not counted
}

type counters struct{ writes, batches, failures atomic.Uint64 }

// Stats returns the counters. It costs nothing worth mentioning.
func (s *Store) Stats() Stats {
	st := Stats{Writes: s.stats.writes.Load(), Batches: s.stats.batches.Load(), Failures: s.stats.failures.Load()}
	if e := s.open.Load(); e != nil && e.writer != nil {
		st.Queued = len(e.writer.queue)
	}
	return st
}
