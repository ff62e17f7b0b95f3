package notice

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Each event: who it goes to, about what, its payload byte for byte, and the subject of its mail. In payloads, P(x) and U(x)
// stand for the detail forms of profile and user x.
func TestEvents(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Logins = true })
	now := store.At(w.clock.Now())
	acme, cowork, user := Profile{ID: w.acme}, Profile{ID: w.cowork}, User{ID: w.kim}
	role, plan := RoleDescription{Slug: "support", Title: "Support"}, Plan{Slug: "gold", Title: "Gold & more"}
	short := func(slug string) directory.ProfileShort {
		return directory.ProfileShort{Slug: slug, PrintableName: "The " + slug, Type: "organization", CreatedAt: now}
	}
	txn := Transaction{CreatedAt: now, Description: "Subscription to Gold", Amount: "$119.00", OrigAccount: "Receivable", OrigProfile: short("cowork"),
		OrigAmount: 11900, OrigUnit: "usd", DestAccount: "Payable", DestProfile: short("acme"), DestAmount: 11900, DestUnit: "usd"}
	at := "2025-03-10T12:00:00Z"
	shortJSON := func(slug string) string {
		return `{"slug":"` + slug + `","printable_name":"The ` + slug + `","picture":null,"type":"organization","credentials":false,"created_at":"` + at + `"}`
	}
	txnJSON := `{"created_at":"` + at + `","description":"Subscription to Gold","amount":"$119.00","is_debit":false,` +
		`"orig_account":"Receivable","orig_profile":` + shortJSON("cowork") + `,"orig_amount":11900,"orig_unit":"usd",` +
		`"dest_account":"Payable","dest_profile":` + shortJSON("acme") + `,"dest_amount":11900,"dest_unit":"usd"}`
	use := UseCharge{Slug: "calls", Title: "Calls", CreatedAt: now, UseAmount: 10, Quota: 5}
	useJSON := `{"slug":"calls","title":"Calls","description":"","created_at":"` + at + `","use_amount":10,"quota":5,"maximum_limit":null,"extra":null}`
	planJSON := `{"slug":"gold","title":"Gold & more"}`
	key, last4, key40 := "ch_1", "4242", strings.Repeat("a", 40)
	byDonny := func() *User { return ByUser(w.donny) }
	byXia := func() *User { return ByUser(w.xia) }

	for _, c := range []struct {
		event          Event
		to, bcc, reply string
		subject, back  string
		payload        string // between back_url and event
		mail           string
	}{
		{&UserRegistered{User: user}, "hub@firm.example", "alice amy", "hub@firm.example", "user/kim", "/",
			`"user":U(kim)`, "A user has registered for The hub"},
		{&UserActivated{User: user}, "hub@firm.example", "alice amy", "hub@firm.example", "user/kim", "/",
			`"user":U(kim)`, "Account for user kim has been activated on The hub"},
		{&UserWelcome{User: user}, "kim@example.com", "", "hub@firm.example", "user/kim", "/",
			`"user":U(kim)`, "Welcome to The hub"},
		{&UserLoggedIn{User: user}, "kim@example.com", "", "hub@firm.example", "user/kim", "/",
			`"user":U(kim)`, "Log-in to The hub"},
		{&UserLoginFailed{User: user}, "kim@example.com", "", "hub@firm.example", "user/kim", "/",
			`"user":U(kim)`, "Failed log-in to The hub"},
		{&UserContact{OriginatedBy: &User{UserDetail: visitor("vic@example.com", "Vic Tim")}, Provider: Profile{ID: w.hub},
			Detail: List[[2]string]{{"Company", "V"}, {"Message", "Hi <b>"}}}, "hub@firm.example", "", "vic@example.com", "profile/hub", "/",
			`"originated_by":{"slug":"","username":"","printable_name":"Vic Tim","picture":null,"email":"vic@example.com","phone":null,"full_name":"Vic Tim",` +
				`"nick_name":"","lang":"","credentials":false,"otp_enabled":false,"created_at":null,"last_login":null},"provider":P(hub),` +
				`"detail":[["Company","V"],["Message","Hi <b>"]]`, "Contact inquiry from Vic Tim"},
		{&ProfileUpdated{Profile: acme, OriginatedBy: byXia(), Changes: Changes{{"full_name", "Old", "The acme"}, {"phone", "", "+1"}}},
			"acme@firm.example", "alice amy yan", "xia@example.com", "profile/acme", "/profile/acme/contact/",
			`"profile":P(acme),"originated_by":U(xia),"changes":{"full_name":{"pre":"Old","post":"The acme"},"phone":{"pre":"","post":"+1"}}`,
			"The acme was updated"},
		{&RoleGrantCreated{Profile: acme, OriginatedBy: byXia(), User: user, RoleDescription: role, Detail: "Join", GrantKey: key40},
			"kim@example.com", "", "xia@example.com", "profile/acme", "/users/roles/accept/" + key40 + "/",
			`"profile":P(acme),"originated_by":U(xia),"user":U(kim),"role_description":{"slug":"support","title":"Support","editable":false,"extra":null},"detail":"Join"`,
			"You were added as a Support to The acme"},
		{&RoleGrantCreated{Profile: acme, OriginatedBy: byXia(), User: user, RoleDescription: role},
			"kim@example.com", "", "xia@example.com", "profile/acme", "/app/acme/",
			`"profile":P(acme),"originated_by":U(xia),"user":U(kim),"role_description":{"slug":"support","title":"Support","editable":false,"extra":null},"detail":""`,
			"You were added as a Support to The acme"},
		{&RoleRequestCreated{Profile: acme, OriginatedBy: ByUser(w.kim), User: user, Detail: "please"},
			"acme@firm.example", "yan xia", "kim@example.com", "profile/acme", "/profile/acme/roles/",
			`"profile":P(acme),"originated_by":U(kim),"user":U(kim),"detail":"please"`, "Kim requested an additional role on The acme"},
		{&RoleGrantAccepted{Profile: acme, OriginatedBy: ByUser(w.kim), User: user, RoleDescription: role},
			"acme@firm.example", "yan xia", "kim@example.com", "profile/acme", "/profile/acme/roles/support/",
			`"profile":P(acme),"originated_by":U(kim),"user":U(kim),"role_description":{"slug":"support","title":"Support","editable":false,"extra":null},"detail":""`,
			"Kim was added as a Support to The acme"},
		{&SubscriptionGrantCreated{Profile: acme, OriginatedBy: byDonny(), Provider: cowork, Plan: plan, Detail: "Yours", GrantKey: key40},
			"acme@firm.example", "", "donny@example.com", "profile/acme", "/profile/acme/subscriptions/accept/" + key40 + "/",
			`"profile":P(acme),"originated_by":U(donny),"provider":P(cowork),"plan":` + planJSON + `,"detail":"Yours"`,
			"Donny granted The acme a subscription to Gold & more"},
		{&SubscriptionGrantAccepted{Profile: cowork, OriginatedBy: byXia(), Plan: plan, Subscriber: acme},
			"cowork@firm.example", "donny yan", "xia@example.com", "profile/acme", "/app/cowork/",
			`"profile":P(cowork),"originated_by":U(xia),"plan":` + planJSON + `,"subscriber":P(acme)`,
			"Xia accepted the subscription of The acme to Gold & more"},
		{&SubscriptionRequestCreated{Profile: cowork, OriginatedBy: byXia(), Plan: plan, Subscriber: acme, RequestKey: key40},
			"cowork@firm.example", "donny yan", "xia@example.com", "profile/acme", "/profile/cowork/subscribers/accept/" + key40 + "/",
			`"profile":P(cowork),"originated_by":U(xia),"plan":` + planJSON + `,"detail":"","subscriber":P(acme)`,
			"Xia requested The acme a subscription to Gold & more"},
		{&SubscriptionRequestAccepted{Profile: acme, OriginatedBy: byDonny(), Provider: cowork, Plan: plan},
			"acme@firm.example", "yan xia", "donny@example.com", "profile/acme", "/app/acme/",
			`"profile":P(acme),"originated_by":U(donny),"provider":P(cowork),"plan":` + planJSON, "Donny accepted the subscription of The acme to Gold & more"},
		{&ExpiresSoon{Profile: acme, Plan: plan, Provider: cowork, NbExpirationDays: 15},
			"acme@firm.example", "alice amy yan xia", "hub@firm.example", "profile/acme", "/billing/acme/cart/?plan=gold",
			`"profile":P(acme),"plan":` + planJSON + `,"provider":P(cowork),"nb_expiration_days":15`, "Your subscription to The cowork expires in 15 days"},
		{&OrderExecuted{Profile: acme, OriginatedBy: byXia(), InvoicedItems: List[Transaction]{txn}},
			"acme@firm.example", "alice amy yan", "xia@example.com", "profile/acme", "/",
			`"profile":P(acme),"originated_by":U(xia),"provider":P(hub),"invoiced_items":[` + txnJSON + `]`, "Order Confirmation from The hub"},
		{&ChargeUpdated{Profile: acme, Provider: cowork, ChargeItems: List[ChargeItem]{{Invoiced: txn}},
			CreatedBy: &directory.UserShort{Slug: "xia", Username: "xia", PrintableName: "Xia"},
			Charge:    Charge{CreatedAt: now, Amount: 11900, Unit: "usd", State: "done", ReadableAmount: "$119.00", Last4: &last4, ProcessorKey: &key}},
			"acme@firm.example", "alice amy yan xia", "hub@firm.example", "profile/acme", "/billing/acme/receipt/ch_1/",
			`"profile":P(acme),"originated_by":null,"provider":P(cowork),"charge_items":[{"invoiced":` + txnJSON + `,"refunded":[]}],` +
				`"created_by":{"slug":"xia","username":"xia","printable_name":"Xia","picture":null},"charge":{"created_at":"` + at + `","amount":11900,` +
				`"unit":"usd","state":"done","readable_amount":"$119.00","description":"","claim_code":null,"last4":"4242","exp_date":null,"processor_key":"ch_1"}`,
			"Receipt from The cowork"},
		{&ChargeUpdated{Profile: acme, OriginatedBy: byDonny(), Provider: cowork, ChargeItems: List[ChargeItem]{{txn, List[Transaction]{txn}}},
			ChargeTotal: &Price{0, "usd"}, Charge: Charge{CreatedAt: now, Amount: 11900, Unit: "usd", State: "done", ProcessorKey: &key}},
			"acme@firm.example", "alice amy yan xia", "donny@example.com", "profile/acme", "/billing/acme/receipt/ch_1/",
			`"profile":P(acme),"originated_by":U(donny),"provider":P(cowork),"charge_items":[{"invoiced":` + txnJSON + `,"refunded":[` + txnJSON + `]}],` +
				`"charge_total":{"amount":0,"unit":"usd"},"created_by":null,"charge":{"created_at":"` + at + `","amount":11900,"unit":"usd","state":"done",` +
				`"readable_amount":"","description":"","claim_code":null,"last4":null,"exp_date":null,"processor_key":"ch_1"}`,
			"Receipt from The cowork - Refund"},
		{&CardUpdated{Profile: acme, OriginatedBy: byXia(), Changes: Changes{{"last4", "1111", "4242"}, {"exp_date", "01/2025", "01/2030"}}},
			"acme@firm.example", "alice amy yan", "xia@example.com", "profile/acme", "/billing/acme/card/",
			`"profile":P(acme),"originated_by":U(xia),"changes":{"last4":{"pre":"1111","post":"4242"},"exp_date":{"pre":"01/2025","post":"01/2030"}}`,
			"Credit card updated"},
		{&CardExpiresSoon{Profile: acme, NbExpirationDays: 15, Last4: "4242", ExpDate: "04/2025"},
			"acme@firm.example", "alice amy yan xia", "hub@firm.example", "profile/acme", "/billing/acme/card/",
			`"profile":P(acme),"nb_expiration_days":15,"last4":"4242","exp_date":"04/2025"`, "Card on file expires soon"},
		{&RenewalChargeFailed{Profile: acme, InvoicedItems: List[Transaction]{txn}, ChargeTotal: Price{11900, "usd"}, NbRenewalAttempts: 3,
			MaxRenewalAttempts: 3, FinalNotice: true},
			"acme@firm.example", "alice amy yan xia", "hub@firm.example", "profile/acme", "/billing/acme/cart/",
			`"profile":P(acme),"provider":P(hub),"invoiced_items":[` + txnJSON + `],"charge_total":{"amount":11900,"unit":"usd"},"nb_renewal_attempts":3,` +
				`"max_renewal_attempts":3,"final_notice":true`, "The hub Renewal failed"},
		{&ClaimCodeGenerated{Profile: Profile{ProfileDetail: directory.ProfileDetail{ProfileShort: directory.ProfileShort{Slug: "new", PrintableName: "New",
			Type: "organization"}, Email: "new@firm.example"}}, OriginatedBy: byXia(), Provider: cowork, ClaimCode: "c+1",
			CartItems: List[CartItem]{{CreatedAt: now, Plan: &plan, Option: 1, FullName: "New"}}},
			"new@firm.example", "", "xia@example.com", "claim/new@firm.example", "/billing/cart/?code=c%2B1",
			`"profile":{"slug":"new","printable_name":"New","picture":null,"type":"organization","credentials":false,"created_at":null,"full_name":"",` +
				`"email":"new@firm.example","phone":"","street_address":"","locality":"","region":"","postal_code":"","country":"","default_timezone":"",` +
				`"no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":null},"originated_by":U(xia),"provider":P(cowork),` +
				`"cart_items":[{"created_at":"` + at + `","user":null,"plan":` + planJSON + `,"use":null,"option":1,"quantity":0,"claim_code":null,"sync_on":null,` +
				`"full_name":"New","email":null,"detail":""}],"detail":""`, "The cowork Subscription"},
		{&QuotaReached{Profile: acme, Plan: plan, Provider: cowork, UseCharge: use, Usage: 2},
			"acme@firm.example", "alice amy yan xia", "hub@firm.example", "profile/acme", "/",
			`"profile":P(acme),"plan":` + planJSON + `,"provider":P(cowork),"use_charge":` + useJSON + `,"usage":2`, "[The hub] Free Tier Quota Reached"},
		{&UseChargeLimitCrossed{Profile: acme, Plan: plan, Provider: cowork, UseCharge: use, Usage: 200},
			"acme@firm.example", "alice amy yan xia", "hub@firm.example", "profile/acme", "/",
			`"profile":P(acme),"plan":` + planJSON + `,"provider":P(cowork),"use_charge":` + useJSON + `,"usage":200`, "[The hub] Use Charge Limit Crossed"},
		{&ProcessorSetupError{Profile: acme, Provider: cowork, Detail: "no account"},
			"hub@firm.example", "alice amy", "hub@firm.example", "profile/cowork", "/billing/cowork/bank/",
			`"profile":P(acme),"originated_by":null,"provider":P(cowork),"detail":"no account"`, "Payment Processor setup error for The cowork"},
		{&PeriodSalesReportCreated{Profile: Profile{ID: w.hub}, Title: "Sunday Mar 09, 2025",
			Results:            List[SalesRow]{{"sales", "Sales", List[[2]string]{{"last", "$1.00"}, {"prev", "N/A"}}}},
			NewProfilesSampled: List[Profile]{acme}, NewUsersSampled: List[User]{user}, NbAdditionalNewUsers: 3, Period: ledger.Weekly},
			"hub@firm.example", "alice amy", "hub@firm.example", "report/hub", "/",
			`"profile":P(hub),"title":"Sunday Mar 09, 2025","results":[{"slug":"sales","title":"Sales","values":[["last","$1.00"],["prev","N/A"]]}],` +
				`"new_profiles_sampled":[P(acme)],"nb_additional_new_profiles":0,"new_users_sampled":[U(kim)],"nb_additional_new_users":3`, "Weekly sales report"},
		{&PeriodSalesReportCreated{Profile: Profile{ID: w.hub}, Title: "Friday Feb 28, 2025", Period: ledger.Monthly},
			"hub@firm.example", "alice amy", "hub@firm.example", "report/hub", "/",
			`"profile":P(hub),"title":"Friday Feb 28, 2025","results":[],"new_profiles_sampled":[],"nb_additional_new_profiles":0,` +
				`"new_users_sampled":[],"nb_additional_new_users":0`, "Monthly sales report"},
		{&UserVerification{User: &User{ID: w.kim}, Purpose: ProvesLogin, Code: "012345", Lifetime: time.Hour, Email: "kim@example.com"},
			"kim@example.com", "", "hub@firm.example", "address/kim@example.com", "",
			`"user":U(kim),"purpose":"login","code":"012345","lifetime":"01:00:00"`, "Email address verification"},
		{&UserVerification{Purpose: ProvesAddress, Code: "012345", Lifetime: 90 * time.Minute, Email: "new@example.com", LinkKey: key40, Next: "/app/?a=b"},
			"new@example.com", "", "hub@firm.example", "address/new@example.com", "/login/" + key40 + "/?next=%2Fapp%2F%3Fa%3Db",
			`"user":null,"purpose":"address","code":"012345","lifetime":"01:30:00"`, "Email address verification"},
	} {
		t.Run(c.event.Name(), func(t *testing.T) {
			w.exec(`DELETE FROM outbox`)
			w.emit(c.event)
			rows := w.outbox()
			if len(rows) != 1 {
				t.Fatalf("%d rows", len(rows))
			}
			got := rows[0]
			want := envelope{To: []string{c.to}, ReplyTo: c.reply}
			for _, name := range strings.Fields(c.bcc) {
				want.Bcc = append(want.Bcc, name+"@example.com")
			}
			if report, ok := c.event.(*PeriodSalesReportCreated); ok {
				want.Period = map[ledger.Period]string{ledger.Weekly: "Weekly", ledger.Monthly: "Monthly"}[report.Period]
			}
			if diff := cmp.Diff(want, got.Envelope); diff != "" {
				t.Errorf("recipients (-want +got):\n%s", diff)
			}
			if got.Subject != c.subject || got.Sink != "mail" || got.Event != c.event.Name() {
				t.Errorf("%s of %s to %s, want it to be about %s", got.Event, got.Subject, got.Sink, c.subject)
			}
			back := `null`
			if c.back != "" {
				back = `"https://site.example` + c.back + `"`
			}
			payload := `{"broker":P(hub),"back_url":` + back + `,` + c.payload + `,"event":"` + c.event.Name() + `","recipients":[]}`
			if diff := cmp.Diff(w.expand(payload), got.Payload); diff != "" {
				t.Errorf("payload (-want +got):\n%s", diff)
			}
			w.deliver()
			mails := w.mails.Sent()
			if len(mails) != 1 {
				t.Fatalf("%d mails", len(mails))
			}
			m := mails[0]
			if m.Subject != c.mail {
				t.Errorf("subject %q, want %q", m.Subject, c.mail)
			}
			if c.back != "" && c.back != "/" && !strings.Contains(m.Text, "https://site.example"+c.back) {
				t.Errorf("the text does not lead to %s:\n%s", c.back, m.Text)
			}
			if strings.Contains(m.Text, "<no value>") || strings.Contains(m.Text, "map[") {
				t.Errorf("text:\n%s", m.Text)
			}
			golden(t, got, m)
			if m.From != "site@hub.example" || m.ID == "" || fmt.Sprint(m.To, m.Bcc, m.ReplyTo) != fmt.Sprint(want.To, want.Bcc, want.ReplyTo) {
				t.Errorf("mail %+v", m)
			}
		})
	}
}

