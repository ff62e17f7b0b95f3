package store

import (
	"context"
	"os"
)

// Copy writes the database as it is now, one snapshot, to a new file at path that only its owner can read, beside writers. Errors: the
// file is there already; the disk.
func (s *Store) Copy(ctx context.Context, path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	db := openDB(s.openConn, s.path, s.readParams(), []pragma{{"busy_timeout", "5000"}})
	defer db.Close()
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, path)
	return classify(err)
}
