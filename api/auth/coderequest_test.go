package auth

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// answered has everything looked at that was asked.
func (s *site) answered(t *testing.T) {
	t.Helper()
	if _, err := s.answerRequests(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, s, `SELECT count(*) FROM code_request`); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}

// mailed is how many codes were mailed to an address.
func (s *site) mailed(t *testing.T, email string) int {
	t.Helper()
	return one[int](t, s, `SELECT count(*) FROM outbox WHERE event = 'user_verification' AND recipients LIKE '%"' || ? || '"%'`, email)
}

// Where the answer says nothing, the mail does: whoever has an address gets the code, and logs in, recovers the account or registers with
// it.
func TestHiddenCodesArrive(t *testing.T) {
	s := hiding(t)
	for _, tc := range []struct{ name, request, to string }{
		{"recovery by name", `POST /api/auth/recover {"username":"cindy"}`, "cindy@example.com"},
		{"by phone, or where there is one", `POST /api/auth/recover {"username":"xia"}`, ""},
		{"recovery by an unknown address", `POST /api/auth/recover {"username":"new1@example.com"}`, "new1@example.com"},
		{"recovery of a disabled account", `POST /api/auth/recover {"username":"rob"}`, ""},
		{"recovery of one that logs in elsewhere", `POST /api/auth/recover {"username":"dan"}`, ""},
		{"a log-in without a password, of an account that has none", `POST /api/auth {"username":"nina"}`, "nina@example.com"},
		{"of one that has", `POST /api/auth {"username":"alice"}`, ""},
		{"of one that asks for proofs", `POST /api/auth {"username":"ola@example.com","password":"wrong"}`, ""},
		{"asked for", `POST /api/auth {"username":"xia","check_email":true}`, "xia@example.com"},
		{"a registration", `POST /api/auth/register {"full_name":"N","email":"new2@example.com","new_password":"long enough"}`, ""},
		{"that asks", `POST /api/auth/register {"full_name":"N","email":"new2@example.com","new_password":"long enough","check_email":true}`, "new2@example.com"},
		{"with somebody's address", `POST /api/auth/register {"full_name":"N","email":"yan@example.com","new_password":"long enough","check_email":true}`, "yan@example.com"},
	} {
		before := one[int](t, s, `SELECT count(*) FROM outbox`)
		line, body := splitRequest(tc.request)
		s.Do("", line, body)
		s.answered(t)
		sent := one[int](t, s, `SELECT count(*) FROM outbox`) - before
		if tc.to == "" && sent != 0 || tc.to != "" && (sent != 1 || s.mailed(t, tc.to) != 1) {
			t.Errorf("%s: %d messages", tc.name, sent)
		}
	}
	for _, tc := range []struct{ name, request, email, body string }{
		{"log in", "POST /api/auth", "xia@example.com", `{"username":"xia","email_code":"CODE"}`},
		{"reset a password", "POST /api/auth/register", "yan@example.com", `{"full_name":"Yan Ko","email":"yan@example.com","new_password":"long enough","email_code":"CODE"}`},
		{"register", "POST /api/auth/register", "new2@example.com", `{"full_name":"N","email":"new2@example.com","new_password":"long enough","email_code":"CODE"}`},
		{"register at a log-in", "POST /api/auth", "new1@example.com", `{"username":"new1@example.com","new_password":"long enough","email_code":"CODE"}`},
	} {
		s.Run(t, resttest.Case(tc.name, "", tc.request, strings.ReplaceAll(tc.body, "CODE", s.code(t, tc.email)), 201, `~"token"`))
	}
	if names := one[string](t, s, `SELECT group_concat(username, ' ') FROM (SELECT username FROM user WHERE email LIKE 'yan@%' OR email LIKE 'new%' ORDER BY 1)`); names != "new1 new2 yan" {
		t.Errorf("accounts of the addresses: %s", names)
	}
}

