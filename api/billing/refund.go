package billing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Refunds (ledger.md 5.12): checked and stored first, then the processor gives the money back, line after line, then the books have
// it. What dies in between is finished by the sweeper: the processor knows a refund by its idempotency key.

// RefundChange is the body of a refund.
type RefundChange struct {
	Lines []RefundLine `json:"lines" in:"required"`
}

// A RefundLine is what is given back of a line of a charge.
type RefundLine struct {
	Num    int64           `json:"num" in:"required"`                // from 0
	Amount rest.Opt[int64] `json:"refunded_amount" validate:"gte=1"` // in 1/100 of the charge's unit; not given: all that is left
}

// A refund is what the table refund remembers of one under way.
type refund struct {
	id     int64
	key    string
	charge *charge
	user   int64
	lines  []refundPart
}

// A refundPart is a line of a refund.
type refundPart struct {
	Num      int   `json:"num"`
	Item     int64 `json:"item"`
	Amount   int64 `json:"amount"`
	Broker   int64 `json:"broker"` // the broker's part of it
	Before   int64 `json:"before"` // refunded before
	Provider int64 `json:"provider"`
	Funds    int64 `json:"funds"` // what leaves the provider's Funds
}

var errRefunding = rest.Conflict("A refund of this charge is already in progress.")

// refundCharge gives money back (ledger.md 9.12).
func (s *Service) refundCharge(c *rest.Call, in *RefundChange) (*Charge, error) {
	ch, err := s.pathCharge(c)
	if err != nil {
		return nil, err
	}
	if err := s.poll(c.Context(), ch.ID); err != nil {
		s.log.Warn("a charge could not be looked up", zap.Int64("charge", ch.ID), zap.Error(err))
	}
	var r *refund
	var total int64
	dry := c.DryRun()
	err = c.Write(func(tx *store.Tx) (err error) {
		if r, total, err = s.prepareRefund(tx, c, ch.ID, in.Lines); err != nil || !dry || r == nil {
			return err
		}
		return s.commitRefund(tx, r, len(r.lines))
	})
	if err != nil {
		return nil, err
	}
	if r != nil && !dry {
		if err := s.giveBack(c.Context(), c.Write, r); err != nil {
			return nil, err
		}
	}
	var view *Charge
	err = s.store.Read(context.WithoutCancel(c.Context()), func(r store.Reader) (err error) {
		view, err = s.chargeView(r, ch.ID)
		return err
	})
	if err == nil {
		view.Detail = fmt.Sprintf("%s refunded successfully on charge %s.", ledger.Amount{Value: total, Unit: view.Unit}, *view.ProcessorKey)
	}
	return view, err
}

// notAllowed is the refusal of an operation in the state that something is in.
func notAllowed(format string, args ...any) *rest.Error {
	return rest.Fail(http.StatusMethodNotAllowed, fmt.Sprintf(format, args...))
}

// prepareRefund checks a refund, in the order of ledger.md 5.12, and stores it; nil when nothing is given back. It returns the sum
// as well. Errors: 403 for who does not sell all of it, 404, 405, 409 while another one is under way.
func (s *Service) prepareRefund(tx *store.Tx, c *rest.Call, id int64, asked []RefundLine) (*refund, int64, error) {
	ch, err := chargeByID(tx, id)
	if err != nil {
		return nil, 0, err
	}
	lines, err := ledger.ChargeLines(tx, id)
	if err != nil {
		return nil, 0, err
	}
	if err := s.maySell(c, tx, lines, asked); err != nil {
		return nil, 0, err
	}
	switch ch.State {
	case disputed:
		return nil, 0, notAllowed("You cannot refund a disputed charge.")
	case created:
		return nil, 0, notAllowed("You cannot refund a pending charge.")
	case failed:
		return nil, 0, notAllowed("You cannot refund a failed charge.")
	}
	if ch.Key == nil { // paid offline: there is nothing that the processor could give back
		return nil, 0, notAllowed("You cannot refund a charge that was not paid by card.")
	}
	busy, err := store.Exists(tx, `SELECT 1 FROM refund WHERE charge_id = ? AND state = 'pending'`, id)
	if err == nil && busy {
		err = errRefunding
	}
	if err != nil {
		return nil, 0, err
	}
	parts, total, err := refundParts(ch, lines, asked)
	if err != nil || len(parts) == 0 {
		return nil, 0, err
	}
	if err := s.checkFunds(tx, lines, parts); err != nil {
		return nil, 0, err
	}
	r := &refund{key: directory.NewKey(), charge: ch, lines: parts}
	if c.User != nil {
		r.user = c.User.ID
	}
	frozen, err := json.Marshal(parts)
	if err != nil {
		return nil, 0, err
	}
	r.id, err = tx.Insert(`INSERT INTO refund (idempotency_key, created_at, charge_id, user_id, lines, state) VALUES (?, ?, ?, nullif(?, 0), ?, 'pending')`,
		r.key, tx.Wall(), ch.ID, r.user, string(frozen))
	return r, total, err
}

