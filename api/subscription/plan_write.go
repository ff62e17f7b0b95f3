package subscription

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// PlanChange is what is asked of a plan: all of a new one (subscriptions.md 4.2), or what is to be changed (4.3). What is not
// given keeps its default or its value; AdvanceDiscounts and UseCharges replace the whole collection when given.
type PlanChange struct {
	Title            rest.Opt[string]           `json:"title" in:"posted" validate:"max=50,plain"`
	Slug             rest.Opt[string]           `json:"slug" validate:"max=50,slug"`
	Description      rest.Opt[string]           `json:"description"`
	Active           rest.Opt[bool]             `json:"is_active"`
	NotPriced        rest.Opt[bool]             `json:"is_not_priced"`
	SkipOptinOnGrant rest.Opt[bool]             `json:"skip_optin_on_grant"`
	OptinOnRequest   rest.Opt[bool]             `json:"optin_on_request"`
	SetupAmount      rest.Opt[int64]            `json:"setup_amount" validate:"gte=0,lte=2147483647"`
	PeriodAmount     rest.Opt[int64]            `json:"period_amount" validate:"gte=0,lte=2147483647"`
	PeriodType       rest.Opt[ledger.Period]    `json:"period_type"`
	PeriodLength     rest.Opt[int64]            `json:"period_length" validate:"gte=1,lte=65535"`
	RenewalType      rest.Opt[RenewalType]      `json:"renewal_type"`
	Unit             rest.Opt[string]           `json:"unit" validate:"max=3"`
	UnlockEvent      rest.Opt[string]           `json:"unlock_event" in:"null" validate:"max=128"`
	Extra            rest.Opt[json.RawMessage]  `json:"extra" in:"null"`
	AdvanceDiscounts rest.Opt[[]discountChange] `json:"advance_discounts" validate:"max=100"`
	UseCharges       rest.Opt[[]useChange]      `json:"use_charges" validate:"max=100"`
}

type discountChange struct {
	Type   DiscountType `json:"discount_type" in:"required"`
	Value  int64        `json:"discount_value" in:"required" validate:"gte=0,lte=2147483647"`
	Length int64        `json:"length" in:"required" validate:"gte=1,lte=65535"`
}

type useChange struct {
	Slug         string          `json:"slug" in:"required" validate:"max=50,slug"`
	Title        string          `json:"title" in:"null,blank" validate:"max=50,plain"`
	Description  string          `json:"description" in:"required"`
	Amount       int64           `json:"use_amount" validate:"gte=0,lte=2147483647"`
	Quota        int64           `json:"quota" validate:"gte=0,lte=2147483647"`
	MaximumLimit rest.Opt[int64] `json:"maximum_limit" in:"null" validate:"gte=0"`
	Extra        json.RawMessage `json:"extra" in:"null"`
}

// longest is how long an order may extend a subscription, in periods of a type: 200 years, so that no date leaves the calendar.
var longest = map[ledger.Period]int64{ledger.Hourly: 200 * 8766, ledger.Daily: 200 * 366, ledger.Weekly: 200 * 53, ledger.Monthly: 200 * 12, ledger.Yearly: 200}

// check is what the fields of a change cannot say each for itself; p is the plan as it will be. What a plan that was made elsewhere
// has, and the change leaves alone, is not looked at.
func (in *PlanChange) check(p *Plan) error {
	if in.Unit.Set() {
		unit, err := ledger.ParseUnit(p.Unit)
		if err != nil {
			return rest.Invalid("unit", fmt.Sprintf("%q is not a valid choice.", p.Unit))
		}
		p.Unit = unit
	}
	if !in.PeriodType.Set() && !in.PeriodLength.Set() && !in.AdvanceDiscounts.Set() {
		return nil
	}
	if p.PeriodLength > longest[p.PeriodType] {
		return rest.Invalid("period_length", fmt.Sprintf("Ensure this value is less than or equal to %d.", longest[p.PeriodType]))
	}
	errs, bad := make([]rest.Fields, len(p.AdvanceDiscounts)), false
	for i, d := range p.AdvanceDiscounts {
		errs[i] = rest.Fields{}
		if most := longest[p.PeriodType] / p.PeriodLength; d.Length > most {
			errs[i], bad = rest.Fields{{Name: "length", Value: []string{fmt.Sprintf("Ensure this value is less than or equal to %d.", most)}}}, true
		}
		if d.tooHigh() {
			errs[i], bad = rest.Fields{{Name: "discount_value", Value: []string{tooHigh}}}, true
		}
	}
	if bad {
		return &rest.Error{Status: http.StatusBadRequest, Body: rest.Fields{{Name: "advance_discounts", Value: errs}}}
	}
	return nil
}

