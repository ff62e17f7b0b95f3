package accessrules_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// identity is the headers of a request that passed rules on a path, as "Name: value" lines.
func identity(t *testing.T, h *accessrules.Headers, m *memory, user, path string, rules ...accessrules.Rule) []string {
	t.Helper()
	set, err := accessrules.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	q := m.query(user, "GET")
	d := set.Decide(q, path)
	list := h.AppendCaller(nil, q.Caller, d.Params.Get("profile"), now)
	list, err = h.AppendProfile(list, q, &d)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, header := range list {
		lines = append(lines, header.Name+": "+header.Value)
	}
	return lines
}

func TestHeaders(t *testing.T) {
	w := sampleWorld("two")
	w.subs = append(w.subs, subRow{profile: "acme", plan: "basic", ends: now}, subRow{profile: "acme", plan: "free", ends: now.Add(-hour)})
	m := w.facts()
	h := accessrules.NewHeaders(accessrules.DefaultPrefix)
	guest := accessrules.Rule{Path: "/app/{profile}"}
	member := accessrules.Rule{Path: "/app/{profile}", Conditions: []accessrules.Condition{accessrules.Direct()}}
	provided := accessrules.Rule{Path: "/app/{profile}", Conditions: []accessrules.Condition{accessrules.All(accessrules.Active(), accessrules.Provider())}}
	class := accessrules.Rule{Path: "/app/{profile}", Conditions: []accessrules.Condition{accessrules.ProviderFrictionless}}
	fixed := accessrules.Rule{Path: "/app/{profile}", Conditions: []accessrules.Condition{accessrules.Provider(accessrules.OnProfile("acme"))}}
	subscribed := accessrules.Rule{Path: "/app/{profile}", Conditions: []accessrules.Condition{accessrules.All(accessrules.Paid(accessrules.Plans("premium")))}}
	caller := func(name, roles string) []string {
		lines := []string{"Tollgate-User: " + name, "Tollgate-Email: " + name + "@example.com", "Tollgate-Name: The " + name}
		if roles != "" {
			lines = append(lines, "Tollgate-Roles: "+roles)
		}
		return lines
	}
	acme := []string{"Tollgate-Profile: acme", "Tollgate-Plan: basic,premium"}
	for _, tt := range []struct {
		name, user, path string
		rule             accessrules.Rule
		want             []string
	}{
		{"anonymous", "", "/app/acme", guest, nil},
		{"member", "member", "/app/acme/x", member, append(caller("member", "manager:acme"), acme...)},
		{"custom role", "helper", "/app/acme", guest, append(caller("helper", "support:acme"), acme...)},
		{"role of the path first", "twice", "/app/zoo", guest, append(caller("twice", "manager:zoo,contributor:acme"), "Tollgate-Profile: zoo", "Tollgate-Plan: basic")},
		{"no profile in the path", "twice", "/", accessrules.Rule{Path: "/"}, caller("twice", "contributor:acme,manager:zoo")},
		{"ended role", "leaver", "/app/acme", guest, caller("leaver", "")},
		{"stranger under an open rule", "stranger", "/app/acme", guest, caller("stranger", "manager:other")},
		{"provider under an open rule", "seller", "/app/acme", guest, caller("seller", "manager:shop")},
		{"provider under a rule for providers", "seller", "/app/acme", provided, append(caller("seller", "manager:shop"), acme...)},
		{"provider under a class for providers", "clerk", "/app/acme", class, append(caller("clerk", "contributor:shop"), acme...)},
		{"provider of a profile that the rule fixes", "seller", "/app/zoo", fixed, caller("seller", "manager:shop")},
		{"staff of the plan's owner", "seller", "/app/acme", subscribed, caller("seller", "manager:shop")},
		{"refused", "stranger", "/app/acme", member, caller("stranger", "manager:other")},
		{"broker", "chief", "/app/acme", guest, append(caller("chief", "manager:hub"), acme...)},
		{"broker on nothing", "chief", "/app/unknown", guest, caller("chief", "manager:hub")},
		{"archived profile", "ghost", "/app/dead", guest, caller("ghost", "")},
		{"archived profile, broker", "chief", "/app/dead", guest, caller("chief", "manager:hub")},
		{"no plan", "stranger", "/app/other", guest, append(caller("stranger", "manager:other"), "Tollgate-Profile: other")},
	} {
		if diff := cmp.Diff(tt.want, identity(t, h, m, tt.user, tt.path, tt.rule)); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
	}

	own := (&accessrules.Headers{User: "x-user", Plan: "X-PLAN"}).Seal()
	if diff := cmp.Diff([]string{"X-User: member", "X-Plan: basic,premium"}, identity(t, own, m, "member", "/app/acme", guest)); diff != "" {
		t.Error(diff)
	}
	if got := identity(t, (&accessrules.Headers{}).Seal(), m, "member", "/app/acme", guest); got != nil {
		t.Errorf("no names, and yet %v", got)
	}

	m.fail = "Profile"
	set, err := accessrules.Compile([]accessrules.Rule{guest})
	if err != nil {
		t.Fatal(err)
	}
	q := m.query("chief", "GET")
	d := set.Decide(q, "/app/acme")
	if _, err := h.AppendProfile(nil, q, &d); err == nil {
		t.Error("facts are unavailable, and yet no error")
	}
}

