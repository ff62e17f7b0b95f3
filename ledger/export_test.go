package ledger

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

func exported(t testing.TB, s *store.Store, f Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := Export(t.Context(), s, &b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExport(t *testing.T) {
	s, _ := books(t)
	order := order20000
	order.Descr = "Subscription; to \"gold\"\nuntil  tomorrow "
	batch := record(t, s, order)
	head := Anchor{batch.ID, batch.Hash}.String()
	hash := batch.Hash.String()
	for f, want := range map[Format]string{
		HLedger: `; Tollgate, exported at 2025-03-10T12:00:00Z
; chain ` + head + `

commodity 1000.00 USD
account equity:exchange
account gym:Receivable
account ana:Payable

; batch 1, 2025-03-10T12:00:00Z by , ` + hash + `

2026-05-01 * (1) Subscription, to "gold" until  tomorrow
    ; entry: 1
    ; batch: 1
    ; kind: order_placed
    ; event: sub_7/
    ; at: 2026-05-01T12:00:00Z
    ana:Payable  200.00 USD
    gym:Receivable  -200.00 USD
`,
		LedgerCLI: `; Tollgate, exported at 2025-03-10T12:00:00Z
; chain ` + head + `

tag entry
tag batch
tag kind
tag event
tag at
tag reverts
commodity USD
account equity:exchange
account gym:Receivable
account ana:Payable

; batch 1, 2025-03-10T12:00:00Z by , ` + hash + `

2026-05-01 * (1) Subscription, to "gold" until  tomorrow
    ; entry: 1
    ; batch: 1
    ; kind: order_placed
    ; event: sub_7/
    ; at: 2026-05-01T12:00:00Z
    ana:Payable  200.00 USD
    gym:Receivable  -200.00 USD
`,
		Beancount: `; Tollgate, exported at 2025-03-10T12:00:00Z
; chain ` + head + `

2026-05-01 commodity USD
2026-05-01 open Equity:Exchange
2026-05-01 open Assets:Gym:Receivable
2026-05-01 open Liabilities:Ana:Payable

; batch 1, 2025-03-10T12:00:00Z by , ` + hash + `

2026-05-01 * "Subscription; to \"gold\" until  tomorrow"
  entry: 1
  batch: 1
  kind: "order_placed"
  event: "sub_7/"
  at: "2026-05-01T12:00:00Z"
    Liabilities:Ana:Payable  200.00 USD
    Assets:Gym:Receivable  -200.00 USD
`,
	} {
		diff(t, string(f), exported(t, s, f), want)
	}
	if err := Export(t.Context(), s, io.Discard, "gnucash"); !errors.Is(err, ErrFormat) {
		t.Errorf("gnucash: %v", err)
	}
	if err := Export(t.Context(), s, failing{}, HLedger); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a receiver that is gone: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAccountNames(t *testing.T) {
	names := []string{"gym", "3gym", "a-b", "a_b", "_ab", "-ab", "__", "x-ab", "xx-ab", "xu", "aub", "a.b", "a b", "é", "x2dab", "ax2eb", "au-b"}
	seen := map[string]string{}
	for _, name := range names {
		got := component(name)
		if seen[got] != "" {
			t.Errorf("%q and %q are both %s", name, seen[got], got)
		}
		seen[got] = name
	}
	for name, want := range map[string]string{"gym": "Gym", "ZaZ": "Zaz", "Aza": "Aza", "a_b": "AUb", "_ab": "XUab", "-ab": "XX2dab", "3gym": "3gym", "settled": "Settled"} {
		if got := component(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"a-b_C9": "a-b_C9", "a b:c": "a%20b%3Ac"} {
		if got := escaped(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}

// A history of everything, in two units and two units at once, with awkward names and texts, for the programs to read.
func diverse(t *testing.T) *store.Store {
	t.Helper()
	s := storetest.New(t)
	write(t, s, func(tx *store.Tx) error {
		tx.Actor = "command line"
		w, err := newWorld(tx, 1)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE profile SET slug = '_Ana-' WHERE id = ?`, w.ana); err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(7, 7))
		for range 120 {
			if err := w.step(op{Kind: r.IntN(11), A: r.Int64N(1000), B: r.Int64N(1000), C: r.Int64N(50_000)}); err != nil {
				return err
			}
		}
		for _, received := range []Distribution{
			{Unit: "usd", Provider: 20229, ProcessorFee: 671, BrokerFee: 1100},
			{Unit: "usd", Provider: 1},
		} {
			event := SubEvent(w.subs[2].id)
			batch, err := w.post(OrderPlaced{
				At: w.now, Event: event, Payer: w.ana, Provider: w.spa, Amount: Amount{20000, "eur"}, Periods: 1, Descr: `"quoted"; \ | (x) = * ! é`,
			})
			if err != nil {
				return err
			}
			charge, err := invoice(tx, w.ana, batch.Entries...)
			if err != nil {
				return err
			}
			_, err = settle(tx, PaidByCard{
				At: w.now, Charge: charge, Key: fmt.Sprintf("ch_%d", charge), CardName: "Joe", Customer: w.ana, Processor: w.stripe, Broker: w.acme,
				Amount: Amount{20000, "eur"}, Received: received,
				Lines: []PaidLine{{Event: event, Provider: w.spa, Amount: 20000, FeePercent: 500, Label: "ana:gold"}},
			})
			if err != nil {
				return err
			}
			lines, err := ChargeLines(tx, charge)
			if err != nil {
				return err
			}
			if _, err := w.post(w.facts(&modelCharge{id: charge, payer: w.ana}, lines[0], 777)); err != nil {
				return err
			}
		}
		_, err = Post(tx, KindImport, Entry{ // as an importer would
			CreatedAt: w.now, Kind: KindImport, Dest: Leg{w.gym, "Cash & more", 5, "xyz"}, Orig: Leg{w.acme, "cash", 5, "xyz"},
		})
		return err
	})
	verified(t, s)
	return s
}

// sums are the balances in the books by the name that a journal gives the account, and unit. Accounts at 0 are left out.
func sums(t *testing.T, s *store.Store, f Format) map[string]int64 {
	t.Helper()
	j := journal{format: f}
	want := map[string]int64{}
	exchange := map[string]int64{}
	read(t, s, func(r store.Reader) error {
		return each(r, func(scan func(...any) error) error {
			var slug, account, unit string
			var amount int64
			err := scan(&slug, &account, &unit, &amount)
			if amount != 0 {
				want[j.name(slug, account)+" "+strings.ToUpper(unit)] = amount
			}
			exchange[unit] -= amount
			return err
		}, `SELECT p.slug, b.account, b.unit, b.amount FROM balance AS b JOIN profile AS p ON p.id = b.profile_id`)
	})
	for unit, amount := range exchange {
		if amount != 0 {
			want[j.exchange()+" "+strings.ToUpper(unit)] = amount
		}
	}
	return want
}

// run runs a program on a journal, or skips the test when it is not installed.
func run(t *testing.T, journal, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%.2000s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func journalFile(t *testing.T, s *store.Store, f Format, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "books."+string(f))
	if err := os.WriteFile(path, []byte(exported(t, s, f)+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hundredths reads "-12.34 USD".
func hundredths(t *testing.T, s string) (int64, string) {
	t.Helper()
	number, unit, _ := strings.Cut(strings.TrimSpace(s), " ")
	units, decimals, ok := strings.Cut(number, ".")
	n, err := strconv.ParseInt(units+decimals, 10, 64)
	if !ok || len(decimals) != 2 || err != nil {
		t.Fatalf("%q is no amount", s)
	}
	return n, unit
}

func TestExportToHLedger(t *testing.T) {
	s := diverse(t)
	path := journalFile(t, s, HLedger, "")
	run(t, path, "hledger", "-f", path, "check", "--strict")
	out := run(t, path, "hledger", "-f", path, "balance", "--flat", "--no-total", "--layout=tall", "-O", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, row := range rows[1:] {
		for _, part := range strings.Split(row[1], ", ") {
			if part != "0" {
				amount, unit := hundredths(t, part)
				got[row[0]+" "+unit] = amount
			}
		}
	}
	diff(t, "balances of hledger", got, sums(t, s, HLedger))
}

func TestExportToLedger(t *testing.T) {
	s := diverse(t)
	path := journalFile(t, s, LedgerCLI, "")
	out := run(t, path, "ledger", "--pedantic", "-f", path, "balance", "--flat", "--no-total", "--balance-format", `%(account)|%(display_total)\n`)
	got := map[string]int64{}
	var account string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if name, amount, ok := strings.Cut(line, "|"); ok { // else one more unit of the same account
			account, line = name, amount
		}
		n, unit := hundredths(t, line)
		got[account+" "+unit] = n
	}
	diff(t, "balances of ledger", got, sums(t, s, LedgerCLI))
}

func TestExportToBeancount(t *testing.T) {
	s := diverse(t)
	var asserted []string
	for key, amount := range sums(t, s, Beancount) {
		account, unit, _ := strings.Cut(key, " ")
		sign := ""
		if amount < 0 {
			sign, amount = "-", -amount
		}
		asserted = append(asserted, fmt.Sprintf("2999-01-01 balance %s %s%s %s\n", account, sign, appendHundredths(nil, uint64(amount)), unit))
	}
	slices.Sort(asserted)
	path := journalFile(t, s, Beancount, strings.Join(asserted, ""))
	if out := run(t, path, "bean-check", path); out != "" {
		t.Errorf("bean-check says\n%.2000s", out)
	}
	wrong := journalFile(t, s, Beancount, strings.Replace(asserted[0], ".", "9.", 1))
	if out, err := exec.CommandContext(t.Context(), "bean-check", wrong).CombinedOutput(); err == nil {
		t.Errorf("bean-check asserts nothing: %s", out)
	}
}