const tooHigh = "Ensure this value is less than or equal to 10000."

// tooHigh reports whether a percentage is more than everything (subscriptions.md 3.1).
func (d Discount) tooHigh() bool { return d.Type == Percentage && d.Value > 10000 }

// maxPlans is how many plans a profile has at the most (decision 77).
const maxPlans = 1000

// CreatePlan makes a plan of a provider (subscriptions.md 4.2). Errors: 400 on "title", "slug", "unit", "advance_discounts",
// "use_charges" or "detail".
func (s *Service) CreatePlan(tx *store.Tx, providerID int64, in *PlanChange) (*Plan, error) {
	if !in.Title.Set() {
		return nil, rest.Invalid("title", "This field is required.")
	}
	err := rest.AtMost(tx, maxPlans, "A profile has at most 1000 plans. Delete one first.",
		`SELECT 1 FROM plan WHERE profile_id = ?`, providerID)
	if err != nil {
		return nil, err
	}
	unit, err := s.firstUnit(tx, providerID)
	if err != nil {
		return nil, err
	}
	p := &Plan{ProfileID: providerID, CreatedAt: tx.Now(), Unit: unit, PeriodType: ledger.Yearly, PeriodLength: 1, RenewalType: AutoRenew,
		BrokerFeePercent: s.settings.BrokerFeePercent}
	if err := s.apply(tx, p, in); err != nil {
		return nil, err
	}
	if !in.Slug.Set() {
		if p.Slug, err = planSlug(tx, p); err != nil {
			return nil, err
		}
	}
	p.ID, err = tx.Insert(`INSERT INTO plan (slug, title, description, is_active, is_not_priced, created_at, profile_id, unit, skip_optin_on_grant, optin_on_request,
		setup_amount, period_amount, period_type, period_length, broker_fee_percent, unlock_event, renewal_type, extra)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.Slug, p.Title, p.Description, p.Active, p.NotPriced, p.CreatedAt, p.ProfileID, p.Unit, p.SkipOptinOnGrant, p.OptinOnRequest,
		p.SetupAmount, p.PeriodAmount, p.PeriodType, p.PeriodLength, p.BrokerFeePercent, p.UnlockEvent, p.RenewalType, directory.ExtraText(in.Extra.Value))
	if err != nil {
		return nil, err
	}
	if err := s.replace(tx, p, in); err != nil {
		return nil, err
	}
	s.dir.TouchPlan(tx, p.ID)
	return s.PlanByID(tx, p.ID)
}

// UpdatePlan changes a plan (subscriptions.md 4.3). A new title brings a new slug while nobody ever subscribed, unless a slug is
// given too. What existing subscribers pay changes at their next renewal. Errors: as CreatePlan.
func (s *Service) UpdatePlan(tx *store.Tx, p *Plan, in *PlanChange) (*Plan, error) {
	title := p.Title
	if err := s.apply(tx, p, in); err != nil {
		return nil, err
	}
	if p.Title != title && !in.Slug.Set() {
		subscribed, err := store.Exists(tx, `SELECT 1 FROM subscription WHERE plan_id = ? LIMIT 1`, p.ID)
		if err != nil {
			return nil, err
		}
		if !subscribed {
			if p.Slug, err = planSlug(tx, p); err != nil {
				return nil, err
			}
		}
	}
	_, err := tx.Exec(`UPDATE plan SET slug = ?, title = ?, description = ?, is_active = ?, is_not_priced = ?, unit = ?, skip_optin_on_grant = ?, optin_on_request = ?,
		setup_amount = ?, period_amount = ?, period_type = ?, period_length = ?, unlock_event = ?, renewal_type = ? WHERE id = ?`,
		p.Slug, p.Title, p.Description, p.Active, p.NotPriced, p.Unit, p.SkipOptinOnGrant, p.OptinOnRequest,
		p.SetupAmount, p.PeriodAmount, p.PeriodType, p.PeriodLength, p.UnlockEvent, p.RenewalType, p.ID)
	if err != nil {
		return nil, err
	}
	if in.Extra.Given {
		if _, err := tx.Exec(`UPDATE plan SET extra = ? WHERE id = ?`, directory.ExtraText(in.Extra.Value), p.ID); err != nil {
			return nil, err
		}
	}
	if err := s.replace(tx, p, in); err != nil {
		return nil, err
	}
	s.dir.TouchPlan(tx, p.ID)
	updated, err := s.PlanByID(tx, p.ID)
	if err == nil {
		updated.Detail = fmt.Sprintf("Successfully updated plan titled '%s'.", updated.Title)
	}
	return updated, err
}

// DeletePlan deletes a plan that nobody ever subscribed to or paid for, with all that hangs on it (subscriptions.md 4.3).
// Errors: 403.
func (s *Service) DeletePlan(tx *store.Tx, p *Plan) error {
	used, err := store.Exists(tx, `SELECT 1 FROM subscription WHERE plan_id = ? UNION ALL SELECT 1 FROM cart_item WHERE plan_id = ? AND recorded = 1 LIMIT 1`, p.ID, p.ID)
	if err != nil {
		return err
	}
	if used {
		return rest.Forbidden("Cannot delete a plan with subscribers")
	}
	s.dir.TouchPlan(tx, p.ID)
	_, err = tx.Exec(`DELETE FROM plan WHERE id = ?`, p.ID)
	return err
}

// apply writes a change over a plan and checks the result.
func (s *Service) apply(r store.Reader, p *Plan, in *PlanChange) error {
	p.Title, p.Description = in.Title.Or(p.Title), in.Description.Or(p.Description)
	p.Active, p.NotPriced = in.Active.Or(p.Active), in.NotPriced.Or(p.NotPriced)
	p.SkipOptinOnGrant, p.OptinOnRequest = in.SkipOptinOnGrant.Or(p.SkipOptinOnGrant), in.OptinOnRequest.Or(p.OptinOnRequest)
	p.SetupAmount, p.PeriodAmount = in.SetupAmount.Or(p.SetupAmount), in.PeriodAmount.Or(p.PeriodAmount)
	p.PeriodType, p.PeriodLength = in.PeriodType.Or(p.PeriodType), in.PeriodLength.Or(p.PeriodLength)
	p.RenewalType = in.RenewalType.Or(p.RenewalType)
	p.Unit = in.Unit.Or(p.Unit)
	if in.UnlockEvent.Given {
		p.UnlockEvent = nil
		if in.UnlockEvent.Value != "" {
			p.UnlockEvent = &in.UnlockEvent.Value
		}
	}
	if in.AdvanceDiscounts.Set() {
		p.AdvanceDiscounts = p.AdvanceDiscounts[:0:0]
		for _, d := range in.AdvanceDiscounts.Value {
			p.AdvanceDiscounts = append(p.AdvanceDiscounts, AdvanceDiscount{Discount{d.Type, d.Value}, d.Length})
		}
	}
	if err := in.check(p); err != nil {
		return err
	}
	if least := s.settings.MinimumAmounts[p.PeriodType]; p.PeriodAmount < least && (p.ID == 0 || in.PeriodAmount.Set() || in.PeriodType.Set()) {
		return rest.Invalid("detail", fmt.Sprintf("Period amount must be greater or equal to %d.", least))
	}
	if in.Title.Set() {
		taken, err := store.Exists(r, `SELECT 1 FROM plan WHERE profile_id = ? AND title = ? AND id <> ?`, p.ProfileID, p.Title, p.ID)
		if err != nil {
			return err
		}
		if taken {
			return rest.Bad("title", "A plan with this title already exists.")
		}
	}
	if !in.Slug.Set() {
		return nil
	}
	free, err := slugFree(r, in.Slug.Value, p.ID)
	if err == nil && !free {
		err = slugTaken
	}
	p.Slug = in.Slug.Value
	return err
}

// replace writes the collections of a change.
func (s *Service) replace(tx *store.Tx, p *Plan, in *PlanChange) error {
	if in.AdvanceDiscounts.Set() {
		if _, err := tx.Exec(`DELETE FROM advance_discount WHERE plan_id = ?`, p.ID); err != nil {
			return err
		}
		for _, d := range p.AdvanceDiscounts {
			if _, err := tx.Exec(`INSERT INTO advance_discount (plan_id, discount_type, discount_value, length) VALUES (?, ?, ?, ?)`,
				p.ID, d.Type, d.Value, d.Length); err != nil {
				return err
			}
		}
	}
	if in.UseCharges.Set() {
		return s.replaceUses(tx, p, in.UseCharges.Value)
	}
	return nil
}

// replaceUses keeps the use charges whose slug is there again, with what was sent, and drops the others with their counters and
// cart items.
func (s *Service) replaceUses(tx *store.Tx, p *Plan, uses []useChange) error {
	for _, u := range p.UseCharges {
		if slices.ContainsFunc(uses, func(c useChange) bool { return c.Slug == u.Slug }) {
			continue
		}
		if _, err := tx.Exec(`DELETE FROM use_charge WHERE id = ?`, u.ID); err != nil {
			return err
		}
	}
	for i, u := range uses {
		if slices.ContainsFunc(uses[:i], func(c useChange) bool { return c.Slug == u.Slug }) {
			return slugTaken
		}
		n, err := tx.Exec(`INSERT INTO use_charge (slug, title, description, created_at, plan_id, use_amount, quota, maximum_limit, extra)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (slug) DO UPDATE SET title = excluded.title, description = excluded.description, use_amount = excluded.use_amount,
				quota = excluded.quota, maximum_limit = excluded.maximum_limit, extra = excluded.extra
			WHERE use_charge.plan_id = excluded.plan_id`,
			u.Slug, u.Title, u.Description, tx.Now(), p.ID, u.Amount, u.Quota, optional(u.MaximumLimit), directory.ExtraText(u.Extra))
		if err != nil {
			return err
		}
		if n == 0 {
			return slugTaken
		}
	}
	return nil
}

// firstUnit is the unit of a provider's first plan, else the site's.
func (s *Service) firstUnit(r store.Reader, providerID int64) (unit string, err error) {
	err = r.QueryRow(`SELECT coalesce((SELECT unit FROM plan WHERE profile_id = ? ORDER BY id LIMIT 1), ?)`, providerID, s.settings.Unit).Scan(&unit)
	return unit, err
}

var slugTaken = rest.Bad("slug", "This slug is already taken.")

// slugFree reports whether a plan may have this slug: "expired" is a word of the paths of subscriptions.md 6.
func slugFree(r store.Reader, slug string, except int64) (bool, error) {
	if strings.EqualFold(slug, "expired") {
		return false, nil
	}
	taken, err := store.Exists(r, `SELECT 1 FROM plan WHERE slug = ? AND id <> ?`, slug, except)
	return !taken, err
}

// planSlug makes a slug from the plan's title.
func planSlug(r store.Reader, p *Plan) (string, error) {
	base := directory.Slugify(p.Title)
	if base == "" {
		base = directory.SlugSuffix()
	}
	slug, err := directory.FreeName(base, 50, 50, directory.SlugSuffix, func(name string) (bool, error) { return slugFree(r, name, p.ID) })
	if err == nil && slug == "" {
		err = rest.Fail(http.StatusBadRequest, fmt.Sprintf("Unable to create a unique URL slug from title '%s'", p.Title))
	}
	return slug, err
}
