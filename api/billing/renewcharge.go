package billing

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Charging of balances (subscriptions.md 13.4): once a billing cycle, what a profile owes is taken from its card.

const (
	// smallest is the largest amount that is not worth a charge, in 1/100 of a unit (ledger.md 11).
	smallest = 50
	// expired is the refusal of a payment that nobody made in time, which is not the card's fault.
	expired = "expired"
)

// selectBillers are the profiles whose automatic charge is due.
const selectBillers = `SELECT id FROM profile WHERE billing_start <= ? AND billing_start IS NOT NULL AND nb_renewal_attempts < ? AND parked_at IS NULL
	AND clock_ahead = 0`

// billAll charges at t the profiles that are due: from the day before their date on.
func (s *Service) billAll(ctx context.Context, t store.Time) error {
	if s.processor == nil || !s.processor.Configured() {
		return nil
	}
	return s.eachAlone(ctx, "charge of the balance", func(id int64) error {
		_, err := s.bill(ctx, id, t)
		return err
	}, selectBillers+` ORDER BY billing_start, id`, t.Add(day).UTC().Format(time.DateOnly), s.set.MaxRenewalAttempts)
}

// bill charges what a profile owes to its card, when that is due at t, and reports whether a charge was made: one for each provider and
// unit, each a payment of its own. One that is refused gives nothing of the others back, and on a later day it alone is tried again. A
// payment that is under way, in this process or another one, is left to end first.
func (s *Service) bill(ctx context.Context, profile int64, t store.Time) (charged bool, err error) {
	write := s.jobFor(ctx, profile)
	tried := map[creditor]bool{}
	for {
		if err := s.pollCustomer(ctx, profile); err != nil {
			if errors.Is(err, errInProgress) {
				err = nil
			}
			return charged, err
		}
		var p *payment
		err = write(func(tx *store.Tx) (err error) {
			p, err = s.cycle(tx, profile, t, tried)
			if err != nil || p == nil {
				return err
			}
			return s.prepare(tx, p, "")
		})
		if errors.Is(err, errInProgress) {
			return charged, nil
		}
		if err != nil || p == nil {
			return charged, err
		}
		tried[p.Bills[0].creditor()] = true
		ids, err := s.pay(ctx, write, p)
		charged = charged || len(ids) > 0
		var answer *rest.Error
		if errors.As(err, &answer) && answer.Status < 500 {
			s.log.Info("an automatic charge was not made", zap.Int64("profile", profile), zap.Error(err))
			err = nil // it is written down, or left for the sweeper
		}
		if err != nil {
			return charged, err
		}
	}
}

// A creditor is whom a bill is owed to, in which unit.
type creditor struct {
	provider int64
	unit     string
}

func (b *bill) creditor() creditor { return creditor{b.Provider, b.Unit} }

// A biller is a profile as automatic charging sees it.
type biller struct {
	id        int64
	start     time.Time // midnight UTC of the date of the charge
	anchor    int       // day of the month of all dates
	attempts  int64
	refusedAt store.Time
}

func (s *Service) biller(r store.Reader, id int64) (b *biller, err error) {
	b = &biller{id: id}
	var start string
	err = r.QueryRow(`SELECT coalesce(billing_start, ''), coalesce(billing_day, 0), nb_renewal_attempts, renewal_refused_at FROM profile
		WHERE id = ? AND parked_at IS NULL`, id).Scan(&start, &b.anchor, &b.attempts, &b.refusedAt)
	if errors.Is(err, store.ErrNotFound) || err == nil && start == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if b.start, err = time.Parse(time.DateOnly, start); err != nil {
		return nil, err
	}
	if b.anchor == 0 {
		b.anchor = b.start.Day()
	}
	return b, nil
}

// due reports whether the profile is to be charged at t. A card that was refused is not asked again on the same day, whichever day it is
// renewed for: now is the present.
func (b *biller) due(t, now store.Time, most int64) bool {
	return !t.Before(b.start.Add(-day)) && b.attempts < most && !b.refusedOn(now)
}

// refusedOn reports whether the card was last refused on the day of t.
func (b *biller) refusedOn(t store.Time) bool {
	return b.refusedAt.UTC().Truncate(day).Equal(t.UTC().Truncate(day))
}

// next is the first date of the cycle after from and after t.
func (b *biller) next(t store.Time) string {
	next := b.start
	for n := int64(1); !next.After(b.start) || !next.After(t.Time); n++ {
		first := ledger.Monthly.Add(store.At(time.Date(b.start.Year(), b.start.Month(), 1, 0, 0, 0, 0, time.UTC)), n)
		last := first.AddDate(0, 1, -1).Day()
		next = time.Date(first.Year(), first.Month(), min(b.anchor, last), 0, 0, 0, 0, time.UTC)
	}
	return next.Format(time.DateOnly)
}

// advance moves the date of the next charge beyond t.
func (b *biller) advance(tx *store.Tx, t store.Time) error {
	_, err := tx.Exec(`UPDATE profile SET billing_start = ?, billing_day = ? WHERE id = ?`, b.next(t), b.anchor, b.id)
	return err
}

// chargeable are the bills of what a profile owes that are worth a charge, but for those of some creditors.
func (s *Service) chargeable(r store.Reader, profile int64, without map[creditor]bool) ([]bill, error) {
	bills, err := s.balanceBills(r, profile, store.Time{})
	return slices.DeleteFunc(bills, func(b bill) bool { return b.amount() <= smallest || without[b.creditor()] }), err
}

