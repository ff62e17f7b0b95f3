package billing

import (
	"database/sql"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Seats are what is bought for somebody else (subscriptions.md 11). That somebody else pays is no consent (decision 68): a
// subscription opens reading rights to the provider, goes on at the subscriber's expense, and is locked while the payer owes for it.
// So a seat is claimed by its subscriber, whether or not the buyer typed the name of somebody who is on the site, and until then
// the buyer is shown what it typed (decision 78). Once claimed, the buyer may prolong it.

// seats are for whom items are bought without asking, by what they are synced on, in lower case.
type seats struct {
	who      map[string]beneficiary
	accepted map[[2]int64]bool // profiles and plans of seats that the customer bought before and that are held
}

// seats finds for whom the caller's items are bought without asking: the customer, the caller, the profiles that the caller manages,
// and the holders of seats that the customer bought before.
func (s *Service) seats(c *rest.Call, r store.Reader, customer int64, list []item) (found seats, err error) {
	if found.who, err = beneficiaries(r, list); err != nil || len(found.who) == 0 {
		return found, err
	}
	profiles, err := s.dir.Profiles(r, found.profiles())
	if err != nil {
		return found, err
	}
	for name, b := range found.who {
		slug := profiles[b.profile].Slug
		b.own = b.profile != 0 && (b.profile == customer || c.Query.ManagerOf(slug)) || b.user == c.User.ID
		found.who[name] = b
	}
	found.accepted = map[[2]int64]bool{}
	err = store.Each(r, func(rows *sql.Rows) error {
		var held [2]int64
		err := rows.Scan(&held[0], &held[1])
		found.accepted[held] = true
		return err
	}, heldSeats, store.IDs(found.profiles()), r.Now(), customer)
	return found, err
}

// heldSeats are the subscriptions of profiles that began by claiming a seat which a customer bought, and that have not ended since.
const heldSeats = `SELECT s.profile_id, s.plan_id FROM subscription s JOIN coupon_claim k ON k.subscription_id = s.id AND k.created_at = s.created_at
	JOIN coupon c ON c.id = k.coupon_id
	WHERE s.profile_id IN (SELECT value FROM json_each(?)) AND s.ends_at > ? AND s.grant_key IS NULL AND s.request_key IS NULL
	AND EXISTS (SELECT 1 FROM txn WHERE txn.payer_id = ? AND txn.event_id = c.code)`

// of is for whom an item is bought without asking: nobody when it is to be claimed.
func (f *seats) of(i *item) beneficiary {
	b := f.who[strings.ToLower(i.sync())]
	if b.own || b.profile != 0 && f.accepted[[2]int64{b.profile, i.PlanID}] {
		return b
	}
	return beneficiary{}
}

func (f *seats) profiles() (ids []int64) {
	for _, b := range f.who {
		ids = append(ids, b.profile)
	}
	return ids
}

// A beneficiary is for whom an item is bought: a profile, a user who has none, or somebody who is not on the site.
type beneficiary struct {
	profile, user int64
	own           bool // the buyer's to decide for
}

// beneficiaries finds for whom items are bought, by what they are synced on, in lower case.
func beneficiaries(r store.Reader, list []item) (map[string]beneficiary, error) {
	var names []string
	for i := range list {
		if sync := list[i].sync(); sync != "" {
			names = append(names, strings.ToLower(sync))
		}
	}
	found := make(map[string]beneficiary, len(names))
	if len(names) == 0 {
		return found, nil
	}
	profiles, err := directory.ProfilesOf(r, names)
	if err != nil {
		return nil, err
	}
	users, err := directory.UsersOf(r, directory.Email, names)
	if err != nil {
		return nil, err
	}
	proven := make([]int64, 0, len(users))
	for _, user := range users {
		proven = append(proven, user)
	}
	// A user stands for its personal profile; a profile of that very slug comes first, then one for which the address stands.
	bound := store.IDs(names)
	named, personal := map[string]beneficiary{}, map[int64]beneficiary{}
	err = store.Each(r, func(rows *sql.Rows) error {
		var name string
		var b beneficiary
		err := rows.Scan(&name, &b.profile, &b.user)
		if name == "" {
			personal[b.user] = b
		} else if _, known := named[name]; !known {
			named[name] = b
		}
		return err
	}, `SELECT name, profile, user FROM (
			SELECT n.value AS name, p.id AS profile, 0 AS user, 1 AS rank FROM json_each(?) n JOIN profile p ON p.slug = n.value WHERE p.is_active = 1
			UNION ALL
			SELECT n.value, coalesce(p.id, 0), u.id, 2 FROM json_each(?) n JOIN user u ON u.username = n.value LEFT JOIN profile p ON p.slug = u.username WHERE u.is_active = 1
			UNION ALL
			SELECT '', coalesce(p.id, 0), u.id, 3 FROM json_each(?) n JOIN user u ON u.id = n.value LEFT JOIN profile p ON p.slug = u.username)
		ORDER BY rank, profile`, bound, bound, store.IDs(proven))
	for _, name := range names {
		b, ok := named[name]
		if list := profiles[name]; len(list) > 0 && (!ok || b.user != 0) {
			b, ok = beneficiary{profile: list[0]}, true
		}
		if user := users[name]; user != 0 && !ok {
			b, ok = personal[user], true
		}
		if b.profile != 0 {
			b.user = 0 // however it was named, it is one
		}
		if ok {
			found[name] = b
		}
	}
	return found, err
}

// A groupBuy collects the seats of an order that are to be claimed (subscriptions.md 11).
type groupBuy struct {
	order   *order
	codes   map[int64]string // of a plan: the code of its coupon, which is the event of its orders
	coupons map[int64]int64
	invites []invite
}

type invite struct {
	inv   *invoicable
	plan  *subscription.Plan
	claim string
}

// join makes an invitation: the items go to whoever presents the claim code, with a coupon that makes them free.
func (g *groupBuy) join(s *Service, tx *store.Tx, p *subscription.Plan, inv *invoicable, periods int64) (event string, err error) {
	payer, err := s.dir.Profiles(tx, []int64{g.order.Customer})
	if err != nil {
		return "", err
	}
	name := payer[g.order.Customer].PrintableName
	if g.codes[p.ID] == "" {
		if g.codes == nil {
			g.codes, g.coupons = map[int64]string{}, map[int64]int64{}
		}
		g.codes[p.ID] = ledger.NewCouponCode()
		descr := "Auto-generated after payment by " + name
		g.coupons[p.ID], err = tx.Insert(`INSERT INTO coupon (code, profile_id, created_at, description, discount_type, discount_value, plan_id, nb_attempts) VALUES (?, ?, ?, ?, 1, 10000, ?, 0)`,
			g.codes[p.ID], p.ProfileID, tx.Now(), descr, p.ID)
		if err != nil {
			return "", err
		}
	}
	if _, err := tx.Exec(`UPDATE coupon SET nb_attempts = nb_attempts + 1 WHERE id = ?`, g.coupons[p.ID]); err != nil {
		return "", err
	}
	claim := directory.NewKey()
	_, err = tx.Exec(`UPDATE cart_item SET user_id = NULL, sync_on = '', full_name = ?, claim_code = ?, coupon_id = ?, nb_periods = nullif(?, 0), recorded = 0
		WHERE id IN (SELECT value FROM json_each(?))`, name, claim, g.coupons[p.ID], periods, store.IDs(inv.Items))
	g.invites = append(g.invites, invite{inv, p, claim})
	return g.codes[p.ID], err
}

// tell invites the beneficiaries: whatever is emitted goes out once the order is committed.
func (g *groupBuy) tell(s *Service, tx *store.Tx) error {
	for _, i := range g.invites {
		plan := notice.Plan(i.plan.Short())
		detail := ""
		for _, l := range i.inv.Lines {
			if l.Kind == orderLine {
				detail = titled(l.Descr, i.plan.Slug, i.plan.Title)
			}
		}
		claim := i.claim
		to, err := i.to(s, tx)
		if err != nil {
			return err
		}
		err = s.notices.Emit(tx, &notice.ClaimCodeGenerated{Profile: to, OriginatedBy: notice.ByUser(g.order.User), Provider: notice.Profile{ID: i.plan.ProfileID},
			ClaimCode: claim, CartItems: notice.List[notice.CartItem]{{CreatedAt: tx.Now(), Plan: &plan, ClaimCode: &claim, FullName: i.inv.FullName,
				Email: pointer(i.inv.SyncOn), Detail: detail}}})
		if err != nil {
			return err
		}
	}
	return nil
}

// to is whom an invitation is mailed to: the address that was typed, or who has the name that was typed. What is said of them is what
// was typed.
func (i *invite) to(s *Service, r store.Reader) (to notice.Profile, err error) {
	to.ProfileShort = directory.ProfileShort{PrintableName: i.inv.FullName, Type: "user"}
	to.FullName, to.Email = i.inv.FullName, i.inv.SyncOn
	if strings.Contains(i.inv.SyncOn, "@") {
		return to, nil
	}
	named, err := beneficiaries(r, []item{{SyncOn: &i.inv.SyncOn}})
	if err != nil {
		return to, err
	}
	b := named[strings.ToLower(i.inv.SyncOn)]
	switch {
	case b.profile != 0:
		to = notice.Profile{ID: b.profile}
	case b.user != 0:
		u, err := s.dir.UserDetail(r, b.user)
		to.Email = text(u.Email)
		return to, err
	}
	return to, nil
}

// invites reports whether somebody gets a message to claim what is bought.
func (inv *invoicable) invites() bool {
	return len(inv.Items) > 0 && inv.Subscriber == 0 && inv.User == 0
}

// sum is what the lines come to.
func (inv *invoicable) sum() (n int64) {
	for i := range inv.Lines {
		n += inv.Lines[i].Amount
	}
	return n
}
