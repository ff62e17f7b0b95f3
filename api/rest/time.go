package rest

import (
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// parseTime reads a date and time of a body (conventions.md 8.1).
func parseTime(s string) (store.Time, bool) {
	t, ok := parseIn(s, time.UTC)
	return store.At(t), ok
}

// parseIn reads a date and time; one without a zone is local time of zone.
func parseIn(s string, zone *time.Location) (time.Time, bool) {
	for _, layout := range []string{
		"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04Z07:00",
		"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
	} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
