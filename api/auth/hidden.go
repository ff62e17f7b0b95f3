package auth

import (
	"context"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Where the site does not tell who has an account (decision 78), a door answers everybody alike until a secret of the account was
// right: one status, one body, and the same work. Nothing that depends on the account is done while somebody waits for the answer but
// reading it; what has to be sent is written down and looked at afterwards (coderequest.go).

// enterHidden is enter on such a site, but for links, which only the mail holds.
func (s *Service) enterHidden(c *rest.Call, e *entry) (token string, err error) {
	if s.set.Authentication != Enabled && e.door == registerDoor {
		return "", errNoRegistration
	}
	v := view{hidden: true}
	if err := c.Read(func(r store.Reader) error { return v.identifyAlike(r, e) }); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(c.Context(), s.set.Hashing.Deadline)
	defer cancel()
	who := &failing{call: c, door: doors[e.door], typed: first(e.typed, v.account(e))}
	who.later = func(tx *store.Tx, reason rest.Reason) error {
		q := s.asking(e)
		q.Reason, q.Actor, q.From, q.Counts = reason, who.actor(), who.from(reason), c.Buckets(rest.LimitInvitations)
		return s.request(tx, &q)
	}
	place, err := s.attempt(ctx, who, v.account(e))
	if err != nil {
		return "", err
	}
	defer place.done()
	if v.provider != "" { // of the domain that was typed
		return "", delegated(c, e.id.Email, v.provider)
	}
	if e.door == recoverDoor {
		return "", s.ask(c, e, place)
	}
	if ch := s.unproven(e); ch != nil { // an address is the new user's once its code came back, or not at all
		return s.enterUnproven(c, e, &v, place, ch)
	}
	if e.coded() {
		return s.prove(c, e, &v, place)
	}
	return s.enterByPassword(c, e, &v, place)
}

// identifyAlike is identify with the same work for who is not known.
func (v *view) identifyAlike(r store.Reader, e *entry) (err error) {
	if err := v.identify(r, e); err != nil {
		return err
	}
	if v.candidate == nil {
		if v.disabled == nil {
			if _, err := userByID(r, 0); err != nil {
				return err
			}
		}
		if err := (&view{candidate: &user{}}).addresses(r); err != nil {
			return err
		}
	}
	v.provider, err = delegateOf(r, e.id.Email)
	return err
}

// unproven is how to reach an address that a new user tells, and whose code it does not bring; nil when there is none. What cannot be
// reached is not asked for, and becomes nobody's.
func (s *Service) unproven(e *entry) *channel {
	switch {
	case e.door != registerDoor:
	case e.id.Phone != "" && !e.proves(byPhone) && s.texts != nil:
		return byPhone
	case e.id.Email != "" && !e.proves(byEmail):
		return byEmail
	}
	return nil
}

// enterUnproven answers a registration without the code of an address, as if the address were new: it has to be proven first. Whoever
// has it gets the code. A password that is right logs in (D-1).
func (s *Service) enterUnproven(c *rest.Call, e *entry, v *view, place *attempt, ch *channel) (token string, err error) {
	if e.checkEmail && ch == byEmail || e.checkPhone && ch == byPhone {
		if err := s.ask(c, e, place); err != nil {
			return "", err
		}
		return "", codeSent(ch, "")
	}
	if e.password != "" && !e.coded() {
		p, err := s.provePasswordOf(c, e, v)
		if err != nil || p.login {
			return s.completeHidden(c, e, v, p, place, err)
		}
		if err := place.failed(c.Context(), v.wrong()); err != nil {
			return "", err
		}
	}
	return "", mustVerify(ch)
}

// enterByPassword is a log-in without a code, or a registration without an address that a code could be sent to.
func (s *Service) enterByPassword(c *rest.Call, e *entry, v *view, place *attempt) (token string, err error) {
	if ch := s.asked(e); ch != nil {
		if err := s.ask(c, e, place); err != nil {
			return "", err
		}
		return "", codeSent(ch, "")
	}
	p := &proven{}
	if e.password != "" {
		if p, err = s.provePasswordOf(c, e, v); err != nil || p.login {
			return s.completeHidden(c, e, v, p, place, err)
		}
	}
	switch {
	case e.password != "":
		err = place.failed(c.Context(), v.wrong())
	case e.door == loginDoor:
		err = s.ask(c, e, place)
	}
	switch {
	case err != nil:
		return "", err
	case e.door == loginDoor:
		return "", errCredentials
	case !e.newGiven:
		return "", errUnknown
	}
	p.who = nil
	return s.complete(c, e, v, p, place)
}

// asked is how a log-in asks for a code, nil when it does not.
func (s *Service) asked(e *entry) *channel {
	switch {
	case e.door != loginDoor:
	case e.checkEmail:
		return byEmail
	case e.checkPhone && s.texts != nil:
		return byPhone
	}
	return nil
}

// provePasswordOf is step 12, for everybody alike.
func (s *Service) provePasswordOf(c *rest.Call, e *entry, v *view) (*proven, error) {
	if err := c.CheckLimit(rest.LimitSessions); err != nil {
		return nil, err
	}
	p := &proven{who: v.candidate}
	var err error
	p.login, p.rehash, err = s.provePassword(asClient(c), v.candidate, v.disabled, e.password)
	p.account = p.login
	return p, err
}

// wrong is what the operator's log says of a password that did not open anything.
func (v *view) wrong() rest.Reason {
	if v.candidate == nil && v.disabled == nil {
		return rest.ReasonUser
	}
	return rest.ReasonPassword
}

// completeHidden goes on with an account whose password was right, which may now be told what the site thinks of it.
func (s *Service) completeHidden(c *rest.Call, e *entry, v *view, p *proven, place *attempt, err error) (string, error) {
	if err == nil {
		err = c.Read(func(r store.Reader) (err error) { return s.admitHidden(c, r, v.candidate, v.email) })
	}
	if err != nil {
		return "", err
	}
	if done, err := s.challenge(c, e, v, place); done || err != nil {
		return "", err
	}
	return s.complete(c, e, v, p, place)
}

// admitHidden is what look says of an account that is not hidden.
func (s *Service) admitHidden(c *rest.Call, r store.Reader, u *user, email string) error {
	if err := s.admits(r, u, loginDoor); err != nil {
		return err
	}
	provider, err := delegateOf(r, email)
	if err == nil && provider != "" {
		err = delegated(c, email, provider)
	}
	return err
}
