package buying

import (
	"net/url"
	"time"

	"github.com/caddy-tollgate/tollgate/pages"
)

// An Offer is a plan on sale.
type Offer struct {
	Slug        string `json:"slug"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Amount      int64  `json:"period_amount"`
	Unit        string `json:"unit"`
	Period      string `json:"period_type"`
	Length      int64  `json:"period_length"`
	NotPriced   bool   `json:"is_not_priced"`
	Renewal     string `json:"renewal_type"`
	Setup       int64  `json:"setup_amount"`
	InCart      bool   `json:"is_cart_item"`
	Provider    Ref    `json:"profile"`

	Options []Option `json:"options"`
	Uses    []Use    `json:"use_charges"`

	State string    `json:"-"` // of the visitor's subscription: "current", "due", "ended", "" for none
	Until time.Time `json:"-"` // when it ends or ended
}

// An Option is a way to buy a plan.
type Option struct {
	Number  int   `json:"-"` // its place, from 1
	Periods int64 `json:"periods"`
	Amount  int64 `json:"amount"`
	Full    int64 `json:"full_amount"`
}

// Saved is what is saved against buying step by step.
func (o Option) Saved() int64 { return o.Full - o.Amount }

// A Use is a metered use of a plan.
type Use struct {
	Title  string `json:"title"`
	Slug   string `json:"slug"`
	Amount int64  `json:"use_amount"`
	Quota  int64  `json:"quota"`
}

// offerOf is the plan of a slug, nil when it is not on sale.
func offerOf(q *pages.Request, slug string) (*Offer, error) {
	var list struct {
		Results []Offer `json:"results"`
	}
	query := url.Values{"q": {`"` + slug + `"`}, "q_f": {"=slug"}}
	if err := q.List(&list, query, "/api/pricing"); err != nil {
		return nil, err
	}
	for i := range list.Results {
		if list.Results[i].Slug == slug {
			return &list.Results[i], nil
		}
	}
	return nil, nil
}