var update = flag.Bool("update", false, "write what is there as what is wanted")

// golden compares recipients, payload and mail of an event with those of its file, for people to read. A second one of an event has
// a file of its own.
func golden(t *testing.T, r row, m Message) {
	t.Helper()
	var payload bytes.Buffer
	if err := json.Indent(&payload, []byte(r.Payload), "", "  "); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("To: %s\nBcc: %s\nReply-To: %s\nSubject: %s\n\n---- text\n%s\n---- html\n%s\n---- payload\n%s\n", strings.Join(m.To, ", "),
		strings.Join(m.Bcc, ", "), m.ReplyTo, m.Subject, m.Text, m.HTML, payload.String())
	file := filepath.Join("testdata", "events", strings.ReplaceAll(strings.TrimPrefix(t.Name(), "TestEvents/"), "#01", "-2")+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// expand replaces P(x) and U(x) by the detail forms of profile and user x.
func (w *world) expand(payload string) string {
	for _, slug := range []string{"hub", "cowork", "acme"} {
		payload = strings.ReplaceAll(payload, "P("+slug+")", `{"slug":"`+slug+`","printable_name":"The `+slug+`","picture":null,"type":"organization",`+
			`"credentials":false,"created_at":"1970-01-01T00:00:00Z","full_name":"The `+slug+`","email":"`+slug+`@firm.example","phone":"","street_address":"",`+
			`"locality":"","region":"","postal_code":"","country":"","default_timezone":"UTC","no_implicit_role":false,"is_provider":false,`+
			`"is_bulk_buyer":false,"extra":null}`)
	}
	for _, name := range []string{"alice", "donny", "xia", "yan", "kim"} {
		title := strings.ToUpper(name[:1]) + name[1:]
		payload = strings.ReplaceAll(payload, "U("+name+")", `{"slug":"`+name+`","username":"`+name+`","printable_name":"`+title+`","picture":null,`+
			`"email":"`+name+`@example.com","phone":null,"full_name":"`+title+` Lee","nick_name":"`+title+`","lang":"en","credentials":true,"otp_enabled":false,`+
			`"created_at":"1970-01-01T00:00:00Z","last_login":null}`)
	}
	return payload
}

func visitor(email, name string) (u directory.UserDetail) {
	u.Email, u.FullName, u.PrintableName = &email, name, name
	return u
}

// Events about nothing are not emitted.
func TestNothingToTell(t *testing.T) {
	off := false
	w := newWorld(t, func(o *Options) { o.WelcomeEmail = func(store.Reader) (bool, error) { return off, nil } })
	w.emit(&ProfileUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"phone", "", "+1"}, {"region", "", "CA"}}})
	w.emit(&ProfileUpdated{Profile: Profile{ID: w.acme}})
	w.emit(&ChargeUpdated{Profile: Profile{ID: w.acme}, Provider: Profile{ID: w.cowork}, Charge: Charge{State: "failed"}})
	w.emit(&UserWelcome{User: User{ID: w.kim}})
	w.emit(&UserLoggedIn{User: User{ID: w.kim}})
	w.emit(&UserLoginFailed{User: User{ID: w.kim}})
	if rows := w.outbox(); len(rows) != 0 {
		t.Errorf("emitted: %+v", rows)
	}
	off = true
	w.emit(&UserWelcome{User: User{ID: w.kim}})
	if rows := w.outbox(); len(rows) != 1 {
		t.Errorf("with the welcome e-mail on: %+v", rows)
	}
}

