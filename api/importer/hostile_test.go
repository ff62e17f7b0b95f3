package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// TestHostile imports files that cannot be: each is refused with the table, row and column, and changes nothing.
func TestHostile(t *testing.T) {
	for name, bad := range map[string]struct{ statement, want string }{
		"no table":                {`DROP TABLE saas_plan`, "there is no table saas_plan"},
		"a view":                  {`ALTER TABLE saas_plan RENAME TO p; CREATE VIEW saas_plan AS SELECT * FROM p`, "saas_plan is no table"},
		"no column":               {`ALTER TABLE saas_coupon DROP COLUMN nb_attempts`, "the table saas_coupon has no column nb_attempts"},
		"no key":                  {`DROP TABLE saas_balanceline; CREATE TABLE saas_balanceline (id, report, title, selector, rank, moved, is_positive)`, "saas_balanceline has no integer primary key id"},
		"a period":                {`UPDATE saas_plan SET period_type = 9 WHERE id = 2`, "saas_plan 2: period_type is 9, not between 1 and 5"},
		"a renewal":               {`UPDATE saas_plan SET renewal_type = -1 WHERE id = 3`, "saas_plan 3: renewal_type is -1, not between 0 and 2"},
		"a discount":              {`UPDATE saas_coupon SET discount_type = 0 WHERE id = 1`, "saas_coupon 1: discount_type is 0"},
		"a percentage":            {`UPDATE saas_coupon SET discount_value = 10001 WHERE id = 1`, "saas_coupon 1: discount_value is 10001"},
		"a state":                 {`UPDATE saas_charge SET state = 4 WHERE id = 1`, "saas_charge 1: state is 4"},
		"an operation":            {`UPDATE rules_rule SET rule_op = 19 WHERE id = 1`, "rules_rule 1: rule_op is 19"},
		"arguments":               {`UPDATE rules_rule SET kwargs = '{"profile":' WHERE id = 1`, "rules_rule 1 cannot be used"},
		"a path":                  {`UPDATE rules_rule SET path = '/a/../b' WHERE id = 1`, "rules_rule 1 cannot be used"},
		"a boolean":               {`UPDATE auth_user SET is_active = 2 WHERE id = 1`, "auth_user 1: is_active is 2"},
		"a number as text":        {`UPDATE saas_plan SET period_amount = 'many' WHERE id = 1`, "saas_plan 1: period_amount is no integer"},
		"a number with a point":   {`UPDATE saas_plan SET period_amount = 10.5 WHERE id = 1`, "saas_plan 1: period_amount is no integer"},
		"a negative amount":       {`UPDATE saas_charge SET amount = -1 WHERE id = 1`, "saas_charge 1: amount is -1"},
		"an amount beyond sums":   {`UPDATE saas_transaction SET dest_amount = 1000000000000001, orig_amount = 1000000000000001 WHERE id = 1`, "saas_transaction 1: dest_amount is 1000000000000001"},
		"a unit":                  {`UPDATE saas_plan SET unit = '$' WHERE id = 1`, "saas_plan 1: unit is no currency"},
		"a dangling plan":         {`UPDATE saas_subscription SET plan_id = 99 WHERE id = 2`, `saas_subscription 2: plan_id is "99", and there is no such row in saas_plan`},
		"a dangling profile":      {`UPDATE saas_transaction SET dest_organization_id = 77 WHERE id = 9`, "saas_transaction 9: dest_organization_id"},
		"a dangling entry":        {`UPDATE saas_chargeitem SET invoiced_id = 4000 WHERE id = 1`, "saas_chargeitem 1: invoiced_id"},
		"a reference of text":     {`DROP TABLE saas_signature; CREATE TABLE saas_signature (id integer primary key, last_signed, agreement_id, user_id); INSERT INTO saas_signature VALUES (1, '2026-01-01', 1, 'alice')`, "saas_signature 1: user_id"},
		"a missing reference":     {`DROP TABLE saas_signature; CREATE TABLE saas_signature (id integer primary key, last_signed, agreement_id, user_id); INSERT INTO saas_signature VALUES (1, '2026-01-01', NULL, 1)`, "saas_signature 1: agreement_id is missing"},
		"a date before all":       {`UPDATE auth_user SET date_joined = '0001-01-01 00:00:00' WHERE id = 1`, "auth_user 1: date_joined is 0001-01-01"},
		"a date after all":        {`UPDATE saas_subscription SET ends_at = '12026-01-01 00:00:00' WHERE id = 1`, "saas_subscription 1: ends_at"},
		"a day that is none":      {`UPDATE saas_subscription SET ends_at = '2026-02-30 00:00:00' WHERE id = 1`, `saas_subscription 1: ends_at is "2026-02-30 00:00:00", which is no date`},
		"no date":                 {`UPDATE saas_transaction SET created_at = '' WHERE id = 3`, "saas_transaction 3: created_at"},
		"a date as number":        {`UPDATE saas_transaction SET created_at = 17 WHERE id = 3`, "saas_transaction 3: created_at is no text"},
		"a long text":             {`UPDATE saas_transaction SET descr = printf('%.*c', 2000000, 'x') WHERE id = 3`, "saas_transaction 3 holds a text of more than 1048576 bytes"},
		"a huge blob":             {`UPDATE saas_plan SET extra = zeroblob(300000000) WHERE id = 3`, "saas_plan 3 holds a text of more than"},
		"a long name":             {`UPDATE saas_organization SET full_name = printf('%.*c', 101, 'x') WHERE id = 3`, "saas_organization 3: full_name has more than 100 characters"},
		"a blob":                  {`UPDATE auth_user SET first_name = x'00ff' WHERE id = 3`, "auth_user 3: first_name is no text"},
		"NUL":                     {`UPDATE auth_user SET first_name = 'a' || char(0) || 'b' WHERE id = 3`, "auth_user 3: first_name is no text in UTF-8"},
		"not UTF-8":               {`UPDATE auth_user SET first_name = CAST(x'fffe' AS TEXT) WHERE id = 3`, "auth_user 3: first_name is no text in UTF-8"},
		"an id below 1":           {`UPDATE saas_cartitem SET id = -1 WHERE id = 1`, "saas_cartitem: the id -1 is out of range"},
		"an id beyond others":     {`UPDATE saas_cartitem SET id = 9223372036854775807 WHERE id = 1`, "saas_cartitem: the id 9223372036854775807 is out of range"},
		"the same slug":           {`DROP TABLE saas_agreement; CREATE TABLE saas_agreement (id integer primary key, slug, title, updated_at); INSERT INTO saas_agreement VALUES (1, 'a', 'A', '2026-01-01'), (2, 'a', 'B', '2026-01-01')`, "saas_agreement 2: another row has the same slug"},
		"offered and asked for":   {`UPDATE saas_subscription SET grant_key = 'a', request_key = 'b' WHERE id = 1`, "saas_subscription 1: grant_key and request_key are both given"},
		"no broker":               {`UPDATE saas_organization SET slug = 'core' WHERE slug = 'hub'`, `holds no profile "hub", the broker of this site (the application of the file belongs to "core")`},
		"no processor":            {`UPDATE saas_organization SET processor_id = NULL WHERE id = 2`, "processor_id names no payment processor"},
		"the processor's name":    {`UPDATE saas_organization SET slug = 'Processor' WHERE id = 8`, `saas_organization 8: slug is "Processor", which is the payment processor's here`},
		"a debt without an event": {`UPDATE saas_transaction SET event_id = NULL WHERE id = 1`, "saas_transaction 1 moves a debt without an event"},
		"a payment of nothing":    {`UPDATE saas_transaction SET created_at = '2026-03-03', event_id = 'sub_8/', descr = '' WHERE id = 5`, `saas_transaction 5 pays for the event "sub_8/", which nobody has ordered`},
		"a debit of Payable":      {`UPDATE saas_transaction SET orig_account = 'Funds' WHERE id = 1`, "saas_transaction 1 debits Payable and is not an order"},
		"an order that differs":   {`UPDATE saas_transaction SET orig_amount = 1 WHERE id = 1`, "debits Payable and is not an order"},
		"one side settled":        {`UPDATE saas_transaction SET orig_account = 'settled', dest_account = 'Cash' WHERE id = 14`, "saas_transaction 14 has one side settled"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "history.sqlite", bad.statement)
			before := w.everything()
			report, err := Run(t.Context(), w.Options)
			if err == nil || !strings.Contains(err.Error(), bad.want) || report != nil {
				t.Errorf("%v, want %q", err, bad.want)
			}
			if d := cmp.Diff(before, w.everything()); d != "" {
				t.Errorf("the store has changed:\n%s", d)
			}
		})
	}
}

