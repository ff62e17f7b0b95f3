package metrics

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// fact is an entry of the ledger; term is a subscription.
type fact struct {
	at                                   time.Time
	dest, orig, event, destUnit          string
	destProfile, origProfile, sub, payer int64
	amount, periods                      int64
}

type term struct {
	id, plan, customer int64
	period             ledger.Period
	from, to           time.Time
	effective          bool
}

// TestModel compares every table with sums over all entries, written as the contract says them, for random ledgers: orders, payments by
// card and not, write-offs, refunds and income, in two units, of customers who come and go, at and around the boundaries.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.plan("acme", "weekly", "Weekly", ledger.Weekly, "usd")
		w.plan("acme", "eur", "Euro", ledger.Monthly, "eur")
		w.plan("acme", "annual", "Annual", ledger.Yearly, "usd")
		w.plan("beta", "other", "Other", ledger.Daily, "usd")
		of := ledger.Period(rapid.IntRange(2, 5).Draw(rt, "period"))
		n := rapid.Int64Range(1, 6).Draw(rt, "n")
		end := store.At(time.Date(2015, 8, rapid.IntRange(1, 6).Draw(rt, "day"), rapid.SampledFrom([]int{7, 12}).Draw(rt, "hour"), 0, 0, 0, time.UTC))
		zoneLA, err := time.LoadLocation("America/Los_Angeles")
		if err != nil {
			t.Fatal(err)
		}
		bounds := boundaries(of, n, end, zoneLA)
		// moment is any time, or one at a boundary, a microsecond before it, or a month earlier.
		moment := func(name string) store.Time {
			b := bounds[rapid.IntRange(0, len(bounds)-1).Draw(rt, name+" boundary")]
			switch rapid.IntRange(0, 4).Draw(rt, name) {
			case 0:
				return b
			case 1:
				return store.At(b.Add(-time.Microsecond))
			case 2:
				return ledger.Monthly.Add(b, -1)
			}
			return store.At(time.UnixMicro(rapid.Int64Range(time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), end.UnixMicro()).Draw(rt, name+" time")))
		}
		plans := []string{"open", "basic", "weekly", "eur", "annual", "other"}
		customers := []string{"ann", "bob", "beta"}
		var subs []string
		for range rapid.IntRange(0, 5).Draw(rt, "subscriptions") {
			who, plan := rapid.SampledFrom(customers).Draw(rt, "who"), rapid.SampledFrom(plans).Draw(rt, "plan")
			if slices.Contains(subs, who+":"+plan) || who == "beta" && plan == "other" {
				continue
			}
			from, to := moment("from"), moment("to")
			if to.Before(from.Time) {
				from, to = to, from
			}
			w.subscribe(who, plan, from, to)
			if rapid.IntRange(0, 9).Draw(rt, "pending") == 0 {
				w.exec(`UPDATE subscription SET grant_key = ? WHERE id = ?`, fmt.Sprintf("%040d", len(subs)), w.ids["sub "+who+":"+plan])
			}
			subs = append(subs, who+":"+plan)
		}
		for i := range rapid.IntRange(0, 12).Draw(rt, "events") {
			if len(subs) == 0 {
				break
			}
			sub, at, amount := rapid.SampledFrom(subs).Draw(rt, "sub"), moment("at"), rapid.Int64Range(1, 5000).Draw(rt, "amount")
			event, _, _, _ := w.sold(sub)
			provider := "acme"
			if strings.HasSuffix(sub, ":other") {
				provider = "beta"
			}
			switch rapid.IntRange(0, 7).Draw(rt, "event") {
			case 0:
				w.pay(sub, amount, 0, int64(i+1), at)
			case 1:
				w.payOffline(sub, amount, at)
			case 2:
				w.writeOff(sub, amount, at)
			case 3:
				who, _, _ := strings.Cut(sub, ":")
				w.move(ledger.KindRefund, provider+":Refund <- "+who+":Refunded", ledger.RefundEvent(1, int64(i+1)), amount, at)
			case 4:
				w.move(ledger.KindIncome, provider+":Backlog <- "+provider+":Income", event, amount, at)
			default:
				w.order(sub, amount*rapid.Int64Range(0, 1).Draw(rt, "price"), rapid.Int64Range(1, 14).Draw(rt, "periods"), at)
			}
		}
		if report, err := ledger.Verify(t.Context(), w.Store, nil); err != nil || slices.ContainsFunc(report.Problems, func(p ledger.Problem) bool {
			return strings.HasPrefix(p.Where, "movement") || strings.HasPrefix(p.Where, "price")
		}) {
			rt.Fatalf("%v, %v", report.Problems, err)
		}
		m := model{w: w, provider: w.ids["acme"], of: of, bounds: bounds}
		m.read()
		query := fmt.Sprintf("?period_type=%s&nb_periods=%d&ends_at=%s", of, n, end)
		for path, want := range map[string]string{
			"balances": m.balances(), "funds": m.funds(), "customers": m.customers(), "plans": m.plans(), "mrr": m.mrr(), "cohorts": m.cohorts(),
		} {
			if got := w.rows("zed", "GET /api/metrics/acme/"+path+query); got != want {
				rt.Fatalf("%s%s, unit %s:\n%s\nwant\n%s", path, query, m.unit, got, want)
			}
		}
	})
}

