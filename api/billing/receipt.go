package billing

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Receipts: the event charge_updated (notifications.md 2.4).

// invoicedBy are the entries of the lines of a charge, and the lines, in their order.
func invoicedBy(r store.Reader, charge int64) (entries []ledger.Entry, items []int64, err error) {
	err = store.Each(r, func(rows *sql.Rows) error {
		var item int64
		e, err := ledger.ScanEntry(rows.Scan, &item)
		entries, items = append(entries, e), append(items, item)
		return err
	}, `SELECT `+ledger.Columns+`, i.id FROM charge_item i JOIN txn t ON t.id = i.invoiced_id WHERE i.charge_id = ? ORDER BY i.id`, charge)
	return entries, items, err
}

// tellCharge sends the receipt of a charge that is paid, by a user who is not the one who paid, 0 for nobody.
func (s *Service) tellCharge(tx *store.Tx, c *charge, by int64) error {
	if c.State != done {
		return nil
	}
	invoiced, items, err := invoicedBy(tx, c.ID)
	if err != nil {
		return err
	}
	given, err := ledgerEntries(tx, `WHERE t.event_id IN (SELECT 'cha_' || charge_id || '/' || id || '/' FROM charge_item WHERE charge_id = ?)
		AND t.orig_account = 'Refunded' AND NOT EXISTS (SELECT 1 FROM txn w WHERE w.reverts_id = t.id) ORDER BY t.id`, c.ID)
	if err != nil {
		return err
	}
	shown, err := s.noticeEntries(tx, append(invoiced[:len(invoiced):len(invoiced)], given...))
	if err != nil {
		return err
	}
	e := &notice.ChargeUpdated{Profile: notice.Profile{ID: c.Customer}, Provider: notice.Profile{ID: c.Provider}, Charge: c.notice()}
	left := c.Amount
	for i := range invoiced {
		item := notice.ChargeItem{Invoiced: shown[i]}
		for n := range given {
			if ledger.ParseEvent(given[n].Event).Item == items[i] {
				item.Refunded = append(item.Refunded, shown[len(invoiced)+n])
				left -= given[n].Orig.Amount
			}
		}
		e.ChargeItems = append(e.ChargeItems, item)
	}
	if len(given) > 0 {
		e.ChargeTotal = &notice.Price{Amount: left, Unit: c.Unit}
	}
	if c.CreatedBy != 0 {
		users, err := s.dir.Users(tx, []int64{c.CreatedBy})
		if err != nil {
			return err
		}
		if u, ok := users[c.CreatedBy]; ok {
			e.CreatedBy = &u
		}
	}
	if by != c.CreatedBy {
		e.OriginatedBy = notice.ByUser(by)
	}
	return s.notices.Emit(tx, e)
}

// notice is the charge in a payload.
func (c *charge) notice() notice.Charge {
	v := c.view()
	n := notice.Charge{CreatedAt: v.CreatedAt, Amount: v.Amount, Unit: v.Unit, State: v.State, ReadableAmount: v.ReadableAmount, ClaimCode: v.ClaimCode,
		Last4: c.Last4, ExpDate: v.ExpDate, ProcessorKey: v.ProcessorKey}
	if v.Description != nil {
		n.Description = *v.Description
	}
	return n
}

// ledgerEntries reads entries of the ledger: query is what follows FROM txn t.
func ledgerEntries(r store.Reader, query string, args ...any) (list []ledger.Entry, err error) {
	err = store.Each(r, func(rows *sql.Rows) error {
		e, err := ledger.ScanEntry(rows.Scan)
		list = append(list, e)
		return err
	}, `SELECT `+ledger.Columns+` FROM txn t `+query, args...)
	return list, err
}

// noticeEntries are entries of the ledger in a payload.
func (s *Service) noticeEntries(r store.Reader, entries []ledger.Entry) (notice.List[notice.Transaction], error) {
	views, err := s.entryViews(r, entries)
	if err != nil {
		return nil, err
	}
	list := make(notice.List[notice.Transaction], len(views))
	for i, v := range views {
		list[i] = notice.Transaction{CreatedAt: v.CreatedAt, Description: v.Description, Amount: v.Amount, IsDebit: v.IsDebit,
			OrigAccount: v.OrigAccount, OrigProfile: v.OrigProfile, OrigAmount: v.OrigAmount, OrigUnit: v.OrigUnit,
			DestAccount: v.DestAccount, DestProfile: v.DestProfile, DestAmount: v.DestAmount, DestUnit: v.DestUnit}
	}
	return list, nil
}

// entryViews are entries of the ledger as the API shows them.
func (s *Service) entryViews(r store.Reader, entries []ledger.Entry) ([]Transaction, error) {
	views := make([]Transaction, len(entries))
	for i := range entries {
		e := &entries[i]
		views[i] = Transaction{CreatedAt: e.CreatedAt, Description: e.Descr, Amount: ledger.Amount{Value: e.Dest.Amount, Unit: e.Dest.Unit}.String(),
			OrigAccount: e.Orig.Account, OrigAmount: e.Orig.Amount, OrigUnit: e.Orig.Unit, origID: e.Orig.Profile,
			DestAccount: e.Dest.Account, DestAmount: e.Dest.Amount, DestUnit: e.Dest.Unit, destID: e.Dest.Profile, event: e.Event}
	}
	return views, s.complete(r, views)
}
