package subscription

import (
	"context"

	"github.com/caddy-tollgate/tollgate/store"
)

// Orders is what accepting a subscriber's request asks of billing, which writes orders and charges cards (subscriptions.md 7.5,
// decisions 10 and 51). Package billing implements it; the assembly hands it over with SetOrders.
type Orders interface {
	// PlaceRequest writes the orders of a request that was just accepted: an entry for each line, owed by the payer, and an
	// invoice of what is not free. It emits order_executed. It returns the invoice, a row of charge, 0 when nothing is due.
	PlaceRequest(tx *store.Tx, r Request) (invoice int64, err error)
	// ChargeRequest charges an invoice to the payer's card on file, after the commit. Without a card, or when the card is
	// refused, the invoice stays unpaid, which is no error.
	ChargeRequest(ctx context.Context, invoice int64) error
}

// AppURLs knows where the application is. The assembly implements it, from the rules of the gate, and hands it over with
// SetAppURLs.
type AppURLs interface {
	// AppPath is the path of the page of the application for a subscriber's plan, escaped; "" when no rule names the plan
	// (access.md B.4).
	AppPath(subscriber, plan string) string
}

// SetOrders hands over what requests ask of billing. Without it, accepting a request that orders something answers 501. It is
// called once, before the first request.
func (s *Service) SetOrders(o Orders) { s.orders = o }

// SetAppURLs hands over where the application is. Without it, it is at /app/{profile}/{plan}/. It is called once, before the
// first request.
func (s *Service) SetAppURLs(u AppURLs) { s.urls = u }

// appPath is the path of the application for a subscriber's plan (subscriptions.md 5).
func (s *Service) appPath(subscriber, plan string) string {
	if s.urls != nil {
		if path := s.urls.AppPath(subscriber, plan); path != "" {
			return path
		}
	}
	return "/app/" + subscriber + "/" + plan + "/"
}
