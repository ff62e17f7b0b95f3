package metrics

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// The periodic report on sales (metrics.md 6): what a provider sold in the last period, beside the one before and its mirror of a year
// ago. The broker is sent its own; those of other providers are logged.

const (
	// sampled is how many new users and profiles a report names.
	sampled = 25
	// reportsAtOnce is how many providers share a transaction.
	reportsAtOnce = 50
)

// reportPeriods are the periods of a report that is made at a time: the last whole one before it, the one before that, and the mirror of
// the last: the same hour yesterday, the same day a week ago, the same week 52 weeks ago, the same month a year ago. A yearly report is made
// every month, of the year to its end; the year before is whole, and the mirror is as long as the last.
type reportPeriods struct{ last, prev, prevYear [2]store.Time }

func reportPeriodsAt(of ledger.Period, now store.Time, zone *time.Location) reportPeriods {
	clock := wall(now.In(zone))
	between := func(from, to time.Time) [2]store.Time { return [2]store.Time{at(from, zone), at(to, zone)} }
	if of == ledger.Yearly {
		end := floor(ledger.Monthly, clock, 0)
		start := floor(ledger.Yearly, end.Add(-time.Nanosecond), 0)
		return reportPeriods{between(start, end), between(start.AddDate(-1, 0, 0), start), between(start.AddDate(-1, 0, 0), end.AddDate(-1, 0, 0))}
	}
	start, end := floor(of, clock, 1), floor(of, clock, 0)
	p := reportPeriods{last: between(start, end), prev: between(floor(of, clock, 2), start)}
	switch of {
	case ledger.Hourly:
		p.prevYear = between(start.AddDate(0, 0, -1), end.AddDate(0, 0, -1))
	case ledger.Daily:
		p.prevYear = between(start.AddDate(0, 0, -7), end.AddDate(0, 0, -7))
	case ledger.Weekly:
		p.prevYear = between(start.AddDate(0, 0, -52*7), end.AddDate(0, 0, -52*7))
	case ledger.Monthly:
		p.prevYear = between(start.AddDate(-1, 0, 0), end.AddDate(-1, 0, 0))
	}
	return p
}

func (p reportPeriods) all() [3][2]store.Time { return [3][2]store.Time{p.last, p.prev, p.prevYear} }

// selectReported are the broker, ?1, and the providers that are active, with the end of the last period ?2 that they were reported on.
const selectReported = `SELECT p.id, p.slug, p.created_at, p.default_timezone, r.ends_at
	FROM (SELECT id FROM profile WHERE is_provider = 1 UNION SELECT id FROM profile WHERE slug = ?1) sells
	JOIN profile p ON p.id = sells.id LEFT JOIN sales_report r ON r.profile_id = p.id AND r.period_type = ?2
	WHERE p.is_active = 1 ORDER BY p.id`

// A report is one that is due.
type report struct {
	provider
	of      ledger.Period
	periods reportPeriods
	event   notice.PeriodSalesReportCreated
}

// ReportSales makes the reports that are due, each once: a provider has one when a period ended, in its own zone, since the last and
// since it is there. Of several periods that ended, the last is reported on. It may be run at any hour, twice, and by two processes.
func (s *Service) ReportSales(ctx context.Context) error {
	if s.Report == 0 {
		return nil
	}
	due, err := s.dueReports(ctx)
	if err != nil {
		return fmt.Errorf("reports on sales: %w", err)
	}
	for part := range slices.Chunk(due, reportsAtOnce) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// The figures are read beside the writer: what ended does not change any more.
		err := s.Store.ReadLong(ctx, func(r store.Reader) error {
			for i := range part {
				if err := s.fillReport(r, &part[i]); err != nil {
					return fmt.Errorf("of %s: %w", part[i].slug, err)
				}
			}
			return nil
		})
		if err == nil {
			err = s.keepReports(ctx, part)
		}
		if err != nil {
			return fmt.Errorf("reports on sales: %w", err)
		}
	}
	return nil
}

