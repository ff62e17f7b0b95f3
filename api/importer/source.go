package importer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// A source is the file of the other system: one snapshot of it, of which nothing is believed.
type source struct {
	file   *store.Foreign
	counts map[string]int64 // rows by table; a table that the file does not have has none
}

// A table is what is read of a table of the file.
type table struct {
	name     string
	columns  []string          // besides id
	refs     map[string]string // columns that hold the id of a row of another table
	optional bool              // a file of an older version may lack it
}

// mostText is how long a text or a blob of the file may be, in bytes: far more than the other system's forms let through.
const mostText = 1 << 20

// mostID is the largest id, so that there are always larger ones.
const mostID = 1 << 53

// open opens the file and checks it: the tables and columns that are read are there, no text is longer than mostText, and no row
// names one that does not exist. Errors say what is wrong in which table.
func open(ctx context.Context, path string) (*source, error) {
	f, err := store.OpenForeign(ctx, path)
	if err != nil {
		return nil, err
	}
	s := &source{file: f, counts: map[string]int64{}}
	if err := s.check(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *source) check() error {
	kinds := map[string]string{}
	err := store.Each(s.file, func(rows *sql.Rows) error {
		var name, kind string
		err := rows.Scan(&name, &kind)
		kinds[name] = kind
		return err
	}, `SELECT name, type FROM pragma_table_list WHERE schema = 'main'`)
	if err != nil {
		return err
	}
	for _, t := range tables {
		switch kind := kinds[t.name]; {
		case kind == "" && t.optional:
			continue
		case kind == "":
			return fmt.Errorf("there is no table %s: this is no database of the system that can be imported", t.name)
		case kind != "table":
			return fmt.Errorf("%s is no table", t.name)
		}
		if err := s.checkColumns(t); err != nil {
			return err
		}
		if err := s.file.QueryRow(`SELECT count(*) FROM ` + t.name).Scan(&int64Of{s.counts, t.name}); err != nil {
			return err
		}
	}
	for _, t := range tables {
		if _, ok := s.counts[t.name]; !ok {
			continue
		}
		if err := errors.Join(s.checkTexts(t), s.checkRefs(t)); err != nil {
			return err
		}
	}
	for _, name := range leftOut {
		if kinds[name.table] != "table" {
			continue
		}
		if err := s.file.QueryRow(`SELECT count(*) FROM ` + name.table).Scan(&int64Of{s.counts, name.table}); err != nil {
			return err
		}
	}
	return nil
}

// checkColumns checks that the columns are there, and that id is what SQLite finds a row by.
func (s *source) checkColumns(t *table) error {
	found := map[string]bool{}
	var key bool
	err := store.Each(s.file, func(rows *sql.Rows) error {
		var name, kind string
		var pk int
		err := rows.Scan(&name, &kind, &pk)
		found[name] = true
		key = key || name == "id" && pk == 1 && strings.EqualFold(kind, "integer")
		return err
	}, `SELECT name, type, pk FROM pragma_table_info(?)`, t.name)
	if err != nil {
		return err
	}
	for _, c := range t.columns {
		if !found[c] {
			return fmt.Errorf("the table %s has no column %s: this is no database of the system that can be imported, or one of another version", t.name, c)
		}
	}
	if !key {
		return fmt.Errorf("the table %s has no integer primary key id", t.name)
	}
	return nil
}

// checkTexts looks for texts that are too long without reading them.
func (s *source) checkTexts(t *table) error {
	long := make([]string, len(t.columns))
	for i, c := range t.columns {
		long[i] = fmt.Sprintf(`octet_length("%s") > %d`, c, mostText)
	}
	var id int64
	err := s.file.QueryRow(`SELECT id FROM ` + t.name + ` WHERE ` + strings.Join(long, " OR ") + ` LIMIT 1`).Scan(&id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s %d holds a text of more than %d bytes", t.name, id, mostText)
}

// checkRefs looks for ids that are nobody's.
func (s *source) checkRefs(t *table) error {
	for _, c := range t.columns {
		parent := t.refs[c]
		if parent == "" {
			continue
		}
		missing := "1"
		if _, ok := s.counts[parent]; ok {
			missing = `NOT EXISTS (SELECT 1 FROM ` + parent + ` AS p WHERE p.id = t."` + c + `")`
		}
		var id int64
		var named any
		err := s.file.QueryRow(`SELECT t.id, +t."`+c+`" FROM `+t.name+` AS t WHERE t."`+c+`" IS NOT NULL AND `+missing+` LIMIT 1`).Scan(&id, &named)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("%s %d: %s is %.40q, and there is no such row in %s", t.name, id, c, fmt.Sprint(named), parent)
	}
	return nil
}

// int64Of scans a number into a map.
type int64Of struct {
	into map[string]int64
	name string
}

func (i *int64Of) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a count is %T", v)
	}
	i.into[i.name] = n
	return nil
}

// each reads a table in the order of its ids. fn gets a row that it may not keep, and whose err each returns.
func (s *source) each(t *table, fn func(r *row) error) error {
	if _, ok := s.counts[t.name]; !ok {
		return nil
	}
	// The plus sign makes an expression of a column: a driver would convert what is declared a date, and hide what is not.
	columns := "id"
	for _, c := range t.columns {
		columns += `, +"` + c + `"`
	}
	r := &row{table: t, cells: make([]any, len(t.columns))}
	into := []any{&r.id}
	for i := range r.cells {
		into = append(into, &r.cells[i])
	}
	return store.Each(s.file, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		r.err = nil
		if r.id < 1 || r.id >= mostID {
			return fmt.Errorf("%s: the id %d is out of range", t.name, r.id)
		}
		return fn(r)
	}, `SELECT `+columns+` FROM `+t.name+` ORDER BY id`)
}

func (t *table) column(name string) int {
	i := slices.Index(t.columns, name)
	if i < 0 {
		panic("importer: " + t.name + " has no column " + name) // a mistake of the programmer, which every import shows
	}
	return i
}
