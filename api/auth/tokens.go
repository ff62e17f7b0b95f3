package auth

import (
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// tokenInput is the body of POST /api/auth/tokens and /verify (auth.md 14). The token is looked at by hand: what is wrong with it
// has answers of its own.
type tokenInput struct {
	Token string `json:"token" in:"null,blank"`
}

// whoOutput is the answer of GET /api/auth/tokens.
type whoOutput struct {
	directory.UserDetail
	Roles       []profile.Accessible `json:"roles"`
	LastVisited *string              `json:"last_visited,omitempty"`
}

// whoAmI is GET /api/auth/tokens.
func (s *Service) whoAmI(c *rest.Call, r store.Reader) (out whoOutput, err error) {
	if out.UserDetail, err = s.dir.UserDetail(r, c.User.ID); err != nil {
		return out, err
	}
	if c.Session != 0 {
		if err := r.QueryRow(`SELECT last_visited FROM session WHERE id = ?`, c.Session).Scan(&out.LastVisited); err != nil {
			return out, err
		}
	}
	out.Roles, err = s.profiles.Memberships(c, r, c.User.ID)
	return out, err
}

// refresh is POST /api/auth/tokens: another token of the same session, for a whole lifetime. Errors: 403 without a token, or with
// somebody else's; 400 with a bad one.
func (s *Service) refresh(c *rest.Call, in *tokenInput) (out tokenOutput, err error) {
	mine, err := s.mine(c, in.Token)
	if err != nil {
		return out, err
	}
	if in.Token == "" || !mine {
		return out, rest.Forbidden("")
	}
	err = c.Write(func(tx *store.Tx) (err error) {
		out.Token, err = s.dir.RefreshToken(tx, in.Token)
		return err
	})
	c.Created("")
	return out, badToken(err)
}

// verify is POST /api/auth/tokens/verify. Every failure is a 400.
func (s *Service) verify(c *rest.Call, in *tokenInput) (out tokenOutput, err error) {
	mine, err := s.mine(c, in.Token)
	if err == nil && !mine {
		err = badToken(&directory.CredentialError{})
	}
	return tokenOutput{Token: in.Token}, err
}

// mine reports whether a token is the caller's. Errors: 400 when it is a bad one.
func (s *Service) mine(c *rest.Call, token string) (bool, error) {
	if token == "" {
		return false, nil
	}
	who, err := s.dir.VerifyToken(token)
	if err != nil {
		return false, badToken(err)
	}
	return who.User.ID == c.User.ID, nil
}

func badToken(err error) error {
	var bad *directory.CredentialError
	if errors.As(err, &bad) {
		return rest.Fail(http.StatusBadRequest, "Invalid token")
	}
	return err
}

// logout is DELETE /api/auth/tokens: the session of the caller ends, and with it its tokens and its cookie (decision 54). A caller
// with an API key has no session to end. With ?everywhere=true all sessions of the caller end; API keys stay, since nobody is logged
// in by them.
func (s *Service) logout(c *rest.Call, tx *store.Tx, _ *rest.None) (out rest.None, err error) {
	everywhere, err := c.QueryBool("everywhere", false)
	if err != nil {
		return out, err
	}
	detail := ""
	switch {
	case everywhere:
		detail = "everywhere"
		err = s.dir.RevokeUser(tx, c.User.ID)
	case c.Session != 0:
		err = s.dir.RevokeSession(tx, c.Session)
	}
	c.SetCookie(s.dir.EndedCookie())
	for _, name := range s.set.LogoutClearCookies {
		c.SetCookie(&http.Cookie{Name: name, Path: "/", MaxAge: -1})
	}
	if err == nil {
		err = tx.Audit("logout", c.User.Username, detail)
	}
	return out, err
}

// realms is GET /api/auth/tokens/realms/{profile}: this product has no store that browsers upload to by themselves.
func (s *Service) realms(*rest.Call, store.Reader) (rest.None, error) {
	return rest.None{}, rest.Fail(http.StatusNotFound, "Not found.")
}
