package buying

import (
	"net/url"

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
