// Package metrics is what a provider sells and to whom, in tables and lists: docs/contract/metrics.md, and docs/metrics.md for what we
// add to it. It writes nothing but the lines of the broker's balance sheets, and which periods were reported on.
package metrics

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options of a Service. All are required, those of reports for reports alone.
type Options struct {
	Directory *directory.Directory
	Billing   *billing.Service
	// Unit is the currency of tables of nothing, ISO 4217 in lower case.
	Unit string
	// CanPay reports whether the site has a payment processor with its keys.
	CanPay func() bool

	// Of the periodic reports on sales.
	Store   *store.Store
	Notices *notice.Notices
	Logger  *zap.Logger
	// Report is the length of their periods; 0: there are none.
	Report ledger.Period
}

// Service carries out the operations of /api/metrics.
type Service struct{ Options }

// New makes a service.
func New(o Options) *Service { return &Service{o} }

// Endpoints are the rows of the table.
func (s *Service) Endpoints() []rest.Endpoint {
	const (
		own    = "/api/metrics/{profile}/"
		report = "/api/metrics/balances/{report}"
		lines  = report + "/lines"
		line   = lines + "/{rank}"
	)
	direct, broker := accessrules.DirectFrictionless, accessrules.BrokerStrict
	span := rest.Takes(rest.Choice("period_type", "How long a period is; a month by default.", ledger.Monthly.Choices()...),
		rest.Number("nb_periods", "How many periods; by default 24 hours, 7 days, 8 weeks, 12 months or 5 years.", 1, maxPeriods), rest.EndsAt, rest.Timezone)
	return []rest.Endpoint{
		rest.Get(report, broker, s.showReport, span, rest.Doc("Shows a balance sheet of all profiles")),
		rest.Get(lines, broker, s.listLines, rest.Lists(&lineList), rest.Doc("Lists the lines of a balance sheet")),
		rest.Post(lines, broker, s.addLine, rest.Answers(201), rest.Doc("Adds a line to a balance sheet, after the others")),
		rest.Patch(lines, broker, s.moveLines, rest.Lists(&lineList), rest.Doc("Changes the order of the lines of a balance sheet")),
		rest.Get(line, broker, s.showLine, rest.Doc("Shows a line of a balance sheet")),
		rest.Put(line, broker, s.changeLine, rest.Find(s.findLine), rest.Doc("Changes a line of a balance sheet")),
		rest.Patch(line, broker, s.changeLine, rest.Find(s.findLine), rest.Doc("Changes a line of a balance sheet")),
		rest.Delete(line, broker, s.deleteLine, rest.Doc("Removes a line of a balance sheet")),
		rest.Get("/api/metrics/registered", broker, s.registered, rest.Lists(&unattached), rest.Takes(rest.EndsAt, rest.Timezone), rest.Doc("Lists users who are with no subscriber")),

		rest.Get(own+"balances", direct, s.balances, span, rest.Doc("Shows income, backlog and receivables")),
		rest.Get(own+"balances-due", direct, s.balancesDue, rest.Lists(debtors), rest.Doc("Lists customers who owe something, or are owed")),
		rest.Get(own+"coupons/{coupon}", direct, s.couponUses, billing.CouponUseList, rest.Doc("Lists what was bought with a coupon")),
		rest.Get(own+"customers", direct, s.customers, span, rest.Doc("Counts customers")),
		rest.Get(own+"federated", direct, s.federated, rest.Takes(rest.StartAt, rest.EndsAt, rest.Timezone), rest.Doc("Counts the subscriptions that the members of a federation lost, kept and won")),
		rest.Get(own+"federated/shared", direct, s.sharedProfiles, rest.Takes(rest.EndsAt, rest.Timezone), rest.Doc("Counts the profiles that members of a federation share")),
		rest.Get(own+"funds", direct, s.funds, span, rest.Doc("Shows sales, payments and refunds")),
		rest.Get(own+"lifetimevalue", direct, s.lifetimeValues, rest.Lists(buyers), rest.Doc("Lists customers with what they ordered and paid")),
		rest.Get(own+"plans", direct, s.plans, span, rest.Doc("Counts subscribers by plan")),

		rest.Get(own+"mrr", direct, s.recurringRevenue, span, rest.Doc("Shows monthly recurring revenue and what changed it")),
		rest.Get(own+"churn", direct, s.churn, span, rest.Doc("Shows which part of customers and revenue was lost")),
		rest.Get(own+"cohorts", direct, s.cohorts, span, rest.Doc("Counts the customers who stayed, by when they came")),
		rest.Get(own+"dunning", direct, s.dunning, span, rest.Doc("Shows what became of debts that a card was refused for")),
	}
}

// A provider is the profile of the path.
type provider struct {
	id         int64
	slug, name string // name: the full name, or the slug
	zone       *time.Location
	deposits   bool // it has an account at the processor
}

// provider is the profile of the path. Errors: 404.
func (s *Service) provider(c *rest.Call, r store.Reader) (provider, error) {
	return profileOf(r, c.Param("profile"))
}

func profileOf(r store.Reader, slug string) (p provider, err error) {
	var timezone string
	err = r.QueryRow(`SELECT id, slug, coalesce(nullif(full_name, ''), slug), default_timezone, processor_deposit_key IS NOT NULL FROM profile WHERE slug = ?`,
		slug).Scan(&p.id, &p.slug, &p.name, &timezone, &p.deposits)
	if errors.Is(err, store.ErrNotFound) || err == nil && p.slug != slug {
		return p, rest.NotFound("Organization")
	}
	p.zone = rest.Location(timezone)
	return p, err
}

// table reads what a table of a provider is about: the profile, the periods, and its main unit, the one of most of its entries
// (metrics.md 1.5). Other units are left out: amounts of two are never added together (decision 18).
func (s *Service) table(c *rest.Call, r store.Reader) (p provider, t periods, unit string, err error) {
	if p, err = s.provider(c, r); err != nil {
		return p, t, unit, err
	}
	if t, err = periodsOf(c, p.zone); err != nil {
		return p, t, unit, err
	}
	unit, err = s.mainUnit(r, p.id)
	return p, t, unit, err
}

const selectMainUnit = `SELECT unit FROM balance WHERE profile_id = ? AND account IN ('Receivable', 'Backlog', 'Income', 'Refund')
	GROUP BY unit ORDER BY SUM(nb_entries) DESC, unit = ? DESC, unit LIMIT 1`

func (s *Service) mainUnit(r store.Reader, profile int64) (unit string, err error) {
	err = r.QueryRow(selectMainUnit, profile, s.Unit).Scan(&unit)
	if errors.Is(err, store.ErrNotFound) {
		return s.Unit, nil
	}
	return unit, err
}
