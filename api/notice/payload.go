package notice

import (
	"bytes"
	"encoding/json"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Profile in a payload, in its detail form. With an ID, Emit fills in the rest as the transaction sees it; without one, it is
// somebody who is not in the directory and goes out as it is.
type Profile struct {
	ID int64 `json:"-"`
	directory.ProfileDetail
}

// A User in a payload, in its detail form. ID as in Profile.
type User struct {
	ID int64 `json:"-"`
	directory.UserDetail
}

// ByUser is the originated_by of an event: nil, which is null, for a job.
func ByUser(id int64) *User {
	if id == 0 {
		return nil
	}
	return &User{ID: id}
}

// A Plan in a payload has no owner.
type Plan struct {
	Slug  string `json:"slug"`
	Title string `json:"title"`
}

// A Price is an amount in 1/100 of the unit.
type Price struct {
	Amount int64  `json:"amount"`
	Unit   string `json:"unit"`
}

// A RoleDescription in a payload.
type RoleDescription struct {
	Slug     string          `json:"slug"`
	Title    string          `json:"title"`
	Editable bool            `json:"editable"` // always false
	Extra    json.RawMessage `json:"extra"`    // always null
}

// A Transaction is a ledger entry without a point of view.
type Transaction struct {
	CreatedAt   store.Time             `json:"created_at"`
	Description string                 `json:"description"` // plain text (decision 14)
	Amount      string                 `json:"amount"`      // the destination's, as in "$119.00"
	IsDebit     bool                   `json:"is_debit"`    // always false
	OrigAccount string                 `json:"orig_account"`
	OrigProfile directory.ProfileShort `json:"orig_profile"`
	OrigAmount  int64                  `json:"orig_amount"`
	OrigUnit    string                 `json:"orig_unit"`
	DestAccount string                 `json:"dest_account"`
	DestProfile directory.ProfileShort `json:"dest_profile"`
	DestAmount  int64                  `json:"dest_amount"`
	DestUnit    string                 `json:"dest_unit"`
}

// A ChargeItem is a line of a charge with its refunds.
type ChargeItem struct {
	Invoiced Transaction       `json:"invoiced"`
	Refunded List[Transaction] `json:"refunded"`
}

// A Charge is a payment by card.
type Charge struct {
	CreatedAt      store.Time `json:"created_at"`
	Amount         int64      `json:"amount"`
	Unit           string     `json:"unit"`
	State          string     `json:"state"`
	ReadableAmount string     `json:"readable_amount"`
	Description    string     `json:"description"`
	ClaimCode      *string    `json:"claim_code"`
	Last4          *string    `json:"last4"`
	ExpDate        *string    `json:"exp_date"`
	ProcessorKey   *string    `json:"processor_key"`
	Detail         string     `json:"detail,omitempty"`
}

// A CartItem is what an invited profile may claim.
type CartItem struct {
	CreatedAt store.Time           `json:"created_at"`
	User      *directory.UserShort `json:"user"`
	Plan      *Plan                `json:"plan"`
	Use       *UseCharge           `json:"use"`
	Option    int64                `json:"option"`
	Quantity  int64                `json:"quantity"`
	ClaimCode *string              `json:"claim_code"`
	SyncOn    *string              `json:"sync_on"`
	FullName  string               `json:"full_name"`
	Email     *string              `json:"email"`
	Detail    string               `json:"detail"`
}

// A UseCharge is what is billed by use.
type UseCharge struct {
	Slug         string          `json:"slug"`
	Title        string          `json:"title"`
	Description  string          `json:"description"`
	CreatedAt    store.Time      `json:"created_at"`
	UseAmount    int64           `json:"use_amount"`
	Quota        int64           `json:"quota"`
	MaximumLimit *int64          `json:"maximum_limit"`
	Extra        json.RawMessage `json:"extra"`
}

// A SalesRow is a row of the periodic report; Values are pairs such as {"last", "$1190.00"}.
type SalesRow struct {
	Slug   string          `json:"slug"`
	Title  string          `json:"title"`
	Values List[[2]string] `json:"values"`
}

// A List prints as [] when it is nil.
type List[T any] []T

// MarshalJSON prints the list.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return encode([]T(l))
}

// cut leaves the first n items and returns how many there were more.
func (l *List[T]) cut(n int) (omitted int) {
	omitted = max(0, len(*l)-n)
	*l = (*l)[:len(*l)-omitted]
	return omitted
}

// A Change is a field of an object before and after.
type Change struct{ Field, Before, After string }

// Changes print as an object of {"pre", "post"}, in their order.
type Changes []Change

// MarshalJSON prints the changes.
func (c Changes) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, change := range c {
		if i > 0 {
			b = append(b, ',')
		}
		field, err := encode(change.Field)
		if err != nil {
			return nil, err
		}
		values, err := encode(struct {
			Pre  string `json:"pre"`
			Post string `json:"post"`
		}{change.Before, change.After})
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, field...), ':'), values...)
	}
	return append(b, '}'), nil
}

// ProfileChanges lists the fields that profile_updated reports, where they differ (notifications.md 2.2).
func ProfileChanges(before, after directory.ProfileDetail) Changes {
	var c Changes
	add := func(field, pre, post string) {
		if pre != post {
			c = append(c, Change{field, pre, post})
		}
	}
	yes := func(b bool, t, f string) string {
		if b {
			return t
		}
		return f
	}
	add("slug", before.Slug, after.Slug)
	add("full_name", before.FullName, after.FullName)
	add("email", before.Email, after.Email)
	add("phone", before.Phone, after.Phone)
	add("street_address", before.StreetAddress, after.StreetAddress)
	add("locality", before.Locality, after.Locality)
	add("region", before.Region, after.Region)
	add("postal_code", before.PostalCode, after.PostalCode)
	add("country", before.Country, after.Country)
	add("is_provider", yes(before.IsProvider, "true", "false"), yes(after.IsProvider, "true", "false"))
	add("default_timezone", before.DefaultTimezone, after.DefaultTimezone)
	add("GroupBuy", yes(before.IsBulkBuyer, "enabled", "disabled"), yes(after.IsBulkBuyer, "enabled", "disabled"))
	return c
}

// encode is the JSON of the contract (conventions.md 6.1): compact, nothing escaped that need not be.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
