package auth

import "github.com/caddy-tollgate/tollgate/store"

// Carts is what log-ins ask of carts. Package billing implements it; the assembly hands it over with SetCarts.
type Carts interface {
	// MergeCart moves what is in the cart of a cookie to the cart of a user (decision 13). An unknown cookie changes nothing.
	MergeCart(tx *store.Tx, userID int64, cookie string) error
}
