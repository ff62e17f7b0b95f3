package profile

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

func TestAgreements(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	const at = `"updated_at":"2025-03-10T12:00:00Z"`
	w.Run(t,
		c("none at bootstrap (decision 28)", "", "GET /api/legal", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`),
		c("nothing", "bob", "POST /api/agreements", `{}`, 400, `{"title":["This field is required."]}`),
		c("long", "bob", "POST /api/agreements", `{"title":"`+strings.Repeat("x", 151)+`"}`, 400, `{"title":["Ensure this field has no more than 150 characters."]}`),
		c("make", "bob", "POST /api/agreements", `{"title":"Privacy"}`, 201, `{"slug":"privacy","title":"Privacy",`+at+`}`),
		c("its title again", "bob", "POST /api/agreements", `{"title":"Privacy"}`, 400, `{"title":["agreement with this title already exists."]}`),
		c("its slug again", "bob", "POST /api/agreements", `{"title":"privacy!"}`, 400, `{"slug":"This slug is already taken."}`),
		c("with a date and a text", "bob", "POST /api/agreements", `{"title":"Conduct","updated_at":"2025-01-01","text":"# Rules"}`, 201, `{"slug":"conduct","title":"Conduct","updated_at":"2025-01-01T00:00:00Z"}`),
		c("list", "", "GET /api/legal?o=-title", "", 200, `{"count":2,"next":null,"previous":null,"results":[{"slug":"privacy","title":"Privacy",`+at+`},{"slug":"conduct","title":"Conduct","updated_at":"2025-01-01T00:00:00Z"}]}`),
		c("search", "ben", "GET /api/agreements?q=cond", "", 200, `{"count":1,"next":null,"previous":null,"results":[{"slug":"conduct","title":"Conduct","updated_at":"2025-01-01T00:00:00Z"}]}`),
		c("no text", "", "GET /api/legal/privacy", "", 200, `{"slug":"privacy","title":"Privacy",`+at+`,"text":""}`),
		c("text", "", "GET /api/legal/conduct", "", 200, `{"slug":"conduct","title":"Conduct","updated_at":"2025-01-01T00:00:00Z","text":"<h1>Rules</h1>\n"}`),
		c("as the broker", "ben", "GET /api/agreements/conduct", "", 200, `~"text":"<h1>Rules</h1>\n"`),
		c("unknown", "", "GET /api/legal/nope", "", 404, `{"detail":"No Agreement matches the given query."}`),
		c("PUT wants both", "bob", "PUT /api/agreements/conduct", `{}`, 400, `{"title":["This field is required."],"updated_at":["This field is required."]}`),
		c("PUT", "bob", "PUT /api/agreements/conduct", `{"title":"Code","updated_at":"2025-02-01T10:00:00Z"}`, 200, `{"slug":"conduct","title":"Code","updated_at":"2025-02-01T10:00:00Z"}`),
		c("PATCH leaves the date", "bob", "PATCH /api/agreements/conduct", `{"title":"Conduct"}`, 200, `{"slug":"conduct","title":"Conduct","updated_at":"2025-02-01T10:00:00Z"}`),
		c("PATCH a title that is there", "bob", "PATCH /api/agreements/conduct", `{"title":"Privacy"}`, 400, `{"title":["agreement with this title already exists."]}`),
		c("the text is kept", "", "GET /api/legal/conduct", "", 200, `~"text":"<h1>Rules</h1>\n"`),
		c("bad date", "bob", "PATCH /api/agreements/conduct", `{"updated_at":"foo"}`, 400, `~{"updated_at":["Datetime has wrong format.`),
		c("delete", "bob", "DELETE /api/agreements/conduct", "", 204, ""),
		c("again", "bob", "DELETE /api/agreements/conduct", "", 404, `{"detail":"No Agreement matches the given query."}`),
		c("sign", "alice", "POST /api/legal/privacy/sign", `{"read_terms":true}`, 200, `{"read_terms":true,"last_signed":"2025-03-10T12:00:00Z"}`),
		c("a signed one stays", "bob", "DELETE /api/agreements/privacy", "", 409, `{"detail":"This agreement has been signed and cannot be deleted."}`),
		c("no body", "alice", "POST /api/legal/privacy/sign", ``, 400, `{"read_terms":["This field is required."]}`),
		c("not a boolean", "alice", "POST /api/legal/privacy/sign", `{"read_terms":"maybe"}`, 400, `{"read_terms":["Must be a valid boolean."]}`),
		c("no", "alice", "POST /api/legal/privacy/sign", `{"read_terms":false}`, 400, `{"read_terms":"You have to agree with the terms"}`),
		c("unknown", "alice", "POST /api/legal/nope/sign", `{"read_terms":true}`, 404, `{"detail":"Not found."}`),
		c("nobody", "", "POST /api/legal/privacy/sign", `{"read_terms":true}`, 401, "*"),
	)
}

// From the day the broker makes terms-of-use, who has not signed its last version is refused where the class says so (decision 28).
func TestTermsOfUse(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	sign := c("sign", "donny", "POST /api/legal/terms-of-use/sign", `{"read_terms":true}`, 200, "*")
	read := func(name string, status int) resttest.Step {
		return c(name, "donny", "GET /api/profile/cowork/roles", "", status, "*")
	}
	w.Run(t,
		read("before there are any", 200),
		c("made", "bob", "POST /api/agreements", `{"title":"Terms of use"}`, 201, `~"slug":"terms-of-use"`),
		read("not signed", 403),
		c("frictionless", "donny", "GET /api/profile/cowork", "", 200, "*"),
		c("the broker must sign too before it edits again", "bob", "PATCH /api/agreements/terms-of-use", `{"updated_at":"2025-03-11"}`, 403, "*"),
		sign,
		read("signed", 200),
		c("the broker signs", "bob", "POST /api/legal/terms-of-use/sign", `{"read_terms":true}`, 200, "*"),
		c("and moves the date", "bob", "PATCH /api/agreements/terms-of-use", `{"updated_at":"2025-03-10T12:30:00Z"}`, 200, "*"),
		read("a new version", 403),
	)
	w.Clock.Advance(3600e9)
	w.Run(t, sign, read("signed again", 200))
}

// What an agreement says is text, whoever wrote it.
func TestMarkdownIsSafe(t *testing.T) {
	for text, want := range map[string]string{
		"Hello *world*":                 "<p>Hello <em>world</em></p>\n",
		"<script>alert(1)</script>":     "<!-- raw HTML omitted -->\n",
		"a <b onclick=\"x()\">b</b>":    "<p>a <!-- raw HTML omitted -->b<!-- raw HTML omitted --></p>\n",
		"[x](javascript:alert(1))":      "<p><a href=\"\">x</a></p>\n",
		"[x](JaVaScRiPt:alert(1))":      "<p><a href=\"\">x</a></p>\n",
		"[x](vbscript:x) [y](file:///)": "<p><a href=\"\">x</a> <a href=\"\">y</a></p>\n",
		"![x](data:text/html,x)":        "<p><img src=\"\" alt=\"x\"></p>\n",
		"[x](https://x.example/)":       "<p><a href=\"https://x.example/\">x</a></p>\n",
		"a & b < c":                     "<p>a &amp; b &lt; c</p>\n",
		"by {broker} at {url}":          "<p>by A_B *Inc* &lt;b&gt; at https://app.example.com/</p>\n",
		"[home]({url})":                 "<p><a href=\"https://app.example.com/\">home</a></p>\n",
	} {
		a := Agreement{markdown: text}
		got, err := a.html("A_B *Inc* <b>", "https://app.example.com/")
		if err != nil || got != want {
			t.Errorf("%s\n got %s\nwant %s (%v)", text, got, want, err)
		}
	}
}

func TestCookiePreferences(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO agreement (slug, title, updated_at) VALUES ('cookies', 'Cookies', 0), ('other', 'Other', 0)`)
	var token string
	alice := get[int64](w, `SELECT id FROM user WHERE username = 'alice'`)
	err := w.Store.Write(t.Context(), func(tx *store.Tx) error {
		session, err := w.dir.OpenSession(tx, alice, false)
		if err != nil {
			return err
		}
		user, err := w.dir.UserDetail(tx, session.UserID)
		if err != nil {
			return err
		}
		token, err = w.dir.SignToken(session, user, tx.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := resttest.Case
	set := func(name, agreement, body, want string) resttest.Step {
		return c(name, "", "POST /api/legal/"+agreement, body, 200, want).With("Authorization: Bearer " + token)
	}
	w.Run(t,
		set("nothing yet", "cookies", `{}`, `{}`),
		set("one", "cookies", `{"analytics":true,"colour":"red"}`, `{"analytics":true}`),
		set("another", "cookies", `{"social_media":false}`, `{"analytics":true,"social_media":false}`),
		set("changed", "cookies", `{"analytics":"no","advertising":1}`, `{"analytics":false,"social_media":false,"advertising":true}`),
		set("kept", "cookies", `{}`, `{"analytics":false,"social_media":false,"advertising":true}`),
		set("another agreement", "other", `{"advertising":true}`, `{"advertising":true}`),
		c("a visitor without a session", "", "POST /api/legal/cookies", `{"analytics":true}`, 200, `{"analytics":true}`),
		c("is not remembered", "", "POST /api/legal/cookies", `{}`, 200, `{}`),
		c("unknown", "", "POST /api/legal/nope", `{}`, 404, `{"detail":"No Agreement matches the given query."}`),
		c("not a boolean", "", "POST /api/legal/cookies", `{"analytics":"maybe"}`, 400, `{"analytics":["Must be a valid boolean."]}`),
	)
}
