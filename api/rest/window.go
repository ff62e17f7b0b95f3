package rest

import "github.com/caddy-tollgate/tollgate/store"

// A Range is the window of start_at and ends_at, parsed in the zone of conventions.md 7.4.
type Range struct {
	Start, End   store.Time // zero: not given
	StartText    *string    // as the envelope prints them, with the offset they were parsed in
	EndText      *string
	EndDefaulted bool // ends_at was not given and End is now
}

// rows is an open cursor of a CSV answer.
type rows struct{}
