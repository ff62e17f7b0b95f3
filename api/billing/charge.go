package billing

import (
	"errors"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// chargeState is what became of a charge (ledger.md 6.1). The numbers are those of the database.
type chargeState uint8

const (
	created  chargeState = iota // to be paid, or paid and not confirmed yet
	done                        // paid
	failed                      // refused after all, or a dispute lost
	disputed                    // the customer's bank took the money back
)

var chargeStates = [...]string{"created", "done", "failed", "disputed"}

func (s chargeState) String() string { return chargeStates[s] }

// A charge is a row of the table charge (ledger.md 1.2).
type charge struct {
	ID          int64
	ClaimCode   *string
	CreatedAt   store.Time
	CreatedBy   int64 // user, 0 for a job
	Amount      int64 // in 1/100 of Unit
	Unit        string
	Customer    int64
	Provider    int64 // of its lines
	Description *string
	Last4       *string
	ExpDate     *string // YYYY-MM-DD
	CardName    string
	Key         *string // at the processor; nil = an invoice that nobody has paid
	State       chargeState
	Attempt     int64
	DisputedAt  store.Time

	customerSlug, customerName string
}

// inFlight reports whether the processor has the charge and nobody knows what became of it (ledger.md 6.4).
func (c *charge) inFlight() bool { return c.State == created && c.Key != nil }

const (
	chargeColumns = `h.id, h.claim_code, h.created_at, coalesce(h.created_by, 0), h.amount, h.unit, h.customer_id, coalesce(h.provider_id, 0), h.description,
		h.last4, h.exp_date, coalesce(h.card_name, ''), h.processor_key, h.state, h.attempt, h.disputed_at, customer.slug, customer.full_name`
	chargeTables = `charge h JOIN profile customer ON customer.id = h.customer_id`
	selectCharge = `SELECT ` + chargeColumns + ` FROM ` + chargeTables
)

func scanCharge(row interface{ Scan(...any) error }, c *charge) error {
	return row.Scan(&c.ID, &c.ClaimCode, &c.CreatedAt, &c.CreatedBy, &c.Amount, &c.Unit, &c.Customer, &c.Provider, &c.Description,
		&c.Last4, &c.ExpDate, &c.CardName, &c.Key, &c.State, &c.Attempt, &c.DisputedAt, &c.customerSlug, &c.customerName)
}

// oneCharge reads a charge. Errors: 404.
func oneCharge(r store.Reader, query string, args ...any) (*charge, error) {
	var c charge
	err := scanCharge(r.QueryRow(query, args...), &c)
	if errors.Is(err, store.ErrNotFound) {
		return nil, rest.NotFound("Charge")
	}
	return &c, err
}

func chargeByID(r store.Reader, id int64) (*charge, error) {
	return oneCharge(r, selectCharge+` WHERE h.id = ?`, id)
}

// Charge is a charge as the API shows it (ledger.md 9.0). Amounts are in 1/100 of Unit.
type Charge struct {
	CreatedAt      store.Time `json:"created_at"`
	Amount         int64      `json:"amount"`
	Unit           string     `json:"unit"`
	State          string     `json:"state"` // created, done, failed, disputed
	ReadableAmount string     `json:"readable_amount"`
	Description    *string    `json:"description"`
	ClaimCode      *string    `json:"claim_code"`
	Last4          string     `json:"last4"`
	ExpDate        *string    `json:"exp_date"`
	ProcessorKey   *string    `json:"processor_key"`
	Detail         string     `json:"detail,omitempty"`
}

func (c *charge) view() Charge {
	last4 := ""
	if c.Last4 != nil {
		last4 = *c.Last4
	}
	return Charge{CreatedAt: c.CreatedAt, Amount: c.Amount, Unit: c.Unit, State: c.State.String(),
		ReadableAmount: ledger.Amount{Value: c.Amount, Unit: c.Unit}.String(), Description: c.Description, ClaimCode: c.ClaimCode,
		Last4: last4, ExpDate: c.ExpDate, ProcessorKey: c.Key}
}

// chargeView is a charge as the API shows it.
func (s *Service) chargeView(r store.Reader, id int64) (*Charge, error) {
	c, err := chargeByID(r, id)
	if err != nil {
		return nil, err
	}
	v := c.view()
	return &v, nil
}

// received notes what the processor said of a payment; username is who made it.
func (c *charge) received(r processor.Receipt, username string) {
	text := ledger.ChargeText(r.Key, r.CardName, username)
	c.Description, c.Key, c.CardName = &text, &r.Key, r.CardName
	if r.Last4 != "" {
		c.Last4 = &r.Last4
	}
	if !r.ExpDate.IsZero() {
		day := r.ExpDate.UTC().Format(time.DateOnly)
		c.ExpDate = &day
	}
}

// insertCharge stores a charge of a bill whose lines are these entries of the ledger (ledger.md 1.2, 1.3).
func (s *Service) insertCharge(tx *store.Tx, c *charge, entries []int64) (int64, error) {
	code := directory.NewKey()
	id, err := tx.Insert(`INSERT INTO charge (claim_code, created_at, created_by, amount, unit, customer_id, provider_id, description, last4, exp_date,
		card_name, processor_id, processor_key, state) VALUES (?, ?, nullif(?, 0), ?, ?, ?, nullif(?, 0), ?, ?, ?, nullif(?, ''), ?, ?, ?)`,
		code, c.CreatedAt, c.CreatedBy, c.Amount, c.Unit, c.Customer, c.Provider, c.Description, c.Last4, c.ExpDate, c.CardName,
		processorProfile, c.Key, c.State)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(`INSERT INTO charge_item (charge_id, invoiced_id) SELECT ?, value FROM json_each(?) ORDER BY key`, id, store.IDs(entries))
	return id, err
}
