package auth

import (
	"errors"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// refused runs fn in a transaction and returns the body of its 400.
func refused(t *testing.T, s *site, fn func(tx *store.Tx) error) string {
	t.Helper()
	err := s.Site.Store.Write(t.Context(), fn)
	var e *rest.Error
	if !errors.As(err, &e) || e.Status != 400 {
		t.Fatalf("error %v, want a 400", err)
	}
	return e.Error()
}

func TestInvitedUsers(t *testing.T) {
	s := newSite(t)
	s.Do("alice", "POST /api/users", `{"full_name":"In Vitee","email":"in@example.com"}`)
	var name string
	s.write(t, func(tx *store.Tx) (err error) {
		var id int64
		if id, name, err = s.InviteUser(tx, "In@Example.com", "In Vitee"); err != nil {
			return err
		}
		_, err = s.PrepareVerification(tx, id, "You have been invited.")
		return err
	})
	if name != "in" {
		t.Errorf("username %q", name)
	}
	if n := one[int](t, s, `SELECT count(*) FROM contact WHERE email = 'in@example.com' AND user_id IS NOT NULL`); n != 1 {
		t.Errorf("%d contacts", n)
	}
	s.Run(t, resttest.Case("activates", "", "POST /api/auth/"+s.key(t, "in@example.com"), `{"new_password":"yoyo"}`, 201, `~token`))
	refused(t, s, func(tx *store.Tx) error { _, _, err := s.InviteUser(tx, "xia@example.com", "X"); return err })
	refused(t, s, func(tx *store.Tx) error { _, _, err := s.InviteUser(tx, "not an address", "X"); return err })
	refused(t, s, func(tx *store.Tx) error { _, err := s.NewUser(tx, "acme", "a@example.com", "X"); return err })
	refused(t, s, func(tx *store.Tx) error { _, err := s.NewUser(tx, "a b", "a@example.com", "X"); return err })
}

// Inviting twice at once is no nuisance: the messages are the inviter's.
func TestPrepareVerificationIsNotThrottled(t *testing.T) {
	s := newSite(t)
	id := one[int64](t, s, `SELECT id FROM user WHERE username = 'nina'`)
	var first, second string
	s.write(t, func(tx *store.Tx) (err error) { first, err = s.PrepareVerification(tx, id, ""); return err })
	s.write(t, func(tx *store.Tx) (err error) { second, err = s.PrepareVerification(tx, id, ""); return err })
	if first == "" || first != second {
		t.Errorf("keys %q and %q", first, second)
	}
	s.Run(t, recovery("a message can be sent at once", "nina", 200, `*`))
}

func TestUpdateFromProfile(t *testing.T) {
	s := newSite(t)
	c := resttest.Case
	s.exec(t, `UPDATE contact SET email_verified_at = 1 WHERE slug = 'xia'`)
	s.Run(t,
		c("a name", "xia", "PATCH /api/profile/xia", `{"full_name":"Xia Wang"}`, 200, `*`),
		c("is the user's", "xia", "GET /api/users/xia", "", 200, `~"email":"xia@example.com"~"full_name":"Xia Wang"`),
	)
	if !one[bool](t, s, `SELECT email_verified_at IS NOT NULL FROM contact WHERE slug = 'xia'`) {
		t.Error("the address is no longer verified though it did not change")
	}
	s.Run(t,
		c("an address", "xia", "PATCH /api/profile/xia", `{"email":"Moved@Example.com"}`, 200, `*`),
		c("a proven one stays", "xia", "GET /api/users/xia", "", 200, `~"email":"xia@example.com"`),
	)
	s.exec(t, `UPDATE contact SET email_verified_at = NULL WHERE slug = 'xia'`)
	s.Run(t,
		c("another address", "xia", "PATCH /api/profile/xia", `{"email":"Moved.On@Example.com"}`, 200,
			`~"email":"Moved.On@Example.com"~"detail":"Profile was updated."`),
		c("is the user's", "xia", "GET /api/users/xia", "", 200, `~"email":"moved.on@example.com"`),
	)
	if one[bool](t, s, `SELECT email_verified_at IS NOT NULL FROM contact WHERE email = 'moved.on@example.com'`) {
		t.Error("the new address is verified")
	}
}

// An address that another user has is none of a personal profile until its code came back for its user (decision 66), whether the user
// has proven an address or not.
func TestProfileWaitsForTheAddressOfAnother(t *testing.T) {
	for _, proven := range []string{"NULL", "1"} {
		s := newSite(t)
		c := resttest.Case
		s.exec(t, `UPDATE contact SET email_verified_at = `+proven+` WHERE slug = 'xia'`)
		s.Run(t,
			c("another's address", "xia", "PATCH /api/profile/xia", `{"email":"yan@example.com","locality":"Oakland"}`, 200,
				`~"email":"xia@example.com"~"locality":"Oakland"~"detail":"Profile was updated. Please bring back the code that was sent to yan@example.com as email_code of the user."`),
			c("stays the other's", "yan", "GET /api/users/yan", "", 200, `~"email":"yan@example.com"`),
			c("at once again", "xia", "PATCH /api/profile/xia", `{"email":"yan@example.com"}`, 429, `*`),
			c("without its code", "xia", "PATCH /api/users/xia", `{"email":"yan@example.com","email_code":"000000","password":"yoyo"}`, 400, `*`),
		)
		code := one[string](t, s, `SELECT code FROM pending_address WHERE address = 'yan@example.com'`)
		s.Run(t,
			c("with its code", "xia", "PATCH /api/users/xia",
				`{"email":"yan@example.com","email_code":"`+code+`","password":"yoyo"}`, 200, `~"email":"yan@example.com"`),
			c("it is the user's", "xia", "PATCH /api/profile/xia", `{"email":"yan@example.com"}`, 200,
				`~"email":"yan@example.com"~"detail":"Profile was updated."`),
		)
	}
}

// The door of profiles: renaming and archiving a personal profile.
func TestPersonalProfile(t *testing.T) {
	s := newSite(t)
	s.Run(t,
		resttest.Case("rename", "xia", "PATCH /api/profile/xia", `{"slug":"xia2","full_name":"Xia Wang"}`, 200, `~"slug":"xia2"`),
		resttest.Case("user", "xia2", "GET /api/users/xia2", "", 200, `~"username":"xia2"~"full_name":"Xia Wang"`),
		resttest.Case("archive", "alice", "DELETE /api/profile/xia2", "", 204, ""),
		resttest.Case("log in", "", "POST /api/auth", `{"username":"xia2","password":"yoyo"}`, 401, nobody),
	)
}

func TestOperator(t *testing.T) {
	s := newSite(t)
	ctx := t.Context()
	hash, err := s.Hash(ctx, "secret")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, func(tx *store.Tx) error {
		_, _, err := s.AddUser(tx, NewUser{Username: "op", Email: "op@example.com", FullName: "O P", Password: hash, Superuser: true})
		return err
	})
	s.dir.TouchAll()
	s.Run(t, resttest.Case("a superuser manages the broker", "op", "GET /api/users", "", 200, `*`),
		resttest.Case("logs in", "", "POST /api/auth", `{"username":"op","password":"secret"}`, 201, `~token`))
	if err := s.CheckPassword("abc"); err == nil {
		t.Error("a short password passes")
	}
	for name, fn := range map[string]func(string) error{
		"SetPassword": func(u string) error { return s.SetPassword(ctx, u, "another") },
		"Disable":     func(u string) error { return s.Disable(ctx, u) },
		"Enable":      func(u string) error { return s.Enable(ctx, u) },
		"Unlock":      func(u string) error { return s.Unlock(ctx, u) },
		"DisableOTP":  func(u string) error { return s.DisableOTP(ctx, u) },
	} {
		if err := fn("ghost"); !errors.Is(err, ErrNoUser) {
			t.Errorf("%s of nobody: %v", name, err)
		}
		if err := fn("op"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.SetPassword(ctx, "op", "abc"); err == nil {
		t.Error("a short password was set")
	}
	if err := s.Enable(ctx, "op"); err != nil {
		t.Fatal(err)
	}
	s.Run(t, resttest.Case("enabled again", "", "POST /api/auth", `{"username":"op","password":"another"}`, 201, `~token`),
		resttest.Case("delete", "alice", "DELETE /api/users/nina", "", 204, ""))
	if err := s.Enable(ctx, one[string](t, s, `SELECT username FROM user WHERE username LIKE '\_archive\_%' ESCAPE '\'`)); !errors.Is(err, ErrNoUser) {
		t.Errorf("enabling a deleted user: %v", err)
	}
	if n := one[int](t, s, `SELECT count(*) FROM audit WHERE actor = 'command line' AND subject = 'op'`); n != 6 {
		t.Errorf("%d audit rows, want 6", n)
	}
}

func TestCarts(t *testing.T) {
	s := newSite(t)
	carts := &recorded{}
	s.SetCarts(carts)
	s.Run(t,
		resttest.Case("without cookie", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 201, `*`),
		resttest.Case("wrong password", "", "POST /api/auth", `{"username":"xia","password":"wrong"}`, 401, `*`).With("Cookie: cart=abc"),
		resttest.Case("with cookie", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 201, `*`).With("Cookie: cart=abc"),
	)
	if carts.merged != "abc" || carts.times != 1 {
		t.Errorf("merged %q, %d times", carts.merged, carts.times)
	}
}

type recorded struct {
	merged string
	times  int
}

func (r *recorded) MergeCart(_ *store.Tx, _ int64, cookie string) error {
	r.merged = cookie
	r.times++
	return nil
}
