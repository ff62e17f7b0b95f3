package buying

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// A Pricing is what is on sale.
type Pricing struct {
	Sellers []Seller // with their plans
	Several bool     // there are several sellers
	Coupon  bool     // one in the cart lowers a price
	Part    bool     // of a page of somebody else, which sends no form of ours
	After   string   // address of the plans after these, "" for none
}

// A Seller is a provider with what it sells.
type Seller struct {
	Name   string
	Offers []Offer
}

func pricingPages() []pages.Page {
	return []pages.Page{{
		Path: "/pricing/", Name: "pricing", Group: "pricing", Who: "anybody", Opens: true,
		Uses: []string{"GET /api/pricing", "POST /api/cart"},
		Show: showPricing, Forms: map[string]pages.Form{"choose": choosePlan},
	}}
}

func showPricing(q *pages.Request) (any, error) {
	var list struct {
		Next    string  `json:"next"`
		Results []Offer `json:"results"`
	}
	query := url.Values{"page_size": {"100"}}
	page, _ := strconv.Atoi(q.Query("page"))
	if page > 1 {
		query.Set("page", strconv.Itoa(page))
	}
	if err := q.List(&list, query, "/api/pricing"); err != nil {
		return nil, err
	}
	view := &Pricing{Part: q.Has("fragment")}
	if list.Next != "" {
		view.After = q.Link("/pricing/?page=" + strconv.Itoa(max(page, 1)+1))
	}
	at := map[string]int{}
	for _, offer := range list.Results {
		offer.mark(q)
		for i := range offer.Options {
			o := &offer.Options[i]
			o.Number = i + 1
			view.Coupon = view.Coupon || offer.InCart && o.Periods == offer.Length && o.Saved() > 0
		}
		i, seen := at[offer.Provider.Slug]
		if !seen {
			i = len(view.Sellers)
			at[offer.Provider.Slug] = i
			view.Sellers = append(view.Sellers, Seller{Name: offer.Provider.Name})
		}
		view.Sellers[i].Offers = append(view.Sellers[i].Offers, offer)
	}
	view.Several = len(view.Sellers) > 1
	return view, nil
}

// mark tells of the visitor's own subscription to the plan, the one that ends last.
func (o *Offer) mark(q *pages.Request) {
	if q.Caller() == nil {
		return
	}
	for i := range q.Caller().Roles {
		r := &q.Caller().Roles[i]
		if !r.Profile.Active || !q.Caller().Holds(r, q.Now()) {
			continue
		}
		for _, s := range r.Profile.Subscriptions {
			if s.Plan != o.Slug || !s.EndsAt.After(o.Until) {
				continue
			}
			o.Until = s.EndsAt
			switch {
			case s.Locked:
				o.State = "due"
			case s.EndsAt.After(q.Now()):
				o.State = "current"
			default:
				o.State = "ended"
			}
		}
	}
}

// choosePlan puts a plan into the cart, of whoever it is.
func choosePlan(q *pages.Request) (pages.Outcome, error) {
	body := map[string]any{"plan": q.Field("plan")}
	if option, err := strconv.Atoi(q.Field("option")); err == nil {
		body["option"] = option
	}
	if _, err := q.Do(rest.Operation{Method: http.MethodPost, Path: "/api/cart", Body: body}); err != nil {
		return pages.Outcome{}, err
	}
	if q.HasPage("/billing/cart/") {
		return pages.Go(q.Link("/billing/cart/"))
	}
	return pages.Outcome{To: q.Link("/pricing/"), Said: "in_cart"}, nil
}
