package notice

import (
	"context"
	"fmt"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Letter is a row of the outbox, for an operator: without what it says.
type Letter struct {
	ID             int64
	CreatedAt      store.Time
	Event, Subject string
	Sink           string
	To             []string // of a mail; empty for other sinks
	Attempts       int
	NextAt         store.Time // of one that waits; zero while others about its subject are before it
	DoneAt, DeadAt store.Time // zero: not
	Error          string     // why it was not taken, the last time
}

const (
	lettersDead    = `SELECT ` + letterColumns + ` FROM outbox WHERE dead_at IS NOT NULL ORDER BY dead_at DESC LIMIT ?`
	lettersDone    = `SELECT ` + letterColumns + ` FROM outbox WHERE done_at IS NOT NULL ORDER BY done_at DESC LIMIT ?`
	lettersWaiting = `SELECT ` + letterColumns + ` FROM outbox WHERE done_at IS NULL AND dead_at IS NULL ORDER BY next_at, id LIMIT ?`
	letterColumns  = `id, created_at, event, subject, sink, recipients, attempts, next_at, done_at, dead_at, coalesce(error, '')`
)

// A LetterState is what became of a notice.
type LetterState string

// The states.
const (
	Waiting LetterState = "waiting" // the next that is tried first
	Dead    LetterState = "dead"    // given up, the last first; kept for 90 days
	Done    LetterState = "done"    // delivered, the last first; kept for 30 days
)

// Letters lists at most n notices in a state.
func Letters(r store.Reader, state LetterState, n int) (all []Letter, err error) {
	query := map[LetterState]string{Waiting: lettersWaiting, Dead: lettersDead, Done: lettersDone}[state]
	rows, err := r.Query(query, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Letter
		var recipients string
		if err := rows.Scan(&l.ID, &l.CreatedAt, &l.Event, &l.Subject, &l.Sink, &recipients, &l.Attempts, &l.NextAt, &l.DoneAt, &l.DeadAt, &l.Error); err != nil {
			return nil, err
		}
		if l.NextAt == behind {
			l.NextAt = store.Time{}
		}
		e, err := decodeEnvelope(recipients)
		if err != nil {
			return nil, err
		}
		if l.Sink == mailSink {
			l.To = (&Message{To: e.To, Bcc: e.Bcc, Only: e.Only}).recipients()
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

// revive makes a notice wait again, as if it had not been tried. The code of a verification was not kept, and is of no use any more.
const revive = `UPDATE outbox SET done_at = NULL, dead_at = NULL, error = NULL, attempts = 0, next_at = ? WHERE event <> 'user_verification' AND `

// A Note writes down, in the transaction that does it, that so many notices are delivered again.
type Note func(tx *store.Tx, n int) error

func (note Note) write(tx *store.Tx, n int) error {
	if note == nil {
		return nil
	}
	return note(tx, n)
}

// Resend makes notices wait to be delivered again, whether they were given up or delivered. A webhook is posted the same body with
// the same id. Errors: one of them cannot be sent again, and then none is.
func Resend(ctx context.Context, s *store.Store, ids []int64, note Note) error {
	return s.Write(ctx, func(tx *store.Tx) error {
		list, err := encode(ids)
		if err != nil {
			return err
		}
		sent, err := revived(tx, revive+`(dead_at IS NOT NULL OR done_at IS NOT NULL) AND id IN (SELECT value FROM json_each(?)) RETURNING id`, tx.Now(), string(list))
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !sent[id] {
				return fmt.Errorf("notice %d cannot be sent again: there is none, it waits already, or it held a code", id)
			}
		}
		return note.write(tx, len(ids))
	})
}

const resendDead = revive + `dead_at IS NOT NULL RETURNING id`

// ResendDead makes all wait again that were given up, and returns how many.
func ResendDead(ctx context.Context, s *store.Store, note Note) (n int, err error) {
	err = s.Write(ctx, func(tx *store.Tx) error {
		sent, err := revived(tx, resendDead, tx.Now())
		if n = len(sent); err != nil {
			return err
		}
		return note.write(tx, n)
	})
	return n, err
}

const replay = revive + `done_at >= ? AND sink LIKE 'webhook %' AND (? = '' OR instr(sink, ?)) RETURNING id`

// Replay makes all wait again that webhooks were posted since a time, those whose name, host and digest, holds match. Mails are not
// sent twice. It returns how many.
func Replay(ctx context.Context, s *store.Store, since store.Time, match string, note Note) (n int, err error) {
	err = s.Write(ctx, func(tx *store.Tx) error {
		sent, err := revived(tx, replay, tx.Now(), since, match, match)
		if n = len(sent); err != nil {
			return err
		}
		return note.write(tx, n)
	})
	return n, err
}

func revived(tx *store.Tx, query string, args ...any) (map[int64]bool, error) {
	list, err := store.Column[int64](tx, query, args...)
	if err != nil {
		return nil, err
	}
	ids := make(map[int64]bool, len(list))
	for _, id := range list {
		ids[id] = true
	}
	_, err = tx.Exec(queueRevived, behind, store.IDs(list))
	return ids, err
}

// queueRevived puts those behind that wait, and have others before them now: of each subject, the first alone is due.
const queueRevived = `UPDATE outbox SET next_at = ?1 WHERE next_at <> ?1 AND id IN (SELECT later.id FROM (SELECT sink, subject, min(id) AS id FROM outbox
		WHERE id IN (SELECT value FROM json_each(?2)) GROUP BY sink, subject) first CROSS JOIN outbox later
	WHERE later.sink = first.sink AND later.subject = first.subject AND later.id >= first.id
		AND later.done_at IS NULL AND later.dead_at IS NULL AND later.next_at <> ?1)
	AND EXISTS (SELECT 1 FROM outbox older WHERE older.sink = outbox.sink AND older.subject = outbox.subject AND older.id < outbox.id
		AND older.done_at IS NULL AND older.dead_at IS NULL)`
