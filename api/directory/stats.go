package directory

import "sync/atomic"

// CacheStats are how often a cache was asked since New, for metrics. What was there and stale is a miss.
type CacheStats struct {
	Cache        string // what it keeps: "credential", "user", "profile" or "plan"
	Hits, Misses uint64
}

// tally counts answers of a cache.
type tally struct{ hits, misses atomic.Uint64 }

// hit counts, and returns what it counts.
func (t *tally) hit(ok bool) bool {
	if ok {
		t.hits.Add(1)
	} else {
		t.misses.Add(1)
	}
	return ok
}

// CacheStats returns the counters, always in the same order.
func (d *Directory) CacheStats() []CacheStats {
	of := func(cache string, t *tally) CacheStats { return CacheStats{cache, t.hits.Load(), t.misses.Load()} }
	return []CacheStats{of("credential", &d.asked.credentials), of("user", &d.asked.users), of("profile", &d.asked.profiles), of("plan", &d.asked.plans)}
}