// Whatever is emitted in a transaction that fails was never said; and an event about nobody fails the transaction.
func TestEmitWithinTheTransaction(t *testing.T) {
	w := newWorld(t)
	err := w.store.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Exec(`UPDATE profile SET full_name = 'Renamed' WHERE id = ?`, w.acme); err != nil {
			return err
		}
		e := &RoleRequestCreated{Profile: Profile{ID: w.acme}, User: User{ID: w.kim}}
		if err := w.Emit(tx, e); err != nil {
			return err
		}
		if e.Profile.PrintableName != "Renamed" {
			t.Errorf("the payload says %q: not what the transaction sees", e.Profile.PrintableName)
		}
		return fmt.Errorf("no")
	})
	if err == nil || err.Error() != "no" {
		t.Fatal(err)
	}
	for _, e := range []Event{&UserRegistered{User: User{ID: 999}}, &CardUpdated{Profile: Profile{ID: 999}}} {
		if err := w.store.Write(t.Context(), func(tx *store.Tx) error { return w.Emit(tx, e) }); err == nil {
			t.Errorf("%s about nobody is emitted", e.Name())
		}
	}
	w.deliver()
	if rows, mails := w.outbox(), w.mails.Sent(); len(rows) != 0 || len(mails) != 0 {
		t.Errorf("%+v, %+v", rows, mails)
	}
}

func TestProfileChanges(t *testing.T) {
	before := directory.ProfileDetail{ProfileShort: directory.ProfileShort{Slug: "a"}, FullName: "A", Email: "a@x", Country: "US"}
	after := before
	if c := ProfileChanges(before, after); len(c) != 0 {
		t.Errorf("no change: %v", c)
	}
	after.Slug, after.Country, after.IsProvider, after.IsBulkBuyer, after.Extra = "b", "", true, true, json.RawMessage(`1`)
	want := Changes{{"slug", "a", "b"}, {"country", "US", ""}, {"is_provider", "false", "true"}, {"GroupBuy", "disabled", "enabled"}}
	if diff := cmp.Diff(want, ProfileChanges(before, after)); diff != "" {
		t.Error(diff)
	}
}
