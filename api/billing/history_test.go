package billing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// histories is how many random histories are played: more of them by TOLLGATE_HISTORIES.
func histories(t *testing.T, normal int) int {
	if s := os.Getenv("TOLLGATE_HISTORIES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return normal
}

// A play is a random history of acme, in a world that many histories share.
type play struct {
	*world
	t    *testing.T
	r    *rand.Rand
	log  []string
	owed int64 // orders less what was paid elsewhere or written off: by the answers alone
	use  int64 // left of the quota
}

// step does something at random, as people, the processor and time do, and checks what holds after every step.
func (p *play) step() {
	steps := []func(){p.orderStep, p.orderStep, p.payStep, p.payStep, p.payStep, p.askStep, p.refundStep, p.refundStep, p.clearStep, p.collectStep, p.useStep,
		p.balanceStep, p.withdrawStep, p.timeStep}
	if p.r.IntN(4) == 0 {
		at := []string{"pay:prepared", "pay:charged", "pay:committed", "pay:undone", "settle:asked", "settle:committed", "refund:prepared", "refund:given", "refund:committed"}
		p.broken = at[p.r.IntN(len(at))]
		p.log = append(p.log, "crash at "+p.broken)
	}
	steps[p.r.IntN(len(steps))]()
	if p.broken != "" {
		p.broken = ""
		p.sweep()
	}
	p.check()
}

func (p *play) do(as, request, body string) string {
	w := p.Do(as, request, body)
	p.log = append(p.log, fmt.Sprintf("%s %s %s -> %d", as, request, body, w.Code))
	if w.Code >= 500 && p.broken == "" {
		p.t.Fatalf("%s\n%s", strings.Join(p.log, "\n"), w.Body)
	}
	return w.Body.String()
}

// pick is a value of a query, at random; "" for none.
func (p *play) pick(query string, args ...any) string {
	all := strings.Fields(p.values(query, args...))
	if len(all) == 0 {
		return ""
	}
	return all[p.r.IntN(len(all))]
}

var soldTo = map[string]string{"acme:premium": "donny", "acme:gym-monthly": "gus"}

func (p *play) sub() string {
	if p.r.IntN(3) == 0 {
		return "acme:gym-monthly"
	}
	return "acme:premium"
}

func (p *play) orderStep() {
	sub := p.sub()
	var orders []any
	for range 1 + p.r.IntN(3) {
		amount := 1 + p.r.IntN(30000)
		orders = append(orders, sub, amount)
		p.owed += int64(amount)
	}
	p.log = append(p.log, fmt.Sprint("invoice of ", orders))
	p.invoiced(orders...)
}

func (p *play) payStep() {
	tokens := []string{"tok_visa", "tok_visa", "tok_visa", "tok_declined", "tok_fail_later", "tok_dispute_won", "tok_dispute_lost", "tok_dispute"}
	if code := p.pick(`SELECT claim_code FROM charge WHERE state IN (0, 2) ORDER BY id DESC LIMIT 5`); code != "" {
		p.do("yan", "POST /api/billing/payments/"+code, fmt.Sprintf(`{"processor_token":%q,"remember_card":%v}`, tokens[p.r.IntN(len(tokens))], p.r.IntN(3) == 0))
	}
}

func (p *play) askStep() {
	if key := p.pick(`SELECT processor_key FROM charge WHERE processor_key IS NOT NULL ORDER BY id DESC LIMIT 8`); key != "" {
		p.do("yan", "GET /api/billing/acme/charges/"+key, "")
	}
}

func (p *play) refundStep() {
	if key := p.pick(`SELECT processor_key FROM charge WHERE processor_key IS NOT NULL AND state < 2 ORDER BY id DESC LIMIT 5`); key != "" {
		line := fmt.Sprintf(`{"num":%d}`, p.r.IntN(2))
		if p.r.IntN(2) == 0 {
			line = fmt.Sprintf(`{"num":%d,"refunded_amount":%d}`, p.r.IntN(2), 1+p.r.IntN(5000))
		}
		p.do("alice", "POST /api/billing/acme/charges/"+key+"/refund", `{"lines":[`+line+`]}`)
	}
}

// lowered checks what lowered the debt by at most most.
func (p *play) lowered(most int64, act func()) {
	step := p.broken
	p.broken = ""
	if err := p.pollCustomer(p.t.Context(), p.ids["acme"]); err != nil && !errors.Is(err, errInProgress) { // what was paid lowers it as well
		p.t.Fatal(err)
	}
	p.broken = step
	before := p.due("acme")
	act()
	down := before - p.due("acme")
	if down < 0 || down > most {
		p.t.Fatalf("%s\nlowered a debt of %d by %d", strings.Join(p.log, "\n"), before, down)
	}
	p.owed -= down
}

func (p *play) clearStep() {
	amount := 1 + p.r.Int64N(20000)
	as := soldTo[p.sub()]
	p.lowered(amount, func() {
		p.do(as, fmt.Sprintf("DELETE /api/billing/acme/balance?amount=%d&paid=%d", amount, p.r.IntN(2)), "")
	})
}

func (p *play) collectStep() {
	broken := p.broken
	p.broken = "" // it asks the processor first, whose outcome lowers the debt as well
	p.timeStep()
	p.broken = broken
	if code := p.pick(`SELECT claim_code FROM charge WHERE state IN (0, 2) ORDER BY id DESC LIMIT 5`); code != "" {
		for _, path := range []string{"cowork", "gym"} {
			amount := 1 + p.r.Int64N(20000)
			p.lowered(amount, func() {
				p.do("alice", "POST /api/billing/"+path+"/payments/"+code+"/collected", fmt.Sprintf(`{"amount":%d,"paid":%v}`, amount, p.r.IntN(2) == 0))
			})
		}
	}
}

func (p *play) useStep() {
	n := 1 + p.r.Int64N(9)
	p.do("donny", "POST /api/billing/acme/balance", fmt.Sprintf(`{"plan":"premium","use":"requests","quantity":%d}`, n))
	free := min(p.use, n)
	p.use -= free
	p.owed += 100 * (n - free)
}

// balanceStep charges everything that is due, as renewals do.
func (p *play) balanceStep() {
	tokens := []string{"tok_visa", "tok_visa", "tok_declined", "tok_fail_later"}
	pay := &payment{Purpose: "balance", Customer: p.ids["acme"], Token: tokens[p.r.IntN(len(tokens))]}
	p.log = append(p.log, "charge the balance with "+pay.Token)
	err := p.Site.Store.Write(p.t.Context(), func(tx *store.Tx) (err error) {
		if pay.Bills, err = p.balanceBills(tx, pay.Customer, store.Time{}); err != nil || len(pay.Bills) == 0 {
			return err
		}
		return p.prepare(tx, pay, "")
	})
	if err == nil && len(pay.Bills) > 0 {
		_, err = p.pay(p.t.Context(), p.job(p.t.Context()), pay)
	}
	p.log = append(p.log, fmt.Sprint("-> ", err))
}

func (p *play) withdrawStep() {
	p.do("donny", "POST /api/billing/cowork/transfers/withdraw", fmt.Sprintf(`{"amount":%d}`, p.r.IntN(10000)))
}

func (p *play) timeStep() {
	p.Clock.Advance(time.Duration(p.r.Int64N(int64(40 * 24 * time.Hour))))
	p.sweep()
	p.log = append(p.log, "time passes")
}

// check is what holds after every step: the trial balance (I2), the debt, the cash (I4) and refunds (I7).
func (p *play) check() {
	fail := func(format string, args ...any) {
		p.t.Helper()
		p.t.Fatalf("%s\n"+format, append([]any{strings.Join(p.log, "\n")}, args...)...)
	}
	if got := p.values(`SELECT unit || sum(amount) FROM balance GROUP BY unit HAVING sum(amount) <> 0`); got != "" {
		fail("the trial balance is %s", got)
	}
	paid, _ := strconv.ParseInt(p.values(`SELECT coalesce(sum(amount), 0) FROM charge WHERE processor_key IS NOT NULL AND (state IN (1, 3) OR disputed_at IS NOT NULL)`), 10, 64)
	if got := p.due("acme"); got != p.owed-paid {
		fail("acme owes %d; it ordered %d more than it paid elsewhere, and paid %d by card", got, p.owed, paid)
	}
	if got := p.values(`SELECT (SELECT sum(amount) FROM balance WHERE account = 'Funds') - (
			SELECT coalesce(sum(s.amount - s.refunded - (c.state = 3 OR c.state = 2) * (s.amount - s.refunded + 1500)), 0)
			FROM sandbox_charge s JOIN charge c ON c.processor_key = s.key WHERE c.state IN (1, 3) OR c.disputed_at IS NOT NULL)
		+ (SELECT coalesce(sum(amount), 0) FROM sandbox_payout)`); got != "0" && got != "<nil>" {
		fail("the books have %s more cash than the processor", got)
	}
	if got := p.values(`SELECT i.id FROM charge_item i JOIN txn o ON o.id = i.invoiced_id JOIN txn g ON g.event_id = 'cha_' || i.charge_id || '/' || i.id || '/'
		WHERE 'Refunded' IN (g.orig_account, g.dest_account)
		GROUP BY i.id, o.dest_amount HAVING sum(CASE WHEN g.orig_account = 'Refunded' THEN g.orig_amount ELSE -g.dest_amount END) NOT BETWEEN 0 AND o.dest_amount`); got != "" {
		fail("lines %s are refunded beyond what was paid", got)
	}
}

// settleUp refunds everything at the end: no cash of these charges is left anywhere (ledger.md 12.3).
func (p *play) settleUp() {
	p.sweep()
	p.agree(strings.Join(p.log, "\n"))
	for _, key := range strings.Fields(p.values(`SELECT processor_key FROM charge WHERE processor_key IS NOT NULL AND state = 1`)) {
		var lines []string
		for i := range strings.Fields(p.values(`SELECT i.id FROM charge_item i JOIN charge c ON c.id = i.charge_id WHERE c.processor_key = ?`, key)) {
			lines = append(lines, fmt.Sprintf(`{"num":%d}`, i))
		}
		for _, line := range lines { // one after the other: what is refunded already is refused
			p.do("alice", "POST /api/billing/acme/charges/"+key+"/refund", `{"lines":[`+line+`]}`)
		}
	}
	p.check()
}

// TestHistories plays random histories through the API: orders, payments, failures, refunds, disputes, write-offs, payouts, crashes and
// jumps in time (ledger.md 12.1).
func TestHistories(t *testing.T) {
	const perWorld = 50
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm") // it is about money, not about disks
	}
	n := histories(t, 300)
	var p *play
	for h := range n {
		if h%perWorld == 0 {
			p = &play{world: newWorld(t), t: t, use: 2}
			p.exec(`UPDATE subscription SET ends_at = ?`, store.At(p.Clock.Now().AddDate(100, 0, 0)))
		}
		p.r, p.log = rand.New(rand.NewPCG(1, uint64(h))), []string{fmt.Sprint("history ", h)}
		for range 4 {
			p.step()
		}
		if h%perWorld == perWorld-1 || h == n-1 {
			p.settleUp()
		}
	}
}
