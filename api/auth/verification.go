package auth

import (
	"context"
	"crypto/subtle"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Log-in by code, reset of a password, proof of an address and invitations are one mechanism (auth.md 7): a key and a code are
// kept with the contact, sent to its address, and used up by whoever brings one of them back in time.

const (
	wrongCodes      = 5                // wrong codes on one contact, after which the code is discarded
	resendAfter     = time.Minute      // least time between two messages to one contact
	messagesEvery   = time.Hour        // in which at most
	maxMessages     = 5                // messages go to one contact
	reactivateAfter = 10 * time.Minute // least time between two activation messages to one user (decision 64)
	textTimeout     = 20 * time.Second // for the phone back-end to take a message
)

// A channel is a way to reach a contact: e-mail or phone. Its name is that of the field in bodies and the start of the names of
// the columns.
type channel struct {
	name                                                                  string
	find, byKey, take, put, prepare, count, wrong, consume, require, free string // statements
	proved, forget, retire                                                string
	lose                                                                  []string
}

var (
	byEmail = newChannel("email")
	byPhone = newChannel("phone")
)

func newChannel(name string) *channel {
	sql := func(query string) string { return strings.ReplaceAll(query, "§", name) }
	const columns = `SELECT id, coalesce(user_id, 0), coalesce(§, ''), coalesce(§_verification_key, ''), coalesce(§_code, ''),
		§_verification_at, §_verified_at, §_attempts, §_sent, §_sent_since FROM contact `
	lose := []string{
		sql(`DELETE FROM contact WHERE § = ? AND user_id = ? AND replaced_at IS NOT NULL`),
		sql(`UPDATE contact SET § = NULL, §_verified_at = NULL, §_verification_key = NULL, §_code = NULL, §_verification_at = NULL,
			§_verification_required = 0, §_attempts = 0 WHERE § = ? AND user_id = ?`),
		sql(`UPDATE profile SET § = '' WHERE § = ?1 COLLATE NOCASE AND (created_by_id = ?2 OR slug = (SELECT username FROM user WHERE id = ?2))`),
		sql(`UPDATE contact SET replaced_at = NULL WHERE ? <> '' AND user_id = ? AND replaced_at IS NOT NULL AND § IS NOT NULL`),
	}
	if name == "email" {
		lose = append(lose, `UPDATE user SET email = (SELECT c.email FROM contact c WHERE c.user_id = user.id AND c.email_verified_at IS NOT NULL
			AND c.email IS NOT NULL ORDER BY c.created_at, c.id LIMIT 1) WHERE email = ? AND id = ?`)
	}
	return &channel{
		lose:   lose,
		proved: sql(`UPDATE contact SET §_verified_at = ? WHERE § = ? AND user_id = ?`),
		forget: sql(`DELETE FROM contact WHERE user_id = ? AND replaced_at IS NOT NULL AND § IS NOT NULL`),
		retire: sql(`UPDATE contact SET §_verified_at = ?, replaced_at = ? WHERE id = ?`),

		name:  name,
		find:  sql(columns + `WHERE § = ?`),
		byKey: sql(columns + `WHERE §_verification_key = ?`),
		take:  sql(`UPDATE contact SET § = ?, §_verified_at = NULL, §_verification_key = NULL, §_code = NULL, §_verification_at = NULL WHERE id = (SELECT id FROM contact WHERE user_id = ? AND § IS NULL ORDER BY created_at, id LIMIT 1)`),
		put:   sql(`UPDATE contact SET § = ?, §_verified_at = NULL, §_verification_key = NULL, §_code = NULL, §_verification_at = NULL, §_attempts = 0 WHERE id = ?`),
		require: sql(`UPDATE contact SET §_verification_required = 1 WHERE id =
			(SELECT id FROM contact WHERE user_id = ? AND § IS NOT NULL ORDER BY created_at, id LIMIT 1)`),
		free:    sql(`UPDATE contact SET §_verification_required = 0 WHERE user_id = ? AND §_verification_required = 1`),
		prepare: sql(`UPDATE contact SET §_verification_key = ?, §_code = ?, §_attempts = ?, §_verification_at = ? WHERE id = ?`),
		count:   sql(`UPDATE contact SET §_sent = ?, §_sent_since = ? WHERE id = ?`),
		wrong:   sql(`UPDATE contact SET §_attempts = ?, §_code = ? WHERE id = ?`),
		consume: sql(`UPDATE contact SET §_verification_key = NULL, §_code = NULL, §_verification_at = NULL, §_attempts = 0, §_verified_at = CASE WHEN user_id IS NULL THEN ? ELSE §_verified_at END WHERE id = ?`),
	}
}

// A proof is what is known about somebody's access to an address.
type proof struct {
	contact, user      int64 // user 0 = nobody
	address, key, code string
	sentAt, verifiedAt store.Time
	attempts, sent     int
	sentSince          store.Time
	lastSent           store.Time // before ready
}

func scanProof(row scanner) (*proof, error) {
	var p proof
	err := row.Scan(&p.contact, &p.user, &p.address, &p.key, &p.code, &p.sentAt, &p.verifiedAt, &p.attempts, &p.sent, &p.sentSince)
	if err == store.ErrNotFound {
		return nil, nil
	}
	return &p, err
}

// proofOf returns what is known about an address, nil when no contact has it.
func proofOf(r store.Reader, ch *channel, address string) (*proof, error) {
	if address == "" {
		return nil, nil
	}
	return scanProof(r.QueryRow(ch.find, address))
}

// fresh reports whether key and code can still be used.
func (s *Service) fresh(p *proof, now store.Time) bool {
	return !p.sentAt.IsZero() && p.sentAt.Add(s.set.VerificationLifetime).After(now.Time)
}

// prepare makes key and code of an address ready to be sent, and counts the message. Errors: 429 when too many went to it.
func (s *Service) prepare(tx *store.Tx, ch *channel, address string, u *user, who person) (*proof, error) {
	p, err := s.ready(tx, ch, address, u, who)
	if err != nil {
		return nil, err
	}
	now := tx.Now()
	if wait := resendAfter - now.Sub(p.lastSent.Time); p.sent > 0 && wait > 0 {
		return nil, rest.Refused(rest.LimitMessages, wait)
	}
	if p.sentSince.IsZero() || now.Sub(p.sentSince.Time) >= messagesEvery {
		p.sent, p.sentSince = 0, now
	}
	if p.sent >= maxMessages {
		return nil, rest.Refused(rest.LimitMessages, messagesEvery-now.Sub(p.sentSince.Time))
	}
	p.sent++
	_, err = tx.Exec(ch.count, p.sent, p.sentSince, p.contact)
	return p, err
}

// ready makes sure that an address has a key and a code that can be used from now on. The contact is that of the address; else
// one of the user without an address there, which takes it; else a new one, of nobody when u is nil.
func (s *Service) ready(tx *store.Tx, ch *channel, address string, u *user, who person) (*proof, error) {
	p, err := proofOf(tx, ch, address)
	if err != nil {
		return nil, err
	}
	if p == nil {
		if p, err = s.newProof(tx, ch, address, u, who); err != nil {
			return nil, err
		}
	}
	now := tx.Now()
	fresh := s.fresh(p, now)
	if p.key == "" || !fresh {
		p.key = directory.NewKey()
	}
	if p.code == "" || !fresh {
		p.code, p.attempts = directory.NewCode(), 0
	}
	p.lastSent, p.sentAt = p.sentAt, now
	_, err = tx.Exec(ch.prepare, p.key, p.code, p.attempts, p.sentAt, p.contact)
	return p, taken(err)
}

// newProof gives an address that no contact has to a contact.
func (s *Service) newProof(tx *store.Tx, ch *channel, address string, u *user, who person) (*proof, error) {
	var owner int64
	slug := ""
	if u != nil {
		owner, slug = u.ID, u.Username
		n, err := tx.Exec(ch.take, address, u.ID)
		if err != nil {
			return nil, taken(err)
		}
		if n > 0 {
			return proofOf(tx, ch, address)
		}
		if who.FullName == "" {
			who.FullName, who.NickName = u.fullName(), u.FirstName
		}
	}
	who.Email, who.Phone = "", ""
	if ch == byEmail {
		who.Email = address
	} else {
		who.Phone = address
	}
	if _, err := s.addContact(tx, slug, who, owner); err != nil {
		return nil, err
	}
	return proofOf(tx, ch, address)
}

// checkCode reports whether code is the one sent to an address, or that of a change to it of a user, 0 for none. Wrong ones are
// counted in a transaction of their own, so that a request that fails later cannot take the count back (D-7).
func (s *Service) checkCode(ctx context.Context, ch *channel, address, code string, user int64) (ok bool, err error) {
	err = s.store.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		if ok, err = s.checkPending(tx, ch, address, code, user); ok || err != nil {
			return err
		}
		p, err := proofOf(tx, ch, address)
		if err != nil {
			return err
		}
		if ok = s.matches(p, code, tx.Now()); ok || p == nil || p.code == "" {
			if !ok && s.set.HideAccountExistence { // as much is written where there is nothing to count
				_, err = s.throttle.once(tx, "no code", 0)
			}
			return err
		}
		if p.attempts++; p.attempts >= wrongCodes {
			p.code = ""
		}
		_, err = tx.Exec(ch.wrong, p.attempts, null(p.code), p.contact)
		return err
	})
	return ok, err
}

