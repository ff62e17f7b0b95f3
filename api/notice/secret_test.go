package notice

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-tollgate/tollgate/store"
)

// TestNoSecrets fills everything with secrets that a site knows of its users and profiles, lets every event happen, be refused and be
// delivered, and looks for them in what was stored, mailed, posted and logged, at level debug. Keys of invitations reach whom they are
// for; they are not logged.
func TestNoSecrets(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	logger := zap.New(core)
	server := newSMTPServer(t)
	down := true
	var posted strings.Builder
	_, sink, posts := newReceiver(t, func(rw http.ResponseWriter, _ *http.Request) {
		if down {
			rw.WriteHeader(http.StatusBadGateway)
		}
	}, func(o *WebhookOptions) { o.Secrets = []string{whsec} })
	w := newWorld(t, func(o *Options) { o.Mailer, o.Sinks, o.Logger = server.mailer(), []Sink{sink}, logger })
	server.answer("AUTH", "535 you said pass-of-the-site")

	n := 0
	secret := func() string { n++; return fmt.Sprintf("SECRET-%d-", n) }
	for _, id := range []int64{w.alice, w.amy, w.donny, w.yan, w.xia, w.kim} {
		w.exec(`UPDATE user SET password = ?, ssh_key = ? WHERE id = ?`, "$argon2id$"+secret(), secret(), id)
		w.exec(`INSERT INTO contact (slug, created_at, user_id, email_verification_key, email_code, phone_verification_key, phone_code, extra)
			VALUES (?, 0, ?, ?, ?, ?, ?, ?)`, fmt.Sprint("contact", id), id, secret(), secret(), secret(), secret(), secret())
		w.exec(`INSERT INTO otp (user_id, priv_key, created_at) VALUES (?, ?, 0)`, id, secret())
		w.exec(`INSERT INTO api_key (api_pub_key, api_password, created_at, user_id) VALUES (?, ?, 0, ?)`, secret(), secret(), id)
		w.exec(`INSERT INTO session (key_hash, user_id, created_at, ends_at, csrf) VALUES (?, ?, 0, 0, ?)`, secret(), id, secret())
	}
	w.exec(`UPDATE profile SET processor_card_key = 'SECRET-card', processor_deposit_key = 'SECRET-deposit', processor_priv_key = 'SECRET-private',
		processor_pub_key = 'SECRET-public', processor_refresh_token = 'SECRET-refresh'`)

	key := strings.Repeat("k", 40)
	events := []Event{
		&RoleGrantCreated{Profile: Profile{ID: w.acme}, OriginatedBy: ByUser(w.xia), User: User{ID: w.kim}, RoleDescription: manager, GrantKey: key},
		&SubscriptionGrantCreated{Profile: Profile{ID: w.acme}, Provider: Profile{ID: w.cowork}, Plan: premium, GrantKey: key},
		&SubscriptionRequestCreated{Profile: Profile{ID: w.cowork}, Subscriber: Profile{ID: w.acme}, Plan: premium, RequestKey: key},
		&ClaimCodeGenerated{Profile: Profile{ID: w.acme}, Provider: Profile{ID: w.cowork}, ClaimCode: key},
		&UserVerification{User: &User{ID: w.kim}, Email: "kim@example.com", Code: "918273"},
		&UserVerification{Email: "new@example.com", Code: "918273", LinkKey: key},
	}
	for _, sample := range samples {
		e := sample(Profile{ID: w.hub}, User{ID: w.kim}, store.At(w.clock.Now()))
		if !slices.ContainsFunc(events, func(other Event) bool { return other.Name() == e.Name() }) {
			events = append(events, e)
		}
	}
	for _, e := range events {
		w.emit(e)
	}
	w.deliver() // nobody takes anything
	stored := w.outbox()
	down = false
	server.answer("AUTH", "")
	for range 40 { // notices about one subject go one after another
		w.clock.Advance(hour)
		w.deliver()
	}
	for _, r := range w.outbox() {
		if r.Done.IsZero() {
			t.Errorf("not delivered: %+v", r)
		}
		if strings.Contains(r.Payload, "918273") {
			t.Errorf("the code is kept: %+v", r)
		}
	}
	mails := ""
	for _, m := range server.take() {
		_, text, html := parts(t, m.data)
		mails += m.data + text + html
	}
	for _, p := range posts.all() {
		fmt.Fprintln(&posted, p.header, p.body)
	}
	logged := ""
	for _, entry := range logs.All() {
		fields, err := json.Marshal(entry.ContextMap())
		if err != nil {
			t.Fatal(err)
		}
		logged += entry.Message + " " + string(fields) + "\n"
	}
	if len(mails) < 10000 || posted.Len() < 10000 || len(logged) < 1000 {
		t.Fatalf("%d bytes mailed, %d posted, %d logged: what is looked at is not there", len(mails), posted.Len(), len(logged))
	}
	kept := fmt.Sprint(stored)
	everywhere := map[string]string{"mails": mails, "posts": posted.String(), "log": logged, "outbox": kept}
	for where, text := range everywhere {
		for _, s := range []string{"SECRET", "argon2id", "pass-of-the-site", strings.TrimPrefix(whsec, "whsec_"), "secret-path",
			base64.StdEncoding.EncodeToString([]byte("\x00site\x00pass-of-the-site"))} {
			if at := strings.Index(text, s); at >= 0 {
				t.Errorf("%s: %s in %s", where, s, text[max(0, at-100):min(len(text), at+100)])
			}
		}
	}
	for _, s := range []string{key, "918273"} {
		if strings.Contains(logged, s) || !strings.Contains(mails, s) {
			t.Errorf("%s is logged, or not mailed", s)
		}
	}
	if strings.Contains(posted.String(), "918273") || strings.Contains(posted.String(), "user_verification") {
		t.Error("a code is posted")
	}
	if !strings.Contains(logged, "status 535") {
		t.Error("the log does not say that the log-in is refused")
	}
}
