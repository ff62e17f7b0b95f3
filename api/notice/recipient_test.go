package notice

import (
	"strings"
	"testing"
)

// Who gets a mail, and who does not (notifications.md 2). Each case changes the world of newWorld, emits one event about acme
// (To acme@firm.example, managers of acme and of hub) and tells the addresses, To first; "-" parts To and Bcc.
func TestRecipients(t *testing.T) {
	event := func(w *world) Event {
		return &CardUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"last4", "1", "2"}}}
	}
	by := func(user func(w *world) int64) func(*world) Event {
		return func(w *world) Event {
			return &CardUpdated{Profile: Profile{ID: w.acme}, OriginatedBy: ByUser(user(w)), Changes: Changes{{"last4", "1", "2"}}}
		}
	}
	for _, c := range []struct {
		name    string
		options func(*Options)
		change  func(w *world)
		event   func(w *world) Event
		want    string
	}{
		{"everybody", nil, nil, event, "acme@firm - alice amy yan xia"},
		{"not the one who did it", nil, nil, by(func(w *world) int64 { return w.amy }), "acme@firm - alice yan xia"},
		{"a manager who does not want it", nil, func(w *world) { w.optOut(w.amy, "card_updated") }, event, "acme@firm - alice yan xia"},
		{"a manager who does not want another", nil, func(w *world) { w.optOut(w.amy, "card_expires_soon") }, event, "acme@firm - alice amy yan xia"},
		{"a pending grant", nil, func(w *world) { w.role(w.kim, w.acme, "grant_key = 'k'") }, event, "acme@firm - alice amy yan xia"},
		{"a pending request", nil, func(w *world) { w.role(w.kim, w.acme, "request_key = 'k'") }, event, "acme@firm - alice amy yan xia"},
		{"a role that ended", nil, func(w *world) { w.role(w.kim, w.acme, "ends_at = 5") }, event, "acme@firm - alice amy yan xia"},
		{"a role that will end", nil, func(w *world) { w.role(w.kim, w.acme, "ends_at = 9000000000000000") }, event, "acme@firm - alice amy yan xia kim"},
		{"another role", nil, func(w *world) {
			w.role(w.kim, w.acme, "role_description_id = (SELECT max(id) FROM role_description)")
		}, event, "acme@firm - alice amy yan xia"},
		{"an inactive user", nil, func(w *world) { w.exec(`UPDATE user SET is_active = 0 WHERE id = ?`, w.yan) }, event, "acme@firm - alice amy xia"},
		{"no address", nil, func(w *world) { w.exec(`UPDATE user SET email = NULL WHERE id = ?`, w.yan) }, event, "acme@firm - alice amy xia"},
		{"an empty address", nil, func(w *world) { w.exec(`UPDATE user SET email = '' WHERE id = ?`, w.yan) }, event, "acme@firm - alice amy xia"},
		{"manager of both", nil, func(w *world) { w.role(w.amy, w.acme, "") }, event, "acme@firm - alice amy yan xia"},
		{"the profile's address is a manager's", nil, func(w *world) { w.exec(`UPDATE profile SET email = 'Xia@example.com' WHERE id = ?`, w.acme) },
			event, "Xia - alice amy yan"},
		{"... who does not want it", nil, func(w *world) {
			w.exec(`UPDATE profile SET email = 'Xia@example.com' WHERE id = ?`, w.acme)
			w.optOut(w.xia, "card_updated")
		}, event, "- alice amy yan"},
		{"no address of the profile", nil, func(w *world) { w.exec(`UPDATE profile SET email = '' WHERE id = ?`, w.acme) }, event, "- alice amy yan xia"},
		{"an address with a second header", nil, func(w *world) {
			w.exec(`UPDATE profile SET email = 'a@x.example' || char(13, 10) || 'Bcc: evil@x.example' WHERE id = ?`, w.acme)
		}, event, "- alice amy yan xia"},
		{"two addresses in one", nil, func(w *world) {
			w.exec(`UPDATE profile SET email = 'a@x.example, evil@x.example' WHERE id = ?`, w.acme)
		}, event,
			"- alice amy yan xia"},
		{"nobody", nil, func(w *world) {
			w.exec(`UPDATE profile SET email = ''`)
			w.exec(`DELETE FROM role`)
		}, event, ""},
		{"mails off", func(o *Options) { o.MailOff = true }, nil, event, ""},
		{"no mailer", func(o *Options) { o.Mailer = nil }, nil, event, ""},
		{"a code, with mails off, to who wants nothing", func(o *Options) { o.MailOff = true }, func(w *world) { w.optOut(w.kim, "user_verification") },
			func(w *world) Event { return &UserVerification{Email: "kim@example.com", Code: "012345"} }, "kim -"},
		{"to a user who does not want it", nil, func(w *world) { w.optOut(w.kim, "user_welcome") },
			func(w *world) Event { return &UserWelcome{User: User{ID: w.kim}} }, ""},
		{"opt in: nobody did", func(o *Options) { o.OptIn = true }, nil, event, "acme@firm -"},
		{"opt in: amy did", func(o *Options) { o.OptIn = true }, func(w *world) { w.optOut(w.amy, "card_updated") }, event, "acme@firm - amy"},
		{"a visitor who has the address of a manager", nil, nil, func(w *world) Event {
			return &ProfileUpdated{Profile: Profile{ID: w.acme}, OriginatedBy: &User{UserDetail: visitor("ALICE@example.com", "A")},
				Changes: Changes{{"phone", "1", "2"}}}
		}, "acme@firm - amy yan xia"},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := c.options
			if options == nil {
				options = func(*Options) {}
			}
			w := newWorld(t, options)
			w.insert(`INSERT INTO role_description (created_at, slug, title) VALUES (0, 'contributor', 'Contributor')`)
			if c.change != nil {
				c.change(w)
			}
			w.emit(c.event(w))
			got := ""
			for _, row := range w.outbox() {
				got = strings.Join(row.Envelope.To, " ") + " - " + strings.Join(row.Envelope.Bcc, " ")
			}
			got = strings.NewReplacer("@example.com", "", ".example", "").Replace(strings.TrimSpace(got))
			if !strings.EqualFold(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestReplyTo(t *testing.T) {
	for _, c := range []struct {
		name, from, broker, by, want string
	}{
		{"who did it", "site@x.example", "hub@x.example", "vic@x.example", "vic@x.example"},
		{"else the broker", "site@x.example", "hub@x.example", "", "hub@x.example"},
		{"not when it is the sender", "hub@x.example", "HUB@x.example", "", ""},
		{"nor when it has none", "site@x.example", "", "", ""},
		{"nothing but an address", "site@x.example", "hub@x.example", "a@x.example\r\nBcc: b@x.example", "hub@x.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) { o.From = c.from })
			w.exec(`UPDATE profile SET email = ? WHERE id = ?`, c.broker, w.hub)
			w.exec(`UPDATE profile SET email = 'to@x.example' WHERE id = ?`, w.acme)
			e := &CardUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"last4", "1", "2"}}}
			if c.by != "" {
				e.OriginatedBy = &User{UserDetail: visitor(c.by, "V")}
			}
			w.emit(e)
			if got := w.outbox()[0].Envelope.ReplyTo; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Other sinks hear all events that they want, whatever the preferences of people; they never hear of codes.
func TestSinks(t *testing.T) {
	all, some := &hook{name: "webhook 1"}, &hook{name: "webhook 2", only: "card_updated"}
	w := newWorld(t, func(o *Options) { o.Sinks, o.MailOff = []Sink{all, some}, true })
	w.emit(&UserRegistered{User: User{ID: w.kim}})
	w.emit(&CardUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"last4", "1", "2"}}})
	w.emit(&UserVerification{Email: "kim@example.com", Code: "012345"})
	w.deliver()
	if len(all.told) != 2 || all.told[0].Event == all.told[1].Event || len(some.told) != 1 || some.told[0].Event != "card_updated" {
		t.Errorf("told %v and %v", all.told, some.told)
	}
	if string(some.told[0].Payload) != w.expand(`{"broker":P(hub),"back_url":"https://site.example/billing/acme/card/","profile":P(acme),`+
		`"originated_by":null,"changes":{"last4":{"pre":"1","post":"2"}},"event":"card_updated","recipients":[]}`) {
		t.Errorf("payload %s", some.told[0].Payload)
	}
	if _, err := New(Options{Directory: w.o.Directory, Store: w.store, Now: w.clock.Now, Sinks: []Sink{all, all}}); err == nil {
		t.Error("two sinks of one name")
	}
	if _, err := New(Options{Directory: w.o.Directory, Store: w.store, Now: w.clock.Now, Mailer: w.mails}); err == nil {
		t.Error("mails without a sender")
	}
}

// FuzzAddress: what passes for an address can stand in a header, and is one address.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"a@x.example", "A <a@x.example>", "a@x.example\r\nBcc: b@x.example", "\"a\r\n b\"@x.example", "a@x.example (c\r\n d)",
		"a@x.example,b@x.example", "\"a b\"@x.example", "@", "a@[127.0.0.1]", "é@x.example", "a@x.example\u0091", "a\u2028@x.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a := address(s)
		if strings.ContainsFunc(a, endsLine) {
			t.Errorf("%q is %q", s, a)
		}
		if a != "" && address(a) != a {
			t.Errorf("%q is %q and then %q", s, a, address(a))
		}
	})
}
