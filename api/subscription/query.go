package subscription

import (
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// scanner is a row, or the row that rows are at.
type scanner interface{ Scan(dest ...any) error }

// ignoreNotFound makes nothing of an error that says that something does not exist.
func ignoreNotFound(err error) error {
	var e *rest.Error
	if errors.Is(err, store.ErrNotFound) || errors.As(err, &e) && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}
