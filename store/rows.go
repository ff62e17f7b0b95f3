package store

import (
	"database/sql"
	"encoding/json"
)

// Each calls fn with every row of a query. fn scans; it keeps no row.
func Each(r Reader, fn func(rows *sql.Rows) error, query string, args ...any) error {
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

// Column reads a query of one column.
func Column[T any](r Reader, query string, args ...any) (values []T, err error) {
	err = Each(r, func(rows *sql.Rows) error {
		var v T
		err := rows.Scan(&v)
		values = append(values, v)
		return err
	}, query, args...)
	return values, err
}

// List reads a query whose rows scan reads. Without a row it is empty, not nil.
func List[T any](r Reader, scan func(rows *sql.Rows, v *T) error, query string, args ...any) ([]T, error) {
	list := []T{}
	err := Each(r, func(rows *sql.Rows) error {
		var v T
		err := scan(rows, &v)
		list = append(list, v)
		return err
	}, query, args...)
	return list, err
}

// Exists reports whether a query has a row.
func Exists(r Reader, query string, args ...any) (bool, error) {
	var found bool
	err := r.QueryRow(`SELECT EXISTS (`+query+`)`, args...).Scan(&found)
	return found, err
}

// IDs binds identifiers for "IN (SELECT value FROM json_each(?))".
func IDs[T int64 | string](ids []T) string {
	b, _ := json.Marshal(ids) // integers and strings always have a JSON form
	return string(b)
}
