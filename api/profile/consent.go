package profile

import (
	"errors"

	"github.com/caddy-tollgate/tollgate/store"
)

// Nobody is put on a profile without having agreed (decision 68): a role opens reading rights over its user, and stands in what the
// application is told. Two things take the place of an answer: a description of the broker's that skips it, and an answer that
// the user gave before on that profile.

// A roleAnswer is the last that a user said about roles on a profile.
type roleAnswer int

const (
	noAnswer roleAnswer = iota
	accepted            // took a role, which others took away since
	declined            // dropped one, or said no
)

// answerOf returns what a user without a role on a profile said last.
func answerOf(r store.Reader, profile, user int64) (roleAnswer, error) {
	var yes bool
	err := r.QueryRow(`SELECT accepted FROM role_answer WHERE profile_id = ? AND user_id = ?`, profile, user).Scan(&yes)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return noAnswer, nil
	case yes:
		return accepted, err
	}
	return declined, err
}

// noteAnswer keeps what a user said about roles on a profile, for the time when there is no role to tell.
func noteAnswer(tx *store.Tx, profile, user int64, yes bool) error {
	_, err := tx.Exec(`INSERT INTO role_answer (user_id, profile_id, accepted, answered_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (user_id, profile_id) DO UPDATE SET accepted = excluded.accepted, answered_at = excluded.answered_at`, user, profile, yes, tx.Now())
	return err
}

// A state is how a role begins.
type state struct {
	inForce    bool // at once, without a grant key
	unasked    bool // the user did not agree to it
	mustAnswer bool // it waits for the user's own answer, whatever its description comes to say
}

// begins tells how a role that is granted begins (profiles.md 4.1, decision 68).
func (s *Service) begins(r store.Reader, g Grant) (st state, err error) {
	switch {
	case g.AtOnce:
		return state{inForce: true}, nil
	case g.Invited:
		return state{}, nil
	}
	var skip, global, own bool
	err = r.QueryRow(`SELECT d.skip_optin_on_grant, d.profile_id IS NULL, d.slug = ? AND d.profile_id IS NULL AND p.slug = u.username
		FROM role_description d, profile p, user u WHERE d.id = ? AND p.id = ? AND u.id = ?`, Manager, g.Role, g.Profile, g.User).Scan(&skip, &global, &own)
	if err != nil || own {
		return state{inForce: own}, err
	}
	said, err := answerOf(r, g.Profile, g.User)
	switch {
	case err != nil:
	case g.MustAnswer, said == declined:
		st.mustAnswer = true
	case skip && said == accepted:
		st.inForce = true
	case skip && global:
		st.inForce, st.unasked = true, true
	}
	return st, err
}
