package processor

import (
	"context"
	"database/sql"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// The bank of the sandbox: every provider has an account, and payouts arrive at once.

// Bank implements Banker: there is always more than what the ledger holds.
func (s *Sandbox) Bank(context.Context, Profile) (*Bank, error) {
	return &Bank{Name: "Sandbox", Last4: "***-0000", Balance: 1 << 50}, nil
}

// AuthorizeURL implements Banker.
func (*Sandbox) AuthorizeURL(Profile, string) string { return "" }

// CreateTransfer implements Banker.
func (s *Sandbox) CreateTransfer(ctx context.Context, provider Profile, amount int64, unit, _, idempotencyKey string) (string, error) {
	key := "po_" + digest(idempotencyKey)
	return key, s.write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`INSERT INTO sandbox_payout (key, created_at, provider, amount, unit) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`,
			key, tx.Now(), provider.Slug, amount, unit)
		return err
	})
}

// PaidPayouts implements Banker.
func (s *Sandbox) PaidPayouts(ctx context.Context, provider Profile, since time.Time) (list []Payout, err error) {
	err = s.store.Read(ctx, func(r store.Reader) error {
		return store.Each(r, func(rows *sql.Rows) error {
			var p Payout
			var at store.Time
			err := rows.Scan(&p.Key, &at, &p.Amount, &p.Unit)
			p.CreatedAt = at.Time
			list = append(list, p)
			return err
		}, `SELECT key, created_at, amount, unit FROM sandbox_payout WHERE provider = ? AND created_at >= ? ORDER BY created_at LIMIT 100`,
			provider.Slug, store.At(since))
	})
	return list, err
}

// TransferFee implements Banker.
func (*Sandbox) TransferFee(int64) int64 { return 0 }

var (
	_ Processor  = (*Sandbox)(nil)
	_ Banker     = (*Sandbox)(nil)
	_ Playground = (*Sandbox)(nil)
)
