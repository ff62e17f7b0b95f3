package buying

import (
	"time"

	"github.com/caddy-tollgate/tollgate/pages"
)

// long is a name of 120 characters, as something may have.
const long = "Maximiliana-Wilhelmina Featherstonehaugh-Cholmondeley von und zu Donaudampfschifffahrtsgesellschaft, of Newcastle upon Ty"

var (
	xia     = &pages.User{Username: "xia", Name: "Xia Lee"}
	acme    = &Named{Slug: "acme", Name: "Acme Corporation"}
	premium = Offer{Slug: "premium", Title: "Premium", Description: "Everything, for teams.", Amount: 119000,
		Unit: "usd", Period: "monthly", Length: 1}
	pass    = Offer{Slug: "day-pass", Title: "Day pass", Unit: "usd", Period: "daily", Length: 3, Renewal: "one-time"}
	longest = Offer{Slug: "long", Title: long, Description: long + " " + long, Amount: 1234567890, Unit: "usd", Period: "yearly", Length: 2}
)

// samples are the pages in their states (pages.md 2.5), by path.
var samples = map[string][]pages.Sample{
	"/pricing/": {
		{State: "empty", D: &Pricing{}},
		{State: "one", D: &Pricing{Sellers: []Seller{{Offers: offerSamples[:1]}}}},
		{State: "many", D: &Pricing{Several: true, Coupon: true,
			Sellers: []Seller{{Name: "Cowork", Offers: offerSamples}, {Name: long, Offers: offerSamples[3:]}}, After: "?page=2"}, User: xia},
		{State: "in-cart", D: &Pricing{Sellers: []Seller{{Offers: offerSamples}}}, Said: "in_cart"},
		{State: "part", D: &Pricing{Part: true, Sellers: []Seller{{Offers: offerSamples}}}},
	},
	"/profile/{profile}/subscriptions/accept/{key}/": {
		{State: "offered", D: &Grant{Profile: Ref{Slug: "acme", Name: "Acme Corporation"}, Plan: Ref{Title: "Premium"},
			EndsAt: "2026-12-30T12:00:00Z", Provider: "Cowork", Renews: true}, User: xia},
		{State: "long", D: &Grant{Profile: Ref{Slug: "long", Name: long}, Plan: Ref{Title: long},
			EndsAt: "2026-12-30T12:00:00Z", Provider: long}, User: xia},
		{State: "gone", D: &Grant{Gone: true}, User: xia},
	},
	"/app/": {
		{State: "empty", D: &App{Page: 1}, User: xia},
		{State: "one", D: &App{Page: 1, Count: 1, Profiles: accessSamples[:1]}, User: xia},
		{State: "many", D: &App{Page: 2, Count: 31, Invited: 2, Searches: true, Search: "acme", Before: "?page=1",
			After: "?page=3", Profiles: accessSamples}, User: xia},
		{State: "none-found", D: &App{Page: 1, Searches: true, Search: long}, User: xia},
		{State: "asked", D: &App{Page: 1, Count: 1, Profiles: accessSamples[:1]}, User: xia, Said: "role_asked"},
	},
	"/app/{profile}/": {
		{State: "one", D: &App{One: true, Count: 1, Profiles: accessSamples[:1]}, User: xia},
		{State: "empty", D: &App{One: true, Count: 1, Profiles: []Access{{Profile: Ref{Slug: "xia", Name: "Xia Lee"}}}}, User: xia},
		{State: "long", D: &App{One: true, Count: 1, Profiles: accessSamples[1:]}, User: xia},
	},
}

var offerSamples = []Offer{
	{Slug: "premium", Title: "Premium", Description: "Everything, for teams.", Amount: 11900, Unit: "usd",
		Period: "monthly", Length: 1, Setup: 5000,
		Options: []Option{{1, 1, 11900, 11900}, {2, 12, 128500, 142800}}, Uses: []Use{{Title: "Prints", Amount: 15, Quota: 100}}},
	{Slug: "trial", Title: "Trial", Unit: "usd", Period: "daily", Length: 14, Renewal: "one-time",
		Options: []Option{{1, 14, 0, 0}}, InCart: true},
	{Slug: "desk", Title: "Desk", Amount: 9600, Unit: "eur", Period: "monthly", Length: 1,
		Options: []Option{{1, 1, 8000, 9600}}, State: "current", Until: sampleTime},
	{Slug: "long", Title: long, Description: long, Unit: "usd", Period: "yearly", Length: 1, NotPriced: true,
		State: "ended", Until: sampleTime},
	{Slug: "room", Title: "Room", Amount: 100, Unit: "usd", Period: "hourly", Length: 2,
		Options: []Option{{1, 2, 100, 100}}, State: "due", Until: sampleTime},
}

var sampleTime = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

var accessSamples = []Access{
	{Profile: Ref{Slug: "acme", Name: "Acme Corporation"}, Role: &Ref{Slug: "manager", Title: "Manager"}, Subscriptions: []Subscription{
		{Plan: Ref{Slug: "premium", Title: "Premium"}, EndsAt: "2026-12-30T12:00:00Z", AutoRenew: true},
		{Plan: Ref{Slug: "desk", Title: "Desk"}, EndsAt: "2026-12-30T12:00:00Z", Locked: true},
	}},
	{Profile: Ref{Slug: "long", Name: long}, Role: &Ref{Slug: "support", Title: "Support"}, Subscriptions: []Subscription{
		{Plan: Ref{Slug: "long", Title: long}, EndsAt: "2026-12-30T12:00:00Z", GrantKey: "key"},
		{Plan: Ref{Slug: "desk", Title: "Desk"}, EndsAt: "2026-12-30T12:00:00Z", RequestKey: "key"},
	}},
}

// Refusals is the page of refusals of rules, which has no address.
func Refusals() pages.Page {
	return pages.Page{Path: "(refused)", Name: "refused", Who: "who is refused", Samples: refusedSamples()}
}

func refusedSamples() (all []pages.Sample) {
	due := []Sum{{11900, "usd"}, {5000, "eur"}}
	for _, s := range []struct {
		state string
		d     Refused
	}{
		{"subscribe", Refused{Kind: "subscribe", Profile: acme, Plans: []Offer{premium}, Managers: []string{"Donny Smith"}, Request: "4b1d5a8e"}},
		{"many", Refused{Kind: "subscribe", Choice: 3, Plans: []Offer{premium, pass}}},
		{"ended", Refused{Kind: "ended", Profile: acme, Plans: []Offer{premium}, Ended: sampleTime, Choice: 1}},
		{"balance", Refused{Kind: "balance", Profile: acme, Plans: []Offer{premium}, Due: due, Managers: []string{"Donny Smith", "Amy Lee"}}},
		{"role", Refused{Kind: "role", Profile: acme, Held: []string{"contributor"}, Roles: []string{"manager", "support"},
			Managers: []string{"Donny Smith"}}},
		{"one-time-password", Refused{Kind: "otp", Profile: acme}},
		{"agreement", Refused{Kind: "terms", Agreement: &Named{Slug: "terms-of-use", Name: "Terms of use"}}},
		{"invited", Refused{Kind: "invited", Profile: acme}},
		{"read-only", Refused{Kind: "readonly"}},
		{"long", Refused{Kind: "subscribe", Profile: &Named{Slug: "long", Name: long}, Plans: []Offer{longest, longest},
			Managers: []string{long, long}}},
	} {
		all = append(all, pages.Sample{State: s.state, D: &s.d, User: xia})
	}
	return all
}
