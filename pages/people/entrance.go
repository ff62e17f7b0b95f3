package people

import "github.com/caddy-tollgate/tollgate/pages"

// entrance are the pages by which somebody comes in and leaves.
func entrance() []pages.Page {
	recovery := map[string]pages.Form{"recover": sendRecovery, "code": recoverByCode}
	recovers := []string{"GET /api/auth/register", "POST /api/auth/recover", "POST /api/auth"}
	return []pages.Page{
		{
			Path: "/login/", Name: "login", Group: "login", Who: "anybody", Opens: true,
			Uses: []string{"GET /api/auth/register", "POST /api/auth", "POST /api/users/{user}/activate", "GET /api/auth/invitations/{grant_key}"},
			Show: showLogin, Forms: map[string]pages.Form{"login": logIn, "code": logInByCode, "otp": logInByOTP, "activation": sendActivation},
		},
		{
			Path: "/login/{key}/", Name: "key", Group: "login", Who: "anybody with the link of a mail", Opens: true, Secret: true,
			Uses: []string{"GET /api/auth/register", "GET /api/auth/{verification_key}", "POST /api/auth/{verification_key}"},
			Show: showKey, Forms: map[string]pages.Form{"key": useKey},
		},
		{
			Path: "/register/", Name: "register", Group: "login", Who: "anybody", Opens: true,
			Uses: []string{"GET /api/auth/register", "POST /api/auth/register", "GET /api/auth/invitations/{grant_key}"},
			Show: showRegister, Forms: map[string]pages.Form{"register": register, "code": registerByCode},
		},
		{
			Path: "/recover/", Name: "recover", Group: "login", Who: "anybody", Opens: true,
			Uses: recovers, Show: showRecovery("recover"), Forms: recovery,
		},
		{
			Path: "/activate/", Name: "recover", Group: "login", Who: "anybody", Opens: true,
			Uses: recovers, Show: showRecovery("activate"), Forms: recovery,
		},
		{
			Path: "/users/roles/accept/", Name: "invitations", Group: "account", Who: "who is logged in",
			Uses: []string{"GET /api/auth/tokens", "GET /api/users/{user}/accessibles",
				"PUT /api/users/{user}/accessibles/accept/{verification_key}", "DELETE /api/users/{user}/accessibles/{role}/{profile}"},
			Show: showInvitations, Forms: map[string]pages.Form{"accept": acceptInvitation, "decline": declineInvitation},
		},
		{
			Path: "/users/roles/accept/{key}/", Name: "invitation", Group: "account", Who: "anybody with the link of a mail", Secret: true,
			Uses: []string{"GET /api/auth/invitations/{grant_key}", "DELETE /api/auth/invitations/{grant_key}", "GET /api/auth/tokens",
				"PUT /api/users/{user}/accessibles/accept/{verification_key}"},
			Show: showInvitation, Forms: map[string]pages.Form{"accept": acceptByKey, "decline": declineByKey},
		},
		{
			Path: "/logout/", Name: "logout", Group: "login", Who: "anybody", Opens: true,
			Uses:  []string{"DELETE /api/auth/tokens"},
			Forms: map[string]pages.Form{"logout": logOut, "everywhere": logOutEverywhere},
		},
	}
}
