package store_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// newStore returns a store with the profiles 1 and 2, and a balance of 0 for each of them.
func newStore(t testing.TB) *store.Store {
	t.Helper()
	s := storetest.New(t)
	mustWrite(t, s, addAccounts)
	return s
}

func addAccounts(tx *store.Tx) error {
	for _, slug := range []string{"ann", "bob"} {
		id, err := tx.Insert(`INSERT INTO profile (slug, created_at) VALUES (?, ?)`, slug, tx.Now())
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO balance (profile_id, account, unit, amount, nb_entries) VALUES (?, 'Funds', 'usd', 0, 0)`, id); err != nil {
			return err
		}
	}
	return nil
}

// transfer moves an amount from the first profile to the second and tells the audit so: three statements that belong together.
func transfer(tx *store.Tx, amount int64, detail string) error {
	const move = `UPDATE balance SET amount = amount + ?, nb_entries = nb_entries + 1 WHERE profile_id = ?`
	if _, err := tx.Exec(move, -amount, 1); err != nil {
		return err
	}
	if _, err := tx.Exec(move, amount, 2); err != nil {
		return err
	}
	return tx.Audit("transfer", "ann", detail)
}

// checkBooks fails the test unless nothing was lost, made, or done by half.
func checkBooks(t testing.TB, s *store.Store) {
	t.Helper()
	if sum := count(t, s, `SELECT sum(amount) FROM balance`); sum != 0 {
		t.Errorf("the balances sum up to %d", sum)
	}
	rows := count(t, s, `SELECT count(*) FROM audit WHERE action = 'transfer'`)
	for _, profile := range []int{1, 2} {
		if n := count(t, s, `SELECT nb_entries FROM balance WHERE profile_id = ?`, profile); n != rows {
			t.Errorf("%d transfers and %d audit rows", n, rows)
		}
	}
	var verdict string
	if err := s.Read(context.Background(), func(r store.Reader) error {
		return r.QueryRow(`PRAGMA integrity_check`).Scan(&verdict)
	}); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %s, %v", verdict, err)
	}
}

func mustWrite(t testing.TB, s *store.Store, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := s.Write(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func audit(s *store.Store, detail string) error {
	return s.Write(context.Background(), func(tx *store.Tx) error { return tx.Audit("test", "", detail) })
}

// audited counts the audit rows with this detail.
func audited(t testing.TB, s *store.Store, detail string) int64 {
	t.Helper()
	return count(t, s, `SELECT count(*) FROM audit WHERE detail = ?`, detail)
}

func count(t testing.TB, s *store.Store, query string, args ...any) (n int64) {
	t.Helper()
	if err := s.Read(context.Background(), func(r store.Reader) error { return r.QueryRow(query, args...).Scan(&n) }); err != nil {
		t.Fatal(err)
	}
	return n
}

// hold keeps the writer in a function until release is called.
func hold(s *store.Store) (release func()) {
	entered, leave, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(entered) }) // the function may be run twice
	go func() {
		defer close(done)
		s.Write(context.Background(), func(*store.Tx) error {
			enter()
			<-leave
			return nil
		})
	}()
	<-entered
	return func() {
		close(leave)
		<-done
	}
}

// together runs the functions in one transaction, in their order, and returns their outcomes.
func together(s *store.Store, fns ...func(tx *store.Tx) error) []error {
	release := hold(s)
	outcomes := enqueue(s, fns...)
	release()
	return outcomes()
}

// enqueue lets the functions wait behind a held writer, in their order.
func enqueue(s *store.Store, fns ...func(tx *store.Tx) error) (outcomes func() []error) {
	errs := make([]error, len(fns))
	done := make(chan struct{})
	for i, fn := range fns {
		go func() {
			errs[i] = s.Write(context.Background(), fn)
			done <- struct{}{}
		}()
		waitQueued(s, i+1)
	}
	return func() []error {
		for range fns {
			<-done
		}
		return errs
	}
}

// waitQueued returns once n Writes wait.
func waitQueued(s *store.Store, n int) {
	for s.Stats().Queued < n {
		runtime.Gosched()
	}
}

// waitReady returns once the store takes writes again.
func waitReady(s *store.Store) {
	for !s.Ready() {
		runtime.Gosched()
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func openAt(t testing.TB, path string) (*store.Store, error) {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Path: path, Now: storetest.NewClock().Now, Logger: zap.NewNop()})
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}
