// Package billing is what people owe and pay: the ledger as the API shows it (docs/contract/ledger.md 9), and the cart, checkout,
// charges and renewals of docs/contract/subscriptions.md 9 to 14.
package billing

import (
	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options of a Service. All are required.
type Options struct {
	Store     *store.Store
	Directory *directory.Directory
	Settings  Settings
}

// Settings are the contract's settings about money (ledger.md 11); DefaultSettings has their defaults.
type Settings struct {
	// Unit is the currency of empty balances, ISO 4217 in lower case. Default: "usd".
	Unit string
}

// DefaultSettings are the contract's defaults.
func DefaultSettings() Settings { return Settings{Unit: "usd"} }

// Service carries out the operations of billing.
type Service struct {
	store *store.Store
	dir   *directory.Directory
	set   Settings
}

// New makes a service.
func New(o Options) *Service { return &Service{store: o.Store, dir: o.Directory, set: o.Settings} }

// Endpoints are the rows of the table.
func (s *Service) Endpoints() []rest.Endpoint {
	return []rest.Endpoint{
		rest.Get("/api/billing/transactions", accessrules.BrokerStrict, s.transactions, rest.Listed(),
			rest.Doc("Lists the entries of the ledger")),
	}
}
