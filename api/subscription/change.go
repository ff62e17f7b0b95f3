package subscription

import (
	"database/sql"
	"encoding/json"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Change is what is asked of a subscription (subscriptions.md 6.3, 7.4). PATCH requires nothing.
type Change struct {
	EndsAt      rest.Opt[store.Time]      `json:"ends_at" in:"required"`
	AutoRenew   rest.Opt[bool]            `json:"auto_renew"`
	Description rest.Opt[string]          `json:"description" in:"null,blank"`
	Extra       rest.Opt[json.RawMessage] `json:"extra" in:"null"`
}

// Update changes a subscription. The end and the description are the provider's and the broker's: as anybody else, which seller
// false says, they are silently kept (decision 16). own says that somebody asks who manages the subscriber: nobody else has it charged
// (decision 68). Nothing is ordered. Errors: 400 on "auto_renew".
func (s *Service) Update(tx *store.Tx, sub *Subscription, in *Change, seller, own bool) (*Subscription, error) {
	n := *sub
	if in.AutoRenew.Given {
		n.AutoRenew = in.AutoRenew.Value
		n.Unasked = n.Unasked && !(own && n.AutoRenew) // who wants no renewal has agreed to nothing
	}
	if n.AutoRenew && !sub.AutoRenew && !own {
		if err := s.checkRenewal(tx, sub); err != nil {
			return nil, err
		}
		n.Unasked = true // what is free today may cost something tomorrow
	}
	if in.Extra.Given {
		n.Extra = directory.ExtraText(in.Extra.Value)
	}
	if seller {
		if n.RequestKey == nil { // nobody has a request wait for longer than its subscriber did
			n.EndsAt = in.EndsAt.Or(n.EndsAt)
		}
		if !n.EndsAt.After(tx.Now().Time) {
			n.AutoRenew = false // what is ended now is not renewed an hour later
		}
		if in.Description.Given {
			n.Description = optional(in.Description)
		}
	}
	_, err := tx.Exec(`UPDATE subscription SET ends_at = ?, auto_renew = ?, unasked = ?, description = ?, extra = ? WHERE id = ?`,
		n.EndsAt, n.AutoRenew, n.Unasked, n.Description, n.Extra, n.ID)
	s.touch(tx, &n)
	return &n, err
}

// Unsubscribe ends now whatever a profile has of a plan: a subscription, a grant or a request (subscriptions.md 6.3). What was
// ordered stays due; the lines of a request are dropped. Nothing to end is no error.
func (s *Service) Unsubscribe(tx *store.Tx, profileID, planID int64) error {
	if err := s.endRenewal(tx, profileID, planID); err != nil {
		return err
	}
	return s.end(tx, profileID, `SELECT id FROM subscription WHERE profile_id = ? AND plan_id = ? AND ends_at > ?`, profileID, planID, tx.Now())
}

// endRenewal has what ended not be renewed any more, as it would be for some days (subscriptions.md 13.1): it is cancelled, or was bought
// anew.
func (s *Service) endRenewal(tx *store.Tx, profileID, planID int64) error {
	_, err := tx.Exec(endRenewal, profileID, planID, tx.Now())
	return err
}

const endRenewal = `UPDATE subscription SET auto_renew = 0
	WHERE profile_id = ? AND +plan_id = ? AND ends_at <= ? AND auto_renew = 1` // a plan may have a million of them

// EndRenewing ends now the valid subscriptions of a profile that would renew by themselves: it does not pay (subscriptions.md 13.4).
func (s *Service) EndRenewing(tx *store.Tx, profileID int64) error {
	return s.end(tx, profileID, `SELECT id FROM subscription WHERE profile_id = ? AND ends_at > ? AND auto_renew = 1
		AND grant_key IS NULL AND request_key IS NULL`, profileID, tx.Now())
}

// end ends subscriptions now.
func (s *Service) end(tx *store.Tx, profileID int64, query string, args ...any) error {
	ids, err := store.Column[int64](tx, query, args...)
	if err != nil || len(ids) == 0 {
		return err
	}
	_, err = tx.Exec(`UPDATE subscription SET ends_at = ?, auto_renew = 0 WHERE id IN (SELECT value FROM json_each(?))`, tx.Now(), store.IDs(ids))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM subscription_request WHERE subscription_id IN (SELECT value FROM json_each(?))`, store.IDs(ids))
	s.dir.TouchSubscription(tx, ids...)
	s.dir.TouchProfile(tx, profileID)
	return err
}

const currentSubscribersOf = `SELECT count(*) FROM subscription WHERE provider_id = ? AND +ends_at > ? AND grant_key IS NULL AND request_key IS NULL`

// CurrentSubscribers counts the valid subscriptions to the plans of a profile that end after now.
func (s *Service) CurrentSubscribers(r store.Reader, profileID int64) (n int64, err error) {
	err = r.QueryRow(currentSubscribersOf, profileID, r.Now()).Scan(&n)
	return n, err
}

// EndAll ends every subscription of a profile now, and what is pending on its plans, turns renewals off and makes its plans
// inactive: the profile is archived (profiles.md 6.4).
func (s *Service) EndAll(tx *store.Tx, profileID int64) error {
	own := `SELECT id FROM subscription WHERE profile_id = ? AND ends_at > ?`
	if err := s.end(tx, profileID, own, profileID, tx.Now()); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE subscription SET auto_renew = 0 WHERE profile_id = ? AND auto_renew = 1`, profileID); err != nil {
		return err
	}
	pending := `SELECT id FROM subscription WHERE provider_id = ? AND ends_at > ? AND (grant_key IS NOT NULL OR request_key IS NOT NULL)`
	if err := s.end(tx, profileID, pending, profileID, tx.Now()); err != nil {
		return err
	}
	plans, err := store.Column[int64](tx, `SELECT id FROM plan WHERE profile_id = ?`, profileID)
	if err != nil || len(plans) == 0 {
		return err
	}
	s.dir.TouchPlan(tx, plans...)
	_, err = tx.Exec(`UPDATE plan SET is_active = 0 WHERE profile_id = ?`, profileID)
	return err
}

// Active lists the valid subscriptions of a profile that end after now, by end date.
func (s *Service) Active(r store.Reader, profileID int64) ([]profile.Subscription, error) {
	return store.List(r, func(rows *sql.Rows, sub *profile.Subscription) error {
		return rows.Scan(&sub.CreatedAt, &sub.EndsAt, &sub.AutoRenew, &sub.Plan.Slug, &sub.Plan.Title)
	}, `SELECT s.created_at, s.ends_at, s.auto_renew, plan.slug, plan.title FROM subscription s JOIN plan ON plan.id = s.plan_id
		WHERE s.profile_id = ? AND s.ends_at > ? AND s.grant_key IS NULL AND s.request_key IS NULL ORDER BY s.ends_at, s.id`, profileID, r.Now())
}
