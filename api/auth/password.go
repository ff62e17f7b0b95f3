package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/secure/precis"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

const (
	unusable    = "!" // a password that nobody can give
	maxPassword = 256 // code points

	// Bounds on what an imported hash may cost us.
	maxRounds = 10_000_000
	maxMemory = 1 << 20 // KiB
	maxPasses = 64
)

// usable reports whether somebody can log in with the password behind an encoded hash (auth.md 2).
func usable(encoded string) bool { return encoded != "" && !strings.HasPrefix(encoded, unusable) }

// prepare brings a password into the one form in which it is hashed: OpaqueString of RFC 8265, so that it is the same whatever keyboard
// it comes from (decision 90). ok is false when it holds characters that a password may not have.
func prepare(password string) (prepared string, ok bool) {
	prepared, err := precis.OpaqueString.String(password)
	if err != nil {
		return password, false
	}
	return prepared, true
}

// passwordLength is how many code points a password has as it is hashed.
func passwordLength(password string) int {
	prepared, _ := prepare(password)
	return utf8.RuneCountInString(prepared)
}

var longPassword = fmt.Sprintf("Ensure this field has no more than %d characters.", maxPassword)

// checkPassword is the password policy (decisions 22 and 90), for a password that is set.
func (s *Service) checkPassword(field, password string) error {
	switch n := passwordLength(password); {
	case n < s.set.MinPassword:
		return rest.Invalid(field, fmt.Sprintf("Ensure this field has at least %d characters.", s.set.MinPassword))
	case n > maxPassword:
		return rest.Invalid(field, longPassword)
	}
	if _, ok := prepare(password); !ok {
		return rest.Invalid(field, "This field holds characters that a password cannot have.")
	}
	return nil
}

// A hasher hashes and verifies passwords, a few at a time: each takes megabytes and a core for tens of milliseconds, so the
// rest wait in a bounded queue. It is never used inside a transaction.
type hasher struct {
	params argon2id.Params
	turns  *rest.Fair
	match  func(text, encoded string) (ok, stale bool, err error) // hashes a text once: compare, which a test counts
	nobody string                                                 // a hash that no password matches, at the same cost as a real one
}

func newHasher(o Hashing) *hasher {
	h := &hasher{
		params: argon2id.Params{
			Memory: o.Memory, Iterations: o.Iterations, Parallelism: 1, SaltLength: 16, KeyLength: 32,
		},
		turns: rest.NewFair(max(1, o.Parallel), o.Queue, o.Deadline),
	}
	b64 := base64.RawStdEncoding
	h.nobody = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, o.Memory, o.Iterations,
		b64.EncodeToString(make([]byte, h.params.SaltLength)), b64.EncodeToString(make([]byte, h.params.KeyLength)))
	h.match = h.compare
	return h
}

type callKey struct{}

// asClient is the context of a call, which tells the hasher whose turn it takes.
func asClient(c *rest.Call) context.Context { return context.WithValue(c.Context(), callKey{}, c) }

// inTurn does work when its turn has come, of which each client gets a fair share. Meanwhile a call does not count as one of those of
// its client that are worked on. Errors: those of the work, and a 503 when too many wait or the wait is too long.
func (h *hasher) inTurn(ctx context.Context, work func() error) error {
	call, _ := ctx.Value(callKey{}).(*rest.Call)
	var client rest.Client // nobody's: a command
	if call != nil {
		client = rest.ClientOf(call.Client)
	}
	turn := func() error {
		release, err := h.turns.Acquire(ctx, client)
		if err != nil {
			return rest.Busy(rest.LimitHashing, err)
		}
		defer release()
		return work()
	}
	if call == nil {
		return turn()
	}
	return call.Aside(turn)
}

// hash returns the PHC string of a password, prepared where it can be: an older one may hold what is refused today.
func (h *hasher) hash(ctx context.Context, password string) (encoded string, err error) {
	err = h.inTurn(ctx, func() (err error) {
		password, _ = prepare(password)
		encoded, err = argon2id.CreateHash(password, &h.params)
		return err
	})
	return encoded, err
}

