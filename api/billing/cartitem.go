package billing

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/store"
)

// Carts of others, for the broker's support (subscriptions.md 9.6).

const openFrom = `cart_item i LEFT JOIN user u ON u.id = i.user_id`

// opened lists open items of carts; where narrows it.
func opened(where string) *rest.List[item] {
	return &rest.List[item]{
		Select: itemColumns, From: openFrom, Counted: `cart_item i`, Where: `i.recorded = 0 AND i.plan_id IS NOT NULL` + where, Key: "i.id",
		Search:  rest.Names{"user__username": {"u.username"}, "user__first_name": {"u.first_name"}, "user__last_name": {"u.last_name"}, "user__email": {"u.email"}},
		Order:   rest.Names{"username": {"u.username"}, "created_at": {"i.created_at"}},
		Default: []string{"created_at"}, Dates: "i.created_at", Scan: scanItem,
	}
}

var (
	allItems    = opened("")
	itemsOfUser = opened(" AND i.user_id = ?")
)

// listCartItems lists the open items of everybody.
func (s *Service) listCartItems(c *rest.Call, r store.Reader) (rest.Page[CartItem], error) {
	return s.itemPage(c, r, allItems)
}

func (s *Service) itemPage(c *rest.Call, r store.Reader, l *rest.List[item], args ...any) (page rest.Page[CartItem], err error) {
	found, err := l.Page(c, r, args...)
	if err != nil {
		return page, err
	}
	page = rest.Page[CartItem]{Count: found.Count, Next: found.Next, Previous: found.Previous}
	page.Results, err = s.cartItems(r, found.Results)
	return page, err
}

// OwnedItem is an item in the list of one user's.
type OwnedItem struct {
	CreatedAt store.Time              `json:"created_at"`
	Plan      profile.Plan            `json:"plan"`
	Use       *subscription.UseCharge `json:"use"`
	Option    int64                   `json:"option"`
	Quantity  int64                   `json:"quantity"`
	ClaimCode *string                 `json:"claim_code"`
	SyncOn    *string                 `json:"sync_on"`
	FullName  string                  `json:"full_name"`
	Email     *string                 `json:"email"`
	Detail    *string                 `json:"detail"`
	ID        int64                   `json:"id"`
}

// UserItems is the envelope of the items of one user.
type UserItems struct {
	User directory.UserShort `json:"user"`
	rest.Page[OwnedItem]
}

// listUserItems lists the open items of {user}. Errors: 404.
func (s *Service) listUserItems(c *rest.Call, r store.Reader) (out UserItems, err error) {
	user, err := userID(r, c.Param("user"))
	if errors.Is(err, store.ErrNotFound) {
		return out, rest.NotFound("User")
	}
	if err != nil {
		return out, err
	}
	found, err := itemsOfUser.Page(c, r, user)
	if err != nil {
		return out, err
	}
	shown, err := s.cartItems(r, found.Results)
	if err != nil {
		return out, err
	}
	users, err := s.dir.Users(r, []int64{user})
	out = UserItems{users[user], rest.Page[OwnedItem]{Count: found.Count, Next: found.Next, Previous: found.Previous, Results: make([]OwnedItem, len(shown))}}
	for i, v := range shown {
		out.Results[i] = OwnedItem{v.CreatedAt, v.Plan, v.Use, v.Option, v.Quantity, v.ClaimCode, v.SyncOn, v.FullName, v.Email, v.Detail, found.Results[i].ID}
	}
	return out, err
}

func userID(r store.Reader, username string) (id int64, err error) {
	err = r.QueryRow(`SELECT id FROM user WHERE username = ? AND is_active = 1`, username).Scan(&id)
	return id, err
}

// MadeItem is an item that the broker put in somebody's cart.
type MadeItem struct {
	User      string     `json:"user"`
	CreatedAt store.Time `json:"created_at"`
	Plan      string     `json:"plan"`
	Option    int64      `json:"option"`
	Use       *string    `json:"use"`
	Quantity  int64      `json:"quantity"`
	SyncOn    *string    `json:"sync_on"`
	FullName  string     `json:"full_name"`
	Email     *string    `json:"email"`
	Detail    string     `json:"detail"`
}

// ItemInput is an item to be put in somebody's cart.
type ItemInput struct {
	User string `json:"user" in:"required" validate:"max=150"`
	cartInput
}