// TestForeignFiles imports what is no database of the other system.
func TestForeignFiles(t *testing.T) {
	w := newWorld(t, "seed.sqlite")
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("username,password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	db := openFile(t, other)
	if _, err := db.Exec(`CREATE TABLE auth_user (name)`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	own := filepath.Join(dir, "own.db")
	storetest.Open(t, own, storetest.NewClock())
	before := w.everything()
	for file, want := range map[string]string{
		text: "not an SQLite database", dir: "it is no file", filepath.Join(dir, "nowhere"): "no such file",
		other: "the table auth_user has no column username", own: "there is no table auth_user",
	} {
		w.File = file
		if _, err := Run(t.Context(), w.Options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(file), err, want)
		}
	}
	if d := cmp.Diff(before, w.everything()); d != "" {
		t.Errorf("the store has changed:\n%s", d)
	}
}

// TestNotEmpty refuses a store that somebody uses.
func TestNotEmpty(t *testing.T) {
	for what, query := range map[string]string{
		"users":         `INSERT INTO user (username, created_at, password_changed_at) VALUES ('ann', 0, 0)`,
		"profiles":      `INSERT INTO profile (slug, created_at) VALUES ('acme', 0)`,
		"agreements":    `INSERT INTO agreement (slug, title, updated_at) VALUES ('a', 'A', 0)`,
		"plans":         `INSERT INTO plan (slug, created_at, profile_id) VALUES ('basic', 0, 2)`,
		"rules":         `INSERT INTO rule (app_id, rank, path) SELECT id, 1, '/' FROM app`,
		"balance lines": `INSERT INTO balance_line (report, title, rank) VALUES ('r', 'T', 1)`,
	} {
		w := newWorld(t, "seed.sqlite")
		w.write(query)
		before := w.everything()
		if _, err := Run(t.Context(), w.Options); err == nil || !strings.Contains(err.Error(), "the store is not empty, it holds "+what+":") {
			t.Errorf("%s: %v", what, err)
		}
		if d := cmp.Diff(before, w.everything()); d != "" {
			t.Errorf("%s: the store has changed:\n%s", what, d)
		}
	}
}
