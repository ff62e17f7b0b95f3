package notice

import (
	"database/sql"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// known are the events that a user may have a preference about (notifications.md 7), in alphabetical order.
var known = []string{
	"card_expires_soon", "card_updated", "charge_updated", "claim_code_generated", "expires_soon", "order_executed",
	"period_sales_report_created", "processor_setup_error", "profile_updated", "quota_reached", "renewal_charge_failed",
	"role_grant_accepted", "role_grant_created", "role_request_created", "subscription_grant_accepted", "subscription_grant_created",
	"subscription_request_accepted", "subscription_request_created", "use_charge_limit_crossed", "user_activated", "user_contact",
	"user_logged_in", "user_login_failed", "user_registered",
}

// brokers are those that only managers of the broker see.
var brokers = []string{"period_sales_report_created", "processor_setup_error", "user_activated", "user_contact", "user_registered"}

// Preferences are the events that a user wants to be mailed about, among those that the user can see: a manager of the broker
// sees all (notifications.md 7). They are in alphabetical order.
func (n *Notices) Preferences(r store.Reader, user int64, ofBroker bool) ([]string, error) {
	visible, err := visible(r, ofBroker)
	if err != nil {
		return nil, err
	}
	stored, err := texts(r, `SELECT slug FROM user_notification JOIN notification ON notification.id = notification_id WHERE user_id = ?`, user)
	if err != nil {
		return nil, err
	}
	enabled := []string{}
	for _, slug := range visible {
		if slices.Contains(stored, slug) == n.o.OptIn {
			enabled = append(enabled, slug)
		}
	}
	return enabled, nil
}

// A Choice is an event that a user may have a preference about.
type Choice struct {
	Slug        string `json:"slug"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

// Choices are the events that a user can see, in alphabetical order, with what the operator wrote about them.
func (n *Notices) Choices(r store.Reader, ofBroker bool) ([]Choice, error) {
	visible, err := visible(r, ofBroker)
	if err != nil {
		return nil, err
	}
	all := make([]Choice, len(visible))
	for i, slug := range visible {
		all[i] = Choice{Slug: slug, Title: title(slug)}
	}
	err = store.Each(r, func(rows *sql.Rows) error {
		var c Choice
		if err := rows.Scan(&c.Slug, &c.Title, &c.Description); err != nil {
			return err
		}
		if i := slices.Index(visible, c.Slug); i >= 0 {
			all[i] = c
		}
		return nil
	}, `SELECT slug, title, coalesce(description, '') FROM notification WHERE title <> ''`)
	return all, err
}

// SetPreferences stores which of the events that the user can see stay enabled; the others are disabled. What the user cannot
// see, and what is no event, is left as it is.
func (n *Notices) SetPreferences(tx *store.Tx, user int64, ofBroker bool, enabled []string) error {
	visible, err := visible(tx, ofBroker)
	if err != nil {
		return err
	}
	titles := make(map[string]string, len(visible))
	stored := []string{}
	for _, slug := range visible {
		titles[slug] = title(slug)
		if slices.Contains(enabled, slug) == n.o.OptIn {
			stored = append(stored, slug)
		}
	}
	all, err := encode(titles)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO notification (slug, title) SELECT key, value FROM json_each(?) WHERE true ON CONFLICT (slug) DO NOTHING`,
		string(all)); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM user_notification WHERE user_id = ? AND notification_id IN (SELECT id FROM notification
		WHERE slug IN (SELECT key FROM json_each(?)))`, user, string(all)); err != nil {
		return err
	}
	some, err := encode(stored)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO user_notification (user_id, notification_id) SELECT ?, id FROM notification
		WHERE slug IN (SELECT value FROM json_each(?))`, user, string(some))
	return err
}

// visible are the events that a user can have a preference about: the known ones and those that the operator stored.
func visible(r store.Reader, ofBroker bool) ([]string, error) {
	stored, err := texts(r, `SELECT slug FROM notification`)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(known, stored)
	slices.Sort(all)
	all = slices.Compact(all)
	if !ofBroker {
		all = slices.DeleteFunc(all, func(slug string) bool { return slices.Contains(brokers, slug) })
	}
	return all, nil
}

// title makes "Card expires soon" of "card_expires_soon".
func title(slug string) string {
	s := strings.ReplaceAll(slug, "_", " ")
	return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):]
}

func texts(r store.Reader, query string, args ...any) (all []string, err error) {
	rows, err := r.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
