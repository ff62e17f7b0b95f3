package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("TOLLGATE_CRASH_FILE"); path != "" {
		fmt.Fprintln(os.Stderr, crashChild(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crashChild is a process that writes until it is killed, and prints what Write has acknowledged, a line each.
func crashChild(path string) error {
	s, err := store.Open(context.Background(), store.Options{Path: path, Now: time.Now, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	if err := s.Migrate(context.Background()); err != nil {
		return err
	}
	err = s.Write(context.Background(), func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM profile`).Scan(&n); err != nil || n > 0 {
			return err
		}
		return addAccounts(tx)
	})
	if err != nil {
		return err
	}
	const callers = 16
	failed := make(chan error)
	for c := range callers {
		go func() {
			for i := int64(0); ; i++ {
				detail := fmt.Sprint(os.Getpid(), "/", c, "/", i)
				err := s.Write(context.Background(), func(tx *store.Tx) error {
					if err := transfer(tx, i%100, detail); err != nil || i%10 != 0 {
						return err
					}
					return errMine
				})
				switch {
				case i%10 == 0 && errors.Is(err, errMine):
				case err != nil:
					failed <- err
				default:
					os.Stdout.WriteString(detail + "\n")
				}
			}
		}()
	}
	return <-failed
}

// setting returns a number of the environment, or def.
func setting(t testing.TB, name string, def uint64) uint64 {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return def
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// random returns a source of random numbers whose seed is printed when the test fails, and taken from TOLLGATE_SEED.
func random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := setting(t, "TOLLGATE_SEED", rand.Uint64())
	t.Logf("TOLLGATE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// What was acknowledged survives a kill at any moment, and nothing is there by half.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := setting(t, "TOLLGATE_KILLS", 50)
	if testing.Short() {
		kills = min(kills, 5)
	}
	rnd := random(t)
	path := filepath.Join(t.TempDir(), "tollgate.db")
	var total, maxID int64 // of the rows seen so far
	var acknowledged int
	for kill := range kills {
		acks := runAndKill(t, path, rnd)
		acknowledged += len(acks)
		s := storetest.Open(t, path, storetest.NewClock())
		if count(t, s, `SELECT count(*) FROM profile`) == 0 {
			if len(acks) > 0 || total > 0 {
				t.Fatalf("kill %d: everything is gone", kill)
			}
			continue // killed before the first row
		}
		checkBooks(t, s)
		if n := count(t, s, `SELECT count(*) FROM audit WHERE id <= ?`, maxID); n != total {
			t.Errorf("kill %d: %d of the %d rows of earlier runs are left", kill, n, total)
		}
		rows := details(t, s, maxID)
		there := make(map[string]bool, len(rows))
		for _, detail := range rows {
			there[detail] = true
		}
		lost := 0
		for _, detail := range acks {
			if !there[detail] {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("kill %d: %d of %d acknowledged writes are lost", kill, lost, len(acks))
		}
		total += int64(len(rows))
		maxID = count(t, s, `SELECT coalesce(max(id), 0) FROM audit`)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills, %d writes acknowledged, %d there", kills, acknowledged, total)
	if kills >= 5 && acknowledged == 0 {
		t.Error("no write was acknowledged: the test tests nothing")
	}
}

// details returns the audit rows after an id.
func details(t testing.TB, s *store.Store, after int64) (all []string) {
	t.Helper()
	err := s.Read(context.Background(), func(r store.Reader) error {
		rows, err := r.Query(`SELECT detail FROM audit WHERE id > ? ORDER BY id`, after)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var detail string
			if err := rows.Scan(&detail); err != nil {
				return err
			}
			all = append(all, detail)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// runAndKill runs a child on the file, kills it, and returns what it acknowledged. One in five dies while it opens the file,
// the others while they write.
func runAndKill(t *testing.T, path string, rnd *rand.Rand) (acks []string) {
	t.Helper()
	early := rnd.IntN(5) == 0
	after := time.Duration(rnd.IntN(100)) * time.Millisecond
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TOLLGATE_CRASH_FILE="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { time.AfterFunc(after, func() { cmd.Process.Kill() }) }
	if early {
		kill()
	}
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			break // what has no end of line was not acknowledged
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(acks) == 0 && !early {
			kill()
		}
		acks = append(acks, line[:len(line)-1])
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return acks
}

// A log that is cut, overwritten or altered anywhere gives the state after one of the commits, never something else.
func TestTornLog(t *testing.T) {
	t.Parallel()
	rnd := random(t)
	const commits = 60
	dir := t.TempDir()
	path := filepath.Join(dir, "tollgate.db")
	s := storetest.Open(t, path, storetest.NewClock())
	mustWrite(t, s, addAccounts)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = storetest.Open(t, path, storetest.NewClock())
	for i := range commits {
		mustWrite(t, s, func(tx *store.Tx) error { return transfer(tx, int64(i), strconv.Itoa(i)) })
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for i := range setting(t, "TOLLGATE_TORN", 60) {
		torn := append([]byte(nil), log...)
		at := rnd.IntN(len(torn))
		var how string
		switch i % 3 {
		case 0:
			how = "cut"
			torn = torn[:at]
		case 1:
			how = "zeroed"
			clear(torn[at:min(len(torn), at+1+rnd.IntN(10_000))])
		case 2:
			how = "altered"
			torn[at] ^= byte(1 + rnd.IntN(255))
		}
		path := filepath.Join(t.TempDir(), "tollgate.db")
		if err := errors.Join(os.WriteFile(path, file, 0o600), os.WriteFile(path+"-wal", torn, 0o600)); err != nil {
			t.Fatal(err)
		}
		s := storetest.Open(t, path, storetest.NewClock())
		checkBooks(t, s)
		rows := details(t, s, 0)
		for j, detail := range rows {
			if detail != strconv.Itoa(j) {
				t.Errorf("%s at %d: row %d is of commit %s", how, at, j, detail)
			}
		}
		seen[len(rows)] = true
		if err := audit(s, "after"); err != nil {
			t.Errorf("%s at %d: %v", how, at, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d states were seen: the log is not what was torn", len(seen))
	}
}