type model struct {
	w        *world
	provider int64
	of       ledger.Period
	bounds   []store.Time
	facts    []fact
	terms    []term
	unit     string
	natural  ledger.Period
	titles   []string // plans in the order of the table
	slugs    map[string]int64
}

func (m *model) read() {
	m.w.t.Helper()
	m.slugs = map[string]int64{}
	err := m.w.Store.Read(m.w.t.Context(), func(r store.Reader) error {
		err := store.Each(r, func(rows *sql.Rows) error {
			var f fact
			var at store.Time
			err := rows.Scan(&at, &f.dest, &f.orig, &f.event, &f.destUnit, &f.destProfile, &f.origProfile, &f.payer, &f.amount, &f.periods)
			f.at = at.Time
			if e := ledger.ParseEvent(f.event); e.Kind == ledger.SubscriptionEvent {
				f.sub = e.Subscription
			}
			m.facts = append(m.facts, f)
			return err
		}, `SELECT created_at, dest_account, orig_account, coalesce(event_id, ''), dest_unit, dest_profile_id, orig_profile_id, coalesce(payer_id, 0), dest_amount,
			coalesce(nb_periods, 0) FROM txn ORDER BY created_at, id`)
		if err != nil {
			return err
		}
		err = store.Each(r, func(rows *sql.Rows) error {
			var s term
			var from, to store.Time
			err := rows.Scan(&s.id, &s.plan, &s.customer, (*int)(&s.period), &from, &to, &s.effective)
			s.from, s.to = from.Time, to.Time
			m.terms = append(m.terms, s)
			return err
		}, `SELECT s.id, s.plan_id, s.profile_id, plan.period_type, s.created_at, s.ends_at, s.grant_key IS NULL AND s.request_key IS NULL
			FROM subscription s JOIN plan ON plan.id = s.plan_id`)
		if err != nil {
			return err
		}
		return store.Each(r, func(rows *sql.Rows) error {
			var id int64
			var slug string
			var period ledger.Period
			err := rows.Scan(&id, &slug, (*int)(&period))
			m.titles, m.slugs[slug] = append(m.titles, slug), id
			if m.natural == 0 || period < m.natural {
				m.natural = period
			}
			return err
		}, `SELECT id, slug, period_type FROM plan WHERE profile_id = ? ORDER BY title`, m.provider)
	})
	if err != nil {
		m.w.t.Fatal(err)
	}
	m.unit = m.mainUnit()
}

// mainUnit is the unit of most legs on the four accounts.
func (m *model) mainUnit() string {
	counts := map[string]int{}
	for _, f := range m.facts {
		for _, l := range []struct {
			profile int64
			account string
		}{{f.destProfile, f.dest}, {f.origProfile, f.orig}} {
			if l.profile == m.provider && slices.Contains([]string{"Income", "Backlog", "Receivable", "Refund"}, l.account) {
				counts[f.destUnit]++
			}
		}
	}
	if counts["eur"] > counts["usd"] {
		return "eur"
	}
	return "usd"
}

