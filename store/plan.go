package store

import (
	"context"
	"database/sql"
	"strings"
)

// maxPlanned is how many statements a connection keeps the text of: more than the product has, unless lists are filtered in very
// many ways.
const maxPlanned = 1024

// planned is a statement whose plan does not depend on the values that are bound to it: SQLite is given "+?" for every "?".
//
// The planner looks at a bare "?" in "x = ?" and in LIKE: it may plan otherwise for one value than for another. So it plans a
// statement anew whenever a value is bound to it, and the drivers, which keep prepared statements, keep them for nothing: to plan
// a join costs ten times what it costs to run it. An expression is not looked into. The unary plus changes neither the value nor
// its type, and indexes are used as before. SQLite has a setting for this (SQLITE_DBCONFIG_ENABLE_QPSG) which no driver offers.
func (c *conn) planned(query string) string {
	text, known := c.texts[query]
	if !known {
		if len(c.texts) >= maxPlanned {
			clear(c.texts)
		}
		text = opaque(query)
		c.texts[query] = text
	}
	return text
}

// opaque puts a plus before every parameter. Text in quotes is left alone.
func opaque(query string) string {
	var b strings.Builder
	quoted := false
	for i := range len(query) {
		switch query[i] {
		case '\'':
			quoted = !quoted
		case '?':
			if !quoted {
				b.WriteByte('+')
			}
		}
		b.WriteByte(query[i])
	}
	return b.String()
}

// QueryContext runs a query.
func (c *conn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.Conn.QueryContext(ctx, c.planned(query), args...)
}

// QueryRowContext runs a query for one row.
func (c *conn) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return c.Conn.QueryRowContext(ctx, c.planned(query), args...)
}

// ExecContext runs a statement.
func (c *conn) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return c.Conn.ExecContext(ctx, c.planned(query), args...)
}
