package people

import (
	"net/url"

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
	"/logout/": {
		{State: "first", User: xia},
		{State: "nobody"},
		{State: "long", User: &pages.User{Username: "xia", Name: long}},
	},
}

func typed(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}

func wrong(field, message string) map[string][]string { return map[string][]string{field: {message}} }
