// Package subscription is plans and their prices, coupons, and subscriptions of both sides: docs/contract/subscriptions.md 1 to
// 8 and 15. The cart, checkout and renewals build on it.
package subscription

import (
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options of a Service.
type Options struct {
	Store     *store.Store
	Directory *directory.Directory
	Notices   *notice.Notices
	Profiles  *profile.Service
	Users     profile.Users
	Settings  Settings
}

// Settings are the contract's settings about plans (subscriptions.md 1.5); DefaultSettings has their defaults.
type Settings struct {
	// Unit of a provider's first plan, ISO 4217 in lower case. Default: "usd".
	Unit string
	// BrokerFeePercent is the broker's share of each sale, in 1/100 of a percent; it is copied on each new plan. Default: 0.
	BrokerFeePercent int64
	// MinimumAmounts are the lowest price of a billing step by type of period, in 1/100 of a unit; a type that is not there
	// has none. Default: none.
	MinimumAmounts map[ledger.Period]int64
	// HideAccounts keeps to itself which addresses have accounts (decision 78). Default: false.
	HideAccounts bool
	// EngagedDays are the days of the list of engaged subscribers. Default: 7.
	EngagedDays int
	// InactivityDays are the days without a log-in that make a subscriber "unengaged". Default: 90.
	InactivityDays int
	// CouponDays are the days a coupon lives when it is made without an end. Default: 30.
	CouponDays int
}

// DefaultSettings returns the default of every setting.
func DefaultSettings() Settings {
	return Settings{Unit: "usd", EngagedDays: 7, InactivityDays: 90, CouponDays: 30}
}

// A Service carries out the operations of subscriptions.md 4 to 8 and 15.
type Service struct {
	store    *store.Store
	dir      *directory.Directory
	notices  *notice.Notices
	profiles *profile.Service
	users    profile.Users
	settings Settings
	orders   Orders
	urls     AppURLs
}

var _ profile.Subscriptions = (*Service)(nil)

// New returns a service; SetOrders and SetAppURLs complete it.
func New(o Options) *Service {
	return &Service{store: o.Store, dir: o.Directory, notices: o.Notices, profiles: o.Profiles, users: o.Users, settings: o.Settings}
}
