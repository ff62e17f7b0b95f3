package store

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// Time is an instant in UTC with microsecond precision, the only form in which the product keeps, compares and prints
// instants. In the database it is an integer (microseconds since 1970, UTC) and the zero Time is NULL; in JSON it is the
// form of conventions.md 8.1 (a fraction of six digits only when it is not zero) and the zero Time is null.
type Time struct{ time.Time }

// At converts t to UTC and cuts it to microseconds.
func At(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{t.UTC().Truncate(time.Microsecond)}
}

// Scan reads an integer column, or NULL.
func (t *Time) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*t = Time{}
	case int64:
		*t = Time{time.UnixMicro(v).UTC()}
	default:
		return fmt.Errorf("store: a time column holds %T", v)
	}
	return nil
}

// Value writes an integer column, or NULL.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return t.UnixMicro(), nil
}

// MarshalJSON prints the instant as conventions.md 8.1 says.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	b := make([]byte, 0, 32)
	b = append(b, '"')
	b = t.AppendFormat(b)
	return append(b, '"'), nil
}

// String prints the instant as in JSON; "" for the zero Time.
func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return string(t.AppendFormat(nil))
}

// AppendFormat appends the instant in the form of conventions.md 8.1.
func (t Time) AppendFormat(b []byte) []byte {
	layout := "2006-01-02T15:04:05Z"
	if t.Nanosecond() != 0 {
		layout = "2006-01-02T15:04:05.000000Z"
	}
	return t.UTC().AppendFormat(b, layout)
}
