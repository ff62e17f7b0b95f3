package importer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// entry is a row of the file's ledger.
func entry(values string) string {
	return `INSERT INTO saas_transaction (id, created_at, event_id, dest_organization_id, dest_account, dest_amount, orig_organization_id, orig_account,
		orig_amount, descr, dest_unit, orig_unit) VALUES (` + values + `, 'usd', 'usd')`
}

// TestOddities imports what the other system lets happen and this one does not: it is changed or left out, and the report says so.
func TestOddities(t *testing.T) {
	user := func(values string) string {
		return `INSERT INTO auth_user (id, username, email, password, is_active, date_joined, is_superuser, is_staff, first_name, last_name)
			VALUES (` + values + `, 1, '2026-01-01 00:00:00.123456', 0, 0, '', '')`
	}
	const key = "argon2$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHRzb21lc2FsdA$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY"
	w := newWorld(t, "seed.sqlite",
		`DROP INDEX uniq_email`,
		user(`21, 'joe.x', 'JOE@Example.com', 'md5$a$b'`), user(`22, 'ALICE', 'alice@EXAMPLE.com', '`+key+`'`), user(`23, 'joex', 'no address', ''`),
		user(`24, '日本', NULL, 'bcrypt$$2b$12$WApznUPhDubN0oeveSXHpOYYH1qSnKBTz.ZDYgjQ3dOSZrQqRIRcW'`), user(`25, 'xia lee', '', 'pbkdf2_sha256$0$a$b'`),
		`UPDATE signup_contact SET phone = '(415) 555-1212', picture = 'javascript:alert(1)', email_verification_key = 'abc' WHERE id = 1`,
		`UPDATE signup_contact SET phone = '12', picture = 'https://example.com/a.png' WHERE id = 2`,
		`UPDATE signup_contact SET phone = '+14155551212', slug = 'Alice' WHERE id = 3`,
		`INSERT INTO signup_otpgenerator (id, user_id, priv_key, nb_attempts) VALUES (1, 1, 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', 0), (2, 2, '!', 0)`,
		`INSERT INTO signup_credentials (user_id, api_pub_key, api_password, title) VALUES (1, 'a', 'b', 'c'), (2, 'b', 'b', 'c')`,
		`INSERT INTO signup_notification (id, slug, title) VALUES (4, 'charge_updated', 'Charge')`,
		`INSERT INTO signup_notification_users (notification_id, user_id) VALUES (4, 2)`,
		`INSERT INTO signup_activity (created_at, text, contact_id, created_by_id) VALUES ('2026-02-01', 'called', 4, 1), ('2026-02-01', 'nobody', NULL, 1)`,
		`UPDATE saas_organization SET country = 'ZZ', default_timezone = 'Mars/Base', processor_priv_key = 'sk_secret', funds_balance = 7 WHERE id = 4`,
		`UPDATE saas_plan SET title = 'Basic', next_plan_id = 8 WHERE id = 3`,
		`INSERT INTO saas_coupon (id, created_at, code, organization_id, discount_type, discount_value) VALUES (9, '2026-01-01', 'dis25', 3, 1, 100)`,
		`INSERT INTO saas_cartitem (created_at, recorded, coupon_id, plan_id, user_id, quantity, option, full_name)
			VALUES ('2026-01-01', 0, 9, 2, 4, 0, 1, ''), ('2026-01-01', 0, NULL, 2, NULL, 0, 1, '')`,
		`UPDATE saas_role SET request_key = 'a', grant_key = 'b' WHERE id = 11`,
		`INSERT INTO rules_app (id, slug, account_id, enc_key, session_backend, cors_restricted, welcome_email, entry_point) VALUES (7, 'gym', 4, '', 2, 1, 1, '')`,
		`INSERT INTO rules_rule (app_id, path, rule_op, kwargs, is_forward, engaged, rank, moved) VALUES (7, '/gym', 0, '', 1, '', 1, 0)`,
		`UPDATE rules_app SET entry_point = 'http://10.0.0.1/' WHERE id = 1`,
		`UPDATE saas_plan SET broker_fee_percent = 250 WHERE id = 8`,
	)
	report := w.run()
	for query, want := range map[string]string{
		`SELECT id, username, email, substr(password, 1, 12) FROM user WHERE id > 20`: "21|joex-21|joe@example.com|!\n" +
			"22|alice-22||$argon2id$v=\n23|joex||!\n24|user||$2b$12$WApzn\n25|xia-lee||!\n",
		`SELECT created_at FROM user WHERE id = 21`:                                                  "1767225600123456\n",
		`SELECT id, slug, phone, picture, email_verification_key FROM contact WHERE id IN (1, 2, 3)`: "1|alice|+14155551212||\n2|donny||https://example.com/a.png|\n3|contact-3|||\n",
		`SELECT user_id FROM otp`: "1\n",
		`SELECT user_id, slug FROM user_notification JOIN notification ON notification.id = notification_id`: "2|charge_updated\n",
		`SELECT text, contact_id FROM activity`:                                          "called|4\n",
		`SELECT country, default_timezone, processor_priv_key FROM profile WHERE id = 4`: "|UTC|\n",
		`SELECT title, next_plan_id FROM plan WHERE id = 3`:                              "Basic (premium)|8\n",
		`SELECT count(*) FROM coupon WHERE id = 9`:                                       "0\n",
		`SELECT user_id, coupon_id FROM cart_item`:                                       "4|\n",
		`SELECT count(*) FROM role WHERE id = 11`:                                        "0\n",
		`SELECT slug, entry_point FROM app`:                                              "djaoapp|\n",
		`SELECT path, rule_op FROM rule ORDER BY rank`:                                   "/app|1\n/|0\n",
	} {
		if d := cmp.Diff(want, w.text(query)); d != "" {
			t.Errorf("%s\n%s", query, d)
		}
	}
	var got []string
	for _, n := range report.Notes {
		why, _, _ := strings.Cut(n.Why, ":")
		got = append(got, n.Table+" "+strings.Trim(idList(n), " ()")+" "+why)
	}
	want := []string{
		"auth_user 21 22 24 25 renamed",
		"auth_user 21 25 the password is hashed in a way that is not known here",
		"auth_user 22 the e-mail address is somebody else's",
		"auth_user 23 the e-mail address is none",
		"signup_contact 1 a verification under way is left out",
		"signup_contact 1 the picture is no address of the web",
		"signup_contact 2 the phone number is none",
		"signup_contact 3 renamed",
		"signup_contact 3 the phone number is somebody else's",
		"signup_otpgenerator 2 the secret of one-time passwords is none",
		"signup_activity 2 a note about no contact",
		"saas_organization 1 the payment processor",
		"saas_organization 4 the keys of its account at the payment processor are left out",
		"saas_organization 4 the country is none",
		"saas_organization 4 the time zone is not known",
		"saas_role 11 a role that is both asked for and offered",
		"saas_agreement 1 2 the text of an agreement is not in the file",
		"saas_plan 3 the title is that of another plan",
		"saas_coupon 9 the code is that of another coupon but for case",
		"saas_cartitem 2 in the cart of nobody",
		"saas_organization 4 funds_balance is not what the ledger says",
		"rules_app 1 the address of the upstream is left out",
		"rules_app 7 another application than the broker's",
		"rules_rule 4 a rule of another application than the broker's",
		"signup_credentials  API keys",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("notes:\n%s", d)
	}
}

