// Package importer takes over a site from the database of the other system that serves the contract: users, profiles, plans,
// subscriptions and the whole ledger, with their ids and dates. The file is not trusted: whatever of it cannot be, is an error that
// names table, row and column, and nothing is imported.
package importer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options say what to import into what. All but Progress are required.
type Options struct {
	File      string // path of the other system's SQLite database
	Store     *store.Store
	Directory *directory.Directory // seals what is encrypted at rest
	Broker    string               // slug of the broker's profile, which the file must hold
	Processor string               // slug of the profile that stands for the payment processor here
	DryRun    bool                 // do everything, and undo it
	Progress  func(table string, done, of int64)
}

// errDry undoes a dry run.
var errDry = errors.New("dry run")

// Run imports the file into a store that holds what a first start makes and nothing else, in one transaction, and proves the books
// before it is committed. Errors: the store is not empty, the file is not what can be imported, ctx has ended; nothing has changed
// then.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	src, err := open(ctx, o.File)
	if err != nil {
		return nil, err
	}
	defer src.file.Close()
	var report *Report
	err = o.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor = "command line"
		w := &work{Options: o, ctx: ctx, tx: tx, src: src, report: newReport(src)}
		if err := w.run(); err != nil {
			return err
		}
		report = w.report
		if o.DryRun {
			return errDry
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDry) {
		return nil, err
	}
	return report, nil
}

// work is one import under way.
type work struct {
	Options
	ctx    context.Context
	tx     *store.Tx
	src    *source
	report *Report

	names     map[string]bool  // usernames and slugs of profiles, in lower case
	broker    int64            // id of its profile in the file
	processor int64            // likewise
	moved     int64            // id here of the profile that has the processor's id in the file; 0 for none
	funds     map[int64]int64  // what the file says that profiles have, by id here
	dropped   map[int64]bool   // coupons that are left out
	customers map[string]int64 // by key of the charge at the processor
	app       int64            // the one whose rules are imported
}

