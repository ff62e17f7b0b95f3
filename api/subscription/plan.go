package subscription

import (
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Plan is what a provider sells (subscriptions.md 2.1); its JSON form is that of 4.0. Amounts are in 1/100 of Unit.
type Plan struct {
	ID               int64 `json:"-"`
	ProfileID        int64 `json:"-"` // the provider
	Personal         bool  `json:"-"` // its buyer must be a personal profile
	BrokerFeePercent int64 `json:"-"` // of a sale, in 1/100 of a percent

	discounted, metered bool // it has advance discounts, and uses, as stored: complete reads them

	Slug                   string                 `json:"slug"`
	Title                  string                 `json:"title"`
	Description            string                 `json:"description"`
	Active                 bool                   `json:"is_active"` // can be subscribed to
	SetupAmount            int64                  `json:"setup_amount"`
	PeriodAmount           int64                  `json:"period_amount"` // price of a billing step: PeriodLength natural periods
	PeriodType             ledger.Period          `json:"period_type"`
	PeriodLength           int64                  `json:"period_length"`
	RenewalType            RenewalType            `json:"renewal_type"`
	Unit                   string                 `json:"unit"`
	NotPriced              bool                   `json:"is_not_priced"` // "contact us"
	UnlockEvent            *string                `json:"unlock_event"`
	AdvanceDiscounts       []AdvanceDiscount      `json:"advance_discounts"`
	UseCharges             []UseCharge            `json:"use_charges"`
	Provider               directory.ProfileShort `json:"profile"`
	Extra                  json.RawMessage        `json:"extra"`
	CreatedAt              store.Time             `json:"created_at"`
	SkipOptinOnGrant       bool                   `json:"skip_optin_on_grant"` // a grant may take effect at once
	OptinOnRequest         bool                   `json:"optin_on_request"`    // what a subscriber buys waits for the provider
	DiscountedPeriodAmount int64                  `json:"discounted_period_amount"`
	IsCartItem             bool                   `json:"is_cart_item"`      // in the caller's cart; /api/pricing only
	Options                []PlanOption           `json:"options,omitempty"` // ways to buy it, with the coupon of the cart; /api/pricing only
	Detail                 string                 `json:"detail,omitempty"`
}

// A PlanOption is a way to buy a plan, at its place among the options of carts and checkouts (subscriptions.md 3.2).
type PlanOption struct {
	Periods    int64 `json:"periods"`     // natural periods that it lasts
	Amount     int64 `json:"amount"`      // price, in 1/100 of the plan's unit
	FullAmount int64 `json:"full_amount"` // what its billing steps cost one by one
}

// A UseCharge is a metered use of a plan (subscriptions.md 2.3).
type UseCharge struct {
	ID     int64 `json:"-"`
	PlanID int64 `json:"-"`

	Slug         string          `json:"slug"`
	Title        *string         `json:"title"`
	Description  string          `json:"description"`
	CreatedAt    store.Time      `json:"created_at"`
	Amount       int64           `json:"use_amount"`    // price of a unit
	Quota        int64           `json:"quota"`         // units included in each billing step
	MaximumLimit *int64          `json:"maximum_limit"` // amount above which the subscriber is told; null or 0 = none
	Extra        json.RawMessage `json:"extra"`
}

// Use is a metered use of the plan, nil when it is none of it.
func (p *Plan) Use(id int64) *UseCharge {
	for i := range p.UseCharges {
		if p.UseCharges[i].ID == id {
			return &p.UseCharges[i]
		}
	}
	return nil
}

// Terms are what the plan's prices are computed from.
func (p *Plan) Terms() Terms {
	t := Terms{Plan: p.Slug, Unit: p.Unit, Amount: p.PeriodAmount, Period: p.PeriodType, Length: p.PeriodLength, Setup: p.SetupAmount,
		Advance: p.AdvanceDiscounts}
	if p.UnlockEvent != nil {
		t.Unlock = *p.UnlockEvent
	}
	return t
}

// Short is the plan as embedded in other records.
func (p *Plan) Short() profile.Plan { return profile.Plan{Slug: p.Slug, Title: p.Title} }

const (
	planColumns = `plan.id, plan.profile_id, plan.is_personal, plan.broker_fee_percent, plan.slug, plan.title, plan.description, plan.is_active,
		plan.setup_amount, plan.period_amount, plan.period_type, plan.period_length, plan.renewal_type, plan.unit, plan.is_not_priced,
		plan.unlock_event, plan.extra, plan.created_at, plan.skip_optin_on_grant, plan.optin_on_request,
		EXISTS (SELECT 1 FROM advance_discount WHERE plan_id = plan.id), EXISTS (SELECT 1 FROM use_charge WHERE plan_id = plan.id)`
	planTables = `plan JOIN profile p ON p.id = plan.profile_id`
	selectPlan = `SELECT ` + planColumns + ` FROM ` + planTables
)

func scanPlan(row scanner, p *Plan) error {
	var extra *string
	err := row.Scan(&p.ID, &p.ProfileID, &p.Personal, &p.BrokerFeePercent, &p.Slug, &p.Title, &p.Description, &p.Active,
		&p.SetupAmount, &p.PeriodAmount, &p.PeriodType, &p.PeriodLength, &p.RenewalType, &p.Unit, &p.NotPriced,
		&p.UnlockEvent, &extra, &p.CreatedAt, &p.SkipOptinOnGrant, &p.OptinOnRequest, &p.discounted, &p.metered)
	p.Extra, p.DiscountedPeriodAmount = directory.Extra(extra), p.PeriodAmount
	return err
}

// PlanByID reads a plan. Error: store.ErrNotFound.
func (s *Service) PlanByID(r store.Reader, id int64) (*Plan, error) {
	return s.onePlan(r, selectPlan+` WHERE plan.id = ?`, id)
}

// PlanBySlug reads a plan; letter case matters. Error: store.ErrNotFound.
func (s *Service) PlanBySlug(r store.Reader, slug string) (*Plan, error) {
	p, err := s.onePlan(r, selectPlan+` WHERE plan.slug = ?`, slug)
	if err == nil && p.Slug != slug {
		return nil, store.ErrNotFound
	}
	return p, err
}

// Plans reads plans by ID, with all that hangs on them, in a few queries whatever their number. IDs of none are left out.
func (s *Service) Plans(r store.Reader, ids []int64) (map[int64]*Plan, error) {
	found := make(map[int64]*Plan, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	var plans []Plan
	err := store.Each(r, func(rows *sql.Rows) error {
		var p Plan
		err := scanPlan(rows, &p)
		plans = append(plans, p)
		return err
	}, selectPlan+` WHERE plan.id IN (SELECT value FROM json_each(?))`, store.IDs(ids))
	if err != nil {
		return nil, err
	}
	for i := range plans {
		found[plans[i].ID] = &plans[i]
	}
	return found, s.complete(r, plans)
}

// planOf reads a plan of a provider by the slugs of both. Errors: 404.
func (s *Service) planOf(r store.Reader, provider, slug string) (*Plan, error) {
	if _, err := profileID(r, provider); err != nil {
		return nil, err
	}
	p, err := s.PlanBySlug(r, slug)
	if errors.Is(err, store.ErrNotFound) || err == nil && p.Provider.Slug != provider {
		return nil, rest.NotFound("Plan")
	}
	return p, err
}

// profileID finds the profile of a path. Errors: 404.
func profileID(r store.Reader, slug string) (int64, error) {
	var id int64
	var exact string
	err := r.QueryRow(`SELECT id, slug FROM profile WHERE slug = ?`, slug).Scan(&id, &exact)
	if errors.Is(err, store.ErrNotFound) || err == nil && exact != slug {
		return 0, rest.NotFound("Organization")
	}
	return id, err
}

func (s *Service) onePlan(r store.Reader, query string, args ...any) (*Plan, error) {
	plans := make([]Plan, 1)
	if err := scanPlan(r.QueryRow(query, args...), &plans[0]); err != nil {
		return nil, err
	}
	return &plans[0], s.complete(r, plans)
}

// complete reads what hangs on plans: their providers, and the advance discounts and use charges of those that have any, each in one
// query.
func (s *Service) complete(r store.Reader, plans []Plan) error {
	at := make(map[int64]*Plan, len(plans))
	owners := make([]int64, len(plans))
	var discounted, metered []int64
	for i := range plans {
		p := &plans[i]
		p.AdvanceDiscounts, p.UseCharges = []AdvanceDiscount{}, []UseCharge{}
		at[p.ID], owners[i] = p, p.ProfileID
		if p.discounted {
			discounted = append(discounted, p.ID)
		}
		if p.metered {
			metered = append(metered, p.ID)
		}
	}
	profiles, err := s.dir.Profiles(r, owners)
	if err != nil {
		return err
	}
	for i := range plans {
		plans[i].Provider = profiles[plans[i].ProfileID]
	}
	if len(discounted) > 0 {
		err := store.Each(r, func(rows *sql.Rows) error {
			var plan int64
			var d AdvanceDiscount
			err := rows.Scan(&plan, &d.Type, &d.Value, &d.Length)
			at[plan].AdvanceDiscounts = append(at[plan].AdvanceDiscounts, d)
			return err
		}, `SELECT plan_id, discount_type, discount_value, length FROM advance_discount WHERE plan_id IN (SELECT value FROM json_each(?)) ORDER BY plan_id, length, id`,
			store.IDs(discounted))
		if err != nil {
			return err
		}
	}
	if len(metered) == 0 {
		return nil
	}
	return store.Each(r, func(rows *sql.Rows) error {
		var u UseCharge
		err := scanUse(rows, &u)
		at[u.PlanID].UseCharges = append(at[u.PlanID].UseCharges, u)
		return err
	}, selectUse+` WHERE plan_id IN (SELECT value FROM json_each(?)) ORDER BY plan_id, id`, store.IDs(metered))
}

const selectUse = `SELECT id, plan_id, slug, nullif(title, ''), description, created_at, use_amount, quota, maximum_limit, extra FROM use_charge`

func scanUse(row scanner, u *UseCharge) error {
	var extra *string
	err := row.Scan(&u.ID, &u.PlanID, &u.Slug, &u.Title, &u.Description, &u.CreatedAt, &u.Amount, &u.Quota, &u.MaximumLimit, &extra)
	u.Extra = directory.Extra(extra)
	return err
}