// verify reports whether the password is the one behind encoded, and whether it should be hashed again because the parameters
// rose, it was imported, or it was hashed as typed. It is tried prepared, and then as typed, where that is another text. How often it
// is hashed is a matter of the text alone, but for one that is right: nobody learns from the time whether there is an account.
func (h *hasher) verify(ctx context.Context, password, encoded string) (ok, stale bool, err error) {
	err = h.inTurn(ctx, func() (err error) {
		prepared, _ := prepare(password)
		ok, stale, err = h.match(prepared, encoded)
		if ok || err != nil || prepared == password {
			return err
		}
		stale = true
		ok, _, err = h.match(password, encoded)
		return err
	})
	return ok, stale, err
}

// compare hashes a text once. A hash that is unusable or not understood matches nothing, after the same work.
func (h *hasher) compare(text, encoded string) (ok, stale bool, err error) {
	switch {
	case strings.HasPrefix(encoded, "$argon2id$"):
		if p, _, _, err := argon2id.DecodeHash(encoded); err != nil || !sane(p) {
			break
		}
		ok, p, err := argon2id.CheckHash(text, encoded)
		if err != nil {
			break
		}
		return ok, p.Memory < h.params.Memory || p.Iterations < h.params.Iterations || p.KeyLength < h.params.KeyLength, nil
	case strings.HasPrefix(encoded, "pbkdf2_sha256$"):
		return checkPBKDF2(text, encoded), true, nil
	case strings.HasPrefix(encoded, "$2"):
		return bcrypt.CompareHashAndPassword([]byte(encoded), []byte(text)) == nil, true, nil
	}
	_, _, err = argon2id.CheckHash(text, h.nobody)
	return false, false, err
}

// sane reports whether parameters read from a hash are worth computing: an empty key would match everything, a huge memory would
// end the process.
func sane(p *argon2id.Params) bool {
	return p.KeyLength >= 16 && p.SaltLength >= 8 && p.Parallelism >= 1 &&
		p.Iterations >= 1 && p.Iterations <= maxPasses && p.Memory <= maxMemory
}

// ImportedHash returns the hash of a password of the other system in the form that is verified here (auth.md 2). An unusable
// password stays one; so becomes a hash that is not understood, for which ok is false.
func ImportedHash(encoded string) (hash string, ok bool) {
	algorithm, rest, _ := strings.Cut(encoded, "$")
	switch algorithm {
	case "pbkdf2_sha256":
		if _, _, _, ok := parsePBKDF2(encoded); ok {
			return encoded, true
		}
	case "argon2":
		if p, _, _, err := argon2id.DecodeHash("$" + rest); err == nil && sane(p) {
			return "$" + rest, true
		}
	case "bcrypt":
		if _, err := bcrypt.Cost([]byte(rest)); err == nil {
			return rest, true
		}
	}
	return unusable, !usable(encoded)
}

// parsePBKDF2 takes pbkdf2_sha256$rounds$salt$base64 apart.
func parsePBKDF2(encoded string) (rounds int, salt string, key []byte, ok bool) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 4 {
		return 0, "", nil, false
	}
	rounds, err := strconv.Atoi(parts[1])
	if err != nil || rounds < 1 || rounds > maxRounds {
		return 0, "", nil, false
	}
	key, err = base64.StdEncoding.DecodeString(parts[3])
	return rounds, parts[2], key, err == nil && len(key) == sha256.Size
}

// checkPBKDF2 verifies an imported password: pbkdf2_sha256$rounds$salt$base64 (auth.md 2).
func checkPBKDF2(password, encoded string) bool {
	rounds, salt, want, ok := parsePBKDF2(encoded)
	if !ok {
		return false
	}
	got, err := pbkdf2.Key(sha256.New, password, []byte(salt), rounds, len(want))
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}
