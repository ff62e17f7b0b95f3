package rest

import (
	"sync"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// parseTime reads a date and time of a body (conventions.md 8.1); without a zone it is UTC.
func parseTime(s string) (store.Time, bool) {
	t, ok := parseIn(s, time.UTC, false)
	return store.At(t), ok
}

// parseIn reads YYYY-MM-DD[Thh:mm[:ss[.uuuuuu]][Z|+HH:MM|+HHMM|+HH]], with a blank for "T" if need be. What has no zone is local
// time of zone, midnight without a time; digits of a fraction beyond microseconds are cut. blankPlus takes a blank before the
// offset for the "+" that a query makes of it.
func parseIn(s string, zone *time.Location, blankPlus bool) (time.Time, bool) {
	p := stamp{s: s, ok: true}
	year, month, day := p.number(4), p.after('-', 2), p.after('-', 2)
	var hour, minute, second, micro int
	if p.ok && p.s != "" {
		if !p.take('T') && !p.take('t') && !p.take(' ') {
			return time.Time{}, false
		}
		hour, minute = p.number(2), p.after(':', 2)
		if p.take(':') {
			second = p.number(2)
			if p.take('.') || p.take(',') {
				micro = p.fraction()
			}
		}
		zone = p.offset(zone, blankPlus)
	}
	if !p.ok || p.s != "" || year < 2 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	if last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day(); day > last {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, micro*1000, zone)
	return t, t.UTC().Year() <= 9999 // the last that a date can print
}

// stamp is what is left to read of a date.
type stamp struct {
	s  string
	ok bool
}

func (p *stamp) take(b byte) bool {
	if p.s == "" || p.s[0] != b {
		return false
	}
	p.s = p.s[1:]
	return true
}

// number reads exactly n digits.
func (p *stamp) number(n int) int {
	if len(p.s) < n {
		p.ok = false
		return 0
	}
	v := 0
	for i := range n {
		d := p.s[i] - '0'
		if d > 9 {
			p.ok = false
			return 0
		}
		v = v*10 + int(d)
	}
	p.s = p.s[n:]
	return v
}

func (p *stamp) after(b byte, n int) int {
	p.ok = p.take(b) && p.ok
	return p.number(n)
}

// fraction reads at least one digit, as microseconds.
func (p *stamp) fraction() int {
	v, unit, n := 0, 100000, 0
	for ; n < len(p.s) && p.s[n] >= '0' && p.s[n] <= '9'; n++ {
		v += int(p.s[n]-'0') * unit
		unit /= 10
	}
	p.ok = p.ok && n > 0
	p.s = p.s[n:]
	return v
}

// offset reads what follows the time.
func (p *stamp) offset(zone *time.Location, blankPlus bool) *time.Location {
	sign := 1
	switch {
	case p.s == "":
		return zone
	case p.take('Z'), p.take('z'):
		return time.UTC
	case p.take('+'), blankPlus && p.take(' '):
	case p.take('-'):
		sign = -1
	default:
		p.ok = false
		return zone
	}
	hours, minutes := p.number(2), 0
	if p.s != "" {
		p.take(':')
		minutes = p.number(2)
	}
	if hours > 23 || minutes > 59 {
		p.ok = false
	}
	if hours == 0 && minutes == 0 {
		return time.UTC
	}
	return time.FixedZone("", sign*(hours*3600+minutes*60))
}

// zones keeps the zones that were asked for: reading one means reading files.
var zones sync.Map // name → *time.Location

// Location is the zone of a name, UTC when it is not known.
func Location(name string) *time.Location {
	if l, ok := zones.Load(name); ok {
		return l.(*time.Location)
	}
	if !isTimezone(name) {
		return time.UTC
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	zones.Store(name, l)
	return l
}

func isTimezone(name string) bool {
	if name == "" || name == "Local" {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}
