package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/caddy-tollgate/tollgate/store"
)

// The broker is written into the database at the first start (decision 79): whose site this is must not depend on a word that a later
// configuration spells otherwise.

// brokerSetting is the fact of the installation that holds the id of the broker's profile.
const brokerSetting = "broker"

// selectBroker finds the broker of a database. One of an earlier version has it as the profile of the application's record, or else
// as the first provider that was made.
const selectBroker = `SELECT id, slug FROM profile WHERE id = coalesce(
	(SELECT CAST(value AS INTEGER) FROM setting WHERE name = 'broker'),
	(SELECT profile_id FROM app ORDER BY id LIMIT 1),
	(SELECT min(id) FROM profile WHERE is_provider = 1 AND id <> 1))`

// readBroker is the broker's profile, 0 when the database has none yet.
func readBroker(r store.Reader) (id int64, slug string, err error) {
	err = r.QueryRow(selectBroker).Scan(&id, &slug)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return id, slug, err
}

func writeBroker(tx *store.Tx, id int64) error {
	_, err := tx.Exec(`INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
		brokerSetting, strconv.FormatInt(id, 10))
	return err
}

// Broker is the slug of the profile that the database belongs to, "" when there is no database yet, or none in it. The database may not
// be migrated yet, and is not changed.
func (s *Site) Broker(ctx context.Context) (slug string, err error) {
	err = s.Store.Peek(ctx, func(r store.Reader) error {
		_, slug, err = readBroker(r)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return slug, err
}

// A BrokerError says that a configuration names another broker than the one that the database belongs to.
type BrokerError struct{ Path, Is, Named string }

func (e *BrokerError) Error() string {
	return fmt.Sprintf("the database %s belongs to %q, and the configuration names %q: write `broker %s` as it was, or name another database "+
		"with `store`, or rename the profile with `caddy tollgate broker rename %s`", e.Path, e.Is, e.Named, e.Is, e.Named)
}

// CheckBroker refuses a configuration that names another broker than the one that the database belongs to: *BrokerError. It changes
// nothing, so that a configuration can be checked beside a running server.
func (s *Service) CheckBroker(ctx context.Context) error {
	is, err := s.site.Broker(ctx)
	if err != nil || is == "" || is == s.options.Broker.Slug {
		return err
	}
	return &BrokerError{Path: s.site.Path, Is: is, Named: s.options.Broker.Slug}
}

// RenameBroker gives the broker's profile another slug. The configuration must name it from then on. Errors: the name is taken, or is
// no slug.
func (s *Service) RenameBroker(ctx context.Context, slug string) (was string, err error) {
	err = s.site.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = commandLine
		var id int64
		if id, was, err = readBroker(tx); err != nil {
			return err
		}
		if id == 0 {
			return errors.New("the database has no broker yet: start Caddy once")
		}
		if was == slug {
			return fmt.Errorf("the broker is called %s already", slug)
		}
		if err := s.profiles.Rename(tx, id, slug); err != nil {
			return err
		}
		if err := writeBroker(tx, id); err != nil {
			return err
		}
		return tx.Audit("rename broker", slug, "was "+was)
	})
	return was, err
}

// commandLine is who does what a command does, in the audit.
const commandLine = "command line"