// cycle is the next payment of what a profile owes, to a creditor that was not tried in this run, nil when nothing is to be charged at t.
// A profile with nothing to pay goes on to its next date; so does one that nothing renews for, whose debts are left to people (a charge of
// what nobody buys any more).
func (s *Service) cycle(tx *store.Tx, profile int64, t store.Time, tried map[creditor]bool) (*payment, error) {
	bills, err := s.chargeable(tx, profile, tried)
	if err != nil {
		return nil, err
	}
	if len(tried) == 0 {
		if due, err := s.begins(tx, profile, t, bills); err != nil || !due {
			return nil, err
		}
	}
	if len(bills) == 0 {
		return nil, nil
	}
	return &payment{Purpose: "renewal", Customer: profile, Bills: bills[:1]}, nil
}

// begins reports whether these bills of a profile are to be charged at t, and moves the date of its next charge when they are not to be.
func (s *Service) begins(tx *store.Tx, profile int64, t store.Time, bills []bill) (due bool, err error) {
	b, err := s.biller(tx, profile)
	if err != nil || b == nil || !b.due(t, tx.Now(), s.set.MaxRenewalAttempts) {
		return false, err
	}
	early := t.Before(b.start)
	if early {
		// What is still to be renewed before the date belongs to this charge: wait for it.
		waits, err := store.Exists(tx, `SELECT 1 FROM subscription WHERE profile_id = ? AND ends_at > ? AND ends_at <= ? AND auto_renew = 1
			AND grant_key IS NULL AND request_key IS NULL`, profile, t, store.At(b.start))
		if err != nil || waits {
			return false, err
		}
	}
	if len(bills) > 0 {
		renews, err := store.Exists(tx, `SELECT 1 FROM subscription WHERE profile_id = ? AND ends_at >= ? AND auto_renew = 1
			AND grant_key IS NULL AND request_key IS NULL`, profile, store.At(b.start))
		if err != nil || renews {
			return renews, err
		}
		if !early {
			s.log.Info("a balance requires a manual charge", zap.Int64("profile", profile), zap.Int64("amount", bills[0].amount()), zap.String("unit", bills[0].Unit))
		}
	}
	if early {
		return false, nil
	}
	return false, b.advance(tx, t)
}

// renewalPaid begins the next cycle of a profile whose balance was charged, once nothing is left to be charged to anybody.
func (s *Service) renewalPaid(tx *store.Tx, p *payment, _ []int64) error {
	b, err := s.biller(tx, p.Customer)
	if err != nil || b == nil {
		return err
	}
	left, err := s.chargeable(tx, p.Customer, map[creditor]bool{p.Bills[0].creditor(): true})
	if err != nil || len(left) > 0 {
		return err
	}
	if _, err := tx.Exec(`UPDATE profile SET nb_renewal_attempts = 0, renewal_refused_at = NULL WHERE id = ?`, p.Customer); err != nil {
		return err
	}
	return b.advance(tx, p.at(tx))
}

// renewalRefused counts the refusal of a card on file, one a day whatever the number of creditors. After the last one everything ends that
// would renew by itself.
func (s *Service) renewalRefused(tx *store.Tx, p *payment, cause *processor.CardError) error {
	if cause.Code == expired {
		return nil
	}
	b, err := s.biller(tx, p.Customer)
	if err != nil || b == nil {
		return err
	}
	if !b.refusedOn(tx.Now()) {
		b.attempts++
	}
	if _, err := tx.Exec(`UPDATE profile SET nb_renewal_attempts = ?, renewal_refused_at = ? WHERE id = ?`, b.attempts, tx.Now(), b.id); err != nil {
		return err
	}
	final := b.attempts >= s.set.MaxRenewalAttempts
	if final {
		if err := s.subs.EndRenewing(tx, p.Customer); err != nil {
			return err
		}
	}
	items, err := s.billed(tx, p)
	if err != nil {
		return err
	}
	broker, err := s.broker(tx)
	if err != nil {
		return err
	}
	total := notice.Price{Amount: p.Bills[0].amount(), Unit: p.Bills[0].Unit}
	return s.notices.Emit(tx, &notice.RenewalChargeFailed{Profile: notice.Profile{ID: p.Customer}, Provider: notice.Profile{ID: broker}, InvoicedItems: items,
		ChargeTotal: total, NbRenewalAttempts: b.attempts, MaxRenewalAttempts: s.set.MaxRenewalAttempts, FinalNotice: final})
}

// billed are the lines of a payment in a payload; those that are not in the ledger are shown as they would be.
func (s *Service) billed(tx *store.Tx, p *payment) (notice.List[notice.Transaction], error) {
	var ids []int64
	var unstored []ledger.Entry
	for _, b := range p.Bills {
		for _, l := range b.Lines {
			if l.Entry != 0 {
				ids = append(ids, l.Entry)
				continue
			}
			made, err := ledger.SettledLine{At: p.at(tx), Event: l.Event, Payer: p.Customer, Provider: b.Provider,
				Amount: ledger.Amount{Value: l.Amount, Unit: b.Unit}}.Entries()
			if err != nil {
				return nil, err
			}
			made[0].Descr = l.Descr
			unstored = append(unstored, made[0])
		}
	}
	entries, err := ledgerEntries(tx, `WHERE t.id IN (SELECT value FROM json_each(?)) ORDER BY t.created_at, t.id`, store.IDs(ids))
	if err != nil {
		return nil, err
	}
	return s.noticeEntries(tx, append(entries, unstored...))
}
