package people

import "github.com/caddy-tollgate/tollgate/pages"

// A Password is what the page of a password shows.
type Password struct {
	Holder
	Set       bool // there is one
	MinLength int
}

func showPassword(q *pages.Request) (any, error) {
	a, holder, err := readAccount(q)
	if err != nil {
		return nil, err
	}
	about, err := aboutSite(q)
	if err != nil {
		return nil, err
	}
	return &Password{Holder: holder, Set: a.Credentials, MinLength: about.MinLength}, nil
}

// changePassword sets another password.
func changePassword(q *pages.Request) (pages.Outcome, error) {
	if asked, err := proveAgain(q); asked {
		return pages.Outcome{}, err
	}
	body := withSecrets(q, map[string]any{"new_password": q.Field("new_password")})
	_, err := q.Put(body, "/api/users/{user}/password", q.Param("user"))
	return pages.Outcome{Said: "password_changed"}, unproven(q, err)
}
