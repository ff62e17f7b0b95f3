package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"hash"

	"github.com/caddy-tollgate/tollgate/store"
)

// verifyPage is how many entries are read in one snapshot.
const verifyPage = 5000

// verifyChain walks all entries in the order of their ids beside the batches that claim them, and recomputes the chain.
func verifyChain(ctx context.Context, s Snapshots, report *Report, progress func(done, of int64)) error {
	var end int64 // the last entry of the last batch
	err := s.Read(ctx, func(r store.Reader) (err error) {
		if report.Head, end, err = head(r); err != nil {
			return err
		}
		var stray int64
		err = r.QueryRow(`SELECT COUNT(*) FROM txn WHERE id > ? OR id < 1`, end).Scan(&stray)
		if stray > 0 {
			report.add("end of the books", fmt.Sprintf("%d entries are in no batch", stray))
		}
		return err
	})
	if err != nil {
		return err
	}

	w := chainWalk{report: report, hash: sha256.New(), prev: genesis}
	for more := true; more; {
		var list []Entry
		err := s.Read(ctx, func(r store.Reader) (err error) {
			if err := w.readBatches(r); err != nil {
				return err
			}
			if list, err = w.readEntries(r, end); err != nil {
				return err
			}
			return verifyReferences(r, report, list)
		})
		if err != nil {
			return err
		}
		for i := range list {
			w.entry(&list[i])
		}
		more = len(list) == verifyPage
		progress(report.Entries, end)
	}
	for {
		for len(w.batches) > 0 || w.open {
			w.nextBatch()
		}
		if err := s.Read(ctx, w.readBatches); err != nil {
			return err
		}
		if len(w.batches) == 0 {
			return nil
		}
	}
}

// A batchRow is a batch as it is stored.
type batchRow struct {
	Batch
	first, entries int64
	hash           []byte
}

// A chainWalk is where verification stands between two entries.
type chainWalk struct {
	report *Report
	hash   hash.Hash
	buf    []byte

	batches []batchRow // read, and not begun
	read    int64      // id of the last one read
	batch   batchRow   // begun, or the last one
	open    bool       // batch is begun and not ended
	seen    int64      // entries of it
	prev    Hash       // stored hash of the batch before it
	last    int64      // id of the last entry
}

// readBatches reads on, until there are enough for a page of entries.
func (w *chainWalk) readBatches(r store.Reader) error {
	if len(w.batches) >= verifyPage {
		return nil
	}
	return each(r, func(scan func(...any) error) error {
		var b batchRow
		if err := scan(&b.ID, &b.CreatedAt, &b.Kind, &b.Actor, &b.first, &b.entries, &b.hash); err != nil {
			return err
		}
		w.batches, w.read = append(w.batches, b), b.ID
		return nil
	}, `SELECT id, created_at, kind, actor, first_id, nb_entries, hash FROM batch WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`,
		w.read, w.report.Head.Batch, verifyPage)
}

func (w *chainWalk) add(what string, id int64, format string, args ...any) {
	w.report.add(fmt.Sprintf("%s %d", what, id), fmt.Sprintf(format, args...))
}

// readEntries reads the next page of entries. In memory nothing is told by a zero, so that one in place of NULL would pass.
func (w *chainWalk) readEntries(r store.Reader, upTo int64) ([]Entry, error) {
	list := make([]Entry, 0, verifyPage)
	err := each(r, func(scan func(...any) error) error {
		var zero sql.Null[bool]
		e, err := ScanEntry(scan, &zero)
		if zero.V {
			w.add("entry", e.ID, "holds a zero or an empty text in place of nothing")
		}
		list = append(list, e)
		return err
	}, `SELECT `+Columns+`, t.payer_id = 0 OR t.reverts_id = 0 OR t.event_id = ''
		FROM txn AS t WHERE t.id > ? AND t.id <= ? ORDER BY t.id LIMIT ?`, w.last, upTo, verifyPage)
	return list, err
}

