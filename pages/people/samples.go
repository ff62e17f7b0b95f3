package people

import (
	"net/url"
	"time"

	"github.com/caddy-tollgate/tollgate/pages"
)

// long is a name of 120 characters, as somebody may have.
const long = "Maximiliana-Wilhelmina Featherstonehaugh-Cholmondeley von und zu Donaudampfschifffahrtsgesellschaft, of Newcastle upon Ty"

var xia = &pages.User{Username: "xia", Name: "Xia Lee"}

// samples are the pages in their states (pages.md 2.5), by path.
var samples = map[string][]pages.Sample{
	"/login/": {
		{State: "first", D: &Login{Step: "name"}, Next: "/app/xia/"},
		{State: "wrong", D: &Login{Step: "name"}, Typed: typed("username", "xia"), Wrong: wrong("username", "Incorrect credentials.")},
		{State: "throttled", D: &Login{Step: "name"}, Typed: typed("username", "xia"),
			Wrong: wrong("detail", "Request was throttled. Expected available in 42 seconds.")},
		{State: "logged-in", D: &Login{Step: "name"}, User: xia},
		{State: "code", D: &Login{Step: "code", Name: "xia@example.com", Way: "email"}},
		{State: "code-by-phone", D: &Login{Step: "code", Name: "+14155550100", Way: "phone"}, Wrong: wrong("code", "Enter the code.")},
		{State: "one-time-password", D: &Login{Step: "otp", Name: "xia"}},
		{State: "too-late", D: &Login{Step: "name"}, Said: "too_late"},
		{State: "long", D: &Login{Step: "name", Name: long}, User: &pages.User{Username: "xia", Name: long}},
	},
	"/login/{key}/": {
		{State: "first", D: &Key{Username: "xia", Name: "Xia Lee", Email: "xia@example.com", MinLength: 8}},
		{State: "new", D: &Key{Username: "kim", Email: "kim@example.com", New: true, MinLength: 8}},
		{State: "one-time-password", D: &Key{Username: "xia", Name: "Xia Lee", OTP: true, MinLength: 8}},
		{State: "used", D: &Key{Gone: true}},
		{State: "other", D: &Key{Username: "kim", Name: "Kim", Other: true, MinLength: 8}, User: xia},
	},
	"/register/": {
		{State: "first", D: &Register{Step: "form", Kind: "personal", Types: kinds, MinLength: 8, Agreements: terms}},
		{State: "taken", D: &Register{Step: "form", MinLength: 8}, Typed: typed("full_name", "Xia Lee", "email", "xia@example.com"),
			Wrong: wrong("email", "This email is already taken.")},
		{State: "invited", D: &Register{Step: "form", Email: "kim@example.com", MinLength: 8, Invitation: invited("kim@example.com")}},
		{State: "code", D: &Register{Step: "code", Name: "Xia Lee", Email: "xia@example.com", MinLength: 8}},
		{State: "link", D: &Register{Step: "link", Email: "xia@example.com"}},
		{State: "closed", D: &Register{Step: "closed"}},
		{State: "long", D: &Register{Step: "form", Name: long, Email: long, Username: long, Company: long,
			Kind: "organization", Types: kinds, MinLength: 8}},
	},
	"/recover/":  recovery("recover"),
	"/activate/": recovery("activate"),
	"/users/roles/accept/": {
		{State: "none", D: &Invitations{}, User: xia},
		{State: "one", D: &Invitations{Waiting: []RoleOf{waits("Acme Corp")}, More: true}, User: xia},
		{State: "long", D: &Invitations{Waiting: []RoleOf{waits("Acme Corp"), waits(long)}}, User: xia, Next: "/app/xia/"},
	},
	"/users/roles/accept/{key}/": {
		{State: "nobody", D: &InvitationByKey{invitation: invited("kim@example.com")}},
		{State: "for-a-user", D: &InvitationByKey{invitation: invited("")}},
		{State: "mine", D: &InvitationByKey{invitation: invited(""), Mine: true}, User: xia},
		{State: "other", D: &InvitationByKey{invitation: invited(""), ToOther: true}, User: xia},
		{State: "unproven", D: &InvitationByKey{invitation: invited("kim@example.com"), Mine: true}, User: xia,
			Wrong: wrong("proof", toAddress)},
		{State: "over", D: &InvitationByKey{invitation: &invitation{}, Gone: true}},
	},
	"/legal/": {
		{State: "none", D: &Legal{}},
		{State: "many", D: &Legal{append(terms, agreement{Slug: "long", Title: long, UpdatedAt: joined})}},
	},
	"/legal/{agreement}/": {
		{State: "first", D: paper(joined)},
		{State: "empty", D: &Agreement{agreement: paper(joined).agreement}},
	},
	"/legal/{agreement}/sign/": {
		{State: "first", D: paper(joined), User: xia, Next: "/app/xia/"},
		{State: "refused", D: paper(joined), User: xia, Wrong: wrong("read_terms", "You have to agree with the terms.")},
		{State: "signed", D: signedPaper(), User: xia},
	},
	"/contact/": {
		{State: "first", D: &Contact{}},
		{State: "known", D: &Contact{"Xia Lee", "xia@example.com"}, User: xia, Said: "message_sent"},
		{State: "wrong", D: &Contact{}, Typed: typed("message", "Hello"), Wrong: wrong("email", "Enter a valid email address.")},
	},
	"/users/{user}/": {
		{State: "first", D: accountSample(true), User: xia},
		{State: "empty", D: &Account{Holder: holder, FullName: "Xia Lee", Since: joined, Email: AddressBox{Kind: "email"},
			Phone: AddressBox{Kind: "phone"}}, User: xia},
		{State: "unproven", D: unprovenSample(), User: xia},
		{State: "deletion-refused", D: obstructedSample(), User: xia},
		{State: "of-another", D: accountSample(false), User: &pages.User{Username: "donny", Name: "Donny Smith"}},
		{State: "saved", D: accountSample(true), User: xia, Said: "saved"},
	},
	"/users/{user}/password/": {
		{State: "first", D: &Password{Holder: holder, Set: true, MinLength: 8}, User: xia},
		{State: "none", D: &Password{Holder: Holder{Username: "xia", Name: "Xia Lee", Mine: true,
			Prove: Prove{Email: "xia@example.com"}}, MinLength: 8}, User: xia},
		{State: "wrong", D: &Password{Holder: holder, Set: true, MinLength: 8}, User: xia,
			Wrong: wrong("new_password", "Ensure this field has at least 8 characters.")},
	},
	"/logout/": {
		{State: "first", User: xia},
		{State: "nobody"},
		{State: "long", User: &pages.User{Username: "xia", Name: long}},
	},
}

