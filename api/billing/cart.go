package billing

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/store"
)

// cartEndpoints are the rows of carts and checkout (subscriptions.md 9, 10).
func (s *Service) cartEndpoints() []rest.Endpoint {
	code := rest.Text("code", "Takes the items in that were put in a cart under this claim code.")
	return []rest.Endpoint{
		rest.Act("GET", "/api/cart", accessrules.Public, s.getCart, rest.Lists(ownItems), rest.Unaudited(), rest.Doc("Lists what is in the caller's cart")),
		rest.Post("/api/cart", accessrules.Public, s.postCart, rest.Answers(200, CartItem{}, []CartItem{}), rest.Answers(201, CartItem{}, []CartItem{}), rest.Unaudited(), rest.Doc("Puts plans in the caller's cart")),
		rest.Delete("/api/cart", accessrules.Public, s.deleteCart, rest.Takes(rest.Text("plan", "Takes this plan out only."), rest.Text("email", "Takes out what is for this address only.")), rest.Unaudited(), rest.Doc("Takes plans out of the caller's cart")),
		rest.Act("POST", "/api/cart/{plan}/upload", accessrules.Public, s.uploadCart, rest.Answers(200), rest.Answers(201), rest.File(maxUpload), rest.Unaudited(),
			rest.Doc("Puts a plan in the caller's cart for each person of a file")),

		rest.Get("/api/billing/cartitems", accessrules.BrokerStrict, s.listCartItems, rest.Lists(allItems), rest.Doc("Lists what is in the carts of users")),
		rest.Post("/api/billing/cartitems", accessrules.BrokerStrict, s.createItem, rest.Answers(201), rest.Doc("Puts a plan in a user's cart")),
		rest.Get("/api/billing/cartitems/user/{user}", accessrules.BrokerStrict, s.listUserItems, rest.Lists(itemsOfUser), rest.Doc("Lists what is in a user's cart")),
		rest.Get("/api/billing/cartitems/{cartitem_id}", accessrules.BrokerStrict, s.showItem, rest.Doc("Shows what is in a cart")),
		rest.Put("/api/billing/cartitems/{cartitem_id}", accessrules.BrokerStrict, s.replaceItem, rest.Find(s.findItem), rest.Doc("Changes what is in a cart")),
		rest.Patch("/api/billing/cartitems/{cartitem_id}", accessrules.BrokerStrict, s.changeItem, rest.Find(s.findItem), rest.Doc("Changes what is in a cart")),
		rest.Delete("/api/billing/cartitems/{cartitem_id}", accessrules.BrokerStrict, s.deleteItem, rest.Doc("Takes something out of a cart")),

		rest.Act("GET", "/api/billing/{profile}/checkout", accessrules.ProviderStrict, s.showCheckout, rest.Takes(code), rest.Unaudited(),
			rest.Doc("Shows what a profile owes and what the caller's cart costs")),
		rest.Act("POST", "/api/billing/{profile}/checkout", accessrules.ProviderStrict, s.postCheckout, rest.Answers(200), rest.Answers(201), rest.Takes(code), rest.Keyed(),
			rest.Doc("Orders what is in the caller's cart, and pays it")),
		rest.Post("/api/billing/{profile}/checkout/paylater", accessrules.ProviderStrict, s.payLater, rest.Answers(200), rest.Answers(201), rest.Takes(code), rest.Keyed(),
			rest.Doc("Orders what is in the caller's cart, to be paid later")),
	}
}

// maxCart is how many open items a cart holds at most.
const maxCart = 1000

// An item is a row of cart_item (subscriptions.md 2.7). Identifiers are 0 and texts nil where there is none.
type item struct {
	ID               int64
	CreatedAt        store.Time
	UserID, PlanID   int64
	UseID, CouponID  int64
	Quantity, Option int64
	Periods          int64 // that a group buy paid for, until they are claimed
	FullName         string
	Email, SyncOn    *string
	ClaimCode        *string
}

const itemColumns = `i.id, i.created_at, coalesce(i.user_id, 0), i.plan_id, coalesce(i.use_id, 0), coalesce(i.coupon_id, 0), i.quantity, i.option,
	coalesce(i.nb_periods, 0), i.full_name, i.email, i.sync_on, i.claim_code`

func scanItem(rows *sql.Rows, i *item) error {
	return rows.Scan(&i.ID, &i.CreatedAt, &i.UserID, &i.PlanID, &i.UseID, &i.CouponID, &i.Quantity, &i.Option, &i.Periods, &i.FullName, &i.Email, &i.SyncOn, &i.ClaimCode)
}

