package auth

import (
	"context"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

type versionOutput struct {
	Version string `json:"version"`
}

// version is GET /api.
func (s *Service) version(c *rest.Call, _ store.Reader) (versionOutput, error) {
	c.SendCSRF("")
	return versionOutput{s.set.Version}, nil
}

// loginInput is the body of POST /api/auth.
type loginInput struct {
	Username string `json:"username" in:"required" validate:"max=254"`
	Password string `json:"password" in:"verbatim"`
	codes
	NewPassword rest.Opt[string] `json:"new_password" in:"null,blank,verbatim"`

	id identifier
}

// Check tells what kind of name it is.
func (in *loginInput) Check(*rest.Call) (err error) {
	if in.id, err = identify(in.Username); err != nil {
		return err
	}
	if passwordLength(in.Password) > maxPassword {
		return rest.Invalid("password", longPassword)
	}
	return in.codes.check()
}

// identify reads the username of a body (auth.md 3).
func identify(text string) (identifier, error) {
	id, ok := parseIdentifier(text)
	if !ok {
		return id, rest.Invalid("username", "Enter a valid username.")
	}
	return id, nil
}

// login is POST /api/auth.
func (s *Service) login(c *rest.Call, in *loginInput) (out tokenOutput, err error) {
	e := &entry{
		door: loginDoor, id: in.id, typed: in.Username, either: true, password: in.Password,
		newPassword: in.NewPassword.Value, newGiven: in.NewPassword.Given, cookie: c.QueryString("cookie") != "",
	}
	in.codes.fill(e)
	if in.id.Phone == "" {
		e.username = in.id.Username
	}
	if e.newPassword != "" {
		if err := s.checkPassword("new_password", e.newPassword); err != nil {
			return out, err
		}
	}
	out.Token, err = s.enter(c, e)
	out.Lost = e.lost
	c.Created("")
	return out, err
}

// recoverInput is the body of POST /api/auth/recover.
type recoverInput struct {
	Username string `json:"username" in:"required" validate:"max=254"`

	id identifier
}

// Check tells what kind of name it is.
func (in *recoverInput) Check(*rest.Call) (err error) {
	in.id, err = identify(in.Username)
	return err
}

type recoverOutput struct {
	Username string `json:"username"`
	SentTo   string `json:"sent_to,omitempty"` // hint at the address, where the name does not tell
}

// recoverHandler is POST /api/auth/recover.
func (s *Service) recoverHandler(c *rest.Call, in *recoverInput) (out recoverOutput, err error) {
	e := &entry{door: recoverDoor, id: in.id, typed: in.Username, either: true}
	_, err = s.enter(c, e)
	return recoverOutput{in.Username, e.sentTo}, err
}

// send makes key and code of an address ready and sends them: by mail through the outbox, by text message once they are
// committed.
func (s *Service) send(c *rest.Call, ch *channel, address string, u *user, who person) error {
	return s.sendCode(c, ch, address, u, who, s.set.UseVerificationLinks)
}

// sendCode is send, with a link in the place of the code or not.
func (s *Service) sendCode(c *rest.Call, ch *channel, address string, u *user, who person, link bool) error {
	var p *proof
	if err := c.Write(func(tx *store.Tx) (err error) {
		if err := c.Count(tx, rest.LimitInvitations); err != nil { // nobody has shown yet whose address it is
			return err
		}
		if p, err = s.prepare(tx, ch, address, u, who); err != nil || ch == byPhone {
			return err
		}
		return s.mail(tx, p, link)
	}); err != nil || ch == byEmail {
		return err
	}
	return s.text(c, p.address, p.code)
}

// text sends a code to a phone.
func (s *Service) text(c *rest.Call, phone, code string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), textTimeout)
	defer cancel()
	if err := s.texts.Send(ctx, phone, code); err != nil {
		s.log.Warn("a text message could not be sent", zap.Error(err))
		e := rest.Fail(503, "The text message could not be sent.")
		e.RetryAfter = resendAfter
		return e
	}
	return nil
}

// mail sends the code of an e-mail address, or the link. It names the account that the code opens, and says what it proves
// (decision 67).
func (s *Service) mail(tx *store.Tx, p *proof, link bool) error {
	m := &notice.UserVerification{Purpose: notice.ProvesAddress, Code: p.code, Lifetime: s.set.VerificationLifetime, Email: p.address}
	if link {
		m.LinkKey = p.key
	}
	opens, err := directory.LoginsOf(tx, directory.Email, p.address)
	if err != nil {
		return err
	}
	if len(opens) == 1 {
		u, err := userByID(tx, opens[0])
		if err != nil {
			return err
		}
		proven, err := directory.AnyProven(tx, u.ID)
		if err != nil {
			return err
		}
		if u.Active {
			m.User, m.Purpose = &notice.User{ID: u.ID}, notice.ProvesFirst
		}
		if u.Active && proven {
			m.Purpose = notice.ProvesLogin
		}
	}
	return s.notices.Emit(tx, m)
}