const joined = "2026-01-31T12:00:00Z"

var (
	kinds  = []string{"personal", "organization"}
	terms  = []agreement{{Slug: "terms-of-use", Title: "Terms of use", UpdatedAt: joined}}
	holder = Holder{Username: "xia", Name: "Xia Lee", Mine: true, Prove: Prove{Password: true}}
)

func invited(email string) *invitation {
	i := &invitation{CreatedAt: joined, Role: KindOf{Slug: "manager", Title: "Manager", Global: true}, Email: email}
	i.Profile.Slug, i.Profile.Name = "acme", "Acme Corporation"
	return i
}

func recovery(kind string) []pages.Sample {
	return []pages.Sample{
		{State: "first", D: &Recover{Kind: kind, Step: "name", MinLength: 8}},
		{State: "unknown", D: &Recover{Kind: kind, Step: "name"}, Typed: typed("username", "nobody"),
			Wrong: wrong("username", "This account is unknown. Please register.")},
		{State: "code", D: &Recover{Kind: kind, Step: "code", Name: "xia", SentTo: "x•••@e•••.com", Way: "email", MinLength: 8}},
		{State: "code-by-phone", D: &Recover{Kind: kind, Step: "code", Name: "+14155550100", Way: "phone", MinLength: 8}},
		{State: "link", D: &Recover{Kind: kind, Step: "link", Name: "xia", Way: "email"}},
	}
}

func accountSample(mine bool) *Account {
	a := &Account{
		Holder: holder, FullName: "Xia Lee", NickName: "Xia", Lang: "en", Since: joined, LastLogin: joined,
		Languages: []pages.Option{{Value: "en", Label: "English"}, {Value: "fr", Label: "Français"}},
		Email:     AddressBox{Kind: "email", Shown: "xia@example.com", Proven: true, Codes: true, Ask: true},
		Phone:     AddressBox{Kind: "phone", Ask: true},
	}
	a.Mine = mine
	return a
}

// unprovenSample is an account whose addresses were changed, and not proven yet.
func unprovenSample() *Account {
	a := accountSample(true)
	a.Email = AddressBox{Kind: "email", Shown: long, Replaced: "xia@example.com", Codes: true, Ask: true}
	a.Phone = AddressBox{Kind: "phone", Shown: "+14155550100", Waiting: []string{"+14155550199"}, Ask: true}
	return a
}

// obstructedSample is an account that cannot be deleted.
func obstructedSample() *Account {
	a := accountSample(true)
	for _, reason := range []string{"last_manager", "balance", "subscribers", "broker"} {
		o := Obstacle{Reason: reason}
		o.Profile.Slug, o.Profile.PrintableName = "acme", "Acme Corporation"
		a.Obstacles = append(a.Obstacles, o)
	}
	a.Obstacles[1].Due, a.Obstacles[1].Funds = []amountOf{{11900, "usd"}}, []amountOf{{5000, "eur"}}
	return a
}

func typed(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}

func wrong(field, message string) map[string][]string { return map[string][]string{field: {message}} }

func waits(profile string) (r RoleOf) {
	r.CreatedAt, r.Kind = joined, &KindOf{Slug: "contributor", Title: "Contributor", Global: true}
	r.Profile.Slug, r.Profile.Name = "acme", profile
	return r
}

func paper(updated string) *Agreement {
	return &Agreement{
		agreement: agreement{Slug: "terms-of-use", Title: "Terms of use", UpdatedAt: updated},
		HTML:      "<h2>Be kind</h2>\n<ul>\n<li>to <strong>all</strong></li>\n</ul>",
	}
}

func signedPaper() *Agreement {
	a := paper(joined)
	a.Signed = time.Date(2026, time.February, 3, 12, 0, 0, 0, time.UTC)
	return a
}
