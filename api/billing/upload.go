package billing

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// maxUpload is the size of a file of cart items, in bytes.
const maxUpload = 1 << 20

// Uploaded tells what became of the rows of a file (subscriptions.md 9.4).
type Uploaded struct {
	Created []CartItem  `json:"created"`
	Updated []CartItem  `json:"updated"`
	Failed  []FailedRow `json:"failed"`
}

// FailedRow is a row that made no item.
type FailedRow struct {
	Data  any `json:"data"`  // {"raw": [columns]}, or the fields read
	Error any `json:"error"` // a text, or errors by field
}

// uploadCart puts the beneficiaries of a file in the caller's cart: rows of full name and e-mail address, or of first name, last
// name and address.
func (s *Service) uploadCart(c *rest.Call, _ *rest.None) (Uploaded, error) {
	out := Uploaded{Created: []CartItem{}, Updated: []CartItem{}, Failed: []FailedRow{}}
	if err := c.CheckLimit(rest.LimitUploads); err != nil {
		return out, err
	}
	_, file, err := c.File("file")
	var missing *rest.Error
	if errors.As(err, &missing) && missing.Status == http.StatusBadRequest {
		return out, nil
	}
	if err != nil {
		return Uploaded{}, err
	}
	defer file.Close()
	if err := c.CountNow(rest.LimitUploads); err != nil {
		return Uploaded{}, err
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return Uploaded{}, err
	}
	rows, err := readRows(text)
	if err != nil {
		return Uploaded{}, err
	}
	err = c.Write(func(tx *store.Tx) error {
		out = Uploaded{Created: []CartItem{}, Updated: []CartItem{}, Failed: []FailedRow{}}
		cart, err := s.writableCart(c, tx)
		if err != nil {
			return err
		}
		to, err := s.filling(tx, cart)
		if err != nil {
			return err
		}
		var created, updated []item
		for _, row := range rows {
			in, ok := rowInput(c.Param("plan"), row)
			if !ok {
				out.Failed = append(out.Failed, FailedRow{Data: map[string]any{"raw": row}, Error: "Unable to parse row"})
				continue
			}
			i, isNew, err := to.add(tx, in)
			var refused *rest.Error
			switch {
			case errors.As(err, &refused) && refused.Status == http.StatusBadRequest:
				out.Failed = append(out.Failed, FailedRow{Data: rest.Fields{{Name: "plan", Value: in.Plan}, {Name: "full_name", Value: in.FullName},
					{Name: "sync_on", Value: in.SyncOn}, {Name: "email", Value: in.Email}}, Error: refused.Body})
			case err != nil:
				return err
			case isNew:
				created = append(created, *i)
			default:
				updated = append(updated, *i)
			}
		}
		if out.Created, err = s.cartItems(tx, created); err != nil {
			return err
		}
		out.Updated, err = s.cartItems(tx, updated)
		return err
	})
	if len(out.Created) > 0 {
		c.SetStatus(http.StatusCreated)
	}
	return out, err
}

// readRows reads CSV without a header; what is not UTF-8 is dropped. Errors: 400.
func readRows(file []byte) ([][]string, error) {
	r := csv.NewReader(bytes.NewReader([]byte(strings.ToValidUTF8(string(file), ""))))
	r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace = -1, true, true
	var rows [][]string
	for {
		row, err := r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil || len(rows) >= maxCart {
			return nil, rest.Fail(http.StatusBadRequest, "The file is not a list of at most 1000 rows of comma-separated values.")
		}
		rows = append(rows, row)
	}
}

func rowInput(plan string, row []string) (*cartInput, bool) {
	name, email := "", ""
	switch len(row) {
	case 2:
		name, email = row[0], row[1]
	case 3:
		name, email = strings.TrimSpace(row[0]+" "+row[1]), row[2]
	default:
		return nil, false
	}
	name, email = strings.TrimSpace(name), strings.TrimSpace(email)
	if email == "" || len(name) > 150 || len(email) > 255 || strings.ContainsRune(name+email, 0) {
		return nil, false
	}
	return &cartInput{Plan: plan, FullName: name, SyncOn: email, Email: email}, true
}
