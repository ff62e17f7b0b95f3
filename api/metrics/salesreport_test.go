package metrics

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// sent are the reports in the outbox, and empties it.
func (w *world) sent() (all []notice.PeriodSalesReportCreated) {
	w.t.Helper()
	var payloads []string
	err := w.Service.Store.Read(w.t.Context(), func(r store.Reader) (err error) {
		payloads, err = store.Column[string](r, `SELECT payload FROM outbox WHERE event = 'period_sales_report_created' AND sink = 'mail' ORDER BY id`)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range payloads {
		var e notice.PeriodSalesReportCreated
		if err := json.Unmarshal([]byte(p), &e); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, e)
	}
	w.exec(`DELETE FROM outbox`)
	return all
}

func (w *world) report() {
	w.t.Helper()
	if err := w.ReportSales(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func rowsOf(e notice.PeriodSalesReportCreated) string {
	var all []string
	for _, r := range e.Results {
		line := r.Slug
		for _, v := range r.Values {
			line += " " + v[0] + "=" + v[1]
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

// TestSalesReport: the broker is sent what the example of metrics.md 7 sold in the last month, in the broker's zone, beside the month
// before and that of a year ago; once, however often it runs; what others sell is logged (metrics.md 6).
func TestSalesReport(t *testing.T) {
	w := newWorld(t)
	core, logs := observer.New(zap.InfoLevel)
	w.Logger, w.Report = zap.New(core), ledger.Monthly
	w.example()
	w.exec(`UPDATE profile SET is_provider = 1, created_at = ? WHERE slug IN ('acme', 'beta')`, day(1, 1))
	w.exec(`UPDATE profile SET email = 'acme@example.com' WHERE slug = 'acme'`)
	old := w.insert("", `INSERT INTO profile (slug, created_at, full_name) VALUES ('cat', ?, 'Cat')`, day(7, 20))
	w.insert("", `INSERT INTO user (username, email, password, created_at, password_changed_at) VALUES ('cat', 'cat@example.com', '!', ?, 0)`, day(8, 1)) // July in Los Angeles
	w.order("ann:open", 4000, 1, store.At(day(7, 15).AddDate(-1, 0, 0)))                                                                                  // July a year ago
	w.report()
	sent := w.sent()
	if len(sent) != 1 {
		t.Fatalf("%d reports", len(sent))
	}
	const want = `total-transactions last=$50.00 prev=+150.0% prev_year=+25.0%
new-transactions last=$50.00 prev=N/A prev_year=+25.0%
churned-transactions last=$20.00 prev=N/A prev_year=N/A
payments last=$0.00 prev=-100.0% prev_year=N/A
refunds last=$0.00 prev=N/A prev_year=N/A
total-subscribers last=2 prev=+100.0% prev_year=N/A
new-subscribers last=1 prev=N/A prev_year=N/A
churned-subscribers last=0 prev=N/A prev_year=N/A
new-users last=1 prev=N/A prev_year=N/A
new-profiles last=1 prev=N/A prev_year=N/A`
	e := sent[0]
	if got := rowsOf(e); got != want {
		t.Errorf("rows:\n%s\nwant\n%s", got, want)
	}
	if e.Title != "Friday Jul 31, 2015" || e.Profile.Slug != "acme" || len(e.NewUsersSampled) != 1 || e.NewUsersSampled[0].Username != "cat" ||
		len(e.NewProfilesSampled) != 1 || e.NewProfilesSampled[0].Slug != "cat" || e.NbAdditionalNewUsers+e.NbAdditionalNewProfiles != 0 {
		t.Errorf("%+v", e)
	}
	if entries := logs.FilterMessage("sales report").All(); len(entries) != 1 || entries[0].ContextMap()["profile"] != "beta" ||
		entries[0].ContextMap()["total-transactions"] != "$0.00" || entries[0].ContextMap()["title"] != "Friday Jul 31, 2015" {
		t.Errorf("logged: %v", entries)
	}

	var wg sync.WaitGroup // twice, and at once
	for range 4 {
		wg.Go(func() { _ = w.ReportSales(context.Background()) })
	}
	wg.Wait()
	w.Clock.Set(time.Date(2015, 9, 1, 6, 59, 0, 0, time.UTC)) // August, in Los Angeles: another one is due to beta alone
	w.report()
	if sent := w.sent(); len(sent) != 0 || logs.Len() != 2 {
		t.Errorf("%d more sent, %d logged", len(sent), logs.Len())
	}
	for i := range 26 {
		w.insert("", `INSERT INTO user (username, email, password, created_at, password_changed_at) VALUES (printf('new%d', ?1), printf('new%d@example.com', ?1), '!', ?2, 0)`, i, day(8, 30))
	}
	w.exec(`UPDATE profile SET is_active = 0 WHERE id = ?`, old)
	w.Clock.Set(time.Date(2015, 11, 15, 0, 0, 0, 0, time.UTC)) // after two months down, of the last month alone
	w.report()
	if sent := w.sent(); len(sent) != 1 || sent[0].Title != "Saturday Oct 31, 2015" {
		t.Errorf("%+v", sent)
	}
	w.exec(`DELETE FROM sales_report`)
	w.Clock.Set(time.Date(2015, 9, 1, 7, 0, 0, 0, time.UTC))
	w.report()
	if sent := w.sent(); len(sent) != 1 || sent[0].Title != "Monday Aug 31, 2015" || len(sent[0].NewUsersSampled) != 25 || sent[0].NbAdditionalNewUsers != 1 {
		t.Errorf("%+v", sent)
	}

	w.Report = 0
	w.exec(`DELETE FROM sales_report`)
	w.report()
	w.Report = ledger.Monthly
	w.exec(`UPDATE profile SET created_at = ? WHERE slug = 'acme'`, store.At(w.Clock.Now()))
	w.report()
	if sent := w.sent(); len(sent) != 0 {
		t.Errorf("sent while it is off, or before the site was there: %+v", sent)
	}
}

// TestReportPeriods: whole periods on the wall clock of the zone, also over a change of its offset; of a year, the part that is over.
func TestReportPeriods(t *testing.T) {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ of, now, last, prev, prevYear string }{
		{"hourly", "2024-03-11T10:20:00", "03-11T09 03-11T10", "03-11T08 03-11T09", "03-10T09 03-10T10"},
		{"daily", "2024-03-11T10:20:00", "03-10T00 03-11T00", "03-09T00 03-10T00", "03-03T00 03-04T00"},
		{"weekly", "2024-03-11T00:00:00", "03-04T00 03-11T00", "02-26T00 03-04T00", "2023-03-06T00 2023-03-13T00"},
		{"weekly", "2024-03-10T23:59:59", "02-26T00 03-04T00", "02-19T00 02-26T00", "2023-02-27T00 2023-03-06T00"},
		{"monthly", "2024-03-31T10:20:00", "02-01T00 03-01T00", "01-01T00 02-01T00", "2023-02-01T00 2023-03-01T00"},
		{"yearly", "2024-03-31T10:20:00", "01-01T00 03-01T00", "2023-01-01T00 01-01T00", "2023-01-01T00 2023-03-01T00"},
		{"yearly", "2024-01-01T00:00:00", "2023-01-01T00 01-01T00", "2022-01-01T00 2023-01-01T00", "2022-01-01T00 2023-01-01T00"},
	} {
		of, _ := ledger.ParsePeriod(c.of)
		now, _ := time.ParseInLocation("2006-01-02T15:04:05", c.now, zone)
		p := reportPeriodsAt(of, store.At(now), zone)
		for i, want := range []string{c.last, c.prev, c.prevYear} {
			got := ""
			for _, b := range p.all()[i] {
				got += " " + strings.TrimPrefix(b.In(zone).Format("2006-01-02T15"), "2024-")
			}
			if got[1:] != want {
				t.Errorf("%s at %s: period %d is %s, want %s", c.of, c.now, i, got[1:], want)
			}
		}
	}
}

// TestChange: the sign of a change is that of the difference, its base is never 0.
func TestChange(t *testing.T) {
	for _, c := range []struct {
		last, base int64
		want       string
	}{{120, 100, "+20.0%"}, {2, 3, "-33.33%"}, {5, 5, "0.0%"}, {5, 0, "N/A"}, {0, 0, "N/A"}, {0, 7, "-100.0%"}, {9, 8, "+12.5%"}} {
		if got := change(c.last, c.base); got != c.want {
			t.Errorf("%d after %d: %s, want %s", c.last, c.base, got, c.want)
		}
	}
}

// TestSalesReportPlan: what is read is found by indexes.
func TestSalesReportPlan(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string]string{
		selectReported:     "INDEX profile_provider",
		selectReportCounts: "INDEX subscription_provider",
		selectNewUsers:     "INDEX user_created_at",
		selectNewProfiles:  "INDEX profile_created_at",
	} {
		args := make([]any, strings.Count(query, "?"))
		for i := range args {
			args[i] = 1
		}
		if query == selectReportCounts {
			args = []any{"[]", 1, true}
		} else if query == selectReported {
			args = []any{"acme", 4}
		}
		plan := storetest.Plan(t, w.Service.Store, query, args...)
		for line := range strings.Lines(plan) {
			if strings.Contains(line, "SCAN") && !strings.Contains(line, "SCAN span") && !strings.Contains(line, "SCAN json_each") &&
				!strings.Contains(line, "SCAN sells") && !strings.Contains(line, "INDEX profile_provider") {
				t.Errorf("%s\n%s", line, plan)
			}
		}
		if !strings.Contains(plan, want) {
			t.Errorf("no %s:\n%s", want, plan)
		}
	}
}
