package subscription

import (
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// statement is the text of a page of a list; counted is the text that counts it.
func statement[T any](l *rest.List[T], order string) string {
	return "SELECT " + l.Select + " FROM " + l.From + where(l.Where) + " ORDER BY " + order + " LIMIT 26"
}

func counted[T any](l *rest.List[T]) string {
	from := l.Counted
	if from == "" {
		from = l.From
	}
	return "SELECT COUNT(*) FROM " + from + where(l.Where)
}

func where(condition string) string {
	if condition == "" {
		return ""
	}
	return " WHERE (" + condition + ")"
}

// No list reads more than what it is about: the rows of one subscriber, plan or provider, in their order; none is counted without
// an index, and the big ones from an index alone.
func TestQueryPlans(t *testing.T) {
	w := newWorld(t)
	const sorted = "TEMP B-TREE FOR ORDER BY"
	const customers = "SEARCH s USING COVERING INDEX subscription_customer (provider_id=?)"
	user, anonymous := Cart{User: 1}, Cart{Anonymous: []byte{1}}
	ofUser, _ := user.Where()
	ofVisitor, _ := anonymous.Where()
	for _, test := range []struct {
		name, query string
		want        string // steps that must be there
		never       string // what must not, besides a scan of a table
	}{
		{"of a subscriber", statement(bySubscriber, "s.ends_at, s.id"), "SEARCH s USING INDEX subscription_profile (profile_id=? AND ends_at>? AND ends_at<?)", sorted},
		{"of a subscriber, counted", counted(bySubscriber), "SEARCH s USING INDEX subscription_profile (profile_id=? AND ends_at>? AND ends_at<?)", ""},
		{"of a provider", statement(byProvider, "s.ends_at, s.id"), "SEARCH s USING INDEX subscription_provider (provider_id=? AND ends_at>? AND ends_at<?)", "SEARCH p"},
		{"of a provider, last first", statement(byProvider, "s.ends_at DESC, s.id"), "SEARCH s USING INDEX subscription_provider (provider_id=? AND ends_at>? AND ends_at<?)", "FOR ORDER BY"},
		{"of a provider, by start", statement(byProvider, "s.created_at DESC, s.ends_at, s.id"), "SEARCH s USING INDEX subscription_provider (provider_id=? AND ends_at>? AND ends_at<?)", "SEARCH p"},
		{"of a provider, by name", statement(byProvider, "p.full_name, s.ends_at, s.id"), "SEARCH p USING INTEGER PRIMARY KEY", "SEARCH plan"},
		{"of a provider, counted", counted(byProvider), "SEARCH s USING COVERING INDEX subscription_provider (provider_id=? AND ends_at>? AND ends_at<?)", ""},
		{"of a plan", statement(byPlan, "s.ends_at, s.id"), "SEARCH s USING INDEX subscription_plan (plan_id=? AND ends_at>? AND ends_at<?)", sorted},
		{"of a plan, counted", counted(byPlan), "SEARCH s USING COVERING INDEX subscription_plan (plan_id=? AND ends_at>? AND ends_at<?)", ""},
		{"rows of a page", selectSubscription + ` WHERE s.id IN (SELECT value FROM json_each(?))`, "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)", ""},
		{"subscribers", statement(currentSubscribers, "p.full_name, p.id"), customers + "\nSCAN d\nSEARCH p USING INTEGER PRIMARY KEY (rowid=?)", "FOR DISTINCT"},
		{"subscribers, counted", counted(currentSubscribers), customers, "FOR DISTINCT"},
		{"all subscribers", statement(allSubscribers, "p.full_name, p.id"), customers + "\nSCAN d\nSEARCH p USING INTEGER PRIMARY KEY (rowid=?)", "FOR DISTINCT"},
		{"all subscribers, counted", counted(allSubscribers), customers, "FOR DISTINCT"},
		{"unengaged", statement(unengaged, "p.full_name, p.id"), customers, "FOR DISTINCT"},
		{"engaged", statement(engaged, "u.last_login, r.id"), customers, "FOR DISTINCT"},
		{"plans", statement(plansOfProfile, "plan.is_not_priced, plan.period_amount, plan.id"), "SEARCH plan USING INDEX sqlite_autoindex_plan_2 (profile_id=?)", ""},
		{"pricing", statement(activePlans, "plan.is_not_priced, plan.period_amount, plan.id"), "SEARCH plan USING INDEX plan_price (is_active=?)", sorted},
		{"coupons", statement(&coupons, "coupon.ends_at, coupon.id"), "SEARCH coupon USING INDEX coupon_ends_at (profile_id=?)", sorted},

		{"a subscription by slugs", currentBySlugs, "SEARCH p USING COVERING INDEX sqlite_autoindex_profile_1 (slug=?)\nSEARCH plan USING INDEX sqlite_autoindex_plan_1 (slug=?)\nSEARCH s USING INDEX subscription_profile (profile_id=? AND ends_at>?)", ""},
		{"ended ones of a profile", endRenewal, "SEARCH subscription USING INDEX subscription_profile (profile_id=? AND ends_at<?)", ""},
		{"of a profile to a plan", current, "SEARCH s USING INDEX subscription_profile (profile_id=? AND ends_at>?)", sorted},
		{"a grant by key", selectSubscription + ` WHERE s.grant_key = ?`, "SEARCH s USING INDEX subscription_grant_key (grant_key=?)", ""},
		{"a request by key", selectSubscription + ` WHERE s.request_key = ?`, "SEARCH s USING INDEX subscription_request_key (request_key=?)", ""},
		{"a plan by slug", selectPlan + ` WHERE plan.slug = ?`, "SEARCH plan USING INDEX sqlite_autoindex_plan_1 (slug=?)", ""},
		{"a coupon by code", couponByCode,
			"SEARCH coupon USING INDEX sqlite_autoindex_coupon_1 (profile_id=? AND code=?)", ""},
		{"redeem", redeem + ofUser, "SEARCH cart_item USING INDEX cart_item_user (user_id=? AND recorded=?)", ""},
		{"redeem for a visitor", redeem + ofVisitor, "SEARCH cart_item USING INDEX cart_item_anonymous (anonymous_id=?)", ""},
		{"coupons of a cart", heldCoupons(ofUser), "SEARCH cart_item USING INDEX cart_item_user (user_id=? AND recorded=?)", ""},
		{"coupons of a visitor's cart", heldCoupons(ofVisitor), "SEARCH cart_item USING INDEX cart_item_anonymous (anonymous_id=?)", ""},
		{"subscribers to keep a profile for", currentSubscribersOf, "SEARCH subscription USING COVERING INDEX subscription_customer (provider_id=?)", ""},
		{"orders before", orderedBefore, "SEARCH txn EXISTS USING INDEX txn_event (event_id=?)", ""},
		{"billed uses", billedUses, "SEARCH txn USING INDEX txn_event (event_id=? AND created_at>? AND created_at<?)", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := make([]any, strings.Count(test.query, "?"))
			for i := range args {
				args[i] = 1
			}
			plan := storetest.Plan(t, w.Site.Store, test.query, args...)
			if !strings.Contains(plan, test.want) {
				t.Errorf("plan\n%s\nwant\n%s", plan, test.want)
			}
			if strings.Contains(strings.NewReplacer("SCAN json_each", "", "SCAN d\n", "", "SCAN d", "").Replace(plan), "SCAN ") {
				t.Errorf("plan\n%s\nscans a table", plan)
			}
			if test.never != "" && strings.Contains(plan, test.never) {
				t.Errorf("plan\n%s\nhas %s", plan, test.never)
			}
		})
	}
}
