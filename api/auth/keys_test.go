package auth

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func TestAPIKeys(t *testing.T) {
	s := newSite(t)
	w := s.Do("xia", "POST /api/users/xia/api-keys", `{"password":"yoyo","title":"prod"}`)
	var out map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 201 || len(out) != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	secret := out["secret"]
	if !regexp.MustCompile(`^[a-hjkmnp-zA-HJ-NP-Z2-9]{64}$`).MatchString(secret) {
		t.Errorf("secret %q", secret)
	}
	public := secret[:32]
	basic := func(key string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(key))
	}
	item := `{"title":"prod","api_pub_key":"` + public + `","ends_at":"2026-03-10T12:00:01Z"}`
	list := func(items string) string {
		n := strings.Count(items, "title")
		return `{"count":` + string(rune('0'+n)) + `,"next":null,"previous":null,"results":[` + items + `]}`
	}
	const keys = "GET /api/users/xia/api-keys"
	s.Run(t,
		resttest.Case("list", "xia", keys, "", 200, list(item)),
		resttest.Case("list, broker", "alice", keys, "", 200, list(item)),
		resttest.Case("list, contributor of the broker", "cindy", keys, "", 200, list(item)),
		resttest.Case("list, manager of a profile of hers", "yan", keys, "", 403, denied),
		resttest.Case("list, anonymous", "", keys, "", 401, `*`),
		resttest.Case("list, unknown user", "alice", "GET /api/users/ghost/api-keys", "", 404, `*`),
		resttest.Case("list, a contact", "alice", "GET /api/users/rob/api-keys", "", 404, `*`),
		resttest.Case("search", "xia", keys+"?q=other", "", 200, list("")),
		resttest.Case("title too long", "xia", "POST /api/users/xia/api-keys", `{"password":"yoyo","title":"`+strings.Repeat("x", 101)+`"}`, 400, `~{"title":["`),
		resttest.Case("use", "", keys, "", 200, `~prod`).With(basic(secret+":")),
		resttest.Case("use without colon", "", keys, "", 200, `~prod`).With(basic(secret)),
		resttest.Case("wrong secret half", "", keys, "", 401, badBearer).With(basic(public+strings.Repeat("a", 32)+":")),
		resttest.Case("public half alone", "", keys, "", 401, badBearer).With(basic(public+":")),
		resttest.Case("still asks for a password", "", "POST /api/users/xia/api-keys", `{"title":"x"}`, 401, `~{"detail"`).With(basic(secret+":")),
		resttest.Case("DELETE is not there", "xia", "DELETE /api/users/xia/api-keys/"+public, "", 405, `*`).Wants("Allow: POST, OPTIONS"),
		resttest.Case("delete another's", "yan", "POST /api/users/yan/api-keys/"+public, `{"password":"yoyo"}`, 404, `*`),
		resttest.Case("delete, wrong password", "xia", "POST /api/users/xia/api-keys/"+public, `{"password":"wrong"}`, 401, `~{"password"`),
	)
	if n := one[int](t, s, `SELECT count(*) FROM api_key WHERE length(api_password) = 32 AND instr(api_password, ?) = 0`, secret[32:]); n != 1 {
		t.Error("the secret half is not kept as SHA-256")
	}
	if err := s.dir.FlushKeyUse(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one[int64](t, s, `SELECT last_used_at FROM api_key`); got != s.Clock.Now().UnixMicro() {
		t.Errorf("last used %d", got)
	}
	s.Run(t,
		resttest.Case("delete", "xia", "POST /api/users/xia/api-keys/"+public, `{"password":"yoyo"}`, 200, `{"detail":"The API key was deleted."}`),
		resttest.Case("deleted", "xia", "POST /api/users/xia/api-keys/"+public, `{"password":"yoyo"}`, 404, `*`),
		resttest.Case("no longer opens", "", keys, "", 401, badBearer).With(basic(secret+":")),
	)
}

func TestAPIKeyEnds(t *testing.T) {
	s := newSite(t)
	var out newKeyOutput
	if err := json.Unmarshal(s.Do("xia", "POST /api/users/xia/api-keys", `{"password":"yoyo"}`).Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(out.Secret+":"))
	s.Clock.Advance(365*24*time.Hour - time.Second)
	s.Run(t, resttest.Case("the last second", "", "GET /api/auth/tokens", "", 200, `*`).With(basic))
	s.Clock.Advance(time.Second)
	s.Run(t, resttest.Case("over", "", "GET /api/auth/tokens", "", 401, badBearer).With(basic),
		resttest.Case("still listed", "xia", "GET /api/users/xia/api-keys", "", 200, `~{"count":1`))
}

func TestAPIKeyForEver(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.APIKeyLifetime = 0 })
	s.Run(t, resttest.Case("create", "xia", "POST /api/users/xia/api-keys", `{"password":"yoyo"}`, 201, `*`),
		resttest.Case("list", "xia", "GET /api/users/xia/api-keys", "", 200, `~"title":"","api_pub_key"~"ends_at":null`))
}

func TestSSHKey(t *testing.T) {
	s := newSite(t)
	put := func(name, key string, status int, want string) resttest.Step {
		return resttest.Case(name, "xia", "PUT /api/users/xia/ssh-keys", `{"password":"yoyo","pubkey":"`+key+`"}`, status, want)
	}
	s.Run(t,
		resttest.Case("missing", "xia", "PUT /api/users/xia/ssh-keys", `{"password":"yoyo"}`, 400, `{"pubkey":["This field is required."]}`),
		put("too long", strings.Repeat("x", 501), 400, `~{"pubkey":["`),
		put("two lines", `ssh-ed25519 AAAA\nssh-rsa BBBB`, 400, `{"pubkey":["Enter a valid public key."]}`),
		put("right", "ssh-ed25519 AAAA xia@host", 200, `{"detail":"The public key was updated."}`),
	)
	if got := one[string](t, s, `SELECT ssh_key FROM user WHERE username = 'xia'`); got != "ssh-ed25519 AAAA xia@host" {
		t.Errorf("kept %q", got)
	}
}