func show(slug string, values []int64) string {
	return strings.TrimSpace(slug + " " + strings.Trim(fmt.Sprint(values), "[]"))
}

func (m *model) balances() string {
	var all []string
	for _, account := range []string{"Income", "Backlog", "Receivable"} {
		var values []int64
		for _, b := range m.bounds {
			var sum int64
			for _, f := range m.facts {
				if f.destUnit != m.unit || !f.at.Before(b.Time) {
					continue
				}
				if f.destProfile == m.provider && f.dest == account {
					sum += f.amount
				}
				if f.origProfile == m.provider && f.orig == account {
					if f.dest == "Canceled" {
						sum += f.amount
					} else {
						sum -= f.amount
					}
				}
			}
			values = append(values, max(sum, -sum))
		}
		all = append(all, show(account, values))
	}
	return strings.Join(all, "\n")
}

// orders are the sales to each customer in a period.
func (m *model) orders(from, to time.Time) (amounts map[int64]int64) {
	amounts = map[int64]int64{}
	for _, f := range m.facts {
		if f.origProfile == m.provider && f.orig == "Receivable" && f.dest != "Canceled" && f.destUnit == m.unit && !f.at.Before(from) && f.at.Before(to) {
			amounts[f.destProfile] += f.amount
		}
	}
	return amounts
}

// compared are the orders of the period i and of the period it is compared with.
func (m *model) compared(i int) (now, before map[int64]int64) {
	from, to := m.bounds[i-1], m.bounds[i]
	interval := m.natural
	if m.of == ledger.Yearly {
		interval = ledger.Yearly
	}
	end := interval.Add(to, -1)
	return m.orders(from.Time, to.Time), m.orders(end.Add(-to.Sub(from.Time)), end.Time)
}

func (m *model) moved(i int, dest, orig string) (sum int64) {
	for _, f := range m.facts {
		if f.destProfile == m.provider && f.dest == dest && (orig == "" || f.orig == orig) && f.destUnit == m.unit &&
			!f.at.Before(m.bounds[i-1].Time) && f.at.Before(m.bounds[i].Time) {
			sum += f.amount
		}
	}
	return sum
}

func (m *model) funds() string {
	var total, won, lost, payments, refunds []int64
	for i := 1; i < len(m.bounds); i++ {
		now, before := m.compared(i)
		var t, n, c int64
		for who, amount := range now {
			t += amount
			if _, ok := before[who]; !ok {
				n += amount
			}
		}
		for who, amount := range before {
			if _, ok := now[who]; !ok {
				c += amount
			}
		}
		total, won, lost = append(total, t), append(won, n), append(lost, c)
		payments, refunds = append(payments, m.moved(i, "Receivable", "Backlog")), append(refunds, m.moved(i, "Refund", ""))
	}
	return strings.Join([]string{show("total-transactions", total), show("new-transactions", won), show("churned-transactions", lost),
		show("payments", payments), show("refunds", refunds)}, "\n")
}

func (m *model) customers() string {
	var total, won, lost, net []int64
	percents := "percent-customer-churn"
	for i := 1; i < len(m.bounds); i++ {
		now, before := m.compared(i)
		var n, c int64
		for who := range now {
			if _, ok := before[who]; !ok {
				n++
			}
		}
		for who := range before {
			if _, ok := now[who]; !ok {
				c++
			}
		}
		if i == 1 || total[i-2] == 0 {
			percents += " 0"
		} else {
			text := fmt.Sprintf("%.2f", float64(c)*100/float64(total[i-2]))
			if text = strings.TrimRight(text, "0"); strings.HasSuffix(text, ".") {
				text += "0"
			}
			percents += " " + text
		}
		total, won, lost, net = append(total, int64(len(now))), append(won, n), append(lost, c), append(net, n-c)
	}
	return strings.Join([]string{show("total-customers", total), show("new-customers", won), show("churned-customers", lost), show("net-new-customers", net), percents}, "\n")
}