func TestHeaderValues(t *testing.T) {
	h := accessrules.NewHeaders("")
	profile := &accessrules.Profile{Slug: "a,b:c", Active: true}
	u := &accessrules.User{Username: "x\r\nEvil: 1", Email: " é@example.com ", Name: "50% Zoë\t\u0085🍰", Roles: []accessrules.Role{{Profile: profile, Description: "mañager"}}}
	got := h.AppendCaller(nil, u, "", now)
	want := []accessrules.Header{{Name: "User", Value: "xEvil: 1"}, {Name: "Email", Value: "%C3%A9@example.com"}, {Name: "Name", Value: "50%25 Zo%C3%AB%F0%9F%8D%B0"}, {Name: "Roles", Value: "ma%C3%B1ager:a%2Cb%3Ac"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// A list is cut between items.
	u = &accessrules.User{Username: "x"}
	for i := range 1000 {
		u.Roles = append(u.Roles, accessrules.Role{Profile: &accessrules.Profile{Slug: fmt.Sprint("profile-", i), Active: true}, Description: "manager"})
	}
	list := h.AppendCaller(nil, u, "profile-999", now)
	roles := list[len(list)-1].Value
	items := strings.Split(roles, ",")
	if len(roles) > 4096 || len(roles) < 4000 || items[0] != "manager:profile-999" || items[1] != "manager:profile-0" || items[len(items)-1] != "..." || !strings.HasPrefix(items[len(items)-2], "manager:profile-") {
		t.Errorf("%d bytes: %s … %s", len(roles), items[0], items[len(items)-2:])
	}
	u.Roles = u.Roles[:1]
	u.Roles[0].Profile.Slug = strings.Repeat("x", 5000)
	if list = h.AppendCaller(nil, u, "", now); list[len(list)-1].Value != "..." {
		t.Errorf("one long item: %s", list[len(list)-1].Value)
	}
}

// TestHeaderValuesAtRandom: any text becomes one that a header may hold, and comes back by percent-decoding, less its control
// characters.
func TestHeaderValuesAtRandom(t *testing.T) {
	h := accessrules.NewHeaders("")
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		want := strings.Trim(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, name), " ")
		value := ""
		for _, header := range h.AppendCaller(nil, &accessrules.User{Name: name}, "", now) {
			value = header.Value
		}
		for i := range len(value) {
			if c := value[i]; c < ' ' || c >= 0x7f {
				t.Fatalf("%q holds %#x", value, c)
			}
		}
		if back, err := url.PathUnescape(value); err != nil || back != want {
			t.Fatalf("%q became %q and %q, want %q, %v", name, value, back, want, err)
		}
	})
}

func TestStrip(t *testing.T) {
	kept := http.Header{"Accept": {"*/*"}, "Tollgatex": {"x"}, "Tollgate": {"x"}, "X-Tollgate-User": {"x"}, "X-User": {"x"}, "X-User-Id": {"x"}, "Cookie": {"a=b"}, "Authorization": {"Basic x"}, "Connection": {"keep-alive", "Upgrade"}}
	forged := http.Header{
		"Tollgate-User": {"alice", "bob"}, "Tollgate-Email": {"x"}, "Tollgate_user": {"alice"}, "tollgate-roles": {"x"}, "TOLLGATE-PLAN": {"x"}, "Tollgate_Profile": {"x"},
		"Tollgate.name": {"x"}, "Tollgate-Anything": {"x"}, "tOLLGATE_aNYTHING_eLSE": {"x"},
	}
	for _, tt := range []struct {
		name  string
		h     *accessrules.Headers
		extra []string
	}{
		{"off", nil, nil},
		{"default names", accessrules.NewHeaders(accessrules.DefaultPrefix), nil},
		{"other names", (&accessrules.Headers{User: "remote-user", Roles: "X_Groups"}).Seal(), []string{"Remote-User", "Remote_user", "REMOTE.USER", "X-Groups", "x_groups", "X_Groups"}},
	} {
		header := kept.Clone()
		for name, values := range forged {
			header[name] = values
		}
		for _, name := range tt.extra {
			header[name] = []string{"alice"}
		}
		tt.h.Strip(header)
		if diff := cmp.Diff(kept, header); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
		if n := testing.AllocsPerRun(100, func() { tt.h.Strip(header) }); n != 0 {
			t.Errorf("%s: nothing to strip costs %v allocations", tt.name, n)
		}
	}
}

// TestStripConnection: a client cannot have a proxy drop what the gate sets.
func TestStripConnection(t *testing.T) {
	h := accessrules.NewHeaders("X-Me-")
	for in, want := range map[string]string{
		"keep-alive":                "keep-alive",
		"close, TE":                 "close, TE",
		"keep-alive, Tollgate-User": "keep-alive",
		"tollgate_roles":            "",
		"Authorization":             "",
		"cookie|Upgrade":            "Upgrade",
		"close, x-me-user ,authorization,Upgrade": "close, Upgrade",
	} {
		header := http.Header{"Connection": strings.Split(in, "|")}
		h.Strip(header)
		if got := strings.Join(header["Connection"], "|"); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
