package profile

import (
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Users is what profiles ask of user accounts. Package auth implements it; the assembly hands it over with SetUsers.
type Users interface {
	// InviteUser makes a user for an e-mail address that nobody has, without a usable password, and tells its username, derived
	// from the address (auth.md 3). Errors: 400 on "email" when the address is taken.
	InviteUser(tx *store.Tx, email, fullName string) (userID int64, username string, err error)
	// NewUser makes a user of that very name, without a usable password. Errors: 400 on "username" or "email" when taken.
	NewUser(tx *store.Tx, username, email, fullName string) (userID int64, err error)
	// RenameUser gives a user another username and ends its sessions (decision 54). Errors: 400 on "username" when taken.
	RenameUser(tx *store.Tx, userID int64, username string) error
	// ArchiveUser erases a user's personal data, credentials and roles; its name, unless it was used, and its address are free (profiles.md 6.4). It does
	// not archive the user's personal profile.
	ArchiveUser(tx *store.Tx, userID int64) error
	// UpdateFromProfile copies the name and the e-mail address of a personal profile to its user; "" changes nothing. A new
	// address is not verified. waits says that another user may have it: it is nobody's until the code that was sent there comes
	// back for this user (decision 66). Errors: 429.
	UpdateFromProfile(c *rest.Call, tx *store.Tx, userID int64, fullName, email string) (waits bool, err error)
	// PrepareVerification makes ready the key by which a user without a password activates the account (auth.md 7), so that the
	// link in the invitation leads there. reason says why.
	PrepareVerification(tx *store.Tx, userID int64, reason string) (key string, err error)
}

// Subscriptions is what profiles ask of subscriptions. Package subscription implements it; the assembly hands it over with
// SetSubscriptions.
type Subscriptions interface {
	// CurrentSubscribers counts the subscriptions to the plans of a profile that are opted in on both sides and end after now.
	CurrentSubscribers(r store.Reader, profileID int64) (int64, error)
	// EndAll ends now every subscription of a profile, turns their renewal off, ends what is pending on its plans and makes the
	// plans inactive.
	EndAll(tx *store.Tx, profileID int64) error
	// Active lists the subscriptions of a profile that are opted in on both sides and end after now, by end date.
	Active(r store.Reader, profileID int64) ([]Subscription, error)
}

// A Subscription of a profile, as embedded in it (profiles.md 5.5).
type Subscription struct {
	CreatedAt store.Time `json:"created_at"`
	EndsAt    store.Time `json:"ends_at"`
	Plan      Plan       `json:"plan"`
	AutoRenew bool       `json:"auto_renew"`
}

// A Plan as embedded in a subscription.
type Plan struct {
	Slug  string `json:"slug"`
	Title string `json:"title"`
}
