package ledger

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/store"
)

// Columns are the columns of an entry in the order that ScanEntry reads, of the table txn under the name t.
const Columns = `t.id, t.batch_id, t.created_at, t.descr, t.event_id, t.dest_profile_id, t.dest_account, t.dest_amount, t.dest_unit,
	t.orig_profile_id, t.orig_account, t.orig_amount, t.orig_unit, t.payer_id, t.nb_periods, t.kind, t.reverts_id`

// ScanEntry reads the Columns of an entry, and then more, from rows.Scan or row.Scan.
func ScanEntry(scan func(dest ...any) error, more ...any) (Entry, error) {
	var e Entry
	var event sql.Null[string]
	var payer, reverts sql.Null[int64]
	err := scan(append([]any{&e.ID, &e.Batch, &e.CreatedAt, &e.Descr, &event, &e.Dest.Profile, &e.Dest.Account, &e.Dest.Amount, &e.Dest.Unit,
		&e.Orig.Profile, &e.Orig.Account, &e.Orig.Amount, &e.Orig.Unit, &payer, &e.Periods, &e.Kind, &reverts}, more...)...)
	e.Event, e.Payer, e.Reverts = event.V, payer.V, reverts.V
	return e, err
}

// each runs a query and calls fn with the Scan of every row.
func each(r store.Reader, fn func(scan func(dest ...any) error) error, query string, args ...any) error {
	rows, err := r.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// entries runs a query that selects Columns.
func entries(r store.Reader, query string, args ...any) ([]Entry, error) {
	var list []Entry
	err := each(r, func(scan func(...any) error) error {
		e, err := ScanEntry(scan)
		list = append(list, e)
		return err
	}, query, args...)
	return list, err
}