// seat reports whether somebody else paid for the item (subscriptions.md 11): whoever claims it takes it as it was
// paid for, or takes it out of the cart. Nothing changes it, nor the coupon that makes it free.
func (i *item) seat() bool { return i.ClaimCode != nil }

// sync is for whom the item is bought: a slug or an e-mail address, "" for the buyer.
func (i *item) sync() string { return text(i.SyncOn) }

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// pointer is s, nil when it is empty.
func pointer(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// openItems are the items of a cart that are not ordered yet, in their order.
func openItems(r store.Reader, cart subscription.Cart) ([]item, error) {
	where, owner := cart.Where()
	if owner == nil {
		return nil, nil
	}
	return items(r, `SELECT `+itemColumns+` FROM cart_item i WHERE i.`+where+` AND i.recorded = 0 AND i.plan_id IS NOT NULL ORDER BY i.id`, owner)
}

func items(r store.Reader, query string, args ...any) (all []item, err error) {
	err = store.Each(r, func(rows *sql.Rows) error {
		var i item
		err := scanItem(rows, &i)
		all = append(all, i)
		return err
	}, query, args...)
	return all, err
}

// CartItem is an item of a cart as the API shows it (subscriptions.md 9.2).
type CartItem struct {
	CreatedAt store.Time              `json:"created_at"`
	User      *directory.UserShort    `json:"user"`
	Plan      profile.Plan            `json:"plan"`
	Use       *subscription.UseCharge `json:"use"`
	Option    int64                   `json:"option"`
	Quantity  int64                   `json:"quantity"`
	ClaimCode *string                 `json:"claim_code"` // null until it is claimed: a key, in the mail alone
	SyncOn    *string                 `json:"sync_on"`
	FullName  string                  `json:"full_name"`
	Email     *string                 `json:"email"`
	Detail    *string                 `json:"detail"` // the line it becomes, when there is but one and it is known for whom
}

// cartItems shows items, whatever their number in a handful of queries.
func (s *Service) cartItems(r store.Reader, list []item) ([]CartItem, error) {
	var users, plans []int64
	for i := range list {
		plans = append(plans, list[i].PlanID)
		if list[i].UserID != 0 {
			users = append(users, list[i].UserID)
		}
	}
	people, err := s.dir.Users(r, users)
	if err != nil {
		return nil, err
	}
	sold, err := s.subs.Plans(r, plans)
	if err != nil {
		return nil, err
	}
	coupons, err := s.coupons(r, list)
	if err != nil {
		return nil, err
	}
	shown := make([]CartItem, len(list))
	for n := range list {
		i, p := &list[n], sold[list[n].PlanID]
		shown[n] = CartItem{CreatedAt: i.CreatedAt, Plan: p.Short(), Use: p.Use(i.UseID), Option: i.Option,
			Quantity: i.Quantity, SyncOn: i.SyncOn, FullName: i.FullName, Email: i.Email,
			Detail: s.onlyLine(r.Now(), i, p, coupons[i.CouponID])}
		if u, ok := people[i.UserID]; ok {
			shown[n].User = &u
		}
		if i.UserID != 0 {
			shown[n].ClaimCode = i.ClaimCode
		}
	}
	return shown, nil
}

// onlyLine is the text of the line that an item becomes: nil unless there is one alone and the beneficiary is known.
func (s *Service) onlyLine(now store.Time, i *item, p *subscription.Plan, c *subscription.Coupon) *string {
	if i.sync() == "" || i.UseID != 0 {
		return nil
	}
	options, k := prices(p, i, couponOf(i, p, c, now), now, now), i.Option
	if len(options) == 1 {
		k = 1
	}
	if k >= 1 && k <= int64(len(options)) {
		return pointer(titled(options[k-1].Descr, p.Slug, p.Title))
	}
	return nil
}

// cartInput is an item to be put in a cart.
type cartInput struct {
	Plan      string               `json:"plan" in:"required" validate:"max=50"`
	Use       string               `json:"use" in:"null,blank" validate:"max=50"`
	Option    int64                `json:"option" in:"null" validate:"gte=0,lte=2147483647"`
	Quantity  int64                `json:"quantity" in:"null" validate:"gte=0,lte=2147483647"`
	SyncOn    string               `json:"sync_on" in:"null,blank" validate:"max=255,idn"`
	FullName  string               `json:"full_name" in:"null,blank" validate:"max=150,plain"`
	Email     string               `json:"email" in:"null,blank" validate:"max=255"`
	CreatedAt rest.Opt[store.Time] `json:"created_at" in:"null"`
}

// postCart adds items to the caller's cart (subscriptions.md 9.2).
func (s *Service) postCart(c *rest.Call, tx *store.Tx, in *rest.OneOrMany[cartInput]) (any, error) {
	cart, err := s.writableCart(c, tx)
	if err != nil {
		return nil, err
	}
	to, err := s.filling(tx, cart)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	added := make([]item, 0, len(in.Items))
	for n := range in.Items {
		i, created, err := to.add(tx, &in.Items[n])
		if err != nil {
			return nil, err
		}
		if created {
			status = http.StatusCreated
		}
		added = append(added, *i)
	}
	shown, err := s.cartItems(tx, added)
	if err != nil {
		return nil, err
	}
	c.SetStatus(status)
	if len(shown) == 1 {
		return shown[0], nil
	}
	return shown, nil
}

// writableCart is the caller's cart. A visitor without one gets one, with its cookie; a user who brings a visitor's gets its items.
func (s *Service) writableCart(c *rest.Call, tx *store.Tx) (subscription.Cart, error) {
	if c.User != nil {
		return subscription.CartOf(c), s.mergeCookie(c, tx)
	}
	cart := subscription.CartOf(c)
	known := false
	if cart.Anonymous != nil { // a cookie that was made up begins a cart too
		var err error
		if known, err = store.Exists(tx, `SELECT 1 FROM cart WHERE anonymous_id = ?`, cart.Anonymous); err != nil {
			return cart, err
		}
	}
	if !known {
		if err := c.Count(tx, rest.LimitCarts); err != nil {
			return cart, err
		}
	}
	if cart.Anonymous == nil {
		key := make([]byte, 16)
		rand.Read(key)
		value := hex.EncodeToString(key)
		c.SetCartCookie(value, cartRetention)
		cart.Anonymous = subscription.CartHash(value)
	}
	_, err := tx.Exec(`INSERT INTO cart (anonymous_id, updated_at) VALUES (?, ?) ON CONFLICT (anonymous_id) DO UPDATE SET updated_at = excluded.updated_at`,
		cart.Anonymous, tx.Now())
	return cart, err
}

// getCart lists the caller's open items (decision 13).
func (s *Service) getCart(c *rest.Call, _ *rest.None) (page rest.Page[CartItem], err error) {
	if c.User != nil && c.CartCookie() != "" {
		if err := c.Write(func(tx *store.Tx) error { return s.mergeCookie(c, tx) }); err != nil {
			return page, err
		}
	}
	err = c.Read(func(r store.Reader) error {
		where, owner := subscription.CartOf(c).Where()
		if owner == nil {
			where, owner = `id = ?`, 0
		}
		found, err := ownItems.Page(c, r, rest.Where(`i.`+where, owner))
		if err != nil {
			return err
		}
		page = rest.Page[CartItem]{Count: found.Count, Next: found.Next, Previous: found.Previous}
		page.Results, err = s.cartItems(r, found.Results)
		return err
	})
	return page, err
}

var ownItems = &rest.List[item]{
	Select: itemColumns, From: `cart_item i`, Where: `i.recorded = 0 AND i.plan_id IS NOT NULL`, Key: "i.id", Scan: scanItem,
}

// deleteCart takes items out of the caller's cart: those of a plan, those for an address, or all (subscriptions.md 9.3).
func (s *Service) deleteCart(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	condition, args := ``, []any{}
	if slug := c.QueryString("plan"); slug != "" {
		p, err := s.subs.PlanBySlug(tx, slug)
		if errors.Is(err, store.ErrNotFound) {
			return rest.None{}, rest.Invalid("plan", "Plan '"+slug+"' does not exist or is inactive.")
		}
		if err != nil {
			return rest.None{}, err
		}
		condition, args = condition+` AND plan_id = ?`, append(args, p.ID)
	}
	if email := c.QueryString("email"); email != "" {
		if email = rest.ParseEmail(email); email == "" {
			return rest.None{}, rest.Invalid("email", "Enter a valid email address.")
		}
		condition, args = condition+` AND (lower(email) = lower(?) OR lower(sync_on) = lower(?))`, append(args, email, email)
	}
	where, owner := subscription.CartOf(c).Where()
	if owner == nil {
		return rest.None{}, nil
	}
	_, err := tx.Exec(`DELETE FROM cart_item WHERE `+where+` AND recorded = 0`+condition, append([]any{owner}, args...)...)
	return rest.None{}, err
}