// refundParts are the lines of a refund: those that are asked for, each once, with the amounts that are asked for one line added up.
func refundParts(ch *charge, lines []ledger.ChargeLine, asked []RefundLine) (parts []refundPart, total int64, err error) {
	at := map[int64]int{}
	for _, a := range asked {
		if a.Num < 0 || a.Num >= int64(len(lines)) {
			return nil, 0, rest.Fail(http.StatusNotFound, fmt.Sprintf("Unable to retrieve line '%d' in %s", a.Num, *ch.Key))
		}
		l := &lines[a.Num]
		amount := a.Amount.Value
		if i, known := at[a.Num]; !a.Amount.Given {
			amount = l.Left()
			if known {
				amount -= parts[i].Amount
			}
		}
		i, known := at[a.Num]
		if !known {
			i = len(parts)
			at[a.Num] = i
			parts = append(parts, refundPart{Num: int(a.Num), Item: l.Item, Before: l.Refunded, Provider: l.Provider})
		}
		if amount > l.Left()-parts[i].Amount || amount <= 0 {
			return nil, 0, notAllowed("Cannot refund %s while there is only %s available on the line item.",
				ledger.Amount{Value: max(amount, 0), Unit: ch.Unit}, ledger.Amount{Value: l.Left() - parts[i].Amount, Unit: ch.Unit})
		}
		parts[i].Amount += amount
		total += amount
	}
	for i := range parts {
		split, err := lines[parts[i].Num].Refund(parts[i].Amount)
		if err != nil {
			return nil, 0, err
		}
		parts[i].Broker, parts[i].Funds = split.Broker, split.ProviderFunds
	}
	return parts, total, nil
}

// maySell refuses who does not manage the provider of every line refunded, nor the broker. Lines that are none count as all of them.
func (s *Service) maySell(c *rest.Call, r store.Reader, lines []ledger.ChargeLine, asked []RefundLine) error {
	if c.Query.IsBrokerManager() {
		return nil
	}
	var ids []int64
	for _, a := range asked {
		if a.Num >= 0 && a.Num < int64(len(lines)) {
			ids = append(ids, lines[a.Num].Provider)
		}
	}
	if len(ids) == 0 {
		for _, l := range lines {
			ids = append(ids, l.Provider)
		}
	}
	profiles, err := s.dir.Profiles(r, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !c.Query.MaySell(profiles[id].Slug) {
			return rest.Forbidden("")
		}
	}
	return nil
}

// checkFunds refuses a refund of more than the funds of a provider, what refunds under way take included.
func (s *Service) checkFunds(tx *store.Tx, lines []ledger.ChargeLine, parts []refundPart) error {
	needed := map[int64]int64{}
	for _, p := range parts {
		needed[p.Provider] += p.Funds
	}
	for _, p := range parts {
		amount, ok := needed[p.Provider]
		if !ok || amount == 0 {
			continue
		}
		delete(needed, p.Provider)
		l := &lines[p.Num]
		funds, err := ledger.Balance(tx, p.Provider, ledger.AccountFunds, l.FundsUnit)
		if err != nil {
			return err
		}
		var underWay int64
		err = tx.QueryRow(`SELECT coalesce(sum(json_extract(part.value, '$.funds')), 0) FROM refund, json_each(refund.lines) part
			WHERE refund.state = 'pending' AND json_extract(part.value, '$.provider') = ?`, p.Provider).Scan(&underWay)
		if err != nil {
			return err
		}
		if funds -= underWay; amount > funds {
			profiles, err := s.dir.Profiles(tx, []int64{p.Provider})
			if err != nil {
				return err
			}
			return notAllowed("%s has %s of funds available. %s are required to refund '%s'", profiles[p.Provider].Slug,
				ledger.Amount{Value: funds, Unit: l.FundsUnit}, ledger.Amount{Value: amount, Unit: l.FundsUnit}, l.Descr)
		}
	}
	return nil
}

