package subscription

import (
	"database/sql"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Subscription of a profile to a plan (subscriptions.md 2.4). It is valid when neither key is set.
type Subscription struct {
	ID          int64
	ProfileID   int64 // the subscriber
	PlanID      int64
	CreatedAt   store.Time // start of the first period, and anchor of all
	EndsAt      store.Time // end of what is granted so far, exclusive
	AutoRenew   bool
	Description *string // the provider's note
	GrantKey    *string // set while the subscriber has not accepted the provider's grant
	RequestKey  *string // set while the provider has not accepted the subscriber's request
	Extra       *string
	Typed       *string // of a grant: the slug or address by which the provider named its subscriber
	TypedName   *string // the full name given with it
	Unasked     bool    // in force by a grant that the subscriber was not asked about, who has ordered nothing of it since

	Subscriber string // slug
	Plan       profile.Plan
	ProviderID int64
	Provider   string // slug
}

// Valid reports whether both sides have agreed to the subscription.
func (s *Subscription) Valid() bool { return s.GrantKey == nil && s.RequestKey == nil }

// known is the name by which the plan's provider knows the subscriber: what it typed, while its grant waits (decision 78).
func (s *Subscription) known() string {
	if s.GrantKey != nil && s.Typed != nil {
		return *s.Typed
	}
	return s.Subscriber
}

// EventID names the subscription in the ledger (subscriptions.md 2.9).
func (s *Subscription) EventID() string { return ledger.SubEvent(s.ID) }

// The columns and tables that scanSubscription reads.
const (
	subscriptionColumns = `s.id, s.profile_id, s.plan_id, s.created_at, s.ends_at, s.auto_renew, s.description, s.grant_key,
		s.request_key, s.extra, s.typed, s.typed_name, s.unasked,
		p.slug, plan.slug, plan.title, s.provider_id, o.slug`
	subscriptionTables = `subscription s JOIN profile p ON p.id = s.profile_id JOIN plan ON plan.id = s.plan_id JOIN profile o ON o.id = s.provider_id`
	selectSubscription = `SELECT ` + subscriptionColumns + ` FROM ` + subscriptionTables
)

func scanSubscription(row scanner, s *Subscription) error {
	return row.Scan(&s.ID, &s.ProfileID, &s.PlanID, &s.CreatedAt, &s.EndsAt, &s.AutoRenew, &s.Description, &s.GrantKey,
		&s.RequestKey, &s.Extra, &s.Typed, &s.TypedName, &s.Unasked,
		&s.Subscriber, &s.Plan.Slug, &s.Plan.Title, &s.ProviderID, &s.Provider)
}

// one reads a subscription, nil when there is none.
func one(r store.Reader, query string, args ...any) (*Subscription, error) {
	var s Subscription
	err := scanSubscription(r.QueryRow(query, args...), &s)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &s, err
}

// ByID reads a subscription, nil when there is none.
func (s *Service) ByID(r store.Reader, id int64) (*Subscription, error) {
	return one(r, selectSubscription+` WHERE s.id = ?`, id)
}

// ByIDs reads subscriptions in one query. IDs of none are left out.
func (s *Service) ByIDs(r store.Reader, ids []int64) (map[int64]*Subscription, error) {
	found := make(map[int64]*Subscription, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	err := store.Each(r, func(rows *sql.Rows) error {
		var sub Subscription
		err := scanSubscription(rows, &sub)
		found[sub.ID] = &sub
		return err
	}, selectSubscription+` WHERE s.id IN (SELECT value FROM json_each(?))`, store.IDs(ids))
	return found, err
}

// Currents is Current for all plans of profiles, by profile and plan.
func (s *Service) Currents(r store.Reader, profiles []int64) (map[[2]int64]*Subscription, error) {
	found := map[[2]int64]*Subscription{}
	err := store.Each(r, func(rows *sql.Rows) error {
		var sub Subscription
		err := scanSubscription(rows, &sub)
		if key := [2]int64{sub.ProfileID, sub.PlanID}; found[key] == nil {
			found[key] = &sub
		}
		return err
	}, selectSubscription+` WHERE s.profile_id IN (SELECT value FROM json_each(?)) AND s.ends_at > ? ORDER BY s.ends_at, s.id`, store.IDs(profiles), r.Now())
	return found, err
}

// Current is the subscription of a profile to a plan that ends after now, whatever its opt-in, nil when there is none: what
// buying again extends. There is at most one; of several made elsewhere it is the one that ends first (subscriptions.md 6.3).
func (s *Service) Current(r store.Reader, profileID, planID int64) (*Subscription, error) {
	return one(r, current, profileID, planID, r.Now())
}

const current = selectSubscription + ` WHERE s.profile_id = ? AND s.plan_id = ? AND s.ends_at > ? ORDER BY s.ends_at, s.id LIMIT 1`

const currentBySlugs = selectSubscription + ` WHERE p.slug = ? AND plan.slug = ? AND s.ends_at > ? ORDER BY s.ends_at, s.id LIMIT 1`

// currentOf is Current by slugs. Errors: 404.
func currentOf(r store.Reader, subscriber, plan string) (*Subscription, error) {
	sub, err := one(r, currentBySlugs, subscriber, plan, r.Now())
	if err == nil && (sub == nil || sub.Subscriber != subscriber || sub.Plan.Slug != plan) {
		err = noSubscription(subscriber, plan)
	}
	return sub, err
}

func noSubscription(subscriber, plan string) error {
	return rest.Fail(http.StatusNotFound, "cannot find active subscription to "+plan+" for "+subscriber)
}

// saleOf is the current subscription to a plan of whom its provider knows by a name. Errors: 404, also for who was granted it under
// another name.
func saleOf(r store.Reader, p *Plan, name string) (*Subscription, error) {
	sub, err := one(r, currentTyped, p.ID, name, r.Now())
	if err != nil || sub != nil {
		return sub, err
	}
	if sub, err = currentOf(r, name, p.Slug); err == nil && !strings.EqualFold(sub.known(), name) {
		return nil, noSubscription(name, p.Slug)
	}
	return sub, err
}

const currentTyped = selectSubscription + ` WHERE s.plan_id = ? AND s.typed = ? AND s.grant_key IS NOT NULL AND s.ends_at > ? ORDER BY s.ends_at, s.id LIMIT 1`

// insert stores a new subscription. A profile that was never billed is billed a month later for the first time.
func (s *Service) insert(tx *store.Tx, n Subscription) (*Subscription, error) {
	if n.Valid() {
		if err := s.endRenewal(tx, n.ProfileID, n.PlanID); err != nil {
			return nil, err
		}
	}
	id, err := tx.Insert(`INSERT INTO subscription (profile_id, plan_id, provider_id, created_at, ends_at, auto_renew, grant_key, request_key,
		typed, typed_name, unasked)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		n.ProfileID, n.PlanID, n.ProviderID, n.CreatedAt, n.EndsAt, n.AutoRenew, n.GrantKey, n.RequestKey, n.Typed, n.TypedName, n.Unasked)
	if err != nil {
		return nil, err
	}
	if err := startBilling(tx, n.ProfileID, n.CreatedAt); err != nil {
		return nil, err
	}
	sub, err := s.ByID(tx, id)
	if err == nil {
		s.touch(tx, sub)
	}
	return sub, err
}

// startBilling dates the first automatic charge of a profile (subscriptions.md 2.4).
func startBilling(tx *store.Tx, profileID int64, createdAt store.Time) error {
	_, err := tx.Exec(`UPDATE profile SET billing_start = ?, billing_day = ? WHERE id = ? AND billing_start IS NULL`,
		ledger.Monthly.Add(createdAt, 1).Format(time.DateOnly), createdAt.UTC().Day(), profileID)
	return err
}

// touch makes the change of a subscription visible on the next request.
func (s *Service) touch(tx *store.Tx, sub *Subscription) {
	s.dir.TouchSubscription(tx, sub.ID)
	s.dir.TouchProfile(tx, sub.ProfileID)
}

// Start makes a valid subscription that begins now and lasts n natural periods. own says that its subscriber bought it, and agrees to what
// it costs from then on.
func (s *Service) Start(tx *store.Tx, subscriberID int64, p *Plan, n int64, own bool) (sub *Subscription, err error) {
	now := tx.Now()
	started := Subscription{ProfileID: subscriberID, PlanID: p.ID, ProviderID: p.ProfileID, CreatedAt: now,
		EndsAt: p.Terms().Extended(now, now, n), AutoRenew: p.RenewalType == AutoRenew, Unasked: !own}
	if started.AutoRenew, err = s.mayRenew(tx, &started, p); err != nil {
		return nil, err
	}
	return s.insert(tx, started)
}

// Extend moves the end of a subscription by n natural periods. Nothing else does, but for who edits the end by hand.
func (s *Service) Extend(tx *store.Tx, sub *Subscription, p *Plan, n int64) (*Subscription, error) {
	extended := *sub
	extended.EndsAt = p.Terms().Extended(sub.CreatedAt, sub.EndsAt, n)
	_, err := tx.Exec(`UPDATE subscription SET ends_at = ? WHERE id = ?`, extended.EndsAt, sub.ID)
	s.touch(tx, &extended)
	return &extended, err
}

// Renew moves the end of a subscription by the billing step that was ordered for it, and gives it the quotas of the next one
// (subscriptions.md 13.1).
func (s *Service) Renew(tx *store.Tx, sub *Subscription, p *Plan) (*Subscription, error) {
	renewed, err := s.Extend(tx, sub, p, p.Terms().Renewal().Periods)
	if err == nil {
		err = s.ResetQuotas(tx, sub.ID)
	}
	return renewed, err
}

// OrderedBefore tells which profiles ordered which plans before, in subscriptions that have ended too: they owe no setup fee
// (subscriptions.md 3.6).
func (s *Service) OrderedBefore(r store.Reader, profiles, plans []int64) (map[[2]int64]bool, error) {
	found := map[[2]int64]bool{}
	err := store.Each(r, func(rows *sql.Rows) error {
		var key [2]int64
		err := rows.Scan(&key[0], &key[1])
		found[key] = true
		return err
	}, orderedBefore, store.IDs(profiles), store.IDs(plans))
	return found, err
}

const orderedBefore = `SELECT DISTINCT s.profile_id, s.plan_id FROM subscription s
	WHERE s.profile_id IN (SELECT value FROM json_each(?)) AND s.plan_id IN (SELECT value FROM json_each(?))
	AND EXISTS (SELECT 1 FROM txn WHERE txn.event_id = 'sub_' || s.id || '/' AND txn.dest_account = 'Payable' AND txn.orig_account = 'Receivable')`