// TestProcessorMoved imports a file whose first profile is not its payment processor: it is the first here.
func TestProcessorMoved(t *testing.T) {
	w := newWorld(t, "history.sqlite",
		`UPDATE saas_organization SET id = 100 WHERE id = 1`, `UPDATE saas_organization SET id = 1 WHERE id = 9`,
		`UPDATE saas_organization SET processor_id = 100`, `UPDATE saas_charge SET processor_id = 100`, `UPDATE saas_charge SET customer_id = 1 WHERE customer_id = 9`,
		`UPDATE saas_role SET organization_id = 1 WHERE organization_id = 9`, `UPDATE saas_subscription SET organization_id = 1 WHERE organization_id = 9`,
		`UPDATE saas_transaction SET dest_organization_id = 100 WHERE dest_organization_id = 1`, `UPDATE saas_transaction SET orig_organization_id = 100 WHERE orig_organization_id = 1`,
		`UPDATE saas_transaction SET dest_organization_id = 1 WHERE dest_organization_id = 9`, `UPDATE saas_transaction SET orig_organization_id = 1 WHERE orig_organization_id = 9`)
	if report := w.run(); !report.Books.OK() {
		t.Error(report.Books.Problems)
	}
	const funds = `SELECT p.slug, b.amount FROM balance b JOIN profile p ON p.id = b.profile_id WHERE account = 'Funds' ORDER BY p.slug`
	if got := w.text(funds); got != "cowork|30952\nprocessor|1048\n" {
		t.Errorf("funds are\n%s", got)
	}
	if got := w.text(`SELECT p.slug, c.processor_id FROM charge c JOIN profile p ON p.id = c.customer_id WHERE c.id = 2`); got != "bulk|1\n" {
		t.Errorf("charge 2 is of %s", got)
	}
}

