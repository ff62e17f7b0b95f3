package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crypto/pbkdf2"
	"crypto/sha256"

	"golang.org/x/crypto/bcrypt"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func do(s *site, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func imported(t testing.TB, password, salt string) string {
	t.Helper()
	key, err := pbkdf2.Key(sha256.New, password, []byte(salt), 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	return "pbkdf2_sha256$1000$" + salt + "$" + base64.StdEncoding.EncodeToString(key)
}

func TestVerify(t *testing.T) {
	ctx := t.Context()
	small := testSettings().Hashing
	large := small
	large.Iterations = 2
	h, strong := newHasher(small), newHasher(large)
	weak, err := h.hash(ctx, "secret")
	if err != nil {
		t.Fatal(err)
	}
	current, err := strong.hash(ctx, "secret")
	if err != nil {
		t.Fatal(err)
	}
	bc, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		encoded   string
		ok, stale bool
	}{
		"argon2id":                {current, true, false},
		"argon2id, weaker":        {weak, true, true},
		"PBKDF2":                  {imported(t, "secret", "seasalt"), true, true},
		"PBKDF2 of another":       {imported(t, "other", "seasalt"), false, true},
		"bcrypt":                  {string(bc), true, true},
		"unusable":                {"!", false, false},
		"empty":                   {"", false, false},
		"plain text":              {"secret", false, false},
		"unknown":                 {"md5$salt$hash", false, false},
		"argon2id without key":    {"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$", false, false},
		"argon2id without rounds": {strings.Replace(weak, "t=1", "t=0", 1), false, false},
		"argon2id without lanes":  {strings.Replace(weak, "p=1", "p=0", 1), false, false},
		"argon2id of a terabyte":  {strings.Replace(weak, "m=64", "m=1073741824", 1), false, false},
		"PBKDF2 without end":      {strings.Replace(imported(t, "secret", "s"), "1000", "2000000000", 1), false, true},
		"PBKDF2 without rounds":   {"pbkdf2_sha256$$s$aGFzaA==", false, true},
		"PBKDF2 of no bytes":      {"pbkdf2_sha256$1$s$", false, true},
		"nobody's":                {strong.nobody, false, false},
	} {
		ok, stale, err := strong.verify(ctx, "secret", c.encoded)
		if ok != c.ok || ok && stale != c.stale || err != nil {
			t.Errorf("%s: %v, %v, %v, want %v, %v", name, ok, stale, err, c.ok, c.stale)
		}
	}
}

// An imported password, and one of weaker parameters, is hashed again at log-in; tokens live on.
func TestRehash(t *testing.T) {
	s := newSite(t)
	token := s.login(t, "xia")
	s.exec(t, `UPDATE user SET password = ? WHERE username = 'xia'`, imported(t, "yoyo", "seasalt"))
	s.Run(t, resttest.Case("wrong", "", "POST /api/auth", `{"username":"xia","password":"wrong"}`, 401, incorrect))
	if got := one[string](t, s, `SELECT password FROM user WHERE username = 'xia'`); !strings.HasPrefix(got, "pbkdf2") {
		t.Errorf("a wrong password hashed it again: %s", got)
	}
	s.login(t, "xia")
	if got := one[string](t, s, `SELECT password FROM user WHERE username = 'xia'`); !strings.HasPrefix(got, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("hash %s", got)
	}
	s.login(t, "xia")
	s.Run(t, resttest.Case("the token before", "", "GET /api/auth/tokens", "", 200, `*`).With(token))
}

func TestHashingQueue(t *testing.T) {
	set := testSettings().Hashing
	set.Parallel, set.Queue, set.Deadline = 1, 1, time.Hour
	h := newHasher(set)
	release, err := h.turns.Acquire(t.Context(), rest.Client{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error)
	go func() {
		_, err := h.hash(ctx, "x")
		second <- err
	}()
	for h.turns.Queued() == 0 {
		time.Sleep(time.Millisecond)
	}
	_, err = h.hash(t.Context(), "x")
	var busy *rest.Error
	if !errors.As(err, &busy) || busy.Status != 503 || busy.RetryAfter == 0 {
		t.Errorf("with a full queue: %v", err)
	}
	cancel()
	if err := <-second; !errors.As(err, &busy) || busy.Status != 503 {
		t.Errorf("who gave up waiting: %v", err)
	}
	release()
	if _, err := h.hash(t.Context(), "x"); err != nil {
		t.Errorf("with a free place: %v", err)
	}
	set.Deadline = 0
	h = newHasher(set)
	release, err = h.turns.Acquire(t.Context(), rest.Client{})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := h.hash(t.Context(), "x"); !errors.As(err, &busy) || busy.Status != 503 {
		t.Errorf("after the deadline: %v", err)
	}
}

// The door answers 503 with Retry-After when too many wait.
func TestBusy(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.Hashing.Parallel, o.Settings.Hashing.Queue = 1, 0 })
	release, err := s.hasher.turns.Acquire(t.Context(), rest.Client{})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	s.Run(t, resttest.Case("busy", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 503, `{"detail":"The server is too busy. Please try again."}`).
		Wants("Retry-After: 2"))
}

// Unknown and disabled users cost a hash like everybody else.
func TestEqualWork(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.Hashing.Parallel, o.Settings.Hashing.Queue = 1, 0 })
	release, err := s.hasher.turns.Acquire(t.Context(), rest.Client{})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for _, name := range []string{"xia", "ghost", "ghost@example.com", "rob"} {
		s.Run(t, resttest.Case(name, "", "POST /api/auth", `{"username":"`+name+`","password":"yoyo"}`, 503, `*`))
	}
}
