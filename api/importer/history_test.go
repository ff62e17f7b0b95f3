package importer

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/ledger"
)

// ledgerOf is the ledger as the file has it, and as the store has it after the import.
const (
	ledgerOfFile = `SELECT id, replace(created_at, ' ', 'T') || 'Z', descr, event_id, dest_organization_id, dest_account, dest_amount, dest_unit,
		orig_organization_id, orig_account, orig_amount, orig_unit FROM saas_transaction ORDER BY id`
	ledgerOfStore = `SELECT id, strftime('%Y-%m-%dT%H:%M:%SZ', created_at / 1000000, 'unixepoch'), descr, event_id, dest_profile_id, dest_account,
		dest_amount, dest_unit, orig_profile_id, orig_account, orig_amount, orig_unit FROM txn ORDER BY id`
)

// TestHistory imports months of orders, payments and renewals: every row of the ledger, with its id and date, and proves the books.
func TestHistory(t *testing.T) {
	w := newWorld(t, "history.sqlite")
	db := openFile(t, golden+"history.sqlite?mode=ro")
	defer db.Close()
	rows, err := db.Query(ledgerOfFile)
	if err != nil {
		t.Fatal(err)
	}
	want, err := printed(rows)
	if err != nil {
		t.Fatal(err)
	}
	report := w.run()
	if got := w.text(ledgerOfStore); got != want || strings.Count(got, "\n") != 31 {
		t.Errorf("the ledger differs (-file +store):\n%s", cmp.Diff(want, got))
	}
	for _, c := range report.Tables {
		if c.Imported != c.Rows {
			t.Errorf("%s: %d of %d rows imported", c.Table, c.Imported, c.Rows)
		}
	}
	books, err := ledger.Verify(t.Context(), w.Store, nil)
	if err != nil || !books.OK() || books.Entries != 31 {
		t.Errorf("%d entries, %v, %v", books.Entries, books.Problems, err)
	}
	if report.Books.Head != books.Head || !report.Books.OK() {
		t.Errorf("the report has the head %s, the books %s", report.Books.Head, books.Head)
	}

	// Who pays, for how many periods, and what happened: none of it is written in the file.
	for query, want := range map[string]string{
		`SELECT id, payer_id, nb_periods, kind FROM txn WHERE dest_account = 'Payable' ORDER BY id`: "1|5|1|order_placed\n7|9|1|order_placed\n" +
			"13|7|1|order_placed\n15|5|1|order_placed\n27|5|1|order_placed\n",
		`SELECT id, payer_id FROM txn WHERE dest_account = 'Receivable' AND kind = 'paid_by_card' ORDER BY id`: "5|5\n11|9\n19|5\n24|7\n",
		`SELECT kind, count(*) FROM txn GROUP BY kind ORDER BY kind`:                                           "imported|4\nincome_recognised|6\norder_placed|5\npaid_by_card|16\n",
		`SELECT payer_id, event_id, due - paid FROM statement WHERE due <> paid`:                               "5|sub_9/|5000\n",
		`SELECT id, amount, state, customer_id, provider_id, last4, exp_date, created_by FROM charge ORDER BY id`: "1|5000|1|5|3|4242|2030-12-31|4\n" +
			"2|20000|1|9|3|4242|2030-12-31|7\n3|2000|1|5|3|4242|2030-12-31|\n4|5000|1|7|3|4242|2030-12-31|\n",
		`SELECT count(*), count(DISTINCT invoiced_processor_fee_id), count(DISTINCT invoiced_distribute_id) FROM charge_item`: "4|4|4\n",
		`SELECT slug, email, billing_start, processor_id FROM profile WHERE id IN (1, 7)`: "processor|stripe@localhost.localdomain|2026-04-01|\n" +
			"acme|acme@example.com|2026-05-01|1\n",
		`SELECT actor, action, subject, detail FROM audit`: "command line|import|hub|11 users, 9 profiles, 10 subscriptions, 31 entries\n",
	} {
		if got := w.text(query); got != want {
			t.Errorf("%s\n%s", query, cmp.Diff(want, got))
		}
	}
	if key := w.text(`SELECT enc_key FROM app`); key == "\n" || strings.Contains(key, "oracle") {
		t.Errorf("the key of sessions is kept as %q", key)
	}

	// The next batch of our own goes on where the other system ended.
	if got := w.text(`SELECT max(first_id + nb_entries) FROM batch`); got != "32\n" {
		t.Errorf("the next entry is %s", got)
	}
}

// TestHistoryExported lets the programs that accountants use read the imported books.
func TestHistoryExported(t *testing.T) {
	w := newWorld(t, "history.sqlite")
	w.run()
	for format, check := range map[ledger.Format][]string{
		ledger.HLedger:   {"hledger", "-f", "FILE", "check", "--strict"},
		ledger.LedgerCLI: {"ledger", "-f", "FILE", "--pedantic", "balance"},
		ledger.Beancount: {"bean-check", "FILE"},
	} {
		t.Run(string(format), func(t *testing.T) {
			if _, err := exec.LookPath(check[0]); err != nil {
				if os.Getenv("TOLLGATE_NO_SKIP") == "1" {
					t.Fatalf("%s is not installed", check[0])
				}
				t.Skipf("%s is not installed", check[0])
			}
			path := filepath.Join(t.TempDir(), "books."+string(format))
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(ledger.Export(t.Context(), w.Store, f, format), f.Close()); err != nil {
				t.Fatal(err)
			}
			args := append([]string(nil), check[1:]...)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "FILE", path)
			}
			if out, err := exec.CommandContext(t.Context(), check[0], args...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%.2000s", check[0], err, out)
			}
		})
	}
}

// TestDryRun reports the same, and keeps nothing.
func TestDryRun(t *testing.T) {
	w := newWorld(t, "history.sqlite")
	before := w.everything()
	w.DryRun = true
	var told []string
	w.Progress = func(table string, done, of int64) { told = append(told, table) }
	dry := w.run()
	if d := cmp.Diff(before, w.everything()); d != "" {
		t.Errorf("a dry run changed:\n%s", d)
	}
	if len(told) < 15 || told[0] != "auth_user" {
		t.Errorf("progress of %v", told)
	}
	w.DryRun, w.Progress = false, nil
	real := w.run()
	if d := cmp.Diff(dry.Tables, real.Tables) + cmp.Diff(dry.Notes, real.Notes); d != "" {
		t.Errorf("the import did otherwise than the dry run:\n%s", d)
	}
	var b strings.Builder
	if _, err := real.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"saas_transaction      31 of 31", "saas_agreement: 2: the text of an agreement is not in the file: PUT /api/agreements/{document} (1 2)",
		"saas_organization: 1: the payment processor: called processor here (1)", "Ledger: 31 entries in 1 batches, chain 1:",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, b.String())
		}
	}
	if _, err := Run(t.Context(), w.Options); !errors.Is(err, ErrNotEmpty) || !strings.Contains(err.Error(), "users, contacts") {
		t.Errorf("a second import: %v", err)
	}
}

// TestCancel ends an import half way.
func TestCancel(t *testing.T) {
	w := newWorld(t, "history.sqlite")
	before := w.everything()
	ctx, cancel := context.WithCancel(t.Context())
	w.Progress = func(table string, _, _ int64) {
		if table == "saas_chargeitem" {
			cancel()
		}
	}
	if _, err := Run(ctx, w.Options); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was cancelled", err)
	}
	if d := cmp.Diff(before, w.everything()); d != "" {
		t.Errorf("a cancelled import changed:\n%s", d)
	}
}
