package billing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Payments by card (ledger.md 6.3). A payment is prepared in a short transaction, which stores all that is needed to finish it as
// a row of checkout_attempt; then the processor is asked, with no transaction open; then the outcome is committed. Whatever dies
// in between, the sweeper goes on from the row: the processor knows a payment by its idempotency key and takes it once.

const (
	// processorTimeout bounds a call of the processor.
	processorTimeout = 30 * time.Second
	// keyLife is how long a processor surely knows an idempotency key again; Stripe forgets them after 24 hours.
	keyLife = 20 * time.Hour
)

// A payment is money to be taken from a customer's card: what checkout_attempt remembers of one under way. Nothing is ordered
// before the processor has the money.
type payment struct {
	Purpose  string          `json:"purpose"`        // key of purposes
	Data     json.RawMessage `json:"data,omitempty"` // what the purpose needs to execute it
	Customer int64           `json:"customer"`
	User     int64           `json:"user,omitempty"`  // who pays; 0: a job
	Token    string          `json:"token,omitempty"` // one-time; "": the card on file
	Remember bool            `json:"remember,omitempty"`
	CardKey  string          `json:"card_key,omitempty"` // of the card that was saved with the token
	Bills    []bill          `json:"bills"`              // none: the card is saved, and what is free is ordered

	id        int64
	key       string     // idempotency key
	createdAt store.Time // by the site's clock
	again     bool       // it was carried out before, and nobody knows how far
}

// A bill is the lines of one provider in one unit: what becomes one charge (decision 18).
type bill struct {
	Provider int64      `json:"provider"`
	Unit     string     `json:"unit"`
	Lines    []billLine `json:"lines"`
}

// A billLine is a line of a bill.
type billLine struct {
	Entry      int64  `json:"entry,omitempty"` // of the ledger, of an order that is stored; 0: executing the payment makes it
	Event      string `json:"event"`           // may be on a subscription that is not stored
	Amount     int64  `json:"amount"`          // in 1/100 of the bill's unit
	FeePercent int64  `json:"fee_percent,omitempty"`
	Descr      string `json:"descr"`
}

// at is when the payment was made, by the clock of a transaction.
func (p *payment) at(tx *store.Tx) store.Time {
	return store.At(p.createdAt.Add(tx.Now().Sub(tx.Wall().Time)))
}

func (b *bill) amount() (sum int64) {
	for _, l := range b.Lines {
		sum += l.Amount
	}
	return sum
}

// errAmount answers who orders more than an amount can be.
var errAmount = rest.Fail(http.StatusBadRequest, "The amount is too large.")

// addLine puts a line on the bill of its provider and unit, a new one at need. Lines that cost nothing are left out. Errors: 400
// when the bill becomes too large.
func addLine(bills []bill, provider int64, unit string, l billLine) ([]bill, error) {
	if l.Amount == 0 {
		return bills, nil
	}
	i := 0
	for i < len(bills) && (bills[i].Provider != provider || bills[i].Unit != unit) {
		i++
	}
	if i == len(bills) {
		bills = append(bills, bill{Provider: provider, Unit: unit})
	}
	sum, err := ledger.Add(bills[i].amount(), l.Amount)
	if err != nil || sum > ledger.MaxAmount {
		return nil, errAmount
	}
	bills[i].Lines = append(bills[i].Lines, l)
	return bills, nil
}

// A purpose is what a payment is for.
type purpose struct {
	// execute writes what was paid for, in the transaction that commits the payment, and returns the entry of the ledger of every
	// line of every bill, in their order. A *rest.Error below 500 says that it can no longer be ordered: the money is given back.
	execute func(tx *store.Tx, p *payment) ([][]int64, error)
	// done is told of the charges in the same transaction; nil: nobody is.
	done func(tx *store.Tx, p *payment, charges []int64) error
	// refused is told in the transaction that ends the payment that the card was refused; nil: nobody is.
	refused func(tx *store.Tx, p *payment, cause *processor.CardError) error
}

