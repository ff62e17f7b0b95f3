package auth

import (
	"crypto/subtle"
	"errors"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A change to an address that another user has is pending until its code comes back (decision 66). The code is kept with the user
// whose change it is, apart from what was sent to the one who has the address: it counts in a request of that user alone, and opens
// no account. It goes out as a code always: a link would be opened without a session.

// pending is a change that waits for its code.
type pending struct {
	id       int64
	address  string
	code     string // "" after too many wrong ones
	attempts int
	sentAt   store.Time
}

// pendingOf returns the change of a user to an address, nil when none waits.
func pendingOf(r store.Reader, ch *channel, address string, user int64) (*pending, error) {
	p := pending{address: address}
	err := r.QueryRow(`SELECT id, coalesce(code, ''), attempts, sent_at FROM pending_address WHERE kind = ? AND address = ? AND user_id = ?`,
		ch.name, address, user).Scan(&p.id, &p.code, &p.attempts, &p.sentAt)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &p, err
}

// good reports whether code is the one of a change that waits.
func (s *Service) good(p *pending, code string, now store.Time) bool {
	return p != nil && p.code != "" && p.attempts < wrongCodes && p.sentAt.Add(s.set.VerificationLifetime).After(now.Time) &&
		subtle.ConstantTimeCompare([]byte(p.code), []byte(code)) == 1
}

// checkPending reports whether code is the one of the change of a user to an address, and counts a wrong one.
func (s *Service) checkPending(tx *store.Tx, ch *channel, address, code string, user int64) (bool, error) {
	p, err := pendingOf(tx, ch, address, user)
	if err != nil || p == nil || s.good(p, code, tx.Now()) {
		return p != nil, err
	}
	_, err = tx.Exec(`UPDATE pending_address SET attempts = attempts + 1, code = CASE WHEN attempts + 1 < ? THEN code END WHERE id = ?`,
		wrongCodes, p.id)
	return false, err
}

// consumePending uses up the code of the change of a user, if it is the one.
func (s *Service) consumePending(tx *store.Tx, ch *channel, address, code string, user int64) (bool, error) {
	p, err := pendingOf(tx, ch, address, user)
	if err != nil || !s.good(p, code, tx.Now()) {
		return false, err
	}
	_, err = tx.Exec(`DELETE FROM pending_address WHERE id = ?`, p.id)
	return err == nil, err
}

// preparePending makes the code of a change ready to be sent and counts the message, apart from those of the one who has the address:
// nobody keeps a code from them by asking for others. Errors: 429 when too many went to the address, whoever asked.
func (s *Service) preparePending(tx *store.Tx, ch *channel, address string, user int64) (code string, err error) {
	now := tx.Now()
	var last, since store.Time
	var sent int
	err = tx.QueryRow(`SELECT max(sent_at), min(sent_since), coalesce(sum(sent), 0) FROM pending_address WHERE kind = ? AND address = ? AND sent_since > ?`,
		ch.name, address, store.At(now.Add(-messagesEvery))).Scan(&last, &since, &sent)
	if err != nil {
		return "", err
	}
	if wait := resendAfter - now.Sub(last.Time); sent > 0 && wait > 0 {
		return "", rest.Refused(rest.LimitMessages, wait)
	}
	if sent >= maxMessages {
		return "", rest.Refused(rest.LimitMessages, messagesEvery-now.Sub(since.Time))
	}
	p, err := pendingOf(tx, ch, address, user)
	if err != nil {
		return "", err
	}
	attempts := 0
	if p != nil && p.code != "" && p.sentAt.Add(s.set.VerificationLifetime).After(now.Time) {
		code, attempts = p.code, p.attempts
	} else {
		code = directory.NewCode()
	}
	_, err = tx.Exec(`INSERT INTO pending_address (user_id, kind, address, code, attempts, sent_at, sent, sent_since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?6)
		ON CONFLICT (kind, address, user_id) DO UPDATE SET code = excluded.code, attempts = excluded.attempts, sent_at = excluded.sent_at,
		sent = CASE WHEN sent_since > ?7 THEN sent + 1 ELSE 1 END, sent_since = CASE WHEN sent_since > ?7 THEN sent_since ELSE excluded.sent_since END`,
		user, ch.name, address, code, attempts, now, store.At(now.Add(-messagesEvery)))
	return code, err
}

// sendPending sends the code of a change of a user to an address that another one has.
func (s *Service) sendPending(c *rest.Call, ch *channel, address string, user int64) error {
	if ch == byEmail {
		return c.Write(func(tx *store.Tx) error { return s.mailPending(c, tx, address, user) })
	}
	var code string
	if err := c.Write(func(tx *store.Tx) (err error) {
		if err := c.Count(tx, rest.LimitInvitations); err != nil { // nobody has shown yet whose address it is
			return err
		}
		code, err = s.preparePending(tx, ch, address, user)
		return err
	}); err != nil {
		return err
	}
	return s.text(c, address, code)
}

// mailPending mails the code of a change of a user to an address that another one has.
func (s *Service) mailPending(c *rest.Call, tx *store.Tx, address string, user int64) error {
	if err := c.Count(tx, rest.LimitInvitations); err != nil { // nobody has shown yet whose address it is
		return err
	}
	code, err := s.preparePending(tx, byEmail, address, user)
	if err != nil {
		return err
	}
	return s.notices.Emit(tx, &notice.UserVerification{User: &notice.User{ID: user}, Purpose: notice.ProvesChange, Code: code,
		Lifetime: s.set.VerificationLifetime, Email: address})
}

// mustWait reports whether a change of a user to an address waits for its proof: another user has it, or it is not told whether one has
// (decision 78).
func (s *Service) mustWait(c *rest.Call, r store.Reader, ch *channel, address string, u *user) (bool, error) {
	if address == "" {
		return false, nil
	}
	if s.set.HideAccountExistence && !c.Query.IsBrokerManager() {
		mine, err := holds(r, ch, address, u)
		return !mine, err
	}
	return heldByOther(r, ch, address, u)
}

// pendingFor is how long a change is kept at least that nobody answered, since its messages count for an hour.
func (s *Service) pendingFor() time.Duration { return max(s.set.VerificationLifetime, messagesEvery) }
