package accessrules_test

import (
	"fmt"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// A gate for an application that only members of a profile with a current subscription may use.
func Example() {
	rules, err := accessrules.Compile([]accessrules.Rule{
		{Path: "/public/"},
		{Path: "/app/{profile}/", Conditions: []accessrules.Condition{
			accessrules.Direct(accessrules.Roles("contributor"), accessrules.Weak),
			accessrules.Subscribed(accessrules.Plans("premium")),
		}},
	})
	if err != nil {
		panic(err)
	}
	facts := sampleWorld("current").facts() // who is who; here in memory
	for _, raw := range []string{"/public/logo.png", "/public/../app/acme/", "/app/acme/", "/elsewhere"} {
		path, err := accessrules.Clean(raw)
		if err != nil {
			panic(err)
		}
		for _, user := range []string{"", "stranger", "reader"} {
			q := &accessrules.Query{Facts: facts, Now: now, Caller: facts.users[user], Method: "GET"}
			d := rules.Decide(q, path)
			fmt.Printf("%s %q: %d %q\n", path, user, d.Verdict.Status(), d.Verdict.Reason)
		}
	}
	session := accessrules.Session{User: facts.users["stranger"], Site: &accessrules.Site{Slug: "hub"}}
	token, err := session.JWT("a key that the upstream knows", now)
	fmt.Println(len(token) > 0, err, accessrules.ValidUntil(session.User, now) == time.Time{})
	// Output:
	// /public/logo.png "": 200 ""
	// /public/logo.png "stranger": 200 ""
	// /public/logo.png "reader": 200 ""
	// /app/acme/ "": 401 "unauthenticated"
	// /app/acme/ "stranger": 403 "role-missing"
	// /app/acme/ "reader": 200 ""
	// /app/acme/ "": 401 "unauthenticated"
	// /app/acme/ "stranger": 403 "role-missing"
	// /app/acme/ "reader": 200 ""
	// /elsewhere "": 403 "no-rule"
	// /elsewhere "stranger": 403 "no-rule"
	// /elsewhere "reader": 403 "no-rule"
	// true <nil> true
}
