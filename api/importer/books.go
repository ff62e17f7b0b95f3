package importer

import (
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// accountImported is the broker's account of what did not balance in the file: see books.take.
const accountImported = "Imported"

// page is how many entries are appended at once, and so the most that one batch holds.
const page = 1000

// books reads the ledger of the file, and finds out what the other system does not write down: who pays, for how many periods, and
// what happened (ledger.md 1.1).
type books struct {
	*work
	list []ledger.Entry
	last int64 // id of the last entry
	rest []ledger.Entry

	open     opening                    // payment under way
	payers   map[string]int64           // who ordered last, by event
	disputes map[string][]*ledger.Entry // chargebacks that are not taken back, by event
	payouts  map[payoutKey]bool         // payouts that are recorded
}

// An opening is the entry that begins a payment: the others have its date and follow it.
type opening struct {
	at    store.Time
	payer int64
	card  bool
}

type payoutKey struct {
	event, account string
	orig, dest     int64
}

// entries imports the ledger: every row, with its id and date.
func (w *work) entries() error {
	b := &books{work: w, payers: map[string]int64{}, disputes: map[string][]*ledger.Entry{}, payouts: map[payoutKey]bool{}}
	w.customers = map[string]int64{}
	err := w.src.each(charges, func(r *row) error {
		if key := r.text("processor_key", 255); key != "" {
			w.customers[key] = w.profile(r.must("customer_id"))
		}
		return r.err
	})
	if err != nil {
		return err
	}
	if err := w.each(entries, b.take); err != nil {
		return err
	}
	for _, e := range b.rest {
		e.ID = b.last + 1
		if err := b.add(e); err != nil {
			return err
		}
	}
	return b.flush()
}

// take reads a row. An entry whose sides differ in one unit, which the other system lets happen, keeps what both have; the
// difference goes through an account of the broker's in an entry of its own, behind the others: so every account has in the end what
// it had, and the books balance.
func (b *books) take(r *row) error {
	e := ledger.Entry{
		ID: r.id, CreatedAt: r.time("created_at"), Descr: r.text("descr", mostText), Event: r.text("event_id", 50),
		Dest: ledger.Leg{Profile: b.profile(r.must("dest_organization_id")), Account: r.text("dest_account", 255), Amount: r.amount("dest_amount"), Unit: r.unit("dest_unit")},
		Orig: ledger.Leg{Profile: b.profile(r.must("orig_organization_id")), Account: r.text("orig_account", 255), Amount: r.amount("orig_amount"), Unit: r.unit("orig_unit")},
	}
	if r.err != nil {
		return r.err
	}
	if more := e.Dest.Amount - e.Orig.Amount; more != 0 && e.Dest.Unit == e.Orig.Unit {
		b.note(r, "the two sides differ: an entry through the broker's account "+accountImported+" makes up for it")
		rest := e
		rest.Kind = ledger.KindImport
		if more > 0 {
			e.Dest.Amount, rest.Dest.Amount = e.Orig.Amount, more
			rest.Orig = ledger.Leg{Profile: b.profile(b.broker), Account: accountImported, Amount: more, Unit: e.Orig.Unit}
		} else {
			e.Orig.Amount, rest.Orig.Amount = e.Dest.Amount, -more
			rest.Dest = ledger.Leg{Profile: b.profile(b.broker), Account: accountImported, Amount: -more, Unit: e.Dest.Unit}
		}
		b.rest = append(b.rest, rest)
	}
	if err := b.tell(r, &e); err != nil {
		return err
	}
	b.report.imported(r.table.name)
	return b.add(e)
}

// tell finds out what an entry is about.
func (b *books) tell(r *row, e *ledger.Entry) error {
	e.Kind = ledger.KindImport
	dest, orig := e.Dest.Account, e.Orig.Account
	event := ledger.ParseEvent(e.Event)
	switch {
	case e.IsOrder():
		e.Payer, e.Kind = e.Dest.Profile, ledger.KindUse
		if event.Kind != ledger.UseChargeEvent {
			e.Kind, e.Periods = ledger.KindOrder, sql.Null[int64]{V: b.periods(r, e), Valid: true}
		}
		b.payers[e.Event] = e.Payer
	case dest == ledger.AccountFunds && orig == ledger.AccountLiability:
		b.open = opening{e.CreatedAt, e.Orig.Profile, event.Kind == ledger.ChargeOrRefund}
		e.Kind = b.open.kind()
	case dest == ledger.AccountReceivable && orig == ledger.AccountBacklog:
		payer, kind := b.payment(e)
		if payer == 0 {
			return fmt.Errorf("%s pays for the event %.60q, which nobody has ordered", r, e.Event)
		}
		e.Payer, e.Kind = payer, kind
	case dest == ledger.AccountCanceled && orig == ledger.AccountReceivable:
		e.Payer, e.Kind = e.Dest.Profile, ledger.KindWriteOff
	case dest == ledger.AccountWriteoff:
		e.Kind = ledger.KindWriteOff
	case dest == ledger.AccountOffline:
		e.Kind = ledger.KindOffline
	case orig == ledger.AccountIncome:
		e.Kind = ledger.KindIncome
	case dest == ledger.AccountSettled:
		e.Kind = ledger.KindSettled
	case dest == ledger.AccountRefund:
		e.Kind = ledger.KindRefund
	case dest == ledger.AccountChargeback:
		e.Kind = ledger.KindDispute
		kept := *e
		b.disputes[e.Event] = append(b.disputes[e.Event], &kept)
	case orig == ledger.AccountChargeback:
		e.Kind, e.Reverts = ledger.KindDisputeWon, b.reverted(e)
	case strings.HasPrefix(e.Event, "po_"):
		key := payoutKey{e.Event, dest, e.Orig.Profile, e.Dest.Profile}
		if !b.payouts[key] { // the other system may have recorded one twice
			e.Kind = ledger.KindPayout
		}
		b.payouts[key] = true
	case event.Kind == ledger.ChargeOrRefund:
		e.Kind = ledger.KindCardPayment
	}
	return nil
}

func (o opening) kind() string {
	if o.card {
		return ledger.KindCardPayment
	}
	return ledger.KindOffline
}

var distribution = regexp.MustCompile(`^Charge (\S+) distribution for `)

// payment finds out who has paid, and how: the payment under way says so, or the text of the entry, or who ordered.
func (b *books) payment(e *ledger.Entry) (payer int64, kind string) {
	if b.open.payer != 0 && b.open.at.Equal(e.CreatedAt.Time) {
		return b.open.payer, b.open.kind()
	}
	if m := distribution.FindStringSubmatch(e.Descr); m != nil {
		if customer := b.customers[m[1]]; customer != 0 {
			return customer, ledger.KindCardPayment
		}
	}
	return b.payers[e.Event], ledger.KindOffline
}

var (
	counted = regexp.MustCompile(`\((\d{1,5}) (?:hour|day|week|month|year)s?\)`)
	hinted  = regexp.MustCompile(`(\d{1,5})[ -](?:hour|day|week|month|year)`)
)

// periods is how many periods an order bought. The other system only says so in its text.
func (b *books) periods(r *row, e *ledger.Entry) int64 {
	m := counted.FindStringSubmatch(e.Descr)
	if m == nil {
		m = hinted.FindStringSubmatch(e.Descr)
	}
	if m != nil {
		if n, err := strconv.ParseInt(m[1], 10, 64); err == nil && n > 0 {
			return n
		}
	}
	b.note(r, "the text does not say how many periods were ordered: one")
	return 1
}

// reverted is the chargeback that an entry takes back, 0 for none.
func (b *books) reverted(e *ledger.Entry) int64 {
	list := b.disputes[e.Event]
	for i, d := range list {
		if d.Dest == e.Orig && d.Orig == e.Dest {
			b.disputes[e.Event] = append(list[:i:i], list[i+1:]...)
			return d.ID
		}
	}
	return 0
}

func (b *books) add(e ledger.Entry) error {
	b.last = e.ID
	if b.list = append(b.list, e); len(b.list) < page {
		return nil
	}
	return b.flush()
}

func (b *books) flush() error {
	err := ledger.Import(b.tx, b.list)
	var invalid *ledger.InvalidError
	if errors.As(err, &invalid) {
		return fmt.Errorf("%s %d %s", entries.name, b.list[invalid.Index].ID, invalid.Reason)
	}
	b.list = b.list[:0]
	return err
}

// charges imports charges and invoices.
func (w *work) charges() error {
	return w.each(charges, func(r *row) error {
		last4 := r.nullInt("last4", 0, 9999)
		if n, ok := last4.(int64); ok {
			last4 = fmt.Sprintf("%04d", n)
		}
		state := r.int("state", 0, 3)
		key := r.key("processor_key", 255)
		if state == 0 && key != nil {
			w.note(r, "a charge whose outcome is open: the payment processor is asked for it")
		}
		return w.put(r, `INSERT INTO charge (id, claim_code, created_at, created_by, amount, unit, customer_id, description, last4, exp_date, card_name,
				processor_id, processor_key, state, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.key("claim_code", 50), r.time("created_at"), orNull(r.ref("user_id")), r.amount("amount"), r.unit("unit"), w.profile(r.must("customer_id")),
			r.nullText("description", mostText), last4, r.date("exp_date"), r.nullText("card_name", 50), orNull(w.profile(r.ref("processor_id"))), key, state,
			r.nullText("extra", mostText))
	})
}

// chargeItems imports the lines of charges, and gives charges their provider, who is that of the first line.
func (w *work) chargeItems() error {
	err := w.each(chargeItems, func(r *row) error {
		return w.put(r, `INSERT INTO charge_item (id, charge_id, invoiced_id, invoiced_processor_fee_id, invoiced_broker_fee_id, invoiced_distribute_id,
				invoice_key, sync_on) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.must("charge_id"), r.must("invoiced_id"), orNull(r.ref("invoiced_processor_fee_id")), orNull(r.ref("invoiced_broker_fee_id")),
			orNull(r.ref("invoiced_distribute_id")), r.key("invoice_key", 50), r.nullText("sync_on", 255))
	})
	if err != nil {
		return err
	}
	_, err = w.tx.Exec(`UPDATE charge SET provider_id = (SELECT t.orig_profile_id FROM charge_item AS i JOIN txn AS t ON t.id = i.invoiced_id
		WHERE i.charge_id = charge.id ORDER BY i.id LIMIT 1)`)
	return err
}

// checkFunds tells where the file's figures of funds are not what its ledger says, which counts.
func (w *work) checkFunds() error {
	return store.Each(w.tx, func(rows *sql.Rows) error {
		var profile, ledgered int64
		if err := rows.Scan(&profile, &ledgered); err != nil {
			return err
		}
		if w.funds[profile] != ledgered {
			w.report.note(profiles.name, "funds_balance is not what the ledger says: the ledger counts", profile)
		}
		return nil
	}, `SELECT p.id, coalesce((SELECT sum(amount) FROM balance WHERE profile_id = p.id AND account = 'Funds'), 0) FROM profile AS p ORDER BY p.id`)
}

// balanceLines imports the lines of balance sheets.
func (w *work) balanceLines() error {
	return w.each(balanceLines, func(r *row) error {
		return w.put(r, `INSERT INTO balance_line (id, report, title, selector, is_positive, rank, moved) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.text("report", 50), r.text("title", 255), r.text("selector", 255), r.bool("is_positive"), r.int("rank", -mostID, mostID), r.bool("moved"))
	})
}
