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
				"POST /api/users/{user}/confirm", "POST /api/users/{user}/picture", "DELETE /api/users/{user}/picture",
				"POST /api/auth/recover", "GET /api/auth/register",
			},
			Show: showAccount,
			Forms: map[string]pages.Form{
				"details": changeDetails, "picture": changePicture, "picture_gone": removePicture, "delete": deleteAccount,
				"email": byEmail.change, "email_back": byEmail.takeBack, "email_confirm": byEmail.confirm,
				"email_proof": byEmail.prove, "email_wait": byEmail.prove,
				"phone": byPhone.change, "phone_back": byPhone.takeBack, "phone_confirm": byPhone.confirm,
				"phone_proof": byPhone.prove, "phone_wait": byPhone.prove,
			},
		},
		{
			Path: "/users/{user}/password/", Name: "account_password", Group: "account", Who: self,
			Uses: []string{"GET /api/users/{user}", "PUT /api/users/{user}/password", "POST /api/auth/recover", "GET /api/auth/register"},
			Show: showPassword, Forms: map[string]pages.Form{"password": changePassword},
		},
		{
			Path: "/users/{user}/otp/", Name: "account_otp", Group: "account", Who: self,
			Uses: []string{"GET /api/users/{user}", "PUT /api/users/{user}/otp", "POST /api/auth/recover"},
			Show: showOTP, Forms: map[string]pages.Form{"start": startOTP, "confirm": confirmOTP, "codes": makeCodes, "end": endOTP},
		},
		{
			Path: "/users/{user}/keys/", Name: "account_keys", Group: "account", Who: self,
			Uses: []string{
				"GET /api/users/{user}", "GET /api/users/{user}/api-keys", "POST /api/users/{user}/api-keys", "POST /api/users/{user}/api-keys/{key}",
				"GET /api/users/{user}/ssh-keys", "PUT /api/users/{user}/ssh-keys", "DELETE /api/users/{user}/ssh-keys", "POST /api/auth/recover",
			},
			Show: showKeys, Forms: map[string]pages.Form{"key": makeKey, "end": endKey, "ssh": setSSHKey},
		},
		{
			Path: "/users/{user}/notifications/", Name: "account_notifications", Group: "account", Who: self,
			Uses: []string{"GET /api/users/{user}", "GET /api/users/{user}/notifications", "PUT /api/users/{user}/notifications"},
			Show: showNotifications, Forms: map[string]pages.Form{"choose": chooseNotifications},
		},
		{
			Path: "/users/roles/", Name: "account_roles", Group: "account", Who: "whoever is logged in: leads to the own roles",
			Uses: []string{"GET /api/auth/tokens"},
			Show: toOwnPage("/users/{user}/roles/"),
		},
		{
			Path: "/users/{user}/roles/", Name: "account_roles", Group: "account", Who: self,
			Uses: []string{
				"GET /api/users/{user}", "GET /api/users/{user}/accessibles", "POST /api/users/{user}/accessibles",
				"POST /api/users/{user}/accessibles/{role}",
				"DELETE /api/users/{user}/accessibles/{role}/{profile}", "PUT /api/users/{user}/accessibles/accept/{verification_key}",
				"POST /api/users/{user}/profiles",
			},
			Show: showRoles, Forms: map[string]pages.Form{"accept": acceptRole, "drop": dropRole, "ask": askRole, "make": makeProfile},
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