// A password that is right opens what a wrong one says nothing of.
func TestHiddenPasswordsThatAreRight(t *testing.T) {
	s := hiding(t)
	s.Run(t,
		resttest.Case("by name", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 201, `~"token"`),
		resttest.Case("by phone", "", "POST /api/auth", `{"username":"+14155555556","password":"yoyo"}`, 201, `~"token"`),
		resttest.Case("a registration again (D-1)", "", "POST /api/auth/register",
			`{"full_name":"Xia","username":"xia","email":"xia@example.com","password":"yoyo"}`, 201, `~"token"`),
		resttest.Case("where addresses are to be proven", "", "POST /api/auth", `{"username":"ola","password":"yoyo"}`, 401, `~"phone":"A code was sent`),
		resttest.Case("where the people log in elsewhere", "", "POST /api/auth", `{"username":"dan","password":"yoyo"}`, 400, `~"provider":"github"`),
		resttest.Case("disabled", "", "POST /api/auth", `{"username":"rob","password":"yoyo"}`, 401, incorrect),
	)
	s = hiding(t, func(o *Options) { o.Settings.Authentication = Disabled })
	s.Run(t,
		resttest.Case("closed, a wrong one", "", "POST /api/auth", `{"username":"xia","password":"wrong"}`, 401, incorrect),
		resttest.Case("of nobody", "", "POST /api/auth", `{"username":"ghost","password":"wrong"}`, 401, incorrect),
		resttest.Case("a right one", "", "POST /api/auth", `{"username":"xia","password":"yoyo"}`, 403, `{"detail":"Authentication is disabled"}`),
		resttest.Case("of the broker", "", "POST /api/auth", `{"username":"alice","password":"yoyo"}`, 201, `~"token"`),
		resttest.Case("recovery", "", "POST /api/auth/recover", `{"username":"xia"}`, 200, `*`),
		resttest.Case("of nobody", "", "POST /api/auth/recover", `{"username":"ghost@example.com"}`, 200, `*`),
	)
	s.answered(t)
	if n := one[int](t, s, `SELECT count(*) FROM outbox WHERE event = 'user_verification'`); n != 0 {
		t.Errorf("%d codes are mailed while nobody may log in", n)
	}
}

// An address that is changed waits for its proof, whoever has it; what cannot be proven is kept from who registers with it.
func TestHiddenAddressesWait(t *testing.T) {
	s := hiding(t)
	for _, address := range []string{"xia@example.com", "mine@example.com"} {
		s.Run(t, resttest.Case(address, "yan", "PATCH /api/users/yan", `{"email":"`+address+`"}`, 200, `~"email":"yan@example.com"`))
		s.answered(t)
		if n := s.mailed(t, address); n != 1 {
			t.Errorf("%d codes to %s", n, address)
		}
	}
	s.Run(t,
		resttest.Case("the code comes back", "yan", "PATCH /api/users/yan",
			`{"email":"mine@example.com","email_code":"`+one[string](t, s, `SELECT code FROM pending_address WHERE address = 'mine@example.com'`)+`"}`, 200, `~"email":"mine@example.com"`),
		resttest.Case("what one has", "yan", "PATCH /api/users/yan", `{"email":"mine@example.com","full_name":"Yan K"}`, 200, `~"detail":"The account was updated."`),
		resttest.Case("the broker is told", "alice", "PATCH /api/contacts/nina", `{"email":"free@example.com"}`, 200, `~"email":"free@example.com"`),
	)
	s = hiding(t, func(o *Options) { o.Texts = nil })
	s.Run(t,
		resttest.Case("somebody's phone", "", "POST /api/auth/register", `{"full_name":"A","phone":"+14155555556","username":"ann1","new_password":"long enough"}`, 201, `~"token"`),
		resttest.Case("a new one", "", "POST /api/auth/register", `{"full_name":"A","phone":"+14155555577","username":"ann2","new_password":"long enough"}`, 201, `~"token"`),
		resttest.Case("without a password", "", "POST /api/auth/register", `{"full_name":"A","phone":"+14155555577","username":"ann3"}`, 401, `~"detail"`),
	)
	for _, name := range []string{"ann1", "ann2"} {
		if n := one[int](t, s, `SELECT count(*) FROM contact c JOIN user u ON u.id = c.user_id WHERE u.username = ? AND c.phone IS NOT NULL`, name); n != 0 {
			t.Errorf("%s has a phone that nobody proved", name)
		}
	}
}

// Failures are those of the name that was typed: that two names are one account's is not told by the bucket.
func TestHiddenFailuresAreOfTheNameTyped(t *testing.T) {
	s := hiding(t, func(o *Options) { o.Settings.Throttle.PerAccount = 2 })
	for _, tc := range []struct {
		name string
		want []int
	}{{"xia", []int{401, 401, 429}}, {"xia@example.com", []int{401, 401, 429}}, {"ghost", []int{401, 401, 429}}, {"XIA", []int{429}}} {
		for i, want := range tc.want {
			if w := s.Do("", "POST /api/auth", `{"username":"`+tc.name+`","password":"wrong"}`); w.Code != want || want == 429 && w.Header().Get("Retry-After") == "" {
				t.Errorf("%s, try %d: %d", tc.name, i+1, w.Code)
			}
		}
	}
}

