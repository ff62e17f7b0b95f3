package people

import "github.com/caddy-tollgate/tollgate/pages"

// papers are the pages with what the site says to everybody, and is told by everybody.
func papers() []pages.Page {
	return []pages.Page{
		{
			Path: "/legal/", Name: "legal", Group: "legal", Who: "anybody",
			Uses: []string{"GET /api/legal"}, Show: showLegal,
		},
		{
			Path: "/legal/{agreement}/", Name: "agreement", Group: "legal", Who: "anybody",
			Uses: []string{"GET /api/legal/{agreement}"}, Show: showAgreement,
		},
		{
			Path: "/legal/{agreement}/sign/", Name: "sign", Group: "legal", Who: "who is logged in",
			Uses: []string{"GET /api/legal/{agreement}", "POST /api/legal/{agreement}/sign", "GET /api/auth/tokens"},
			Show: showSigning, Forms: map[string]pages.Form{"sign": signAgreement},
		},
		{
			Path: "/contact/", Name: "contact", Group: "contact", Who: "anybody",
			Uses: []string{"POST /api/contact", "GET /api/auth/tokens"},
			Show: showContact, Forms: map[string]pages.Form{"contact": sendMessage},
		},
	}
}
