package auth

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func register(name, body string, status int, want string) resttest.Step {
	return resttest.Case(name, "", "POST /api/auth/register", body, status, want)
}

func TestRegister(t *testing.T) {
	s := newSite(t)
	const token = `~{"token":"ey`
	s.Run(t,
		register("empty", `{}`, 400, `{"full_name":["This field is required."]}`),
		register("sample of the documentation",
			`{"username":"joe1","password":"yoyo","email":"joe+1@example.com","full_name":"Joe Card1","type":"personal"}`, 201, token),
		register("again: logged in",
			`{"username":"joe1","password":"yoyo","email":"joe+1@example.com","full_name":"Joe Card1","type":"personal"}`, 201, token),
		register("again, other password",
			`{"username":"joe1","password":"yoyoyo","email":"joe+1@example.com","full_name":"Joe Card1","type":"personal"}`, 401, incorrect),
		register("username taken", `{"username":"joe1","password":"yoyo","email":"other@example.com","full_name":"Joe"}`, 400,
			`{"username":"This username is already taken."}`),
		register("username taken, in capitals", `{"username":"JOE1","password":"yoyo","email":"other@example.com","full_name":"Joe"}`, 400,
			`{"username":"This username is already taken."}`),
		register("username is a profile's", `{"username":"Acme","password":"yoyo","email":"other@example.com","full_name":"Joe"}`, 400,
			`{"username":"This username is already taken."}`),
		register("username is reserved", `{"username":"transactions","password":"yoyo","email":"other@example.com","full_name":"Joe"}`, 400,
			`{"username":"This username is already taken."}`),
		register("e-mail taken", `{"username":"joe2","password":"yoyo","email":"JOE+1@example.com","full_name":"Joe"}`, 400,
			`{"email":"This email is already taken."}`),
		register("phone taken", `{"username":"joe2","password":"yoyo","phone":"415-555-5556","full_name":"Joe"}`, 400,
			`{"phone":"This phone is already taken."}`),
		register("phone only", `{"username":"phoney","new_password":"yoyo","full_name":"Phone Only","phone":"+14155550199","type":"personal"}`, 201, token),
		register("organization",
			`{"full_name":"Ann Lee","email":"ann@example.com","new_password":"yoyo","type":"organization","organization_name":"Ann's Lab","street_address":"1 Side St","country":"us"}`, 201, token),
		register("organization without name", `{"full_name":"Bob","email":"bob@example.com","new_password":"yoyo","type":"organization"}`, 400,
			`{"organization_name":["This field is required."]}`),
		register("organization without letters", `{"full_name":"Bob","email":"bob@example.com","new_password":"yoyo","type":"organization","organization_name":"日本"}`, 400,
			`{"organization_name":"No URL can be made of this organization_name."}`),
		register("organization taken", `{"full_name":"Bob","email":"bob@example.com","new_password":"yoyo","type":"organization","organization_name":"Anns Lab"}`, 400,
			`{"organization_name":"This organization_name is already taken."}`),
		register("organization with the username", `{"username":"bob","full_name":"Bob","email":"bob@example.com","new_password":"yoyo","type":"organization","organization_name":"BOB"}`, 400,
			`{"organization_name":"This organization_name is already taken."}`),
		register("organization with the derived username", `{"full_name":"Bob","email":"bob@example.com","new_password":"yoyo","organization_name":"BOB!"}`, 201, token),
		register("provider is not allowed", `{"full_name":"Prov","email":"prov@example.com","new_password":"yoyo","type":"provider","organization_name":"Prov Inc"}`, 201, token),
		register("an address makes it personal", `{"full_name":"Ada Lo","email":"ada@example.com","new_password":"yoyo","locality":"Oakland"}`, 201, token),
		register("user", `{"username":"uma","full_name":"Uma User","email":"uma@example.com","new_password":"yoyo","type":"user","locality":"Oakland"}`, 201, token),
		register("frictionless", `{"username":"fri","full_name":"Fri Less","email":"fri@example.com","new_password":null}`, 201, token),
		register("no password at all", `{"username":"nopass","email":"nopass@example.com","full_name":"No Pass","type":"personal"}`, 401, nobody),
		register("empty password", `{"username":"nopass","email":"nopass@example.com","full_name":"No Pass","new_password":""}`, 400,
			`{"new_password":["This field may not be blank."]}`),
		register("short password", `{"username":"shorty","new_password":"abc","email":"shorty@example.com","full_name":"Short Y"}`, 400,
			`{"new_password":["Ensure this field has at least 4 characters."]}`),
		register("short password, the documentation's key", `{"username":"shorty","password":"abc","email":"shorty@example.com","full_name":"Short Y"}`, 400,
			`{"password":["Ensure this field has at least 4 characters."]}`),
		register("wrong code", `{"username":"coder","new_password":"yoyo","email":"coder@example.com","email_code":1,"full_name":"Co Der"}`, 400,
			`{"email_code":"This code is wrong or has expired."}`),
		register("bad e-mail", `{"username":"x1","new_password":"yoyo","email":"not-an-email","full_name":"Bad"}`, 400, `{"email":["Enter a valid email address."]}`),
		register("bad username", `{"username":"bad name!","new_password":"yoyo","email":"x1@example.com","full_name":"Bad"}`, 400, `~{"username":["Enter a valid`),
		register("bad type", `{"username":"x1","new_password":"yoyo","email":"x1@example.com","full_name":"Bad","type":"alien"}`, 400, `~{"type":["`),
		register("type frictionless", `{"username":"x1","new_password":"yoyo","email":"x1@example.com","full_name":"Bad","type":"frictionless"}`, 400, `~{"type":["`),
		register("bad country", `{"username":"x1","new_password":"yoyo","email":"x1@example.com","full_name":"Bad","country":"ZZ"}`, 400, `~{"country":["`),
		register("bad phone", `{"username":"x1","new_password":"yoyo","email":"x1@example.com","full_name":"Bad","phone":"12"}`, 400, `{"phone":["Enter a valid phone number."]}`),
		register("long name", `{"username":"x1","new_password":"yoyo","email":"x1@example.com","full_name":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`, 400,
			`{"full_name":["Ensure this field has no more than 60 characters."]}`),
		register("neither e-mail nor phone", `{"username":"x1","new_password":"yoyo","full_name":"Bad"}`, 400,
			`{"email":["An email or a phone is required."],"phone":["An email or a phone is required."]}`),
		resttest.Case("while logged in", "xia", "POST /api/auth/register",
			`{"username":"zed","new_password":"yoyo","email":"zed@example.com","full_name":"Zed Z"}`, 201, token),
		resttest.Case("below the route", "", "POST /api/auth/register/x", `{}`, 404, `{"detail":"Not found."}`),
	)

	// What is left behind: user, profile and whether the user manages it.
	for _, c := range []struct{ user, profile, kind string }{
		{"joe1", "joe1", "manager"},
		{"phoney", "phoney", "manager"},
		{"ann", "anns-lab", "manager"},
		{"prov", "prov-inc", "manager"},
		{"ada", "ada", "manager"},
		{"uma", "", ""},
		{"fri", "", ""},
	} {
		got := one[string](t, s, `SELECT coalesce(max(p.slug || ' ' || d.slug), '') FROM user u LEFT JOIN role r ON r.user_id = u.id
			LEFT JOIN profile p ON p.id = r.profile_id LEFT JOIN role_description d ON d.id = r.role_description_id
			WHERE u.username = ? AND r.grant_key IS NULL AND r.request_key IS NULL`, c.user)
		want := c.profile + " " + c.kind
		if c.profile == "" {
			want = ""
		}
		if got != want {
			t.Errorf("%s has %q, want %q", c.user, got, want)
		}
	}
	if n := one[int](t, s, `SELECT count(*) FROM profile WHERE is_provider = 1 AND slug <> 'cowork'`); n != 0 {
		t.Errorf("%d profiles became providers", n)
	}
	if got := one[string](t, s, `SELECT u.username FROM user u WHERE email = 'bob@example.com'`); got == "bob" || len(got) != len("bob-123") {
		t.Errorf("the username derived beside organization bob is %q, want bob-123 or so", got)
	}
	if got := one[string](t, s, `SELECT country || street_address FROM profile WHERE slug = 'anns-lab'`); got != "US1 Side St" {
		t.Errorf("address %q", got)
	}
}

