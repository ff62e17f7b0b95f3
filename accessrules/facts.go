// Package accessrules decides who may pass. The permission of every API endpoint and every rule of the gate are values of one
// kind: a Condition, checked against facts about the caller. The package knows nothing of handlers, Caddy or SQL; it asks for
// facts through one interface. It implements access.md, both parts.
package accessrules

import (
	"slices"
	"time"
)

// Facts answers questions about others than the caller. Values are shared and must not be changed. Every method returns nil
// (and no error) for what does not exist; an error means that the answer is not known, and nobody passes.
type Facts interface {
	// Broker is the slug of the profile that runs the site.
	Broker() string
	// Profile finds a profile by slug (case-sensitively), archived ones included.
	Profile(slug string) (*Profile, error)
	// User finds an active user by username.
	User(username string) (*User, error)
	// Plan finds a plan by slug.
	Plan(slug string) (*Plan, error)
	// Agreement is the date of the last version of an agreement; zero when there is no such agreement.
	Agreement(slug string) (time.Time, error)
}

// A User is a login, with all that conditions ask about it. Immutable.
type User struct {
	ID            int64
	PublicID      string // what applications know the user by, whatever the name: it never changes (decision 69)
	Username      string
	Email         string // proven; "" for none
	EmailUnproven string // shown in its place, and not proven; "" for none
	Name          string // printable name
	FullName      string
	Lang          string    // that the user reads, as in "en"; "" where nothing is known
	Credentials   bool      // has a usable password
	OTP           bool      // has set up one-time passwords
	LastLogin     time.Time // zero: never
	Roles         []Role    // opted in on both sides; some may have ended
	Pending       []string  // slugs of the profiles with a grant that waits for an answer
	Signed        map[string]time.Time
	InvoiceKeys   []InvoiceKey // of paid charge items that wait to be synchronised, in the order of the items
}

// An InvoiceKey stands for something paid that the application takes note of (access.md B.7 invoice_keys). It is told of by the
// requests of a user, or of whoever has a role on a profile.
type InvoiceKey struct {
	Key     string
	Profile string // slug of the profile, "" for the user's own
}

// Invoices are the keys that the application is told at now, each once.
func (u *User) Invoices(now time.Time) []string {
	var keys []string
	for _, k := range u.InvoiceKeys {
		told := k.Profile == ""
		for i := 0; i < len(u.Roles) && !told; i++ {
			told = u.Roles[i].Profile.Slug == k.Profile && u.opens(&u.Roles[i], now)
		}
		if told && !slices.Contains(keys, k.Key) {
			keys = append(keys, k.Key)
		}
	}
	return keys
}

// A Role is what a user may do on a profile.
type Role struct {
	Profile     *Profile
	Description string // "manager", "contributor" or a custom slug
	OTPRequired bool
	EndsAt      time.Time // zero: never
}

// Valid reports whether the role is in force at now (access.md A.1).
func (r *Role) Valid(now time.Time) bool { return r.EndsAt.IsZero() || r.EndsAt.After(now) }

// Holds reports whether a role of the user counts at now: it is in force, and where it asks for one-time passwords the user has
// set them up (decision 68).
func (u *User) Holds(r *Role, now time.Time) bool { return r.Valid(now) && (u.OTP || !r.OTPRequired) }

// opens reports whether a role of the user counts, on a profile that is active.
func (u *User) opens(r *Role, now time.Time) bool { return u.Holds(r, now) && r.Profile.Active }

// A Profile is a billing account. Immutable.
type Profile struct {
	ID            int64
	Slug          string
	PrintableName string
	Email         string
	Picture       string // "" = none
	Personal      bool   // a user of the same slug holds a role on it
	Credentials   bool   // that user has a usable password
	CreatedAt     time.Time
	Ahead         time.Duration // how far its own clock, of the sandbox, is ahead; the times here are the site's
	Active        bool
	Provider      bool // is_provider
	BulkBuyer     bool // is_bulk_buyer
	Managed       bool // an active manager who counts (decision 31): not a shadow
	Timezone      string
	// Subscriptions that are opted in on both sides, ended ones included, by end date.
	Subscriptions []Subscription
}

// A Subscription of a profile to a plan.
type Subscription struct {
	Plan     string // slug
	Provider string // slug of the plan's owner
	EndsAt   time.Time
	Locked   bool // something ordered on it is not paid (ledger.md 4.2)
}

// A Plan as rules see it.
type Plan struct {
	Slug     string
	Title    string
	Provider string // slug of its owner
	Active   bool
	Priced   bool // not is_not_priced
}