// nextBatch ends the batch that is open and begins the next one that was read, if there is one.
func (w *chainWalk) nextBatch() {
	if w.open {
		w.open = false
		if w.seen != w.batch.entries {
			w.add("batch", w.batch.ID, "has %d entries of %d", w.seen, w.batch.entries)
		}
		if !bytes.Equal(w.hash.Sum(nil), w.batch.hash) {
			w.add("batch", w.batch.ID, "is not what was written: its hash differs")
		}
		copy(w.prev[:], w.batch.hash)
	}
	if len(w.batches) == 0 {
		return
	}
	before := w.batch
	w.batch, w.batches = w.batches[0], w.batches[1:]
	w.open, w.seen = true, 0
	w.report.Batches++
	if w.batch.ID != before.ID+1 {
		w.add("batch", w.batch.ID, "follows batch %d", before.ID)
	}
	// An imported batch may begin further on: the other system left numbers out. No entry can be taken away from the books so,
	// since the batch before would miss it, and its hash.
	next := before.first + before.entries
	if before.ID != 0 && w.batch.first != next && !(w.batch.Kind == KindImport && w.batch.first > next) {
		w.add("batch", w.batch.ID, "begins at entry %d, not %d", w.batch.first, next)
	}
	w.hash.Reset()
	w.buf = w.batch.appendHeader(w.buf[:0], w.prev, int(w.batch.entries))
	w.hash.Write(w.buf)
}

func (w *chainWalk) entry(e *Entry) {
	for (!w.open || e.ID-w.batch.first >= w.batch.entries) && len(w.batches) > 0 {
		w.nextBatch()
	}
	if e.ID != w.last+1 && (w.batch.Kind != KindImport || e.ID != w.batch.first) {
		w.add("entry", w.last+1, "is missing, up to entry %d", e.ID-1)
	}
	w.last = e.ID
	w.report.Entries++
	if reason := e.check(); reason != "" {
		w.add("entry", e.ID, "%s", reason)
	}
	w.report.trial(e)
	if e.Batch != w.batch.ID || e.ID < w.batch.first {
		w.add("entry", e.ID, "is of batch %d, where batch %d is", e.Batch, w.batch.ID)
	}
	w.seen++
	w.buf = e.appendTo(w.buf[:0])
	w.hash.Write(w.buf)
}

// verifyReferences checks what no foreign key does: that the charges and lines that event ids name exist, and that what an
// entry takes back is its mirror image.
func verifyReferences(r store.Reader, report *Report, list []Entry) error {
	var charges, items, reverting []int64
	for i := range list {
		switch e := ParseEvent(list[i].Event); {
		case e.Item != 0:
			items = append(items, e.Item)
		case e.Kind == ChargeOrRefund:
			charges = append(charges, e.Charge)
		}
		if list[i].Reverts != 0 {
			reverting = append(reverting, list[i].ID)
		}
	}
	for _, check := range []struct {
		ids         []int64
		query       string
		where, what string
	}{
		{charges, `SELECT DISTINCT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM charge WHERE id = value)`,
			"charge", "has entries and does not exist"},
		{items, `SELECT DISTINCT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM charge_item WHERE id = value)`,
			"charge item", "has refunds and does not exist"},
		{reverting, `SELECT value FROM json_each(?) WHERE NOT EXISTS (
				SELECT 1 FROM txn AS e JOIN txn AS o ON o.id = e.reverts_id
				WHERE e.id = value AND o.id < e.id AND o.event_id = e.event_id
					AND o.dest_profile_id = e.orig_profile_id AND o.dest_account = e.orig_account
					AND o.dest_amount = e.orig_amount AND o.dest_unit = e.orig_unit
					AND o.orig_profile_id = e.dest_profile_id AND o.orig_account = e.dest_account
					AND o.orig_amount = e.dest_amount AND o.orig_unit = e.dest_unit)`,
			"entry", "does not mirror the entry that it takes back"},
	} {
		if len(check.ids) == 0 {
			continue
		}
		ids, err := json.Marshal(check.ids)
		if err != nil {
			return err
		}
		err = each(r, func(scan func(...any) error) error {
			var id int64
			if err := scan(&id); err != nil {
				return err
			}
			report.add(fmt.Sprintf("%s %d", check.where, id), check.what)
			return nil
		}, check.query, string(ids))
		if err != nil {
			return err
		}
	}
	return nil
}
