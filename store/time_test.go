package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/store"
)

func TestTimeText(t *testing.T) {
	paris := time.FixedZone("", 2*60*60)
	tests := []struct {
		in   time.Time
		want string
	}{
		{time.Time{}, ""},
		{time.Date(2025, 3, 10, 12, 30, 1, 0, time.UTC), "2025-03-10T12:30:01Z"},
		{time.Date(2025, 3, 10, 12, 30, 1, 0, paris), "2025-03-10T10:30:01Z"},
		{time.Date(2025, 3, 10, 12, 30, 1, 120_000, time.UTC), "2025-03-10T12:30:01.000120Z"},
		{time.Date(2025, 3, 10, 12, 30, 1, 500_000_000, time.UTC), "2025-03-10T12:30:01.500000Z"},
		{time.Date(2025, 3, 10, 12, 30, 1, 999, time.UTC), "2025-03-10T12:30:01Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), "9999-12-31T23:59:59.999999Z"},
	}
	for _, tt := range tests {
		at := store.At(tt.in)
		if got := at.String(); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.in, got, tt.want)
		}
		want := `"` + tt.want + `"`
		if tt.want == "" {
			want = "null"
		}
		if got, err := json.Marshal(at); err != nil || string(got) != want {
			t.Errorf("%v: JSON %s, %v; want %s", tt.in, got, err, want)
		}
	}
}

// What is written is read again, and a Time is a value that can be compared.
func TestTimeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const year9999 = 253402300799_999999
		at := store.At(time.UnixMicro(rapid.Int64Range(-year9999/4, year9999).Draw(t, "µs")).In(time.Local))
		v, err := at.Value()
		if err != nil {
			t.Fatal(err)
		}
		var again store.Time
		if err := again.Scan(v); err != nil || again != at {
			t.Errorf("%v is read as %v, %v", at, again, err)
		}
	})
	var at store.Time
	if v, err := at.Value(); v != nil || err != nil {
		t.Errorf("the zero Time is written as %v, %v", v, err)
	}
	at = store.At(time.Unix(0, 0))
	if err := at.Scan(nil); err != nil || !at.IsZero() {
		t.Errorf("NULL is read as %v, %v", at, err)
	}
	if err := at.Scan("2025-03-10"); err == nil {
		t.Error("a text is taken for a time")
	}
}
