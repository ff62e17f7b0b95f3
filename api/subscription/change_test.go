package subscription

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// What package profile asks: who subscribes, what a profile has, and the end of it all when the profile is archived.
func TestArchivedProfile(t *testing.T) {
	w := newWorld(t)
	id := func(slug string) (id int64) {
		w.read(func(r store.Reader) (err error) {
			id, err = profileID(r, slug)
			return err
		})
		return id
	}
	count := func(slug string) (n int64) {
		w.read(func(r store.Reader) (err error) {
			n, err = w.CurrentSubscribers(r, id(slug))
			return err
		})
		return n
	}
	active := func(slug string) (plans []profile.Plan) {
		w.read(func(r store.Reader) error {
			subs, err := w.Active(r, id(slug))
			for _, s := range subs {
				plans = append(plans, s.Plan)
			}
			return err
		})
		return plans
	}
	if got := [3]int64{count("cowork"), count("gym"), count("xia")}; got != [3]int64{3, 1, 0} {
		t.Errorf("subscribers of cowork, gym and xia: %v", got)
	}
	if diff := cmp.Diff([]profile.Plan{{Slug: "premium", Title: "Premium"}, {Slug: "gym-monthly", Title: "Gym Monthly"}}, active("acme")); diff != "" {
		t.Errorf("subscriptions of acme (-want +got):\n%s", diff)
	}
	w.exec(`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at) SELECT p.id, plan.id, 0, ? FROM profile p, plan WHERE p.slug = 'gym' AND plan.slug = 'basic'`,
		store.At(w.Clock.Now().AddDate(1, 0, 0)))
	w.exec(`INSERT INTO subscription (profile_id, plan_id, created_at, ends_at, grant_key) SELECT p.id, plan.id, 0, ?, 'k' FROM profile p, plan WHERE p.slug = 'xia' AND plan.slug = 'gym-monthly'`,
		store.At(w.Clock.Now().AddDate(1, 0, 0)))
	gym := id("gym")
	w.write(func(tx *store.Tx) error { return w.EndAll(tx, gym) })
	if got := w.values(`SELECT p.slug || ':' || plan.slug || ':' || s.auto_renew || ':' || (s.ends_at = ?) FROM subscription s JOIN profile p ON p.id = s.profile_id
		JOIN plan ON plan.id = s.plan_id WHERE s.provider_id = ? OR s.profile_id = ? ORDER BY s.id`, store.At(w.Clock.Now()), gym, gym); got !=
		"acme:gym-monthly:1:0 gym:basic:0:1 xia:gym-monthly:0:1" {
		t.Errorf("subscriptions of and to gym: %s", got)
	}
	if got := w.values(`SELECT is_active FROM plan WHERE slug IN ('gym-monthly', 'basic') ORDER BY slug`); got != "1 0" {
		t.Errorf("plans active: %s", got)
	}
	w.Run(t, resttest.Case("gone from the prices", "", "GET /api/pricing?q=gym", "", 200, `{"count":0,"next":null,"previous":null,"results":[]}`))
}

// A change of one subscription extends nothing and orders nothing, and neither does paying: only Extend moves the end (must-pass 1).
func TestExtend(t *testing.T) {
	w := newWorld(t)
	w.write(func(tx *store.Tx) error {
		sub, err := w.ByID(tx, 1)
		if err != nil {
			return err
		}
		p, err := w.PlanByID(tx, sub.PlanID)
		if err != nil {
			return err
		}
		sub, err = w.Extend(tx, sub, p, 3)
		if err != nil {
			return err
		}
		if got := sub.EndsAt.String(); got != "2026-07-01T00:00:00Z" {
			t.Errorf("extended to %s", got)
		}
		acme, err := profileID(tx, "acme")
		if err != nil {
			return err
		}
		fresh, err := w.Start(tx, acme, p, 12, true)
		if err != nil {
			return err
		}
		if got := fresh.EndsAt.String(); got != "2027-03-15T12:00:00Z" || fresh.CreatedAt != tx.Now() || !fresh.Valid() || !fresh.AutoRenew {
			t.Errorf("started: %+v", fresh)
		}
		return nil
	})
	w.Run(t,
		resttest.Case("extended", "xia", "GET /api/profile/xia/subscriptions/basic", "", 200, `~"ends_at":"2026-07-01T00:00:00Z"`),
		resttest.Case("started", "yan", "GET /api/profile/acme/subscriptions/basic", "", 200, `~"ends_at":"2027-03-15T12:00:00Z"`),
	)
}

// The setup fee is on the first order of a profile for a plan, and on no other (subscriptions.md 3.6, must-pass 11).
func TestSetupDue(t *testing.T) {
	w := newWorld(t)
	due := func(profile, plan string) (amount int64) {
		w.read(func(r store.Reader) error {
			id, err := profileID(r, profile)
			if err != nil {
				return err
			}
			p, err := w.PlanBySlug(r, plan)
			if err != nil {
				return err
			}
			ordered, err := w.OrderedBefore(r, []int64{id}, []int64{p.ID})
			if !ordered[[2]int64{id, p.ID}] {
				amount = p.SetupAmount
			}
			return err
		})
		return amount
	}
	if got := [3]int64{due("xia", "premium"), due("acme", "premium"), due("xia", "basic")}; got != [3]int64{1000, 1000, 0} {
		t.Errorf("due %v: nobody has ordered yet", got)
	}
	w.order(2, 5000) // acme's, which ends
	w.exec(`UPDATE subscription SET ends_at = 1 WHERE id = 2`)
	if got := [2]int64{due("xia", "premium"), due("acme", "premium")}; got != [2]int64{1000, 0} {
		t.Errorf("due %v", got)
	}
}

// What checkout shows: all about the plan, and a subscription that need not be stored.
func TestInvoicableView(t *testing.T) {
	w := newWorld(t)
	show := func(c *rest.Call, r store.Reader) (InvoicableView, error) {
		xia, err := profileID(r, "xia")
		if err != nil {
			return InvoicableView{}, err
		}
		p, err := w.PlanBySlug(r, c.Param("plan"))
		if err != nil {
			return InvoicableView{}, err
		}
		sub, err := w.Current(r, xia, p.ID)
		if err != nil {
			return InvoicableView{}, err
		}
		if sub == nil {
			sub = &Subscription{EndsAt: r.Now(), AutoRenew: true, Subscriber: "xia", Plan: p.Short()}
		}
		profiles, err := w.dir.Profiles(r, []int64{xia})
		return w.InvoicableView(c, sub, profiles[xia], p), err
	}
	site := resttest.With(t, rest.Options{Store: w.Site.Store, Directory: w.dir}, w.Clock,
		[]rest.Endpoint{rest.Get("/api/billing/{profile}/{plan}", accessrules.Public, show)})
	const short = `"profile":` + xiaShort + `,"plan":{"slug":`
	site.Run(t,
		resttest.Case("stored", "xia", "GET /api/billing/xia/basic", "", 200, `~{"created_at":"2026-03-01T00:00:00Z","ends_at":"2026-04-01T00:00:00Z","description":null,`+short+`"basic"~"period_amount":2000`),
		resttest.Case("not stored", "xia", "GET /api/billing/xia/premium", "", 200, `~{"created_at":null,"ends_at":"2026-03-15T12:00:00Z","description":null,`+short+`"premium"~"use_charges":[{"slug":"requests"~`+
			`"grant_key":null,"request_key":null,"app_url":"https://app.example.com/app/xia/premium/"}`),
	)
}
