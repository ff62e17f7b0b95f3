// Package billing is what people owe and pay: the ledger as the API shows it (docs/contract/ledger.md 9), and the cart, checkout,
// charges and renewals of docs/contract/subscriptions.md 9 to 14.
package billing

import (
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options of a Service. Those that are not said to be optional are required.
type Options struct {
	Store         *store.Store
	Directory     *directory.Directory
	Settings      Settings
	Notices       *notice.Notices
	Subscriptions *subscription.Service
	Profiles      *profile.Service
	// Processor takes the payments; nil: nothing can be paid by card.
	Processor processor.Processor
	Logger    *zap.Logger // optional
	// FailPoint lets a test end the process at a step of a payment, with an error. Optional.
	FailPoint func(step string) error
}

// Settings are the contract's settings about money (ledger.md 11); DefaultSettings has their defaults.
type Settings struct {
	// Unit is the currency of empty balances, ISO 4217 in lower case. Default: "usd".
	Unit string
	// MaxRenewalAttempts is after how many refusals of the card on file subscriptions end that renew by themselves. Default: 3.
	MaxRenewalAttempts int64
	// ExpireNoticeDays are how many days before the end of a subscription people are told. Default: 15.
	ExpireNoticeDays []int
}

// DefaultSettings are the contract's defaults.
func DefaultSettings() Settings {
	return Settings{Unit: "usd", MaxRenewalAttempts: 3, ExpireNoticeDays: []int{15}}
}

// Service carries out the operations of billing.
type Service struct {
	store     *store.Store
	dir       *directory.Directory
	set       Settings
	notices   *notice.Notices
	subs      *subscription.Service
	profiles  *profile.Service
	processor processor.Processor
	log       *zap.Logger
	failPoint func(step string) error
}

// New makes a service.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return &Service{store: o.Store, dir: o.Directory, set: o.Settings, notices: o.Notices, subs: o.Subscriptions, profiles: o.Profiles,
		processor: o.Processor, log: o.Logger, failPoint: o.FailPoint}
}

// Endpoints are the rows of the table.
func (s *Service) Endpoints() []rest.Endpoint {
	endpoints := []rest.Endpoint{
		rest.Get("/api/billing/transactions", accessrules.BrokerStrict, s.transactions, rest.Lists(transactions), rest.Takes(rest.Text("selector", "Keeps entries of accounts whose name contains this.")),
			rest.Doc("Lists the entries of the ledger")),
	}
	endpoints = append(endpoints, s.webhookEndpoint())
	endpoints = append(endpoints, s.chargeEndpoints()...)
	endpoints = append(endpoints, s.cartEndpoints()...)
	return append(endpoints, s.renewEndpoint())
}

// processorProfile is the profile that stands for the processor in the ledger.
const processorProfile int64 = 1

// broker is the profile that runs the site.
func (s *Service) broker(r store.Reader) (id int64, err error) {
	err = r.QueryRow(`SELECT id FROM profile WHERE slug = ?`, s.dir.Broker()).Scan(&id)
	return id, err
}

// at is a step of a payment at which a test may end the process.
func (s *Service) at(step string) error {
	if s.failPoint == nil {
		return nil
	}
	if err := s.failPoint(step); err != nil {
		return ended{err}
	}
	return nil
}

// ended is the end of the process, as a test has it.
type ended struct{ error }

func (e ended) Unwrap() error { return e.error }
