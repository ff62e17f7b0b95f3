package store

import (
	"sync/atomic"
	"time"
)

// maxStepBack is how far the clock may be set back without the store's time following it.
const maxStepBack = time.Minute

// clock makes time for transactions: it does not run backwards when the machine's clock is corrected by a little.
type clock struct {
	source func() time.Time
	last   atomic.Int64 // µs
}

func (c *clock) now() Time {
	t := At(c.source())
	for {
		last, now := c.last.Load(), t.UnixMicro()
		if now < last && last-now <= maxStepBack.Microseconds() {
			return Time{time.UnixMicro(last).UTC()}
		}
		if c.last.CompareAndSwap(last, now) {
			return t
		}
	}
}