func TestRegisterProvider(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.ProviderRegistration = true })
	s.Run(t, register("provider", `{"full_name":"Prov","email":"prov@example.com","new_password":"yoyo","type":"provider","organization_name":"Prov Inc"}`, 201, `~token`))
	if !one[bool](t, s, `SELECT is_provider FROM profile WHERE slug = 'prov-inc'`) {
		t.Error("it is no provider")
	}
}

// Names derived from one address, after auth.md 3.
func TestDerivedUsernames(t *testing.T) {
	s := newSite(t)
	defer directory.FixRandom(nil, "")()
	for _, domain := range []string{"a", "b", "c"} {
		s.Run(t, register(domain, `{"full_name":"John","email":"john.smith+x@`+domain+`.example","new_password":"yoyo"}`, 201, `~token`))
	}
	if n := one[int](t, s, `SELECT count(*) FROM user WHERE username = 'johnsmithx' OR username GLOB 'johnsmithx-[0-9][0-9][0-9]'`); n != 3 {
		t.Errorf("%d usernames of john, want 3", n)
	}
}

func TestRegisterExtras(t *testing.T) {
	s := newSite(t)
	s.Run(t, register("extras", `{"full_name":"Ann Lee","email":"ann@example.com","new_password":"yoyo","type":"organization","organization_name":"Lab",
		"user_color":"red","organization_size":{"staff":3},"organization_kind":"gym","role_desk":7,"user_":"x"}`, 201, `~token`))
	s.Run(t, register("too much", `{"full_name":"Ann Lee","email":"ann2@example.com","new_password":"yoyo","user_x":"`+strings.Repeat("x", 17<<10)+`"}`, 400, `~{"detail":"`))
	for query, want := range map[string]string{
		`SELECT extra FROM contact WHERE slug = 'ann'`:                                    `{"color":"red"}`,
		`SELECT extra FROM profile WHERE slug = 'lab'`:                                    `{"kind":"gym","size":{"staff":3}}`,
		`SELECT r.extra FROM role r JOIN profile p ON p.id = r.profile_id AND slug='lab'`: `{"desk":7}`,
	} {
		if got := one[string](t, s, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestAgreements(t *testing.T) {
	s := newSite(t)
	s.exec(t, `INSERT INTO agreement (slug, title, updated_at) VALUES ('terms-of-use', 'Terms', 0), ('privacy', 'Privacy', 0)`)
	body := func(name, more string) string {
		return `{"username":"` + name + `","full_name":"A B","email":"` + name + `@example.com","new_password":"yoyo"` + more + `}`
	}
	s.Run(t,
		register("not mentioned", body("a1", ""), 201, `~token`),
		register("text", body("a2", `,"terms-of-use":"true"`), 201, `~token`),
		register("bool", body("a3", `,"terms-of-use":true,"privacy":"yes"`), 201, `~token`),
		register("false", body("a4", `,"terms-of-use":false`), 400, `{"terms-of-use":"You have to agree with the terms."}`),
		register("F", body("a4", `,"terms-of-use":"F"`), 400, `{"terms-of-use":"You have to agree with the terms."}`),
		register("zero", body("a4", `,"privacy":0`), 400, `{"privacy":"You have to agree with the terms."}`),
		register("empty", body("a4", `,"privacy":""`), 400, `{"privacy":"You have to agree with the terms."}`),
	)
	for name, want := range map[string]int{"a1": 0, "a2": 1, "a3": 2} {
		if n := one[int](t, s, `SELECT count(*) FROM signature JOIN user u ON u.id = user_id WHERE username = ?`, name); n != want {
			t.Errorf("%s signed %d, want %d", name, n, want)
		}
	}
	if n := one[int](t, s, `SELECT count(*) FROM user WHERE username = 'a4'`); n != 0 {
		t.Error("a4 was made")
	}
}

func TestModes(t *testing.T) {
	for mode, want := range map[Mode][3]int{Enabled: {201, 201, 201}, LoginOnly: {403, 201, 201}, Disabled: {403, 403, 201}} {
		t.Run(mode.String(), func(t *testing.T) {
			s := newSite(t, func(o *Options) { o.Settings.Authentication = mode })
			for i, request := range []string{
				`POST /api/auth/register {"username":"new","full_name":"New","email":"new@example.com","new_password":"yoyo"}`,
				`POST /api/auth {"username":"xia","password":"yoyo"}`,
				`POST /api/auth {"username":"alice","password":"yoyo"}`,
			} {
				line, body := splitRequest(request)
				if w := s.Do("", line, body); w.Code != want[i] {
					t.Errorf("%s: %d %s, want %d", request, w.Code, w.Body, want[i])
				}
			}
		})
	}
}

func TestHiddenAccounts(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.HideAccountExistence = true })
	for _, body := range []string{
		`{"username":"xia"}`, `{"username":"xia","password":"wrong"}`, `{"username":"ghost"}`, `{"username":"ghost","password":"yoyo"}`,
		`{"username":"rob","password":"yoyo"}`,
	} {
		s.Run(t, resttest.Case(body, "", "POST /api/auth", body, 401, incorrect))
	}
}