// dueReports are the reports that are to be made now.
func (s *Service) dueReports(ctx context.Context) (due []report, err error) {
	err = s.Store.ReadLong(ctx, func(r store.Reader) error {
		due = nil
		return store.Each(r, func(rows *sql.Rows) error {
			one := report{of: s.Report}
			var timezone string
			var since, reported store.Time
			if err := rows.Scan(&one.id, &one.slug, &since, &timezone, &reported); err != nil {
				return err
			}
			one.zone = rest.Location(timezone)
			one.periods = reportPeriodsAt(one.of, r.Now(), one.zone)
			if end := one.periods.last[1]; since.Before(end.Time) && (reported.IsZero() || reported.Before(end.Time)) {
				due = append(due, one)
			}
			return nil
		}, selectReported, s.Directory.Broker(), int64(s.Report))
	})
	return due, err
}

// keepReports notes that reports were made, and sends the broker its own, in one transaction. Those that another run made meanwhile are
// left out.
func (s *Service) keepReports(ctx context.Context, made []report) error {
	var logged []report
	err := s.Store.Write(ctx, func(tx *store.Tx) error {
		tx.Actor, logged = "system", nil
		for i := range made {
			one := &made[i]
			n, err := tx.Exec(`INSERT INTO sales_report (profile_id, period_type, ends_at, created_at) VALUES (?, ?, ?, ?)
				ON CONFLICT (profile_id, period_type) DO UPDATE SET ends_at = excluded.ends_at, created_at = excluded.created_at
				WHERE sales_report.ends_at < excluded.ends_at`, one.id, int64(one.of), one.periods.last[1], tx.Now())
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			if one.slug != s.Directory.Broker() {
				logged = append(logged, *one)
			} else if err := s.Notices.Emit(tx, &one.event); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, one := range logged {
		fields := []zap.Field{zap.String("profile", one.slug), zap.Stringer("period", one.of), zap.String("title", one.event.Title)}
		for _, row := range one.event.Results {
			fields = append(fields, zap.String(row.Slug, row.Values[0][1]))
		}
		s.Logger.Info("sales report", fields...)
	}
	return nil
}

// selectReportCounts counts, for each span, the subscriptions to a provider's plans that run at its end, those made in it and those that
// ended in it; one that waits for a grant or a request to be accepted does not count. With ?3, users and profiles who came count too;
// the profile of the processor is nobody.
const selectReportCounts = `WITH ` + spanTable + `
	SELECT span.i,
		(SELECT COUNT(*) FROM subscription s WHERE s.provider_id = ?2 AND s.ends_at > span.until AND s.created_at <= span.until
			AND s.grant_key IS NULL AND s.request_key IS NULL),
		(SELECT COUNT(*) FROM subscription s WHERE s.provider_id = ?2 AND s.created_at >= span.since AND s.created_at < span.until
			AND s.grant_key IS NULL AND s.request_key IS NULL),
		(SELECT COUNT(*) FROM subscription s WHERE s.provider_id = ?2 AND s.ends_at >= span.since AND s.ends_at < span.until
			AND s.grant_key IS NULL AND s.request_key IS NULL),
		CASE WHEN ?3 THEN (SELECT COUNT(*) FROM user WHERE created_at >= span.since AND created_at < span.until AND is_active = 1) END,
		CASE WHEN ?3 THEN (SELECT COUNT(*) FROM profile WHERE created_at >= span.since AND created_at < span.until AND is_active = 1 AND id <> 1) END
	FROM span`

const (
	selectNewUsers    = `SELECT id FROM user WHERE created_at >= ? AND created_at < ? AND is_active = 1 ORDER BY created_at, id LIMIT ?`
	selectNewProfiles = `SELECT id FROM profile WHERE created_at >= ? AND created_at < ? AND is_active = 1 AND id <> 1 ORDER BY created_at, id LIMIT ?`
)

// reportCounts are the counts of a period.
type reportCounts struct{ running, new, churned, users, profiles int64 }

// fillReport makes a report.
func (s *Service) fillReport(r store.Reader, one *report) error {
	interval, err := naturalInterval(r, one.id)
	if err != nil {
		return err
	}
	if one.of == ledger.Yearly { // as in tables
		interval = ledger.Yearly
	}
	unit, err := s.mainUnit(r, one.id)
	if err != nil {
		return err
	}
	var spans []span
	for _, p := range one.periods.all() {
		spans = append(spans, spanOf(p[0], p[1], interval))
	}
	sold, err := salesIn(r, one.provider, spans, unit)
	if err != nil {
		return err
	}
	broker := one.slug == s.Directory.Broker()
	counts := make([]reportCounts, len(spans))
	err = store.Each(r, func(rows *sql.Rows) error {
		var i int
		var c reportCounts
		var users, profiles sql.Null[int64]
		err := rows.Scan(&i, &c.running, &c.new, &c.churned, &users, &profiles)
		c.users, c.profiles = users.V, profiles.V
		counts[i] = c
		return err
	}, selectReportCounts, bindSpans(spans), one.id, broker)
	if err != nil {
		return err
	}
	e := &one.event
	e.Profile, e.Period = notice.Profile{ID: one.id}, one.of
	e.Title = one.periods.last[1].Add(-time.Microsecond).In(one.zone).Format("Monday Jan 02, 2006")
	amount := func(v int64) string { return ledger.Amount{Value: v, Unit: unit}.String() }
	e.Results = notice.List[notice.SalesRow]{
		reportRow("total-transactions", "Total Sales", sold, amount, func(s sales) int64 { return s.total }),
		reportRow("new-transactions", "New Sales", sold, amount, func(s sales) int64 { return s.new }),
		reportRow("churned-transactions", "Churned Sales", sold, amount, func(s sales) int64 { return s.churned }),
		reportRow("payments", "Payments", sold, amount, func(s sales) int64 { return s.payments }),
		reportRow("refunds", "Refunds", sold, amount, func(s sales) int64 { return s.refunds }),
		reportRow("total-subscribers", "Total Subscribers", counts, number, func(c reportCounts) int64 { return c.running }),
		reportRow("new-subscribers", "New Subscribers", counts, number, func(c reportCounts) int64 { return c.new }),
		reportRow("churned-subscribers", "Churned Subscribers", counts, number, func(c reportCounts) int64 { return c.churned }),
	}
	if !broker {
		return nil
	}
	e.Results = append(e.Results, reportRow("new-users", "New users", counts, number, func(c reportCounts) int64 { return c.users }),
		reportRow("new-profiles", "New profiles", counts, number, func(c reportCounts) int64 { return c.profiles }))
	users, err := store.Column[int64](r, selectNewUsers, one.periods.last[0], one.periods.last[1], sampled)
	profiles, failed := store.Column[int64](r, selectNewProfiles, one.periods.last[0], one.periods.last[1], sampled)
	for _, id := range users {
		e.NewUsersSampled = append(e.NewUsersSampled, notice.User{ID: id})
	}
	for _, id := range profiles {
		e.NewProfilesSampled = append(e.NewProfilesSampled, notice.Profile{ID: id})
	}
	e.NbAdditionalNewUsers = counts[0].users - int64(len(users))
	e.NbAdditionalNewProfiles = counts[0].profiles - int64(len(profiles))
	return errors.Join(err, failed)
}

func number(v int64) string { return strconv.FormatInt(v, 10) }

// reportRow is a figure of the last period, the one before and the mirror: the first in full, the others as the change since.
func reportRow[T any](slug, title string, all []T, text func(int64) string, figure func(T) int64) notice.SalesRow {
	last := figure(all[0])
	return notice.SalesRow{Slug: slug, Title: title, Values: notice.List[[2]string]{
		{"last", text(last)}, {"prev", change(last, figure(all[1]))}, {"prev_year", change(last, figure(all[2]))},
	}}
}

// change is by how many percent a figure differs from a base: "+20.0%", "-33.33%", "N/A" when the base is 0 (metrics.md 6).
func change(last, base int64) string {
	if base == 0 {
		return "N/A"
	}
	sign := ""
	if last > base == (base > 0) && last != base {
		sign = "+"
	}
	return sign + fmt.Sprint(percent(last-base, base)) + "%"
}
