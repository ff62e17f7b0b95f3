package people

import (
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// account are the pages on which people look after their accounts.
func account() []pages.Page {
	const self = "the user; the broker's staff"
	return []pages.Page{
		{
			Path: "/users/", Name: "account", Group: "account", Who: "whoever is logged in: leads to the own account",
			Uses: []string{"GET /api/auth/tokens"},
			Show: toOwnPage("/users/{user}/"),
		},
		{
			Path: "/users/{user}/", Name: "account", Group: "account", Who: self, Files: rest.MaxPicture + 64<<10,
			Uses: []string{
				"GET /api/users/{user}", "PATCH /api/users/{user}", "DELETE /api/users/{user}", "GET /api/users/{user}/deletion",
				"POST /api/users/{user}/confirm", "POST /api/users/{user}/picture", "DELETE /api/users/{user}/picture", "POST /api/auth/recover", "GET /api/auth/register",
			},
			Show: showAccount,
			Forms: map[string]pages.Form{
				"details": changeDetails, "picture": changePicture, "picture_gone": removePicture, "delete": deleteAccount,
				"email": byEmail.change, "email_proof": byEmail.prove, "email_wait": byEmail.prove, "email_back": byEmail.takeBack, "email_confirm": byEmail.confirm,
				"phone": byPhone.change, "phone_proof": byPhone.prove, "phone_wait": byPhone.prove, "phone_back": byPhone.takeBack, "phone_confirm": byPhone.confirm,
			},
		},
		{
			Path: "/users/{user}/password/", Name: "account_password", Group: "account", Who: self,
			Uses: []string{"GET /api/users/{user}", "PUT /api/users/{user}/password", "POST /api/auth/recover", "GET /api/auth/register"},
			Show: showPassword, Forms: map[string]pages.Form{"password": changePassword},
		},
	}
}

// toOwnPage leads to the page of whoever is logged in.
func toOwnPage(path string) func(*pages.Request) (any, error) {
	return func(q *pages.Request) (any, error) {
		var me struct {
			Username string `json:"username"`
		}
		if err := q.Get(&me, "/api/auth/tokens"); err != nil {
			return nil, err
		}
		return nil, pages.RedirectTo(q.Address(path, me.Username))
	}
}