// createItem puts an item in a user's cart, whatever is there. Errors: 400.
func (s *Service) createItem(c *rest.Call, tx *store.Tx, in *ItemInput) (out MadeItem, err error) {
	user, err := userID(tx, in.User)
	if errors.Is(err, store.ErrNotFound) {
		return out, rest.Invalid("user", fmt.Sprintf("Object with username=%s does not exist.", in.User))
	}
	if err != nil {
		return out, err
	}
	to, err := s.filling(tx, subscription.Cart{User: user})
	if err != nil {
		return out, err
	}
	i, err := to.item(tx, &in.cartInput)
	if err != nil {
		return out, err
	}
	if in.SyncOn == "" && in.Email == "" {
		i.SyncOn = nil
	}
	if err := to.insert(tx, i); err != nil {
		return out, err
	}
	out = MadeItem{User: in.User, CreatedAt: i.CreatedAt, Plan: in.Plan, Option: i.Option, Use: pointer(in.Use), Quantity: i.Quantity, SyncOn: i.SyncOn, FullName: i.FullName, Email: i.Email,
		Detail: "Cart item created"}
	c.SetStatus(http.StatusCreated)
	return out, nil
}

// pathItem is the open item of the path. Errors: 404.
func (s *Service) pathItem(c *rest.Call, r store.Reader) (*item, error) {
	id, err := strconv.ParseInt(c.Param("cartitem_id"), 10, 64)
	if err != nil {
		return nil, rest.NotFound("CartItem")
	}
	found, err := items(r, `SELECT `+itemColumns+` FROM cart_item i WHERE i.id = ? AND i.recorded = 0 AND i.plan_id IS NOT NULL`, id)
	if err == nil && len(found) == 0 {
		err = rest.NotFound("CartItem")
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

func (s *Service) findItem(c *rest.Call, r store.Reader) error {
	_, err := s.pathItem(c, r)
	return err
}

// showItem shows an open item.
func (s *Service) showItem(c *rest.Call, r store.Reader) (CartItem, error) {
	i, err := s.pathItem(c, r)
	if err != nil {
		return CartItem{}, err
	}
	return s.cartItem(r, i)
}

func (s *Service) cartItem(r store.Reader, i *item) (CartItem, error) {
	shown, err := s.cartItems(r, []item{*i})
	if err != nil {
		return CartItem{}, err
	}
	return shown[0], nil
}

// ItemChange is what the broker changes of an item; what is not given stays.
type ItemChange struct {
	Option   rest.Opt[int64]  `json:"option" in:"null" validate:"gte=0,lte=2147483647"`
	Quantity rest.Opt[int64]  `json:"quantity" in:"null" validate:"gte=0,lte=2147483647"`
	Use      rest.Opt[string] `json:"use" in:"null,blank" validate:"max=50"`
	SyncOn   rest.Opt[string] `json:"sync_on" in:"null,blank" validate:"max=255,idn"`
	FullName rest.Opt[string] `json:"full_name" in:"null,blank" validate:"max=150,plain"`
	Email    rest.Opt[string] `json:"email" in:"null,blank" validate:"max=255"`
}

var errSeat = rest.Fail(http.StatusBadRequest, "Somebody else paid for this: it cannot be changed.")

// changeItem changes an open item. Errors: 400 for a seat.
func (s *Service) changeItem(c *rest.Call, tx *store.Tx, in *ItemChange) (CartItem, error) {
	i, err := s.pathItem(c, tx)
	if err != nil {
		return CartItem{}, err
	}
	if i.seat() {
		return CartItem{}, errSeat
	}
	if in.Use.Given {
		i.UseID = 0
		if slug := in.Use.Or(""); slug != "" {
			p, err := s.subs.PlanByID(tx, i.PlanID)
			if err != nil {
				return CartItem{}, err
			}
			use, err := s.subs.UseOf(tx, p, slug)
			if err != nil {
				return CartItem{}, err
			}
			i.UseID = use.ID
		}
	}
	if in.Option.Given {
		i.Option = in.Option.Or(0)
	}
	if in.Quantity.Given {
		i.Quantity = in.Quantity.Or(0)
	}
	if in.FullName.Given {
		i.FullName = in.FullName.Or("")
	}
	if in.SyncOn.Given {
		i.SyncOn = given(in.SyncOn)
	}
	if in.Email.Given {
		i.Email = given(in.Email)
	}
	if err := update(tx, i); err != nil {
		return CartItem{}, err
	}
	return s.cartItem(tx, i)
}

// replaceItem changes an open item, and says so.
func (s *Service) replaceItem(c *rest.Call, tx *store.Tx, in *ItemChange) (CartItem, error) {
	shown, err := s.changeItem(c, tx, in)
	shown.Detail = pointer("Cart item updated")
	return shown, err
}

func given(o rest.Opt[string]) *string {
	if !o.Set() {
		return nil
	}
	return &o.Value
}

// deleteItem takes an open item out of its cart.
func (s *Service) deleteItem(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	i, err := s.pathItem(c, tx)
	if err != nil {
		return rest.None{}, err
	}
	_, err = tx.Exec(`DELETE FROM cart_item WHERE id = ?`, i.ID)
	return rest.None{}, err
}
