package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"go.uber.org/zap"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a file as ours, in SQLite's header: "Toll".
const applicationID = 0x546f6c6c

var (
	errForeign = errors.New("the file is not a database of this program")
	errNewer   = errors.New("the database was written by a newer version of this program")
)

// checkHeader looks at the first bytes of the file, without SQLite, which would create files beside it. It can miss what a
// crash left in the log beside the file: migrate asks again.
func checkHeader(path string, newest int64) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer f.Close()
	header := make([]byte, 100)
	switch n, err := io.ReadFull(f, header); {
	case n == 0 && err == io.EOF:
		return nil // created, and not yet marked
	case err == io.ErrUnexpectedEOF, err == nil && string(header[:16]) != "SQLite format 3\x00":
		return fmt.Errorf("store: %s: %w", path, errForeign)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if _, err := os.Stat(path + "-journal"); err == nil {
		return nil // the marking was interrupted
	}
	if binary.BigEndian.Uint32(header[68:]) != applicationID {
		return fmt.Errorf("store: %s: %w", path, errForeign)
	}
	if v := int64(binary.BigEndian.Uint32(header[60:])); v > newest {
		return fmt.Errorf("store: %s: %w (%d, known are %d)", path, errNewer, v, newest)
	}
	return nil
}

// create makes the folder and the file, and marks the file as ours.
func (s *Store) create(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	info, err := f.Stat()
	f.Close()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		s.log.Warn("others may read the database; taking that from them", zap.String("path", s.path))
		if err := os.Chmod(s.path, 0o600); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	if info.Size() != 0 {
		return nil
	}
	// Without the write-ahead log, so that the mark is in the file itself from the start, where checkHeader looks.
	db := openDB(s.connect, s.path, writerParams, 1, creatorPragmas)
	defer db.Close()
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	return classify(err)
}

// migrate creates the file and brings its schema up to date. It has a connection of its own.
func (s *Store) migrate(ctx context.Context) error {
	if err := s.create(ctx); err != nil {
		return err
	}
	db := openDB(s.connect, s.path, writerParams, 1, writerPragmas)
	defer db.Close()
	var id, version int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return classify(err)
	}
	if id != applicationID {
		return fmt.Errorf("store: %s: %w", s.path, errForeign)
	}
	p, err := provider(db)
	if err != nil {
		return err
	}
	for before := int64(-1); ; before = version {
		if version, err = p.GetDBVersion(ctx); err != nil {
			return classify(err)
		}
		if version > s.version {
			return fmt.Errorf("store: %s: %w (%d, known are %d)", s.path, errNewer, version, s.version)
		}
		if version == s.version {
			break
		}
		results, upErr := p.Up(ctx)
		for _, r := range results {
			s.log.Info("database migrated", zap.Int64("version", r.Source.Version), zap.Duration("duration", r.Duration))
		}
		// Another process that migrates the same file makes ours fail: go on as long as the version moves.
		if upErr != nil && version == before {
			return fmt.Errorf("store: migrating %s: %w", s.path, classify(upErr))
		}
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
	return classify(err)
}

// provider runs the embedded migrations on db.
func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// newestVersion is the version that this program brings a database to.
func newestVersion() (int64, error) {
	p, err := provider(new(sql.DB))
	if err != nil {
		return 0, err
	}
	sources := p.ListSources()
	return sources[len(sources)-1].Version, nil
}
