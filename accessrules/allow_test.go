package accessrules_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

func TestAllow(t *testing.T) {
	for text, want := range map[string]string{ // want: as printed, and in words
		"0":                                    "0 | any",
		"1":                                    "1 | authenticated",
		"2":                                    "2 | agreement",
		"3":                                    "3 | direct contributor",
		"5":                                    "5 | direct strong",
		"10":                                   "10 | provider_only contributor weak",
		"14":                                   "14 | self strong",
		"17":                                   "17 | active",
		"18":                                   "18 | provider_readable contributor",
		"3/":                                   "3 | direct contributor",
		`3/{"roledescription": "contributor"}`: `3/{"roledescription": "contributor"} | direct contributor`,
		`15/{"plan": "premium"}`:               `15/{"plan": "premium"} | paid premium`,
		`15/{"plan":"premium"}`:                `15/{"plan": "premium"} | paid premium`,
		`16/{"plan": ["basic","premium"], "profile":null, "brokers": ["a", "b"]}`: `16/{"plan": ["basic", "premium"], "brokers": ["a", "b"]} | ever_subscribed basic premium brokers=a,b`,
		`16/{"plan": ["basic"]}`:                                     `16/{"plan": ["basic"]} | ever_subscribed basic`,
		`6/{"brokers": "a"}`:                                         `6/{"brokers": ["a"]} | provider contributor brokers=a`,
		`4/{"brokers": ["a"], "plan": 1, "profile": "acme"}`:         `4/{"profile": "acme"} | direct contributor weak profile=acme`,
		`5/{"roledescription": "x"}`:                                 "5 | direct strong",
		`12/{"roledescription": "x", "user": "xia", "profile": "p"}`: `12/{"user": "xia", "roledescription": "x"} | self x user=xia`,
		`2/{"agreement": "a/b"}`:                                     `2/{"agreement": "a/b"} | agreement a/b`,
		`2/{"agreement": "h\u00e9"}`:                                 `2/{"agreement": "h\u00e9"} | agreement hé`,
		`15/{"plan": "", "profile": ""}`:                             "15 | paid",
		`15/null`:                                                    "15 | paid",
		`9/ {"profile": null} `:                                      "9 | provider_only contributor",
	} {
		c, err := accessrules.ParseAllow(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		printed := accessrules.FormatAllow(c)
		if got := printed + " | " + c.String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		op, kwargs := accessrules.SplitAllow(printed)
		again, err := accessrules.ParseOperation(op, kwargs)
		if err != nil || again.String() != c.String() || accessrules.FormatAllow(again) != printed {
			t.Errorf("%s in two columns: %d %q, %v", text, op, kwargs, err)
		}
	}
}

func TestAllowErrors(t *testing.T) {
	for _, op := range []string{"", "19", "42", "-1", "+3", "03", "x", " 3", "3 ", "3.0", "99999999999999999999"} {
		_, err := accessrules.ParseAllow(op + `/{"plan": "x"}`)
		var unknown *accessrules.UnknownRuleError
		if !errors.As(err, &unknown) || err.Error() != "unknown rule "+op {
			t.Errorf("%q: %v", op, err)
		}
	}
	for _, op := range []int{-1, 19} {
		if _, err := accessrules.ParseOperation(op, ""); err == nil {
			t.Errorf("%d passes", op)
		}
	}
	for text, want := range map[string]string{
		`3/[]`:                         "not a JSON object",
		`3/{`:                          "not a JSON object",
		`3/{"profile": "a"} x`:         "not a JSON object",
		`15/premium`:                   "not a JSON object",
		`15/{"plan": []}`:              "plan: an empty list",
		`15/{"plan": [""]}`:            "plan: an empty string",
		`15/{"plan": [null]}`:          "plan: an empty string",
		`15/{"plan": 3}`:               "plan: neither",
		`15/{"plan": ["a", 3]}`:        "plan: neither",
		`15/{"plan": {"a": 3}}`:        "plan: neither",
		`15/{"profile": ["a"]}`:        "profile: a list",
		`3/{"roledescription": false}`: "roledescription: neither",
		`15/{"plan": "` + strings.Repeat("a", 250) + `"}`: "longer than 255",
	} {
		if c, err := accessrules.ParseAllow(text); err == nil || c != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// TestFormatAllowOfOthers: what the Caddyfile can say and the rules API cannot is printed as what it varies.
func TestFormatAllowOfOthers(t *testing.T) {
	for want, c := range map[string]accessrules.Condition{
		`15/{"plan": "premium"}`:                              accessrules.Subscribed(accessrules.Plans("premium"), accessrules.Grace(hour)),
		`3/{"roledescription": ["a", "b"], "brokers": ["c"]}`: accessrules.All(accessrules.All(accessrules.Direct(accessrules.Roles("a", "b"), accessrules.Brokers("c")), accessrules.Active()), accessrules.Subscribed()),
		"12": accessrules.SelfWrite(),
		"1":  accessrules.DirectStrict,
		"0":  accessrules.Public,
	} {
		if got := accessrules.FormatAllow(c); got != want {
			t.Errorf("%s: got %s, want %s", c, got, want)
		}
	}
	if got := accessrules.FormatAllow(accessrules.BrokerStaff()); got != "1" {
		t.Errorf("broker: got %s", got)
	}
	if got := accessrules.FormatAllow(accessrules.All()); got != "0" {
		t.Errorf("nothing: got %s", got)
	}
}

// TestAllowAtRandom: any text is refused or reads back as the same condition.
func TestAllowAtRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.Custom(func(t *rapid.T) arguments {
			words := rapid.SliceOfN(rapid.String(), 0, 3)
			return arguments{profile: rapid.String().Draw(t, "profile"), user: rapid.String().Draw(t, "user"), agreement: rapid.String().Draw(t, "agreement"),
				roles: words.Draw(t, "roles"), plans: words.Draw(t, "plans"), brokers: words.Draw(t, "brokers")}
		}), func(a arguments) string { return allowText(len(a.profile)%20, a) })).Draw(t, "text")
		c, err := accessrules.ParseAllow(text)
		if err != nil {
			return
		}
		printed := accessrules.FormatAllow(c)
		again, err := accessrules.ParseAllow(printed)
		if err != nil || again.String() != c.String() || accessrules.FormatAllow(again) != printed {
			t.Fatalf("%q prints as %q and reads back as %v, %v", text, printed, again, err)
		}
	})
}
