package directory

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// Failures of the schemes, conventions.md 2.2.
var (
	errInvalidToken  = &CredentialError{"Invalid token"}
	errInactive      = &CredentialError{"User inactive or deleted."}
	errNotBase64     = &CredentialError{"Invalid basic header. Credentials not correctly base64 encoded."}
	errBearerNone    = &CredentialError{"Invalid token header. No credentials provided."}
	errBearerSpaces  = &CredentialError{"Invalid token header. Token string should not contain spaces."}
	errBearerInvalid = &CredentialError{"Invalid token header. Token string should not contain invalid characters."}
	errBasicNone     = &CredentialError{"Invalid basic header. No credentials provided."}
	errBasicSpaces   = &CredentialError{"Invalid basic header. Credentials string should not contain spaces."}
)

// Identify says who a request comes from (conventions.md 2.1): by the login token or API key of its header of credentials, or else by
// its session cookie, or else nobody. The first that is present and ours decides. Errors: *CredentialError for a credential of ours
// that is bad; any other error is a failure of the store, and nobody may pass. Requests known already cost no I/O.
func (d *Directory) Identify(r *http.Request) (Identity, error) { return d.IdentifyAt(r, d.o.Now()) }

// IdentifyAt is Identify for who has looked at the clock already.
func (d *Directory) IdentifyAt(r *http.Request, now time.Time) (id Identity, err error) {
	conf := d.conf.Load()
	var foreign *CredentialError
	if values := r.Header[conf.Credentials]; len(values) > 0 {
		foreign, err = d.byHeader(values, now, &id)
		if err != nil {
			return Identity{}, err
		}
		if id.User != nil {
			id.Ambient = id.Ambient && conf.Credentials == DefaultCredentials // no browser sends another header by itself
			return id, nil
		}
	}
	key, present := FindCookie(r.Header, conf.Cookies.Session)
	if !present {
		return Identity{Foreign: foreign}, nil
	}
	err = errInvalidToken
	if len(key) == sessionKeyLen {
		err = d.known(cookieForm, key, now, &id)
	}
	if bad := (*CredentialError)(nil); errors.As(err, &bad) {
		return Identity{DeadCookie: true, Foreign: foreign}, nil
	}
	id.Foreign = foreign
	return id, err
}

// word splits off the first word of a header, which blanks end; rest has no blanks around it.
func word(s string) (first, rest string) {
	s = trim(s)
	end := len(s)
	for _, blank := range []byte(blanks) { // twice a fast search: tokens are long
		if i := strings.IndexByte(s[:end], blank); i >= 0 {
			end = i
		}
	}
	return s[:end], trim(s[end:])
}

// blanks are what parts the words of a header.
const blanks = " \t"

// trim is strings.Trim with blanks, for text that has few.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// form is how a credential is written: the same text means something else in another place.
type form byte

const (
	tokenForm form = iota
	keyForm
	basicForm
	cookieForm
)

// credentialKey is what a presented credential is kept by: never the credential itself.
type credentialKey struct {
	form form
	sum  [sha256.Size]byte
}

// A credential is one that was presented and found good, with what has to be looked at each time it comes again.
type credential struct {
	entry
	Identity
	ends  int64         // µs since 1970 at which it ends by itself, 0 for never
	use   *atomic.Int64 // µs since 1970 of the last use of an API key that was noted
	token *signed       // nil for others than login tokens
}

func (c *credential) weight() uint32 { return 600 }

// known answers from the cache, or opens the credential and keeps it. What is bad is not kept, so that nobody can fill the cache
// with it. It sets id, which is none yet, where there is no error.
func (d *Directory) known(f form, raw string, now time.Time, id *Identity) error {
	if len(raw) > maxToken {
		return errForeign
	}
	key := credentialKey{f, sum(raw)}
	c := d.cached(&key)
	if c == nil {
		if !isOwn(f, raw) {
			return errForeign
		}
		var err error
		if c, err = d.keep(key, func(r store.Reader, epoch uint64) (*credential, error) { return d.open(r, epoch, f, raw) }); err != nil {
			return err
		}
	}
	at := now.UnixMicro()
	if c.ends != 0 && at >= c.ends {
		return errInvalidToken
	}
	if c.use != nil {
		d.noteUse(c, at)
	}
	*id = c.Identity
	if id.Presented.key, id.Presented.token = key, c.token; c.token == nil {
		id.Presented.raw = raw
	}
	return nil
}

// presented is a credential that was good once, without a note of the use.
func (d *Directory) presented(p *Presented) (*credential, error) {
	c := d.cached(&p.key)
	if c == nil {
		again := *p
		var err error
		c, err = d.keep(p.key, func(r store.Reader, epoch uint64) (*credential, error) {
			if again.token != nil {
				return d.openSigned(r, epoch, again.token)
			}
			return d.open(r, epoch, again.key.form, again.raw)
		})
		if err != nil {
			return nil, err
		}
	}
	if c.ends != 0 && d.o.Now().UnixMicro() >= c.ends {
		return nil, errInvalidToken
	}
	return c, nil
}

// cached is a credential that is known, nil for none.
func (d *Directory) cached(key *credentialKey) *credential {
	if c, ok := d.credentials.GetIfPresent(*key); d.asked.credentials.hit(ok && d.fresh(&c.entry)) {
		return c
	}
	return nil
}

// keep opens a credential and keeps it.
func (d *Directory) keep(key credentialKey, open func(r store.Reader, epoch uint64) (*credential, error)) (*credential, error) {
	c, err := load(d, "credential "+string(key.form)+string(key.sum[:]), open)
	if err != nil {
		return nil, err
	}
	d.credentials.Set(key, c)
	return c, nil
}

// open reads who a credential stands for, and until when.
func (d *Directory) open(r store.Reader, epoch uint64, f form, raw string) (*credential, error) {
	switch f {
	case keyForm:
		return d.openKey(r, epoch, raw)
	case basicForm:
		return d.openBasic(r, epoch, raw)
	case cookieForm:
		return d.openCookie(r, epoch, raw)
	}
	return d.openToken(r, epoch, raw)
}

// sum is the SHA-256 of a credential, without a copy on the heap for those of usual length.
func sum(raw string) [sha256.Size]byte {
	var buf [2 << 10]byte
	if len(raw) > len(buf) {
		return sha256.Sum256([]byte(raw))
	}
	return sha256.Sum256(buf[:copy(buf[:], raw)])
}