// TestOddBooks imports a ledger with what the other system writes and this one does not: gaps between ids, entries whose sides
// differ, payments under other events, chargebacks taken back, payouts recorded twice.
func TestOddBooks(t *testing.T) {
	w := newWorld(t, "history.sqlite",
		// A group buy, paid by card by xia; its text does not say for how many periods.
		entry(`40, '2026-05-03 10:00:00', 'cpn_1234567890123456789012345678901234567890', 5, 'Payable', 5000, 3, 'Receivable', 5000, 'Gift'`),
		entry(`41, '2026-05-03 10:00:00', 'cha_4/', 1, 'Funds', 5000, 5, 'Liability', 5000, 'Charge'`),
		entry(`42, '2026-05-03 10:00:00', 'cpn_1234567890123456789012345678901234567890', 5, 'Liability', 5000, 5, 'Payable', 5000, ''`),
		entry(`43, '2026-05-03 10:00:00', 'cpn_1234567890123456789012345678901234567890', 3, 'Receivable', 5000, 3, 'Backlog', 5000, 'x'`),
		// A quarter, and metered use, paid offline; what was paid too much is a credit.
		entry(`50, '2026-05-04 10:00:00', 'sub_9/', 5, 'Payable', 15000, 3, 'Receivable', 15000, 'Subscription to gold-2-month until 2026/08/02 (3 months)'`),
		entry(`51, '2026-05-04 10:00:00', 'sub_9/1/', 5, 'Payable', 200, 3, 'Receivable', 200, 'Buy 100 premium Requests'`),
		entry(`52, '2026-05-04 11:00:00', 'check_1', 3, 'Funds', 16000, 5, 'Liability', 16000, 'Off-line payment'`),
		entry(`53, '2026-05-04 11:00:00', 'sub_9/', 5, 'Liability', 15000, 5, 'Payable', 15000, ''`),
		entry(`54, '2026-05-04 11:00:00', 'sub_9/', 3, 'Receivable', 16000, 3, 'Backlog', 16000, 'Off-line payment'`),
		entry(`55, '2026-05-04 11:00:00', 'check_1', 3, 'Offline', 16000, 3, 'Funds', 16000, ''`),
		// A chargeback whose sides differ, taken back.
		entry(`60, '2026-05-05 10:00:00', 'cha_1/1/', 3, 'Chargeback', 0, 5, 'Refunded', 5000, 'Charge chargeback'`),
		entry(`61, '2026-05-05 10:00:00', 'cha_1/', 1, 'Chargeback', 1500, 3, 'Funds', 1500, 'Processor fee for cha_1/'`),
		entry(`62, '2026-05-06 10:00:00', 'cha_1/', 3, 'Funds', 1500, 1, 'Chargeback', 1500, 'Processor fee for cha_1/ - reverted'`),
		// The broker pays a fee that nobody gets.
		entry(`63, '2026-05-06 10:00:00', 'cha_1/', 2, 'Expenses', 552, 1, 'Backlog', 0, 'Charge processor fee'`),
		// One payout, twice.
		entry(`70, '2026-05-07 10:00:00', 'po_1', 1, 'Withdraw', 1000, 3, 'Funds', 1000, 'withdraw'`),
		entry(`71, '2026-05-07 10:00:00', 'po_1', 1, 'Withdraw', 1000, 3, 'Funds', 1000, 'withdraw again'`),
		// A write-off.
		entry(`72, '2026-05-08 10:00:00', 'sub_9/1/', 5, 'Liability', 200, 5, 'Payable', 200, ''`),
		entry(`73, '2026-05-08 10:00:00', 'sub_9/1/', 3, 'Writeoff', 200, 5, 'Liability', 200, 'Write off liability'`),
		entry(`74, '2026-05-08 10:00:00', 'sub_9/1/', 5, 'Canceled', 200, 3, 'Receivable', 200, 'Write off receivable'`),
		`UPDATE saas_organization SET funds_balance = 28952 WHERE id = 3`,
		`UPDATE saas_organization SET funds_balance = 6048 WHERE id = 1`,
	)
	report := w.run()
	for query, want := range map[string]string{
		`SELECT id, payer_id, nb_periods, kind, reverts_id FROM txn WHERE id >= 40 ORDER BY id`: "40|5|1|order_placed|\n41|||paid_by_card|\n42|||imported|\n" +
			"43|5||paid_by_card|\n50|5|3|order_placed|\n51|5||use_charged|\n52|||paid_offline|\n53|||imported|\n54|5||paid_offline|\n55|||paid_offline|\n" +
			"60|||disputed|\n61|||disputed|\n62|||dispute_won|61\n63|||paid_by_card|\n70|||paid_out|\n71|||imported|\n72|||imported|\n73|||written_off|\n" +
			"74|5||written_off|\n75|||imported|\n76|||imported|\n",
		`SELECT id, dest_profile_id, dest_account, dest_amount, orig_profile_id, orig_account, orig_amount FROM txn WHERE id IN (60, 63, 75, 76)`: "60|3|Chargeback|0|5|Refunded|0\n" +
			"63|2|Expenses|0|1|Backlog|0\n75|2|Imported|5000|5|Refunded|5000\n76|2|Expenses|552|2|Imported|552\n",
		`SELECT event_id, due - paid FROM statement WHERE due <> paid`: "sub_9/|4000\n",
		`SELECT first_id, nb_entries, kind FROM batch ORDER BY id`:     "1|31|imported\n40|4|imported\n50|6|imported\n60|4|imported\n70|7|imported\n",
	} {
		if d := cmp.Diff(want, w.text(query)); d != "" {
			t.Errorf("%s\n%s", query, d)
		}
	}
	var notes []string
	for _, n := range report.Notes {
		if n.Table == "saas_transaction" || strings.HasPrefix(n.Why, "funds") {
			notes = append(notes, n.Table+idList(n))
		}
	}
	if d := cmp.Diff([]string{"saas_transaction (40)", "saas_transaction (60 63)"}, notes); d != "" {
		t.Errorf("notes:\n%s", d)
	}

	// What the file's own books contradict is told, and kept.
	var problems []string
	for _, p := range report.Books.Problems {
		problems = append(problems, p.String())
	}
	if d := cmp.Diff([]string{"charge 4: is not what was received for it (I3)", "charge 4: does not leave the processor its fee (I4)"}, problems); d != "" {
		t.Errorf("problems:\n%s", d)
	}

	// The books go on, and are whole.
	err := w.Store.Write(t.Context(), func(tx *store.Tx) error {
		facts := ledger.OrderPlaced{At: tx.Now(), Event: ledger.SubEvent(9), Payer: 5, Provider: 3, Amount: ledger.Amount{Value: 5000, Unit: "usd"}, Periods: 1}
		list, err := facts.Entries()
		if err != nil {
			return err
		}
		b, err := ledger.Post(tx, facts.Kind(), list...)
		if err == nil && b.Entries[0].ID != 77 {
			t.Errorf("the next entry is %d, want 77", b.Entries[0].ID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := ledger.Verify(t.Context(), w.Store, nil)
	if err != nil || after.Found != report.Books.Found {
		t.Errorf("%v, %v", after.Problems, err)
	}
}
