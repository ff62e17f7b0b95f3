package importer

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/caddy-tollgate/tollgate/ledger"
)

// A Report is what an import did, or, of a dry run, would do.
type Report struct {
	Tables []Count       // of the file, in the order in which they were read
	Notes  []Note        // what was left out or changed, and why
	Books  ledger.Report // what proving the imported books found: problems are the file's own, and were kept as they are
}

// A Count is a table of the file.
type Count struct {
	Table          string
	Rows, Imported int64
}

// A Note is why rows of a table were left out or changed. IDs are the first of them.
type Note struct {
	Table, Why string
	Rows       int64
	IDs        []int64
}

func newReport(src *source) *Report {
	r := &Report{}
	for _, t := range tables {
		if n, ok := src.counts[t.name]; ok {
			r.Tables = append(r.Tables, Count{Table: t.name, Rows: n})
		}
	}
	return r
}

func (r *Report) imported(table string) {
	for i := range r.Tables {
		if r.Tables[i].Table == table {
			r.Tables[i].Imported++
		}
	}
}

// Imported is how many rows of a table were taken over.
func (r *Report) Imported(table string) int64 {
	for _, t := range r.Tables {
		if t.Table == table {
			return t.Imported
		}
	}
	return 0
}

func (r *Report) note(table, why string, id int64) {
	const most = 5
	n := r.find(table, why)
	n.Rows++
	if len(n.IDs) < most {
		n.IDs = append(n.IDs, id)
	}
}

func (r *Report) noteMany(table, why string, rows int64) { r.find(table, why).Rows += rows }

func (r *Report) find(table, why string) *Note {
	for i := range r.Notes {
		if n := &r.Notes[i]; n.Table == table && n.Why == why {
			return n
		}
	}
	r.Notes = append(r.Notes, Note{Table: table, Why: why})
	return &r.Notes[len(r.Notes)-1]
}

// summary is the report on one line, for the audit.
func (r *Report) summary() string {
	return fmt.Sprintf("%d users, %d profiles, %d subscriptions, %d entries", r.Imported(users.name), r.Imported(profiles.name),
		r.Imported(subscriptions.name), r.Imported(entries.name))
}

// WriteTo prints the report for people.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range r.Tables {
		if c.Rows > 0 {
			fmt.Fprintf(t, "%s\t%d of %d\n", c.Table, c.Imported, c.Rows)
		}
	}
	t.Flush()
	if len(r.Notes) > 0 {
		b.WriteString("\nLeft out or changed:\n")
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  %s: %d: %s%s\n", n.Table, n.Rows, n.Why, idList(n))
	}
	fmt.Fprintf(&b, "\nLedger: %d entries in %d batches, chain %s\n", r.Books.Entries, r.Books.Batches, r.Books.Head)
	if !r.Books.OK() {
		fmt.Fprintf(&b, "In the books of the file, %d things do not hold, and were kept as they are:\n", r.Books.Found)
	}
	for _, p := range r.Books.Problems {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func idList(n Note) string {
	if len(n.IDs) == 0 {
		return ""
	}
	text := strings.Trim(fmt.Sprint(n.IDs), "[]")
	if int64(len(n.IDs)) < n.Rows {
		text += " …"
	}
	return " (" + text + ")"
}
