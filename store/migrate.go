package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
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
	errForeign = errors.New("not a database of this program")
	errNewer   = errors.New("written by a newer version of this program")
)

// check looks at the file, if there is one, and leaves nothing behind. It returns the version of its schema.
func (s *Store) check(ctx context.Context) (version int64, err error) {
	switch info, err := os.Stat(s.path); {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case info.Size() == 0 || exists(s.path+"-journal"):
		return 0, nil // its creation was interrupted: Migrate goes on with it
	}
	db := openDB(s.openConn, s.path, s.readParams(), nil)
	defer db.Close()
	return s.checkMarks(ctx, db)
}

// checkMarks tells our files from others, and from those of later versions. It returns the version of the schema.
func (s *Store) checkMarks(ctx context.Context, db *sql.DB) (version int64, err error) {
	var id int64
	err = db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id)
	if err == nil {
		err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	}
	if code, ok := resultCode(err); ok && code&0xff == codeNotDatabase || err == nil && id != applicationID {
		return 0, fmt.Errorf("store: %s: %w", s.path, errForeign)
	}
	if err != nil {
		return 0, fmt.Errorf("store: %s: %w", s.path, classify(err))
	}
	return version, s.checkVersion(version)
}

func (s *Store) checkVersion(version int64) error {
	if version > s.version {
		return fmt.Errorf("store: %s: %w: its schema is %d, this program knows %d", s.path, errNewer, version, s.version)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// create makes the folder and the file, and marks the file as ours. It never opens a file that is in use but through SQLite:
// closing it would drop the locks that this process holds on it.
func (s *Store) create(ctx context.Context) error {
	if err := MakeFolder(filepath.Dir(s.path)); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		inherit(f, filepath.Dir(s.path))
		err = f.Close()
	} else if errors.Is(err, fs.ErrExist) {
		err = s.restrict()
	}
	if err != nil {
		return err
	}
	if info, err := os.Stat(s.path); err != nil || info.Size() != 0 && !exists(s.path+"-journal") {
		return err
	}
	// Without the write-ahead log, so that the mark is in the file before anything else is. Reading first undoes what a
	// creation that was interrupted has written, and tells it from a file that was more than created.
	db := openDB(s.openConn, s.path, writerParams, creatorPragmas)
	defer db.Close()
	var pages int64
	if err := db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil || pages > 0 {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	return err
}

// restrict takes the database from other users of the machine, as after a restored backup.
func (s *Store) restrict() error {
	for _, path := range []string{s.path, s.path + "-wal", s.path + "-shm"} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 == 0 {
			continue
		}
		s.log.Warn("other users could read the database; not any more", zap.String("path", path))
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// migrate creates the file and brings its schema up to date. It has a connection of its own.
func (s *Store) migrate(ctx context.Context) error {
	if err := s.create(ctx); err != nil {
		return fmt.Errorf("%w: creating the database: %w", ErrUnavailable, err)
	}
	if version, err := s.check(ctx); err != nil || version == s.version {
		return err
	}
	db := openDB(s.openConn, s.path, writerParams, migratorPragmas)
	defer db.Close()
	if _, err := s.checkMarks(ctx, db); err != nil {
		return err
	}
	p, err := provider(db)
	if err != nil {
		return err
	}
	for before := int64(-1); ; {
		version, err := p.GetDBVersion(ctx)
		if err != nil {
			return classify(err)
		}
		if err := s.checkVersion(version); err != nil {
			return err
		}
		if version == s.version {
			break
		}
		results, err := p.Up(ctx)
		for _, r := range results {
			s.log.Info("database migrated", zap.Int64("version", r.Source.Version), zap.Duration("duration", r.Duration))
		}
		// Another process that migrates the same file makes ours fail: try again as long as the version moves.
		if err != nil && version == before {
			return fmt.Errorf("store: migrating %s: %w", s.path, classify(err))
		}
		before = version
	}
	return s.mark(ctx, db)
}

// mark notes the schema's version where check finds it.
func (s *Store) mark(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", s.version))
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
