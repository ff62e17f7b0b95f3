package notice

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-tollgate/tollgate/locale"
	"github.com/caddy-tollgate/tollgate/store"
)

// A name cannot add a header, nor a line to the subject.
func TestHeaderInjection(t *testing.T) {
	w := newWorld(t)
	evil := "Acme\r\nBcc: all@evil.example\r\n\r\n<script>\x00\u2028\x1b[2J \xff end"
	w.exec(`UPDATE profile SET full_name = ? WHERE id = ?`, evil, w.acme)
	w.emit(&ProfileUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"phone", "1", "2"}}})
	w.deliver()
	m := w.mails.Sent()[0]
	if want := "Acme Bcc: all@evil.example <script> [2J \ufffd end was updated"; m.Subject != want {
		t.Errorf("subject %q, want %q", m.Subject, want)
	}
	if diff := cmp.Diff([]string{"acme@firm.example"}, m.To); diff != "" {
		t.Error(diff)
	}
}

// The logging mailer tells an operator who gets what, and never a code or key, unless it is asked to.
func TestLogMailer(t *testing.T) {
	for _, show := range []bool{false, true} {
		core, logs := observer.New(zapcore.DebugLevel)
		w := newWorld(t, func(o *Options) {
			o.Logger = zap.New(core)
			o.Mailer = LogMailer{Logger: o.Logger, ShowText: show}
		})
		w.emit(&UserVerification{Email: "kim@example.com", Code: "012345"})
		w.emit(&UserVerification{Email: "xia@example.com", Code: "543210", LinkKey: strings.Repeat("b", 40)})
		w.emit(&RoleGrantCreated{Profile: Profile{ID: w.acme}, User: User{ID: w.kim}, GrantKey: strings.Repeat("a", 40)})
		w.deliver()
		text := ""
		for _, entry := range logs.All() {
			line := entry.Level.String() + " " + entry.Message
			for _, f := range entry.ContextMap() {
				line += strings.ReplaceAll(" "+sprint(f), "\n", " ")
			}
			text += line + "\n"
		}
		if !strings.Contains(text, "kim@example.com") || !strings.Contains(text, "You were added as a") {
			t.Errorf("the log does not say what was sent:\n%s", text)
		}
		for _, secret := range []string{"012345", strings.Repeat("b", 40), strings.Repeat("a", 40)} {
			for _, line := range strings.Split(text, "\n") {
				if strings.Contains(line, secret) && (!show || !strings.HasPrefix(line, "debug ")) {
					t.Errorf("the log has %s: %s", secret, line)
				}
			}
			if show && !strings.Contains(text, secret) {
				t.Errorf("the development log lacks %s", secret)
			}
		}
	}
}

func sprint(v any) string {
	b, _ := encode(v)
	return string(b)
}

// A site's own templates come first, those of a role before; one that fails is replaced by ours.
func TestOwnTemplates(t *testing.T) {
	own := fstest.MapFS{
		"user_registered.txt":            {Data: []byte("Hey {{.user.username}}\r\n\r\nNew: {{.user.full_name}}\r\n")},
		"support_role_grant_created.txt": {Data: []byte("Help {{names .profile}}\n\nGo to {{.back_url}}")},
		"card_updated.txt":               {Data: []byte("Card {{money .profile}}\n\nx")},
	}
	core, logs := observer.New(zapcore.ErrorLevel)
	w := newWorld(t, func(o *Options) { o.Templates, o.Logger = own, zap.New(core) })
	for _, c := range []struct {
		event         Event
		subject, text string
	}{
		{&UserRegistered{User: User{ID: w.kim}}, "Hey kim", "New: Kim Lee\n"},
		{&RoleGrantCreated{Profile: Profile{ID: w.acme}, User: User{ID: w.kim}, RoleDescription: RoleDescription{Slug: "support", Title: "S"}},
			"Help The acme", "Go to https://site.example/app/acme/\n"},
		{&RoleGrantCreated{Profile: Profile{ID: w.acme}, User: User{ID: w.kim}, RoleDescription: RoleDescription{Slug: "other", Title: "O"}},
			"You were added as a O to The acme", ""},
		{&CardUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"last4", "1", "2"}}}, "Card 0.00", ""},
	} {
		w.emit(c.event)
		w.deliver()
		if m := w.mails.Sent()[0]; m.Subject != c.subject || c.text != "" && m.Text != c.text {
			t.Errorf("%s: %q, %q", c.event.Name(), m.Subject, m.Text)
		}
	}
	own["card_updated.txt"] = &fstest.MapFile{Data: []byte("Card {{money .nothing.there.is}}\n\nx")}
	w = newWorld(t, func(o *Options) { o.Templates, o.Logger = own, zap.New(core) })
	w.emit(&CardUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"last4", "1", "2"}}})
	w.deliver()
	if m := w.mails.Sent()[0]; m.Subject != "Credit card updated" || logs.Len() == 0 {
		t.Errorf("in place of a template that fails: %q, %d lines in the log", m.Subject, logs.Len())
	}
	for name, text := range map[string]string{"x.txt": "no text", "y.txt": "a\nb\n\nc", "z.txt": "{{\n\nx"} {
		if _, err := parseTemplates(fstest.MapFS{name: {Data: []byte(text)}}); err == nil {
			t.Errorf("%q is a template", text)
		}
	}
}

