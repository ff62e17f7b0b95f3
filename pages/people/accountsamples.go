package people

import (
	"maps"
	"time"

	"github.com/caddy-tollgate/tollgate/pages"
)

func init() { maps.Copy(samples, accountSamples) }

// accountSamples are those of the pages on which people look after their keys and roles.
var accountSamples = map[string][]pages.Sample{
	"/users/{user}/otp/": {
		{State: "first", D: &OTP{Holder: holder, Step: "off", Proven: true}, User: xia},
		{State: "unproven", D: &OTP{Holder: holder, Step: "off"}, User: xia},
		{State: "setup", D: setupSample(), User: xia},
		{State: "wrong", D: setupSample(), User: xia, Wrong: wrong("otp_code", "This one-time code is wrong or was used before.")},
		{State: "codes", D: &OTP{Holder: holder, Step: "codes", Codes: []string{"1234-5678-9012-3456", "2345-6789-0123-4567"}}, User: xia},
		{State: "on", D: &OTP{Holder: protected, Step: "on", Proven: true}, User: xia},
		{State: "of-another", D: &OTP{Holder: Holder{Username: "xia", Name: "Xia Lee", Prove: Prove{Password: true}}, Step: "on"},
			User: &pages.User{Username: "donny", Name: "Donny Smith"}},
	},
	"/users/{user}/keys/": {
		{State: "empty", D: &Keys{Holder: holder}, User: xia},
		{State: "many", D: &Keys{Holder: holder, Keys: keySamples,
			SSH: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExample xia@work"}, User: xia},
		{State: "made", D: &Keys{Holder: holder, Keys: keySamples[:1],
			Secret: "kQ9abcdefghjkmnpqrstuvwxyzABCDEFkQ9abcdefghjkmnpqrstuvwxyzABCDEF"}, User: xia},
		{State: "ending", D: &Keys{Holder: holder, Keys: keySamples, Ending: &keySamples[1]}, User: xia},
		{State: "code", D: &Keys{Holder: Holder{Username: "xia", Name: "Xia Lee", Mine: true,
			Prove: Prove{Email: "xia@example.com"}}}, User: xia},
	},
	"/users/{user}/notifications/": {
		{State: "first", D: notificationsSample(), User: xia},
	},
	"/users/{user}/roles/": {
		{State: "empty", D: &Roles{Holder: holder, Email: "xia@example.com"}, User: xia},
		{State: "many", D: rolesSample(), User: xia},
		{State: "leaving", D: leavingSample(), User: xia},
		{State: "none-found", D: &Roles{Holder: holder, Search: "nothing", Searched: true}, User: xia},
		{State: "unknown", D: &Roles{Holder: holder}, User: xia, Typed: typed("form", "ask", "profile", "nowhere"),
			Wrong: wrong("profile", "Profile nowhere does not exist.")},
	},
}

// protected is a holder with one-time passwords.
var protected = Holder{Username: "xia", Name: "Xia Lee", Mine: true, Prove: Prove{Password: true, OTP: true}}

func setupSample() *OTP {
	return &OTP{Holder: protected, Step: "setup", Proven: true, Secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP",
		URI: "otpauth://totp/Cowork:xia@example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Cowork"}
}

var keySamples = []KeyOf{
	{Title: "Backup of the office", Public: "kQ9abcdefghjkmnpqrstuvwxyzABCDEF", EndsAt: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)},
	{Public: "m7XabcdefghjkmnpqrstuvwxyzABCDEF", EndsAt: time.Date(2025, 1, 31, 0, 0, 0, 0, time.UTC), Ended: true},
	{Title: long, Public: "z2pabcdefghjkmnpqrstuvwxyzABCDEF"},
}

func notificationsSample() *Notifications {
	d := &Notifications{Holder: holder}
	for _, g := range eventGroups {
		group := EventGroup{Name: g.name}
		for i, slug := range g.events {
			group.Events = append(group.Events, Event{Slug: slug, Said: true, On: i%2 == 0})
		}
		d.add(group)
	}
	d.add(EventGroup{Name: "others", Events: []Event{{Slug: "menu_changed", Title: "The menu of the canteen", Description: long}}})
	return d
}

func rolesSample() *Roles {
	d := &Roles{Holder: holder, Count: 60, Invited: 1, Requested: 2, Searched: true, After: "?page=2", Email: "xia@example.com"}
	grant, request := "/api/users/xia/accessibles/accept/0123", "4567"
	for _, one := range []struct {
		name string
		role RoleOf
	}{
		{"Xia Lee", RoleOf{Own: true}}, {"Acme Corporation", RoleOf{}}, {long, RoleOf{Accept: &grant}},
		{"Blue Harbor", RoleOf{Request: &request}},
	} {
		r := one.role
		r.CreatedAt, r.Profile.Slug, r.Profile.Name = joined, "acme", one.name
		if r.Request == nil {
			r.Kind = &KindOf{Slug: "manager", Title: "Profile Manager", OTP: !r.Own}
		}
		d.Roles = append(d.Roles, r)
	}
	return d
}

func leavingSample() *Roles {
	d := rolesSample()
	d.Leaving = &d.Roles[1]
	return d
}