func (w *work) run() error {
	if err := w.checkEmpty(); err != nil {
		return err
	}
	for _, step := range []func() error{
		w.survey, w.clear,
		w.users, w.contacts, w.otps, w.notifications, w.delegates, w.activities,
		w.profiles, w.descriptions, w.roles, w.agreements,
		w.plans, w.discounts, w.useCharges, w.coupons, w.subscriptions, w.uses, w.cartItems,
		w.entries, w.charges, w.chargeItems, w.checkFunds, w.balanceLines,
		w.apps, w.rules, w.engagements,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, t := range leftOut {
		if n := w.src.counts[t.table]; n > 0 {
			w.report.noteMany(t.table, t.why, n)
		}
	}
	books, err := ledger.Verify(w.ctx, inside{w.tx}, func(done, of int64) { w.Progress("proving the books", done, of) })
	if err != nil {
		return err
	}
	w.report.Books = books
	// The database belongs to the file's broker (decision 79), whose id is not the one that the first start made.
	if _, err := w.tx.Exec(`INSERT INTO setting (name, value) VALUES ('broker', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
		strconv.FormatInt(w.profile(w.broker), 10)); err != nil {
		return err
	}
	return w.tx.Audit("import", w.Broker, w.report.summary())
}

// inside lets Verify read what a transaction has written.
type inside struct{ tx *store.Tx }

func (i inside) Read(ctx context.Context, fn func(r store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return fn(i.tx)
}

// ErrNotEmpty says that the store holds more than what a first start makes.
var ErrNotEmpty = errors.New("the store is not empty")

func (w *work) checkEmpty() error {
	var found []string
	for _, t := range []struct{ what, query string }{
		{"users", `SELECT 1 FROM user`},
		{"contacts", `SELECT 1 FROM contact`},
		{"profiles", `SELECT 1 FROM profile WHERE id <> 1 AND slug <> ?1`},
		{"roles", `SELECT 1 FROM role`},
		{"agreements", `SELECT 1 FROM agreement`},
		{"plans", `SELECT 1 FROM plan`},
		{"coupons", `SELECT 1 FROM coupon`},
		{"subscriptions", `SELECT 1 FROM subscription`},
		{"carts", `SELECT 1 FROM cart_item`},
		{"entries of the ledger", `SELECT 1 FROM batch`},
		{"charges", `SELECT 1 FROM charge`},
		{"balance lines", `SELECT 1 FROM balance_line`},
		{"rules", `SELECT 1 FROM rule`},
	} {
		var args []any
		if strings.Contains(t.query, "?1") {
			args = append(args, w.Broker)
		}
		some, err := store.Exists(w.tx, t.query, args...)
		if err != nil {
			return err
		}
		if some {
			found = append(found, t.what)
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("%w, it holds %s: import into a new one, before its first user is made", ErrNotEmpty, strings.Join(found, ", "))
	}
	return nil
}

// survey finds the broker and the processor in the file, and the names that are in use.
func (w *work) survey() error {
	w.names = map[string]bool{}
	var processor, first int64
	err := w.src.each(profiles, func(r *row) error {
		slug := r.text("slug", 50)
		w.names[strings.ToLower(slug)] = true
		if strings.EqualFold(slug, w.Broker) {
			w.broker, processor = r.id, r.ref("processor_id")
		}
		if r.id == 1 {
			first = 1
		}
		return r.err
	})
	if err != nil {
		return err
	}
	if w.broker == 0 {
		return fmt.Errorf("%s holds no profile %q, the broker of this site%s: name the file's broker in the Caddyfile", profiles.name, w.Broker, w.candidates())
	}
	if processor == 0 || processor == w.broker {
		return fmt.Errorf("%s %d: processor_id names no payment processor of the broker %q", profiles.name, w.broker, w.Broker)
	}
	if w.processor = processor; first != 0 && processor != 1 {
		err := w.src.file.QueryRow(`SELECT max(id) + 1 FROM ` + profiles.name).Scan(&w.moved)
		if err != nil {
			return err
		}
	}
	return nil
}

// candidates are the profiles that the file's rules belong to, in words: one of them is its broker.
func (w *work) candidates() string {
	slugs, err := store.Column[string](w.src.file, `SELECT DISTINCT +o.slug FROM rules_app AS a JOIN saas_organization AS o ON o.id = a.account_id LIMIT 3`)
	if err != nil || len(slugs) == 0 {
		return ""
	}
	for i := range slugs {
		slugs[i] = fmt.Sprintf("%.50q", slugs[i])
	}
	return " (the application of the file belongs to " + strings.Join(slugs, ", ") + ")"
}

// profile is the id here of a profile of the file: the processor is 1.
func (w *work) profile(id int64) int64 {
	switch {
	case id == w.processor:
		return 1
	case id == 1 && w.moved != 0:
		return w.moved
	}
	return id
}

// clear takes away what a first start made: the file has its own.
func (w *work) clear() error {
	for _, table := range []string{"app", "role_description", "profile", "user_notification", "notification", "delegate_auth"} {
		if _, err := w.tx.Exec(`DELETE FROM ` + table); err != nil {
			return err
		}
	}
	return nil
}

// each reads a table of the file, and tells how far it is.
func (w *work) each(t *table, fn func(r *row) error) error {
	const tell = 500
	of, done := w.src.counts[t.name], int64(0)
	err := w.src.each(t, func(r *row) error {
		if done++; done%tell == 0 {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			w.Progress(t.name, done, of)
		}
		return fn(r)
	})
	if err == nil && of > 0 {
		w.Progress(t.name, done, of)
	}
	return err
}

// put writes what a row of the file becomes. Errors: what is wrong with a column of the row, or with the row beside others.
func (w *work) put(r *row, query string, args ...any) error {
	if r.err != nil {
		return r.err
	}
	if _, err := w.tx.Exec(query, args...); err != nil {
		return refused(r, err)
	}
	w.report.imported(r.table.name)
	return nil
}

// refused says which row the store does not take, and why.
func refused(r *row, err error) error {
	var c *store.ConstraintError
	switch {
	case !errors.As(err, &c):
		return fmt.Errorf("%s: %w", r, err)
	case c.Kind == "unique":
		return fmt.Errorf("%s: another row has the same %s", r, c.Column)
	case c.Kind == "foreign key":
		return fmt.Errorf("%s names a row that is not imported", r)
	}
	return fmt.Errorf("%s holds a value that is not allowed: %w", r, c)
}

// note adds to the report that something of a row was left out or changed.
func (w *work) note(r *row, why string) {
	w.report.note(r.table.name, why, r.id)
}
