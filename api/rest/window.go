package rest

import (
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Range is the window of start_at and ends_at, parsed in the zone of conventions.md 7.4.
type Range struct {
	Start, End   store.Time // zero: not given
	StartText    *string    // as the envelope prints them, with the offset they were parsed in
	EndText      *string
	EndDefaulted bool // ends_at was not given and End is now
}

// Range reads start_at (inclusive), ends_at (exclusive) and timezone. With endsNow ends_at defaults to the time of the request. What
// has no zone is local time of the parameter timezone, else of the profile in the path, else UTC. Errors: 400 of the field.
func (c *Call) Range(endsNow bool) (Range, error) {
	zone := c.zone()
	var w Range
	var err error
	if w.Start, w.StartText, err = c.instant("start_at", zone); err != nil {
		return w, err
	}
	if w.End, w.EndText, err = c.instant("ends_at", zone); err != nil {
		return w, err
	}
	if w.End.IsZero() && endsNow {
		w.End, w.EndDefaulted = c.Now, true
		w.EndText = printTime(c.Now.In(zone))
	}
	return w, nil
}

// EndsAt reads ends_at alone, as Range does: it defaults to the time of the request. Error: 400 of the field.
func (c *Call) EndsAt() (store.Time, error) {
	end, _, err := c.instant("ends_at", c.zone())
	if end.IsZero() {
		end = c.Now
	}
	return end, err
}

// instant reads a date of the query; zero when it is absent.
func (c *Call) instant(name string, zone *time.Location) (store.Time, *string, error) {
	text := strings.Trim(strings.TrimSpace(c.QueryString(name)), `"`)
	if text == "" {
		return store.Time{}, nil, nil
	}
	t, ok := parseIn(text, zone, true)
	if !ok {
		return store.Time{}, nil, Invalid(name, msgTime)
	}
	return store.At(t), printTime(t), nil
}

// printTime is a date with its offset; UTC is "Z".
func printTime(t time.Time) *string {
	layout := "2006-01-02T15:04:05Z07:00"
	t = t.Truncate(time.Microsecond)
	if t.Nanosecond() != 0 {
		layout = "2006-01-02T15:04:05.000000Z07:00"
	}
	s := t.Format(layout)
	return &s
}

// zone is the zone of this request: the parameter timezone, else that of the profile in the path, else UTC.
func (c *Call) zone() *time.Location {
	if c.local == nil {
		p := c.pathProfile("profile")
		c.local, c.ahead = c.Zone(p.Timezone), p.Ahead
		if c.Param("subscriber") != "" {
			c.ahead = c.pathProfile("subscriber").Ahead
		}
	}
	return c.local
}

var noProfile accessrules.Profile

// pathProfile is the profile that a parameter of the path names, an empty one when there is none.
func (c *Call) pathProfile(param string) *accessrules.Profile {
	slug := c.Param(param)
	if slug == "" {
		return &noProfile
	}
	p, err := c.service.Directory.Profile(slug)
	if err != nil || p == nil {
		return &noProfile
	}
	return p
}
