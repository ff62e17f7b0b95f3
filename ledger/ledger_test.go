package ledger

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// The cast of the contract's examples.
const (
	stripe = 1 + iota
	acme
	gym
	ana
	bob
	cast = bob
)

// books is an empty ledger for the cast.
func books(t testing.TB) (*store.Store, *storetest.Clock) {
	t.Helper()
	clock := storetest.NewClock()
	s := storetest.NewAt(t, clock)
	profiles(t, s, "stripe", "acme", "gym", "ana", "bob")
	return s, clock
}

func profiles(t testing.TB, s *store.Store, slugs ...string) {
	t.Helper()
	write(t, s, func(tx *store.Tx) error {
		for _, slug := range slugs {
			if _, err := tx.Insert(`INSERT INTO profile (slug, created_at, full_name) VALUES (?, ?, ?)`, slug, tx.Now(), slug); err != nil {
				return err
			}
		}
		return nil
	})
}

func write(t testing.TB, s *store.Store, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, s *store.Store, fn func(r store.Reader) error) {
	t.Helper()
	if err := s.Read(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

type businessEvent interface {
	Kind() string
	Entries() ([]Entry, error)
}

// record posts what happened, one batch an event.
func record(t testing.TB, s *store.Store, events ...businessEvent) Batch {
	t.Helper()
	var last Batch
	write(t, s, func(tx *store.Tx) error {
		for _, event := range events {
			entries, err := event.Entries()
			if err != nil {
				return err
			}
			if last, err = Post(tx, event.Kind(), entries...); err != nil {
				return err
			}
		}
		return nil
	})
	return last
}

func usd(v int64) Amount { return Amount{v, "usd"} }

// on is noon of a day, UTC.
func on(year int, month time.Month, day int) store.Time {
	return store.At(time.Date(year, month, day, 12, 0, 0, 0, time.UTC))
}

var may = on(2026, 5, 1)

// balanceSheet is what every account of the table balance holds, as "profile:Account".
func balanceSheet(t testing.TB, s *store.Store) map[string]int64 {
	t.Helper()
	sheet := make(map[string]int64)
	read(t, s, func(r store.Reader) error {
		return each(r, func(scan func(...any) error) error {
			var slug, account, unit string
			var amount int64
			if err := scan(&slug, &account, &unit, &amount); err != nil {
				return err
			}
			if unit != "usd" {
				unit = " " + unit
			} else {
				unit = ""
			}
			if amount != 0 {
				sheet[slug+":"+account+unit] = amount
			}
			return nil
		}, `SELECT p.slug, b.account, b.unit, b.amount FROM balance AS b JOIN profile AS p ON p.id = b.profile_id`)
	})
	return sheet
}

func diff(t testing.TB, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// nightly reports whether the long form of the tests is asked for, by TOLLGATE_HISTORIES.
func nightly(t testing.TB) bool { return histories(t) > 300 }

var names = map[int64]string{stripe: "stripe", acme: "acme", gym: "gym", ana: "ana", bob: "bob"}

// arrows prints entries as the contract writes them.
func arrows(entries []Entry) []string {
	var lines []string
	for _, e := range entries {
		leg := func(l Leg) string {
			s := names[l.Profile] + ":" + l.Account + " " + strconv.FormatInt(l.Amount, 10)
			if l.Unit != "usd" {
				s += " " + l.Unit
			}
			return s
		}
		line := leg(e.Dest) + " <- " + leg(e.Orig) + " " + e.Event
		if e.Periods.Valid {
			line += " " + strconv.FormatInt(e.Periods.V, 10) + " periods"
		}
		lines = append(lines, line)
	}
	return lines
}

// same compares the entries of an event with what the contract writes, and their texts when there are any.
func same(t testing.TB, event businessEvent, want []string, descrs ...string) []Entry {
	t.Helper()
	entries, err := event.Entries()
	if err != nil {
		t.Fatal(err)
	}
	diff(t, event.Kind()+" entries", arrows(entries), want)
	for i := range entries {
		if reason := entries[i].check(); reason != "" {
			t.Errorf("entry %d %s", i, reason)
		}
		if i < len(descrs) && entries[i].Descr != descrs[i] {
			t.Errorf("entry %d is %q, want %q", i, entries[i].Descr, descrs[i])
		}
	}
	return entries
}

// statement is the statement balance of a payer, proven against its definition.
func statement(t testing.TB, s *store.Store, payer int64) []Amount {
	t.Helper()
	var total []Amount
	read(t, s, func(r store.Reader) error {
		kept, err := StatementOf(r, payer, store.Time{})
		if err != nil {
			return err
		}
		defined, err := statementAsOf(r, payer, endOfTime)
		if err != nil {
			return err
		}
		diff(t, "the statement that is kept", kept, defined)
		total, err = kept.Total()
		return err
	})
	return total
}
