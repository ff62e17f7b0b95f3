package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// However many long reads run or wait, a short one is answered.
func TestLongReadsLeaveRoomForShortOnes(t *testing.T) {
	s := newStore(t)
	finish, running := make(chan struct{}), make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var long sync.WaitGroup
	for range 40 {
		long.Go(func() {
			err := s.ReadLong(ctx, func(r store.Reader) error {
				running <- struct{}{}
				<-finish
				return r.QueryRow(`SELECT 1`).Scan(new(int))
			})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	for range store.LongReads {
		<-running
	}
	var short sync.WaitGroup
	for range 20 {
		short.Go(func() {
			for range 20 {
				wait, stop := context.WithTimeout(t.Context(), 3*time.Second)
				if err := s.Read(wait, func(r store.Reader) error { return r.QueryRow(`SELECT 1`).Scan(new(int)) }); err != nil {
					t.Error(err)
				}
				stop()
			}
		})
	}
	short.Wait()
	if n := len(running); n > 0 {
		t.Errorf("%d long reads run besides %d", n, store.LongReads)
	}
	cancel()
	close(finish)
	long.Wait()
}

// A long read within a read goes on with it: if it waited for a turn, those who have one might wait for each other.
func TestLongReadInRead(t *testing.T) {
	s := newStore(t)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			err := s.ReadLong(t.Context(), func(store.Reader) error {
				return s.ReadLong(t.Context(), func(r store.Reader) error { return r.QueryRow(`SELECT 1`).Scan(new(int)) })
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// A read waits for a connection for a while, not for ever.
func TestReadGivesUpWhenNoConnectionIsFree(t *testing.T) {
	s := newStore(t)
	finish, running := make(chan struct{}), make(chan struct{})
	var busy sync.WaitGroup
	for range store.MaxReads {
		busy.Go(func() {
			s.Read(t.Context(), func(store.Reader) error {
				running <- struct{}{}
				<-finish
				return nil
			})
		})
	}
	for range store.MaxReads {
		<-running
	}
	store.SetReadWait(s, 20*time.Millisecond)
	none := func(store.Reader) error { return nil }
	wantErr(t, "Read", s.Read(t.Context(), none), store.ErrBusy)
	wantErr(t, "ReadLong", s.ReadLong(t.Context(), none), store.ErrBusy)
	close(finish)
	busy.Wait()
	wantErr(t, "Read afterwards", s.Read(t.Context(), none), nil)
}
