package billing

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// Clients that buy, cancel, give back and look at once see what they would see one after the other.

// operations is how many operations are checked: more of them by TOLLGATE_OPERATIONS.
func operations(t *testing.T) int {
	if s := os.Getenv("TOLLGATE_OPERATIONS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 190
}

// money is what a profile has and owes, as one who does one thing after the other knows it. All it buys is a month for price.
type money struct {
	due    int64
	months int64            // of its subscription that are left; 0: it has none
	flying string           // the charge that is not settled yet, "" for none
	amount int64            // of that charge
	left   map[string]int64 // what can still be given back, by charge and line
}

const price = 2000

// An asked is an operation, and answered what came of it.
type (
	asked struct {
		what  string // buy, later, cancel, refund, balance, subscription
		key   string // of the charge to be refunded
		line  int
		value int64 // to be refunded
	}
	answered struct {
		status int
		key    string // of the charge that was made
		lines  []int64
		value  int64 // charged, due, months, or what can still be given back
		text   string
	}
)

func lineOf(key string, line int) string { return key + "#" + strconv.Itoa(line) }

// settled is the state once the charge in flight is paid: whoever asks the processor may find that out, at any time.
func (m money) settled() money {
	m.due, m.flying, m.amount = m.due-m.amount, "", 0
	return m
}

// after is the state after an operation that had an answer; ok is false when it cannot have had that answer.
func (m money) after(q asked, a answered) (next money, ok bool) {
	refused := a.status == 409 || q.what == "buy" && a.status == 400 // in progress, or declined: nothing came of it
	switch {
	case q.what == "buy" && a.status == 201:
		// It pays what was due when it began, with what it orders itself; what somebody else orders on account meanwhile stays due.
		if m.flying != "" || a.value > m.due+price || a.value < price || a.value%price != 0 {
			return m, false
		}
		m.due, m.months, m.flying, m.amount = m.due+price, m.months+1, a.key, a.value
		m.left = maps.Clone(m.left)
		for line, amount := range a.lines {
			m.left[lineOf(a.key, line)] = amount
			a.value -= amount
		}
		return m, a.value == 0
	case q.what == "later" && a.status == 201:
		m.due, m.months = m.due+price, m.months+1
		return m, true
	case q.what == "cancel" && a.status == 204:
		m.months = 0
		return m, true
	case q.what == "balance" && a.status == 200:
		return m, a.value == m.due
	case q.what == "subscription":
		return m, a.status == 200 && a.value == m.months && m.months > 0 || a.status == 404 && m.months == 0
	case q.what == "refund" && a.status == 200:
		line := lineOf(q.key, q.line)
		m.left = maps.Clone(m.left)
		m.left[line] -= q.value
		return m, m.flying != q.key && m.left[line] >= 0
	case q.what == "refund" && a.status == 405 && strings.Contains(a.text, "pending"):
		return m, m.flying == q.key
	case q.what == "refund" && a.status == 405:
		left := m.left[lineOf(q.key, q.line)]
		return m, m.flying != q.key && left == a.value && left < q.value
	}
	return m, refused
}

var moneyModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{money{left: map[string]int64{}}} },
	Step: func(state, input, output any) (next []any) {
		m := state.(money)
		states := []money{m}
		if m.flying != "" {
			states = append(states, m.settled())
		}
		for _, m := range states {
			if after, ok := m.after(input.(asked), output.(answered)); ok {
				next = append(next, after)
			}
		}
		return next
	},
	Equal: func(a, b any) bool {
		x, y := a.(money), b.(money)
		return x.due == y.due && x.months == y.months && x.flying == y.flying && x.amount == y.amount && maps.Equal(x.left, y.left)
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// A client does one thing after the other, while seven others do.
type client struct {
	w       *world
	user    string
	profile string
	r       *rand.Rand
	filled  bool // its cart
	charges *charges
}

// charges are those that are known of, to all clients.
type charges struct {
	sync.Mutex
	all []answered
}

func (c *charges) pick(r *rand.Rand) (answered, bool) {
	c.Lock()
	defer c.Unlock()
	if len(c.all) == 0 {
		return answered{}, false
	}
	return c.all[r.IntN(len(c.all))], true
}

// next draws an operation. What belongs to the client alone, its cart, is made ready.
func (c *client) next() asked {
	what := []string{"buy", "buy", "later", "cancel", "refund", "refund", "balance", "balance", "subscription", "subscription"}[c.r.IntN(10)]
	switch what {
	case "buy", "later":
		if !c.filled {
			if a := c.w.Do(c.user, "POST /api/cart", `{"plan":"basic"}`); a.Code != 201 {
				c.w.t.Errorf("cart: %d %s", a.Code, a.Body)
			}
			c.filled = true
		}
	case "refund":
		if ch, ok := c.charges.pick(c.r); ok {
			return asked{what: what, key: ch.key, line: c.r.IntN(len(ch.lines)), value: int64(1 + c.r.IntN(1500))}
		}
		what = "balance"
	}
	return asked{what: what}
}

var available = regexp.MustCompile(`only \$(\d+)\.(\d\d) available`)

// do carries an operation out.
func (c *client) do(q asked) (out answered) {
	var body struct {
		Amount  int64     `json:"amount"`
		Key     string    `json:"processor_key"`
		Balance int64     `json:"balance_amount"`
		EndsAt  time.Time `json:"ends_at"`
	}
	token := "tok_visa"
	if c.r.IntN(6) == 0 {
		token = "tok_declined"
	}
	of := "/api/billing/" + c.profile
	answer := map[string]func() *rawAnswer{
		"buy":          func() *rawAnswer { return c.ask(c.user, "POST "+of+"/checkout", `{"processor_token":"`+token+`"}`) },
		"later":        func() *rawAnswer { return c.ask(c.user, "POST "+of+"/checkout/paylater", `{}`) },
		"cancel":       func() *rawAnswer { return c.ask(c.user, "DELETE /api/profile/"+c.profile+"/subscriptions/basic", "") },
		"balance":      func() *rawAnswer { return c.ask(c.user, "GET "+of+"/balance?ends_at=2030-01-01", "") },
		"subscription": func() *rawAnswer { return c.ask(c.user, "GET /api/profile/"+c.profile+"/subscriptions/basic", "") },
		"refund": func() *rawAnswer {
			return c.ask("donny", "POST "+of+"/charges/"+q.key+"/refund", fmt.Sprintf(`{"lines":[{"num":%d,"refunded_amount":%d}]}`, q.line, q.value))
		},
	}[q.what]()
	if out.status = answer.status; out.status >= 400 {
		out.text = answer.body
	}
	if out.status < 300 && answer.body != "" {
		if err := json.Unmarshal([]byte(answer.body), &body); err != nil {
			c.w.t.Errorf("%s: %v", answer.body, err)
		}
	}
	switch {
	case q.what == "buy" && out.status == 201:
		out.key, out.value, c.filled = body.Key, body.Amount, false
		for _, amount := range strings.Fields(c.w.values(`SELECT t.dest_amount FROM charge h JOIN charge_item i ON i.charge_id = h.id JOIN txn t ON t.id = i.invoiced_id
			WHERE h.processor_key = ? ORDER BY i.id`, out.key)) {
			n, _ := strconv.ParseInt(amount, 10, 64)
			out.lines = append(out.lines, n)
		}
	case q.what == "later" && out.status == 201:
		c.filled = false
	case q.what == "balance":
		out.value = body.Balance
	case q.what == "subscription" && out.status == 200:
		out.value = int64(body.EndsAt.Year()-2026)*12 + int64(body.EndsAt.Month()-3)
	case q.what == "refund" && out.status == 405:
		if m := available.FindStringSubmatch(out.text); m != nil {
			out.value, _ = strconv.ParseInt(m[1]+m[2], 10, 64)
		}
	}
	return out
}

type rawAnswer struct {
	status int
	body   string
}

func (c *client) ask(user, request, body string) *rawAnswer {
	w := c.w.Do(user, request, body)
	return &rawAnswer{w.Code, w.Body.String()}
}

// TestLinearizable: eight clients buy by card and on account, cancel, refund, and look at what is due and how long they are subscribed, all of
// one profile and at once. There is an order in which all their answers make sense, one after the other: no refund is of more than what was
// charged, nothing is paid twice, no month gets lost, and who asks later sees no less.
func TestLinearizable(t *testing.T) {
	const clients, each = 8, 12
	seed := seedOf(t)
	w := newWorld(t)
	w.Site = resttest.With(t, rest.Options{Store: w.Site.Store, Directory: w.dir, Logger: zap.NewNop()}, w.Clock, append(w.Service.Endpoints(), w.subs.Endpoints()...))
	users := []string{"alice", "kim", "donny", "cleo", "gus", "xia", "yan", "zoe"}
	count := map[string]int{}
	for round := range (operations(t) + clients*each - 1) / (clients * each) {
		profile := fmt.Sprintf("p%d", round)
		w.exec(`INSERT INTO profile (slug, full_name, email, created_at) VALUES (?, 'P', 'p@example.com', 0)`, profile)
		for _, user := range users {
			w.exec(`INSERT INTO role (created_at, profile_id, user_id, role_description_id) SELECT 0, id, ?, ? FROM profile WHERE slug = ?`,
				w.ids["user "+user], w.ids["role manager"], profile)
		}
		w.exec(`DELETE FROM cart_item`)
		var tick atomic.Int64
		var all sync.WaitGroup
		known := &charges{}
		logs := make([][]porcupine.Operation, clients)
		for n := range clients {
			c := &client{w: w, user: users[n], profile: profile, r: rand.New(rand.NewPCG(uint64(seed), uint64(round*clients+n))), charges: known}
			all.Go(func() {
				for range each {
					q := c.next()
					begun := tick.Add(1)
					a := c.do(q)
					logs[n] = append(logs[n], porcupine.Operation{ClientId: n, Input: q, Call: begun, Output: a, Return: tick.Add(1)})
					if a.key != "" {
						known.Lock()
						known.all = append(known.all, a)
						known.Unlock()
					}
				}
			})
		}
		all.Wait()
		var history []porcupine.Operation
		for _, log := range logs {
			history = append(history, log...)
		}
		for _, op := range history {
			count[fmt.Sprint(op.Input.(asked).what, " ", op.Output.(answered).status)]++
		}
		model := moneyModel.ToModel()
		if result := porcupine.CheckOperationsTimeout(model, history, time.Minute); result != porcupine.Ok {
			var text strings.Builder
			for _, op := range history {
				fmt.Fprintf(&text, "%d: %d–%d %s\n", op.ClientId, op.Call, op.Return, model.DescribeOperation(op.Input, op.Output))
			}
			t.Fatalf("seed %d, round %d: no order of these makes sense (%s):\n%s", seed, round, result, text.String())
		}
		if round == 0 {
			w.mistold(model, history)
		}
	}
	t.Logf("seed %d: %v", seed, count)
	if operations(t) >= 1000 {
		for _, what := range []string{"buy 201", "later 201", "refund 200", "balance 200", "subscription 200", "cancel 204"} {
			if count[what] == 0 {
				t.Errorf("seed %d: no %s in %v", seed, what, count)
			}
		}
	}
	w.Clock.Advance(sweepAfter + time.Second)
	if err := w.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	w.agree("eight clients")
}

// mistold changes one answer, which then makes no sense: the check finds it.
func (w *world) mistold(model porcupine.Model, history []porcupine.Operation) {
	w.t.Helper()
	for i, op := range history {
		a := op.Output.(answered)
		if op.Input.(asked).what != "balance" {
			continue
		}
		a.value++ // all amounts are of whole months
		changed := append([]porcupine.Operation(nil), history...)
		changed[i].Output = a
		if porcupine.CheckOperations(model, changed) {
			w.t.Error("a balance that is 0.01 off makes sense to the check")
		}
		return
	}
}

// seedOf is what random clients are drawn from: TOLLGATE_SEED, or the time.
func seedOf(t *testing.T) int64 {
	if s := os.Getenv("TOLLGATE_SEED"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return time.Now().UnixNano()
}
