package people

import "github.com/caddy-tollgate/tollgate/pages"

// entrance are the pages by which somebody comes in and leaves.
func entrance() []pages.Page {
	return []pages.Page{
		{
			Path: "/login/", Name: "login", Group: "login", Who: "anybody", Opens: true,
			Uses: []string{"POST /api/auth"},
			Show: showLogin, Forms: map[string]pages.Form{"login": logIn, "code": logInByCode, "otp": logInByOTP},
		},
		{
			Path: "/logout/", Name: "logout", Group: "login", Who: "anybody", Opens: true,
			Uses:  []string{"DELETE /api/auth/tokens"},
			Forms: map[string]pages.Form{"logout": logOut, "everywhere": logOutEverywhere},
		},
	}
}