// There is a template and a sample for each event; a test goes to the one who asks, alone.
func TestEmitTest(t *testing.T) {
	h := &hook{name: "hook"}
	w := newWorld(t, func(o *Options) { o.Sinks = []Sink{h} })
	if len(samples) != 27 || len(w.templates.ours["en"][0].text) != 28 {
		t.Errorf("%d samples, %d templates", len(samples), len(w.templates.ours["en"][0].text))
	}
	test := func(name string, user int64, over string) (to string, err error) {
		err = w.store.Write(t.Context(), func(tx *store.Tx) (err error) {
			to, err = w.EmitTest(tx, name, user, []byte(over))
			return err
		})
		return to, err
	}
	for name := range samples {
		if to, err := test(name, w.alice, ""); err != nil || to != "alice@example.com" {
			t.Errorf("%s: %q, %v", name, to, err)
		}
		w.deliver()
		sent := w.mails.Sent()
		if len(sent) != 1 || strings.Join(sent[0].To, " ") != "alice@example.com" || len(sent[0].Bcc) != 0 {
			t.Errorf("%s: %+v", name, sent)
			continue
		}
		m := sent[0]
		if m.Subject == "" || strings.Contains(m.Subject+m.Text, "<no value>") || strings.Contains(m.Text, "map[") || strings.Contains(m.Text, "\n\n\n\n") {
			t.Errorf("%s: %q\n%s", name, m.Subject, m.Text)
		}
		if told := h.told[len(h.told)-1]; told.Event != name || !strings.HasSuffix(string(told.Payload), `"event":"`+name+`","recipients":["alice@example.com"]}`) {
			t.Errorf("%s: the hook is told %s", name, told.Payload)
		}
	}
	if _, err := test("role_grant_created", w.alice, `{"detail":"Changed","role_description":{"title":"Boss"},"unknown":1}`); err != nil {
		t.Error(err)
	}
	w.deliver()
	if m := w.mails.Sent()[0]; !strings.Contains(m.Text, "Changed") || m.Subject != "You were added as a Boss to The hub" {
		t.Errorf("merged over the sample: %+v", m)
	}
	for _, c := range []struct{ name, over, err string }{
		{"nothing", "", ErrNoSample.Error()}, {"user_verification", "", ErrNoSample.Error()}, {"card_updated", `{"profile":5}`, ErrNoSample.Error()},
	} {
		if _, err := test(c.name, w.alice, c.over); err == nil || !strings.HasPrefix(err.Error(), c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	w.exec(`UPDATE user SET email = NULL WHERE id = ?`, w.amy)
	if _, err := test("card_updated", w.amy, ""); err != ErrNoAddress {
		t.Errorf("without an address: %v", err)
	}
}

// Every mail can be written when nobody did it: jobs have no originator.
func TestMailsOfJobs(t *testing.T) {
	w := newWorld(t)
	for name, sample := range samples {
		var payload []byte
		w.write(func(tx *store.Tx) error {
			broker, err := w.fill(tx, nil)
			if err != nil {
				return err
			}
			payload, err = w.payload(sample(*broker, User{}, tx.Now()), broker, route{back: "/"}, nil)
			return err
		})
		text := string(payload)
		if i := strings.Index(text, `"originated_by":{`); i >= 0 {
			end := i + strings.Index(text[i:], `"last_login":null}`) + len(`"last_login":null}`)
			text = text[:i] + `"originated_by":null` + text[end:]
		}
		if _, err := w.compose(name, []byte(text), envelope{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPreferences(t *testing.T) {
	for _, optIn := range []bool{false, true} {
		w := newWorld(t, func(o *Options) { o.OptIn = optIn })
		w.exec(`INSERT INTO notification (slug, title) VALUES ('house_news', 'News')`)
		list := func(ofBroker bool) (all []string) {
			t.Helper()
			w.write(func(tx *store.Tx) (err error) {
				all, err = w.Preferences(tx, w.kim, ofBroker)
				return err
			})
			return all
		}
		set := func(ofBroker bool, enabled ...string) {
			t.Helper()
			w.write(func(tx *store.Tx) error { return w.SetPreferences(tx, w.kim, ofBroker, enabled) })
		}
		all, some := list(true), list(false)
		if want := map[bool][2]int{false: {25, 20}, true: {0, 0}}[optIn]; len(all) != want[0] || len(some) != want[1] || all == nil {
			t.Errorf("opt in %v: at first %d and %d", optIn, len(all), len(some))
		}
		set(true, "card_updated", "user_contact", "house_news", "nonsense", "card_updated")
		if diff := cmp.Diff([]string{"card_updated", "house_news", "user_contact"}, list(true)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"card_updated", "house_news"}, list(false)); diff != "" {
			t.Error(diff)
		}
		// What the user cannot see stays as it is.
		set(false, "order_executed", "user_registered")
		if diff := cmp.Diff([]string{"order_executed", "user_contact"}, list(true)); diff != "" {
			t.Error(diff)
		}
		set(false)
		if diff := cmp.Diff([]string{}, list(false)); diff != "" {
			t.Error(diff)
		}
		// It decides about mails.
		w.role(w.kim, w.acme, "")
		w.emit(&OrderExecuted{Profile: Profile{ID: w.acme}})
		set(false, "order_executed")
		w.emit(&OrderExecuted{Profile: Profile{ID: w.acme}})
		rows := w.outbox()
		if strings.Contains(strings.Join(rows[0].Envelope.Bcc, " "), "kim") || !strings.Contains(strings.Join(rows[1].Envelope.Bcc, " "), "kim") {
			t.Errorf("opt in %v: mails to %v, then %v", optIn, rows[0].Envelope, rows[1].Envelope)
		}
	}
}

func TestMoneyAndNames(t *testing.T) {
	price := func(amount, unit string) map[string]any {
		return map[string]any{"amount": json.Number(amount), "unit": unit}
	}
	for _, c := range []struct {
		language string
		price    map[string]any
		want     string
	}{
		{"en", price("119000", "usd"), "$1,190.00"},
		{"en", price("5", "xyz"), "0.05 xyz"},
		{"en", price("-5", "usd"), "-$0.05"},
		{"fr", price("119000", "eur"), "1\u202f190,00\u00a0€"},
		{"de", price("119000", "eur"), "1.190,00\u00a0€"},
		{"es", price("1190000", "eur"), "11.900,00\u00a0€"},
	} {
		if got := moneyIn(locale.Of(c.language))(c.price); got != c.want {
			t.Errorf("%s: %q, want %q", c.language, got, c.want)
		}
	}
	if got := moneyIn(locale.Of("en"))(json.Number("119000"), "usd"); got != "$1,190.00" {
		t.Errorf("an amount and its unit: %q", got)
	}
	if got := printable(nil, map[string]any{"printable_name": "", "email": "a@x"}, map[string]any{"printable_name": "B"}); got != "a@x" {
		t.Errorf("%q", got)
	}
}
