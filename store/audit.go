package store

import "time"

// Audit records who did what, in the transaction that does it: action is a verb such as "profile.create", subject the slug it
// is about, detail what a reader of the log wants to know besides. An empty Actor is the program itself, "system".
func (tx *Tx) Audit(action, subject, detail string) error {
	actor := tx.Actor
	if actor == "" {
		actor = "system"
	}
	_, err := tx.Exec(`INSERT INTO audit (created_at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)`,
		tx.now, actor, action, subject, detail)
	return err
}

// AuditCounted is Audit for what others cause and may repeat without end: all that happens to a subject within an hour is one row, of
// the hour's beginning, which says how often it did and has the last detail.
func (tx *Tx) AuditCounted(actor, action, subject, detail string) error {
	_, err := tx.Exec(`INSERT INTO audit (created_at, actor, action, subject, detail, times) VALUES (?, ?, ?, ?, ?, 1)
		ON CONFLICT (action, subject, created_at) WHERE times IS NOT NULL DO UPDATE SET times = audit.times + 1, detail = excluded.detail`,
		At(tx.now.Truncate(time.Hour)), actor, action, subject, detail)
	return err
}
