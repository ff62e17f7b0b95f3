package store

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