func (m *model) plans() string {
	var all []string
	churn := make([]int64, len(m.bounds)-1)
	for _, slug := range m.titles {
		var values []int64
		for i, b := range m.bounds {
			var active int64
			for _, s := range m.terms {
				if s.plan != m.slugs[slug] || !s.effective {
					continue
				}
				if !s.from.After(b.Time) && b.Before(s.to) {
					active++
				}
				if i > 0 && !s.to.Before(m.bounds[i-1].Time) && s.to.Before(b.Time) {
					churn[i-1]++
				}
			}
			values = append(values, active)
		}
		all = append(all, show(slug, values))
	}
	return strings.Join(append(all, show("churn", churn)), "\n")
}

// level is the MRR of each customer just before an instant, and whether the customer ever had one by then.
func (m *model) level(b time.Time) (level map[int64]int64, had map[int64]bool) {
	level, had = map[int64]int64{}, map[int64]bool{}
	perMonth := map[ledger.Period][2]int64{ledger.Hourly: {1461, 2}, ledger.Daily: {487, 16}, ledger.Weekly: {487, 112}, ledger.Monthly: {1, 1}, ledger.Yearly: {1, 12}}
	for _, s := range m.terms {
		if !s.effective {
			continue
		}
		var orders []fact
		for _, f := range m.facts {
			if f.sub == s.id && f.origProfile == m.provider && f.orig == "Receivable" && f.dest == "Payable" && f.destUnit == m.unit && f.periods > 0 {
				orders = append(orders, f)
			}
		}
		for i, f := range orders {
			k := perMonth[s.period]
			price := f.amount * k[0] / (k[1] * f.periods)
			since, until := f.at, s.to
			if since.Before(s.from) {
				since = s.from
			}
			if i+1 < len(orders) && orders[i+1].at.Before(until) {
				until = orders[i+1].at
			}
			if price == 0 || !since.Before(until) || !since.Before(b) {
				continue
			}
			had[f.payer] = true
			if !until.Before(b) {
				level[f.payer] += price
			}
		}
	}
	return level, had
}

func (m *model) mrr() string {
	series := make([][]int64, 6)
	for i := 1; i < len(m.bounds); i++ {
		before, had := m.level(m.bounds[i-1].Time)
		now, _ := m.level(m.bounds[i].Time)
		var v [6]int64 // mrr, new, expansion, contraction, churn, reactivation
		var opening int64
		for _, mrr := range before {
			opening += mrr
		}
		for who, mrr := range now {
			v[0] += mrr
			switch was := before[who]; {
			case was == 0 && had[who]:
				v[5] += mrr
			case was == 0:
				v[1] += mrr
			case mrr > was:
				v[2] += mrr - was
			default:
				v[3] += was - mrr
			}
		}
		for who, was := range before {
			if now[who] == 0 {
				v[4] += was
			}
		}
		if v[0] != opening+v[1]+v[2]-v[3]-v[4]+v[5] {
			m.w.t.Errorf("the MRR does not add up: %d, %v", opening, v)
		}
		for j := range v {
			series[j] = append(series[j], v[j])
		}
	}
	var all []string
	for j, slug := range []string{"mrr", "new", "expansion", "contraction", "churn", "reactivation"} {
		all = append(all, show(slug, series[j]))
	}
	return strings.Join(all, "\n")
}

func (m *model) cohorts() string {
	n := len(m.bounds) - 1
	cohort := map[int64]int{} // of each customer
	for i, b := range m.bounds {
		_, had := m.level(b.Time)
		for who := range had {
			if _, ok := cohort[who]; !ok {
				cohort[who] = i
			}
		}
	}
	var all []string
	for c := range n + 1 {
		values := make([]int64, n)
		for i := 1; i <= n; i++ {
			level, _ := m.level(m.bounds[i].Time)
			for who, joined := range cohort {
				if joined == c && (i == c || level[who] > 0) {
					values[i-1]++
				}
			}
		}
		slug := "earlier"
		if c > 0 {
			slug = m.bounds[c].String()
		}
		all = append(all, show(slug, values))
	}
	return strings.Join(all, "\n")
}
