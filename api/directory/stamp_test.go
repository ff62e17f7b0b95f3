package directory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// A load whose snapshot is older than a write that came meanwhile is not kept.
func TestLoadInFlightIsNotKept(t *testing.T) {
	w := newWorld(t)
	xia, acme := w.user("xia"), w.profile("acme")
	w.role(xia, acme, w.manager)
	rename := func(slug string, full string) {
		w.exec(func(tx *store.Tx) { w.TouchProfile(tx, acme) }, `UPDATE profile SET slug = ?, full_name = ? WHERE id = ?`, slug, full, acme)
	}
	_, err := load(w.Directory, "in flight", func(r store.Reader, epoch uint64) (*user, error) {
		var n int
		if err := r.QueryRow(`SELECT count(*) FROM profile`).Scan(&n); err != nil { // the snapshot begins
			return nil, err
		}
		done := make(chan struct{})
		go func() { // not on this goroutine, which reads
			defer close(done)
			rename("acme", "New")
		}()
		<-done
		old, err := w.findUser(r, epoch, xia)
		if err == nil && old.Roles[0].Profile.PrintableName != "The acme" {
			t.Errorf("the snapshot is of %q: this test shows nothing", old.Roles[0].Profile.PrintableName)
		}
		return old, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := must[*accessrules.User](t)(w.UserByID(xia)).Roles[0].Profile.PrintableName; got != "New" {
		t.Errorf("after the write, the user's profile is %q", got)
	}
	if got := must[*accessrules.Profile](t)(w.Profile("acme")).PrintableName; got != "New" {
		t.Errorf("after the write, the profile is %q", got)
	}
}

// Who comes after an invalidation does not wait for the answer of a load that began before it.
func TestLoadIsSharedWithinAnEpochOnly(t *testing.T) {
	w := newWorld(t)
	reading, goOn := make(chan struct{}), make(chan struct{})
	first := make(chan string)
	go func() {
		v, _ := load(w.Directory, "key", func(store.Reader, uint64) (string, error) {
			close(reading)
			<-goOn
			return "old", nil
		})
		first <- v
	}()
	<-reading
	w.TouchAll()
	second, err := load(w.Directory, "key", func(store.Reader, uint64) (string, error) { return "new", nil })
	close(goOn)
	if second != "new" || err != nil {
		t.Errorf("after the invalidation: %q, %v", second, err)
	}
	if v := <-first; v != "old" {
		t.Errorf("the first load answers %q", v)
	}
}

// An operation that fails invalidates nothing, and shows nothing.
func TestRollbackIsNotSeen(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	before := must[*accessrules.User](t)(w.User("xia"))
	w.store.Write(t.Context(), func(tx *store.Tx) error {
		w.TouchUser(tx, xia)
		if _, err := tx.Exec(`UPDATE user SET first_name = 'Other' WHERE id = ?`, xia); err != nil {
			return err
		}
		return fmt.Errorf("no")
	})
	if after := must[*accessrules.User](t)(w.User("xia")); after != before {
		t.Errorf("the user was read again: %v", after)
	}
}

// Another process writes: everything is read again, sessions and all.
func TestForeignWriteIsSeen(t *testing.T) {
	w := newWorld(t)
	xia := w.user("xia")
	_, token := w.login(xia, false)
	if id := must[Identity](t)(w.VerifyToken(token)); id.User.FullName != "Fxia Lee" {
		t.Fatal(id.User.FullName)
	}
	w.exec(func(*store.Tx) {}, `UPDATE user SET first_name = 'Zoe' WHERE id = ?`, xia) // as the other process: it touches nothing
	if name := must[*accessrules.User](t)(w.User("xia")).FullName; name != "Fxia Lee" {
		t.Fatalf("nothing is cached: %s", name)
	}
	w.TouchAll()
	if name := must[*accessrules.User](t)(w.User("xia")).FullName; name != "Zoe Lee" {
		t.Errorf("the user is still %s", name)
	}
	w.exec(func(*store.Tx) {}, `UPDATE session SET revoked_at = 1`)
	w.TouchAll()
	if _, err := w.VerifyToken(token); err == nil {
		t.Error("the session is still there")
	}
}

// Stamps share slots; whatever happens, an entry made from a touched row is stale, and one that is made from others and newer is
// fresh.
func TestStamps(t *testing.T) {
	var s stamps
	s.epoch.Store(1)
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		id := random.Int64N(50)
		part := &entry{loaded: s.epoch.Load()}
		part.on(profileRow, id)
		whole := &entry{loaded: s.epoch.Load(), parts: []*entry{part}}
		whole.on(userRow, id)
		if !s.fresh(whole) {
			t.Fatal("stale from birth")
		}
		switch random.IntN(4) {
		case 0:
			s.touch(userRow.slot(id))
		case 1:
			s.touch(planRow.slot(id), profileRow.slot(id))
		case 2:
			s.touchAll()
		case 3:
			s.touch(userRow.slot(id + 1000))
			s.touch()
			if userRow.slot(id) == userRow.slot(id+1000) {
				continue
			}
			if !s.fresh(whole) || !s.fresh(part) {
				t.Fatal("stale, and nothing changed")
			}
			continue
		}
		if s.fresh(whole) {
			t.Fatal("fresh, and something changed")
		}
	}
}

// Many goroutines write and read facts of every kind at random. Each object carries the number of its last change; a read that
// begins after a Write returned must show that number or a later one.
func TestReadsAreNeverOlderThanWrites(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("SEED=%d", seed)
	for _, size := range []int64{0, 8 << 10} { // with room for all, and for next to nothing
		t.Run(strconv.FormatInt(size, 10), func(t *testing.T) { testReads(t, size, seed) })
	}
}

func testReads(t *testing.T, size int64, seed uint64) {
	w := newWorld(t, func(o *Options) { o.CacheBytes = size })
	const objects = 4
	var (
		users, profiles, plans, subs [objects]int64
		tokens                       [objects]string
		base                         = w.clock.Now()
		last                         [6][objects]atomic.Int64 // what a Write that returned has written
	)
	agreement := w.insert(`INSERT INTO agreement (slug, title, updated_at) VALUES ('terms', 'T', 0)`)
	for i := range objects {
		name := "n" + strconv.Itoa(i)
		users[i], profiles[i] = w.user(name), w.profile("p"+name)
		_, tokens[i] = w.login(users[i], false)
	}
	for i := range objects {
		plans[i] = w.plan("plan"+strconv.Itoa(i), profiles[(i+1)%objects])
		subs[i] = w.subscribe(profiles[i], plans[i], base)
		for j := range objects {
			w.role(users[j], profiles[i], w.contributor)
		}
	}
	micro := func(t time.Time) int64 { return t.UnixMicro() }
	kinds := []struct {
		write func(tx *store.Tx, i int, n int64) error
		read  []func(i int) (int64, error)
	}{
		{ // last_login of a user
			func(tx *store.Tx, i int, n int64) error {
				w.TouchUser(tx, users[i])
				_, err := tx.Exec(`UPDATE user SET last_login = ? WHERE id = ?`, n, users[i])
				return err
			},
			[]func(int) (int64, error){
				func(i int) (int64, error) { u, err := w.UserByID(users[i]); return micro(u.LastLogin), err },
				func(i int) (int64, error) { u, err := w.User("n" + strconv.Itoa(i)); return micro(u.LastLogin), err },
				func(i int) (int64, error) { id, err := w.VerifyToken(tokens[i]); return micro(id.User.LastLogin), err },
			},
		},
		{ // name of a profile, seen from anybody with a role on it
			func(tx *store.Tx, i int, n int64) error {
				w.TouchProfile(tx, profiles[i])
				_, err := tx.Exec(`UPDATE profile SET full_name = ? WHERE id = ?`, strconv.FormatInt(n, 10), profiles[i])
				return err
			},
			[]func(int) (int64, error){
				func(i int) (int64, error) {
					p, err := w.Profile("pn" + strconv.Itoa(i))
					return number(p.PrintableName), err
				},
				func(i int) (int64, error) {
					u, err := w.UserByID(users[(i+1)%objects])
					return number(u.Roles[i].Profile.PrintableName), err
				},
				func(i int) (int64, error) {
					id, err := w.Identify(request("Bearer "+tokens[(i+2)%objects], ""))
					return number(id.User.Roles[i].Profile.PrintableName), err
				},
			},
		},
		{ // end of a subscription
			func(tx *store.Tx, i int, n int64) error {
				w.TouchSubscription(tx, subs[i])
				_, err := tx.Exec(`UPDATE subscription SET ends_at = ? WHERE id = ?`, n, subs[i])
				return err
			},
			[]func(int) (int64, error){
				func(i int) (int64, error) {
					p, err := w.Profile("pn" + strconv.Itoa(i))
					return micro(p.Subscriptions[0].EndsAt), err
				},
				func(i int) (int64, error) {
					id, err := w.VerifyToken(tokens[i])
					return micro(id.User.Roles[i].Profile.Subscriptions[0].EndsAt), err
				},
			},
		},
		{ // title of a plan
			func(tx *store.Tx, i int, n int64) error {
				w.TouchPlan(tx, plans[i])
				_, err := tx.Exec(`UPDATE plan SET title = ? WHERE id = ?`, strconv.FormatInt(n, 10), plans[i])
				return err
			},
			[]func(int) (int64, error){func(i int) (int64, error) {
				p, err := w.Plan("plan" + strconv.Itoa(i))
				return number(p.Title), err
			}},
		},
		{ // version of an agreement
			func(tx *store.Tx, _ int, n int64) error {
				w.TouchAgreement(tx)
				_, err := tx.Exec(`UPDATE agreement SET updated_at = max(updated_at, ?) WHERE id = ?`, n, agreement)
				return err
			},
			[]func(int) (int64, error){func(int) (int64, error) { at, err := w.Agreement("terms"); return micro(at), err }},
		},
		{ // nothing that is read, but rows that others point to become stale
			func(tx *store.Tx, i int, n int64) error {
				owner := profiles[(i+1)%objects]
				w.TouchProfile(tx, owner)
				_, err := tx.Exec(`UPDATE plan SET description = ? WHERE id = ?`, strconv.FormatInt(n, 10), plans[i])
				return err
			},
			nil,
		},
	}
	var (
		next  atomic.Int64
		locks [6][objects]sync.Mutex // one writer an object, so that its numbers only grow
		wg    sync.WaitGroup
		stop  = make(chan struct{})
	)
	next.Store(micro(base))
	for g := range 8 {
		random := rand.New(rand.NewPCG(seed, uint64(g)))
		wg.Go(func() {
			for range 60 {
				k, i := random.IntN(len(kinds)), random.IntN(objects)
				func() {
					locks[k][i].Lock()
					defer locks[k][i].Unlock()
					n := next.Add(1)
					if err := w.store.Write(context.Background(), func(tx *store.Tx) error { return kinds[k].write(tx, i, n) }); err != nil {
						t.Error(err)
						return
					}
					last[k][i].Store(n)
				}()
			}
		})
	}
	var readers sync.WaitGroup
	for g := range 8 {
		random := rand.New(rand.NewPCG(seed, uint64(100+g)))
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				k, i := random.IntN(len(kinds)), random.IntN(objects)
				for _, read := range kinds[k].read {
					want := last[k][i].Load()
					got, err := read(i)
					if err != nil || want != 0 && got < want {
						t.Errorf("kind %d, object %d: read %d after %d was written (%v)", k, i, got, want, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	for k := range kinds {
		for i := range objects {
			for _, read := range kinds[k].read {
				if got, err := read(i); err != nil || last[k][i].Load() > got {
					t.Errorf("at the end, kind %d, object %d: %d, not %d (%v)", k, i, got, last[k][i].Load(), err)
				}
			}
		}
	}
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
