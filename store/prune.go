package store

import "context"

// Prune repeats a bounded DELETE, each time in a Write of its own, until it finds nothing more; so that the writer is never
// held for long. It returns how many rows are gone, also when it fails. The query bounds itself:
//
//	DELETE FROM session WHERE id IN (SELECT id FROM session WHERE ends_at < ? LIMIT 1000)
func (s *Store) Prune(ctx context.Context, query string, args ...any) (int64, error) {
	var total int64
	for {
		var n int64
		err := s.Write(ctx, func(tx *Tx) (err error) {
			n, err = tx.Exec(query, args...)
			return err
		})
		if err != nil {
			return total, err
		}
		if n == 0 {
			return total, nil
		}
		total += n
	}
}
