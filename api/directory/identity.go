package directory

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

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
func (d *Directory) Identify(r *http.Request) (Identity, error) {
	conf := d.conf.Load()
	var foreign *CredentialError
	if values := r.Header[conf.Credentials]; len(values) > 0 {
		id, bad, err := d.byHeader(values)
		if err != nil {
			return Identity{}, err
		}
		if id.User != nil {
			id.Ambient = id.Ambient && conf.Credentials == DefaultCredentials // no browser sends another header by itself
			return id, nil
		}
		foreign = bad
	}
	key, present := FindCookie(r.Header, conf.Cookies.Session)
	if !present {
		return Identity{Foreign: foreign}, nil
	}
	id, err := Identity{}, error(errInvalidToken)
	if len(key) == sessionKeyLen {
		id, err = d.known(cookieForm, key)
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
	for _, blank := range []byte(" \t") { // twice a fast search: tokens are long
		if i := strings.IndexByte(s[:end], blank); i >= 0 {
			end = i
		}
	}
	return s[:end], trim(s[end:])
}

func trim(s string) string { return strings.Trim(s, " \t") }

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
	ends int64         // µs since 1970 at which it ends by itself, 0 for never
	use  *atomic.Int64 // µs since 1970 of the last use of an API key that was noted
}

func (c *credential) weight() uint32 { return 400 }

// known answers from the cache, or opens the credential and keeps it. What is bad is not kept, so that nobody can fill the cache
// with it.
func (d *Directory) known(f form, raw string) (Identity, error) {
	c, err := d.credential(f, raw)
	if err != nil {
		return Identity{}, err
	}
	if c.use != nil {
		d.noteUse(c, d.o.Now().UnixMicro())
	}
	id := c.Identity
	id.Presented = Presented{f, raw}
	return id, nil
}

// credential is known without a note of the use.
func (d *Directory) credential(f form, raw string) (*credential, error) {
	if len(raw) > maxToken {
		return nil, errForeign
	}
	key := credentialKey{f, sum(raw)}
	now := d.o.Now().UnixMicro()
	c, ok := d.credentials.GetIfPresent(key)
	if !d.asked.credentials.hit(ok && d.fresh(&c.entry)) {
		if !isOwn(f, raw) {
			return nil, errForeign
		}
		var err error
		c, err = load(d, "credential "+string(f)+string(key.sum[:]), func(r store.Reader, epoch uint64) (*credential, error) {
			return d.open(r, epoch, f, raw)
		})
		if err != nil {
			return nil, err
		}
		d.credentials.Set(key, c)
	}
	if c.ends != 0 && now >= c.ends {
		return nil, errInvalidToken
	}
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
