package subscription

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// scanner is a row, or the row that rows are at.
type scanner interface{ Scan(dest ...any) error }

// each calls fn with every row of a query.
func each(r store.Reader, fn func(rows *sql.Rows) error, query string, args ...any) error {
	rows, err := r.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// exists reports whether a query has a row.
func exists(r store.Reader, query string, args ...any) (bool, error) {
	var found bool
	err := r.QueryRow(`SELECT EXISTS (`+query+`)`, args...).Scan(&found)
	return found, err
}

// identifiers are the integers that a query selects.
func identifiers(r store.Reader, query string, args ...any) (ids []int64, err error) {
	err = each(r, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, query, args...)
	return ids, err
}

// list binds identifiers for "IN (SELECT value FROM json_each(?))".
func list(ids []int64) string {
	b, _ := json.Marshal(ids) // integers always have a JSON form
	return string(b)
}

// ignoreNotFound makes nothing of an error that says that something does not exist.
func ignoreNotFound(err error) error {
	var e *rest.Error
	if errors.Is(err, store.ErrNotFound) || errors.As(err, &e) && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}