// purposes are what payments are for, by the word that is stored with them.
func (s *Service) purposes() map[string]purpose {
	return map[string]purpose{
		"balance":  {execute: s.executeBalance},
		"checkout": {execute: s.executeCheckout},
		"invoice":  {execute: s.executeInvoice, refused: s.invoiceRefused},
		"renewal":  {execute: s.executeBalance, done: s.renewalPaid, refused: s.renewalRefused},
	}
}

var (
	// errInProgress answers who pays while another payment of the same profile or by the same user is under way.
	errInProgress = rest.Conflict("A payment is already in progress.")
	// errNoProcessor answers who pays on a site without a processor.
	errNoProcessor = rest.Fail(http.StatusBadRequest, "This site takes no payments.")
)

// prepare stores a payment. name is the idempotency key of the request, "" for none. Errors: 409 while another one is under way.
func (s *Service) prepare(tx *store.Tx, p *payment, name string) error {
	if s.processor == nil || !s.processor.Configured() {
		return errNoProcessor
	}
	if err := notPaying(tx, p.Customer, p.User); err != nil {
		return err
	}
	if p.key = attemptKey(name); name != "" {
		// What was declined may be tried again, with another card for instance: the processor is not to repeat its refusal.
		var before int64
		if err := tx.QueryRow(`SELECT count(*) FROM checkout_attempt WHERE idempotency_key >= ? AND idempotency_key < ?`, p.key, p.key+"~").Scan(&before); err != nil {
			return err
		}
		p.key += "-" + strconv.FormatInt(before, 10)
	}
	frozen, err := json.Marshal(p)
	if err != nil {
		return err
	}
	p.createdAt = tx.Wall()
	var amount int64
	unit := s.set.Unit
	if len(p.Bills) > 0 {
		amount, unit = p.Bills[0].amount(), p.Bills[0].Unit
	}
	p.id, err = tx.Insert(`INSERT INTO checkout_attempt (idempotency_key, created_at, profile_id, user_id, lines, amount, unit, state)
		VALUES (?, ?, ?, nullif(?, 0), ?, ?, ?, 'pending')`, p.key, p.createdAt, p.Customer, p.User, string(frozen), amount, unit)
	return err
}

// notPaying refuses, with 409, while a card is being charged for a customer, or by a user (0: whoever): what is due then may be paid a
// moment later.
func notPaying(r store.Reader, customer, user int64) error {
	busy, err := store.Exists(r, `SELECT 1 FROM checkout_attempt WHERE state = 'pending' AND profile_id = ?
		UNION ALL SELECT 1 FROM checkout_attempt WHERE state = 'pending' AND user_id = nullif(?, 0)
		UNION ALL SELECT 1 FROM charge WHERE customer_id = ? AND state = 0 AND processor_key IS NOT NULL`, customer, user, customer)
	if err == nil && busy {
		err = errInProgress
	}
	return err
}

// attemptKey is the key of a payment, made from that of the request.
func attemptKey(name string) string {
	if name == "" {
		return directory.NewKey()
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:20])
}

// paidBefore are the charges of a payment that the same request made before, nil for none: its answer got lost.
func paidBefore(r store.Reader, name string) ([]int64, error) {
	if name == "" {
		return nil, nil
	}
	key := attemptKey(name)
	return paidBy(r, `SELECT coalesce(detail, '') FROM checkout_attempt WHERE idempotency_key >= ? AND idempotency_key < ? AND state = 'committed'
		ORDER BY id DESC LIMIT 1`, key, key+"~")
}

// paidBy are the charges of a payment that is committed, nil for none.
func paidBy(r store.Reader, query string, args ...any) (ids []int64, err error) {
	var detail string
	err = r.QueryRow(query, args...).Scan(&detail)
	if errors.Is(err, store.ErrNotFound) || err == nil && detail == "" {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(detail), &ids)
	}
	return ids, err
}