func (s *Service) matches(p *proof, code string, now store.Time) bool {
	if p == nil || p.code == "" || p.attempts >= wrongCodes || !s.fresh(p, now) {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(p.code), []byte(code)) == 1
}

// consume uses up the code of an address, in the transaction that acts on it. Errors: 400 on "email_code" or "phone_code" when
// it is no longer good.
func (s *Service) consume(tx *store.Tx, ch *channel, address, code string) error {
	p, err := proofOf(tx, ch, address)
	if err != nil {
		return err
	}
	if !s.matches(p, code, tx.Now()) {
		return wrongCode(ch)
	}
	_, err = tx.Exec(ch.consume, tx.Now(), p.contact)
	return err
}

// consumeFor uses up the code of an address that is brought for a user, nil for a contact of nobody: that of the user's own change, or
// the one that was sent to the address.
func (s *Service) consumeFor(tx *store.Tx, ch *channel, address, code string, u *user) error {
	if u != nil {
		if ok, err := s.consumePending(tx, ch, address, code, u.ID); ok || err != nil {
			return err
		}
	}
	return s.consume(tx, ch, address, code)
}

// consumeAs uses up the code of an address that a user brings who is authenticated: it becomes a proven one of the user, which has
// it already.
func (s *Service) consumeAs(tx *store.Tx, ch *channel, address, code string, user int64) error {
	if err := s.consume(tx, ch, address, code); err != nil {
		return err
	}
	return s.proved(tx, ch, address, user)
}

func wrongCode(ch *channel) error {
	return rest.Bad(ch.name+"_code", "This code is wrong or has expired.")
}

// proofByKey finds the address that a verification key was sent to, nil when the key is unknown or has expired.
func (s *Service) proofByKey(r store.Reader, key string) (*proof, *channel, error) {
	for _, ch := range []*channel{byEmail, byPhone} {
		p, err := scanProof(r.QueryRow(ch.byKey, key))
		if err != nil {
			return nil, nil, err
		}
		if p != nil && s.fresh(p, r.Now()) && subtle.ConstantTimeCompare([]byte(p.key), []byte(key)) == 1 {
			return p, ch, nil
		}
	}
	return nil, nil, nil
}
