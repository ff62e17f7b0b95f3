package billing

import (
	"cmp"
	"context"
	"slices"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// An Invoice is a charge as whoever has its claim code sees it.
type Invoice struct {
	ProcessorInfo  map[string]string `json:"processor_info,omitempty"` // while it can be paid
	Results        []InvoiceGroup    `json:"results"`
	ClaimCode      *string           `json:"claim_code"`
	CreatedAt      store.Time        `json:"created_at"`
	Amount         int64             `json:"amount"`
	Unit           string            `json:"unit"`
	State          string            `json:"state"`
	ProcessorKey   *string           `json:"processor_key"`
	Last4          string            `json:"last4"`
	ExpDate        *string           `json:"exp_date"`
	ReadableAmount string            `json:"readable_amount"`
}

// An InvoiceGroup is the lines of an invoice for one subscription; nil for a group buy.
type InvoiceGroup struct {
	Subscription *InvoiceSubscription `json:"subscription"`
	Lines        []Transaction        `json:"lines"`
}

// An InvoiceSubscription is a subscription as an invoice shows it.
type InvoiceSubscription struct {
	CreatedAt store.Time             `json:"created_at"`
	EndsAt    store.Time             `json:"ends_at"`
	Profile   directory.ProfileShort `json:"profile"`
	Plan      profile.Plan           `json:"plan"`
	AutoRenew bool                   `json:"auto_renew"`
}

// showInvoice shows an invoice to whoever has its claim code (ledger.md 9.14). It asks the processor first.
func (s *Service) showInvoice(c *rest.Call, _ *rest.None) (*Invoice, error) {
	var ch *charge
	find := func(r store.Reader) (err error) {
		ch, err = claimed(r, c.Param("claim_code"))
		return err
	}
	if err := c.Read(find); err != nil {
		return nil, err
	}
	s.pollQuietly(c, ch)
	var out *Invoice
	err := c.Read(func(r store.Reader) error {
		if err := find(r); err != nil {
			return err
		}
		v := ch.view()
		out = &Invoice{ClaimCode: v.ClaimCode, CreatedAt: v.CreatedAt, Amount: v.Amount, Unit: v.Unit, State: v.State, ProcessorKey: v.ProcessorKey,
			Last4: v.Last4, ExpDate: v.ExpDate, ReadableAmount: v.ReadableAmount}
		var err error
		out.Results, err = s.invoiceGroups(r, ch)
		return err
	})
	if err != nil || ch.State != created || s.processor == nil {
		return out, err
	}
	zero := int64(0)
	err = outside(c.Context(), func(ctx context.Context) (err error) {
		out.ProcessorInfo, err = s.processor.PaymentContext(ctx, processor.PaymentContext{Amount: &zero, Unit: ch.Unit})
		return err
	})
	if err != nil {
		s.log.Warn("the processor tells browsers nothing", zap.Error(err))
	}
	return out, nil
}

// invoiceGroups are the lines of a charge by subscription, in the order of their events.
func (s *Service) invoiceGroups(r store.Reader, c *charge) ([]InvoiceGroup, error) {
	invoiced, err := ledgerEntries(r, `JOIN charge_item i ON i.invoiced_id = t.id WHERE i.charge_id = ? ORDER BY i.id`, c.ID)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(invoiced, func(a, b ledger.Entry) int { return cmp.Compare(a.Event, b.Event) })
	views, err := s.entryViews(r, invoiced)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(invoiced))
	for i := range invoiced {
		names[i] = invoiced[i].Event
	}
	events, err := s.events(r, names)
	if err != nil {
		return nil, err
	}
	subscribers := []int64{}
	for _, about := range events {
		subscribers = append(subscribers, about.subscriberID)
	}
	profiles, err := s.dir.Profiles(r, subscribers)
	if err != nil {
		return nil, err
	}
	groups := []InvoiceGroup{}
	at := map[int64]int{}
	for i, name := range names {
		about := events[name]
		n, known := at[about.subscription]
		if !known {
			n = len(groups)
			at[about.subscription] = n
			g := InvoiceGroup{}
			if sub := about.sub; sub != nil {
				g.Subscription = &InvoiceSubscription{sub.CreatedAt, sub.EndsAt, profiles[sub.ProfileID], sub.Plan, sub.AutoRenew}
			}
			groups = append(groups, g)
		}
		groups[n].Lines = append(groups[n].Lines, views[i])
	}
	return groups, nil
}