// What is sent unasked counts for the client that caused it, and a request that names nobody counts for nothing; what is asked for counts
// for everybody alike.
func TestHiddenMessagesAreBounded(t *testing.T) {
	s := hiding(t)
	s.Site.Service.Limits = rest.Limits{rest.LimitInvitations: {PerClient: 2}}
	for range 3 {
		s.askFrom(here, "POST /api/auth", `{"username":"ghost","password":"wrong"}`)
		s.askFrom(here, "POST /api/auth", `{"username":"nina","password":"wrong"}`)
		s.answered(t)
		s.Clock.Advance(2 * resendAfter)
	}
	if n := s.mailed(t, "nina@example.com"); n != 2 {
		t.Errorf("%d codes for one client, whose bound is 2", n)
	}
	for _, name := range []string{"ghost", "xia"} {
		if status, retry := s.askFrom(here, "POST /api/auth/recover", `{"username":"`+name+`"}`); status != 429 || retry == "" {
			t.Errorf("%s: %d, Retry-After %q", name, status, retry)
		}
	}
	if status, _ := s.askFrom(elsewhere, "POST /api/auth/recover", `{"username":"xia"}`); status != 200 {
		t.Errorf("another client: %d", status)
	}
}

// A message that cannot be sent is lost without a word, and one that nobody waits for any more is not sent.
func TestHiddenMessagesThatAreLost(t *testing.T) {
	s := hiding(t, func(o *Options) { o.Texts = brokenPhones{} })
	s.Run(t, resttest.Case("a text", "", "POST /api/auth/recover", `{"username":"+14155555556"}`, 200, `*`))
	s.answered(t)
	s.Run(t, resttest.Case("a mail", "", "POST /api/auth/recover", `{"username":"yan"}`, 200, `*`))
	s.Clock.Advance(requestsFor)
	s.answered(t)
	if n := s.mailed(t, "yan@example.com"); n != 0 {
		t.Errorf("%d codes after an hour", n)
	}
}

// Users are told of failed log-ins after the answer, too.
func TestHiddenFailuresAreTold(t *testing.T) {
	s := hiding(t, func(o *Options) {
		notices, err := notice.New(notice.Options{Directory: o.Directory, Store: o.Store, Now: time.Now, Logger: o.Logger, BaseURL: resttest.Base,
			From: "site@cowork.example.com", Mailer: new(notice.MemoryMailer), Logins: true})
		if err != nil {
			t.Fatal(err)
		}
		o.Notices = notices
	})
	for _, name := range []string{"xia", "ghost", "xia@example.com"} {
		s.Do("", "POST /api/auth", `{"username":"`+name+`","password":"wrong"}`)
	}
	s.Do("", "POST /api/auth", `{"username":"nina","email_code":"123456"}`)
	s.Do("", "POST /api/auth", `{"username":"dan","password":"wrong"}`)
	s.Do("", "POST /api/auth", `{"username":"rob","password":"wrong"}`)
	s.answered(t)
	if n := one[int](t, s, `SELECT count(*) FROM outbox WHERE event = 'user_login_failed'`); n != 3 {
		t.Errorf("%d messages about failures of three users in one hour", n)
	}
	if noted := one[string](t, s, `SELECT group_concat(subject, ' ') FROM (SELECT DISTINCT subject FROM audit WHERE action = 'log-in failed' ORDER BY 1)`); noted != "dan nina rob xia" {
		t.Errorf("the audit notes failures of %s", noted)
	}
}

// The job wakes when something was asked, and ends with its context.
func TestAnswerRequests(t *testing.T) {
	s := hiding(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.AnswerRequests(ctx) }()
	s.write(t, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO code_request (created_at, request) VALUES (?, 'rubbish')`, tx.Now())
		return err
	})
	s.Do("", "POST /api/auth/recover", `{"username":"yan"}`)
	for begin := time.Now(); s.mailed(t, "yan@example.com") == 0; time.Sleep(time.Millisecond) {
		if time.Since(begin) > requestsEvery-time.Second {
			t.Fatal("nothing is mailed")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.answered(t)
}