// giveBack carries a prepared refund out. A line that the processor refuses ends it: the lines before are written.
func (s *Service) giveBack(ctx context.Context, write writer, r *refund) error {
	if err := s.at("refund:prepared"); err != nil {
		return err
	}
	given := 0
	var refusal error
	for _, p := range r.lines {
		key := ledger.RefundEvent(r.charge.ID, p.Item) + strconv.FormatInt(p.Before, 10) + "/" + r.key
		err := outside(ctx, func(ctx context.Context) error {
			return s.processor.Refund(ctx, *r.charge.Key, p.Amount, p.Broker, key)
		})
		if errors.As(err, new(*processor.UnknownError)) {
			s.log.Warn("the processor did not answer: the refund will be looked into", zap.Int64("refund", r.id), zap.Error(err))
			return failure(err)
		}
		if refusal = err; err != nil {
			break
		}
		if given++; s.at("refund:given") != nil {
			return s.at("refund:given")
		}
	}
	err := write(func(tx *store.Tx) error {
		open, err := store.Exists(tx, `SELECT 1 FROM refund WHERE id = ? AND state = 'pending'`, r.id)
		if err != nil || !open {
			return err
		}
		if refusal != nil {
			if _, err := tx.Exec(`UPDATE refund SET detail = ? WHERE id = ?`, refusal.Error(), r.id); err != nil {
				return err
			}
		}
		return s.commitRefund(tx, r, given)
	})
	if err != nil {
		return err
	}
	if err := s.at("refund:committed"); err != nil {
		return err
	}
	if refusal != nil {
		s.log.Warn("the processor refused a refund", zap.Int64("charge", r.charge.ID), zap.Error(refusal))
		return refundRefusal(refusal)
	}
	return nil
}

// refundRefusal is the answer to a refund that the processor refused.
func refundRefusal(err error) error {
	detail := "The payment processor refused the refund."
	var card *processor.CardError
	var setup *processor.SetupError
	if errors.As(err, &card) {
		detail = card.Detail
	} else if errors.As(err, &setup) {
		detail = setup.Detail
	}
	return &rest.Error{Status: http.StatusBadRequest, Body: rest.Fields{{Name: "detail", Value: detail}}, Err: err}
}

// commitRefund writes the first lines of a refund into the books, and ends it.
func (s *Service) commitRefund(tx *store.Tx, r *refund, given int) error {
	state := "committed"
	if given == 0 {
		state = "refused"
	}
	n, err := tx.Exec(`UPDATE refund SET state = ? WHERE id = ? AND state = 'pending'`, state, r.id)
	if err == nil && n != 1 {
		err = errRefunding
	}
	if err != nil || given == 0 {
		return err
	}
	ch, err := chargeByID(tx, r.charge.ID)
	if err != nil {
		return err
	}
	lines, err := ledger.ChargeLines(tx, ch.ID)
	if err != nil {
		return err
	}
	var entries []ledger.Entry
	for _, p := range r.lines[:given] {
		facts, err := s.facts(tx, ch, lines[p.Num])
		if err != nil {
			return err
		}
		if facts.Amount = min(p.Amount, lines[p.Num].Left()); facts.Amount <= 0 {
			continue // a dispute took it meanwhile: the processor gives nothing back twice
		}
		made, err := facts.Entries()
		if err != nil {
			return err
		}
		entries = append(entries, made...)
	}
	if _, err := ledger.Post(tx, ledger.KindRefund, entries...); err != nil {
		return err
	}
	if err := voidRefunded(tx, lines); err != nil {
		return err
	}
	return s.tellCharge(tx, ch, r.user)
}

// resumeRefund goes on with a refund that stayed behind.
func (s *Service) resumeRefund(ctx context.Context, id int64) error {
	r := refund{id: id}
	err := s.store.Read(ctx, func(reader store.Reader) error {
		var charge int64
		var frozen string
		err := reader.QueryRow(`SELECT idempotency_key, charge_id, coalesce(user_id, 0), lines FROM refund WHERE id = ? AND state = 'pending'`, id).
			Scan(&r.key, &charge, &r.user, &frozen)
		if err != nil {
			return err
		}
		if r.charge, err = chargeByID(reader, charge); err != nil {
			return err
		}
		return json.Unmarshal([]byte(frozen), &r.lines)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("refund %d: %w", id, err)
	}
	err = s.giveBack(ctx, s.jobFor(ctx, r.charge.Customer), &r)
	if errors.As(err, new(*rest.Error)) {
		s.log.Info("a refund that stayed behind was not made", zap.Int64("refund", id), zap.Error(err))
		return nil
	}
	return err
}
