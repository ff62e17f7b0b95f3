package rest

import (
	"bytes"
	"encoding"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/caddy-tollgate/tollgate/store"
)

// CSV of lists and tables (conventions.md 7.8, decision 25).

// csvBatch is how many rows of a CSV answer are in memory at once.
const csvBatch = 1000

// Tabular is an answer that is a table of aggregated values (conventions.md 6.2).
type Tabular interface {
	// Tabulate returns the headings ("title", then the dates or labels of the first series), and a row for each of results:
	// strings, store.Times and numbers.
	Tabulate() (headings []any, rows [][]any)
}

// Columnar is a list whose columns are not the JSON keys of its items. They are the same in every batch.
type Columnar interface {
	Columns() []string
	Cells(i int) []any // of an item of this batch: strings, store.Times, numbers, booleans or nil
	lister
}

// lister is a Page or a Found, or what embeds one.
type lister interface{ items() reflect.Value }

func (p Page[T]) items() reflect.Value  { return reflect.ValueOf(p.Results) }
func (f Found[T]) items() reflect.Value { return reflect.ValueOf(f.Results) }

var (
	listerType  = reflect.TypeFor[lister]()
	tabularType = reflect.TypeFor[Tabular]()
)

func isTable(t reflect.Type) bool { return t.Implements(listerType) || t.Implements(tabularType) }

// sendCSV answers a list or table as CSV. All rows are written down first, in memory or in a file, and then sent: a slow client
// does not hold a snapshot, and an error halfway is still an error.
func (c *Call) sendCSV() error {
	e := c.endpoint
	spool := new(spool)
	defer spool.close()
	w := csv.NewWriter(spool)
	w.UseCRLF = true
	if e.read == nil {
		out, err := e.run(c)
		if err != nil {
			return err
		}
		if err := writeCSV(w, out, true); err != nil {
			return err
		}
	} else if err := c.Read(func(r store.Reader) error {
		r = store.Cancellable(c.r.Context(), r)
		c.rows = new(cursor)
		for first := true; first || c.rows.more; first = false {
			out, err := e.read(c, r)
			if err != nil {
				return err
			}
			if err := writeCSV(w, out, first); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	body, size, err := spool.reader()
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", typeCSV+"; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%s.csv"`, lastWord(e.Path), c.Now.UTC().Format("20060102")))
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	c.leave()
	c.sent = true
	c.sendCookies(true)
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method != http.MethodHead {
		io.Copy(c.w, body)
	}
	return nil
}

// writeCSV writes the rows of an answer, under the headings if it is the first.
func writeCSV(w *csv.Writer, out any, first bool) error {
	if t, ok := out.(Tabular); ok {
		headings, rows := t.Tabulate()
		for _, row := range slices.Concat([][]any{headings}, rows) {
			record := make([]string, len(row))
			for i, v := range row {
				record[i] = cell(reflect.ValueOf(v))
			}
			if err := w.Write(record); err != nil {
				return err
			}
		}
		return nil
	}
	l, ok := out.(lister)
	if !ok {
		return fmt.Errorf("rest: a %T cannot be CSV", out)
	}
	items := l.items()
	if own, ok := out.(Columnar); ok {
		return writeOwn(w, own, items.Len(), first)
	}
	columns := columnsOf(items.Type().Elem())
	record := make([]string, len(columns))
	if first {
		for i, col := range columns {
			record[i] = col.name
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	for i := range items.Len() {
		item := items.Index(i)
		for j, col := range columns {
			record[j] = ""
			if v, ok := col.of(item); ok {
				record[j] = cell(v)
			}
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	return nil
}

// writeOwn writes the rows of a list with columns of its own.
func writeOwn(w *csv.Writer, list Columnar, n int, first bool) error {
	if first {
		if err := w.Write(list.Columns()); err != nil {
			return err
		}
	}
	for i := range n {
		var record []string
		for _, v := range list.Cells(i) {
			record = append(record, cell(reflect.ValueOf(v)))
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	return nil
}

// csvColumn is a key of a list's item.
type csvColumn struct {
	name  string
	index []int
}

// of is the value in an item; not ok below an embedded pointer that is nil.
func (c csvColumn) of(item reflect.Value) (reflect.Value, bool) {
	v := item
	for _, i := range c.index {
		for v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, true
}

var columnSets sync.Map // reflect.Type → []csvColumn

// columnsOf are the JSON keys of a type of item, in the order of the wire.
func columnsOf(t reflect.Type) []csvColumn {
	if c, ok := columnSets.Load(t); ok {
		return c.([]csvColumn)
	}
	var columns []csvColumn
	if s := structOf(t); s != nil {
		columns = appendColumns(nil, s, nil)
	}
	columnSets.Store(t, columns)
	return columns
}

// structOf is the struct that t is or points to.
func structOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	return t
}

func appendColumns(columns []csvColumn, t reflect.Type, index []int) []csvColumn {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(index), i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if s := structOf(f.Type); f.Anonymous && name == "" && s != nil {
			columns = appendColumns(columns, s, at)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		// As in JSON, of two fields of one name the one that is less deep counts.
		if same := slices.IndexFunc(columns, func(c csvColumn) bool { return c.name == name }); same >= 0 {
			if len(at) < len(columns[same].index) {
				columns = slices.Delete(columns, same, same+1)
			} else {
				continue
			}
		}
		columns = append(columns, csvColumn{name, at})
	}
	return columns
}

// cell prints a value.
func cell(v reflect.Value) string {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return ""
	}
	if t, ok := v.Interface().(store.Time); ok {
		return t.String()
	}
	_, ownJSON := v.Interface().(json.Marshaler)
	_, ownText := v.Interface().(encoding.TextMarshaler)
	_, number := v.Interface().(json.Number)
	if !ownJSON && !ownText && !number {
		switch v.Kind() {
		case reflect.String:
			return safeText(v.String())
		case reflect.Struct:
			for _, col := range columnsOf(v.Type()) {
				if col.name == "slug" {
					if slug, ok := col.of(v); ok {
						return cell(slug)
					}
				}
			}
		}
	}
	b := new(bytes.Buffer)
	if appendJSON(b, v.Interface()) != nil {
		return ""
	}
	switch raw := b.Bytes(); raw[0] {
	case 'n':
		return ""
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return safeText(s)
	}
	return b.String()
}

// safeText is text that no spreadsheet takes for a formula: whatever stands before the sign does not show, and the sign may be a wide or
// a small one, which some programs take for the plain one.
func safeText(s string) string {
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			continue
		}
		if sign := norm.NFKC.String(string(r)); strings.ContainsAny(sign[:1], "=+-@") {
			return "'" + s
		}
		break
	}
	return s
}

// spoolMemory is how much of a CSV answer is kept in memory.
const spoolMemory = 4 << 20

// spool keeps what is written until it is complete: in memory, and in a file that nobody else sees when it is much.
type spool struct {
	memory bytes.Buffer
	file   *os.File
	size   int64
}

func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.file == nil && s.memory.Len()+len(p) <= spoolMemory {
		return s.memory.Write(p)
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "tollgate-*.csv")
		if err != nil {
			return 0, err
		}
		s.file = f
		if _, err := s.memory.WriteTo(f); err != nil {
			return 0, err
		}
	}
	return s.file.Write(p)
}

func (s *spool) reader() (io.Reader, int64, error) {
	if s.file == nil {
		return &s.memory, s.size, nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return s.file, s.size, err
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name())
	}
}
