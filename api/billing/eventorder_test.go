package billing

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

// staged is a processor at which a charge goes through the stages of its life when the test says so.
type staged struct {
	*processor.Sandbox
	life  []processor.Status
	stage int
}

func (p *staged) RetrieveCharge(ctx context.Context, key string) (processor.Status, error) {
	status, err := p.Sandbox.RetrieveCharge(ctx, key)
	status.State, status.Refunded = p.life[p.stage].State, p.life[p.stage].Refunded
	return status, err
}

// TestEventOrders posts the four events of a charge's life in every order, some twice or thrice, while the charge is at that stage or further:
// paid, refunded in part at the processor, disputed, and the dispute closed. Whatever the order, the charge and the books end the same.
func TestEventOrders(t *testing.T) {
	kinds := []processor.EventKind{processor.ChargeSucceeded, processor.ChargeRefunded, processor.DisputeCreated, processor.DisputeClosed}
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	for closed, state := range map[processor.State]string{processor.DisputeWon: "1", processor.DisputeLost: "2"} {
		w := newWorld(t)
		p := &staged{Sandbox: w.sandbox.(*processor.Sandbox), life: []processor.Status{{State: processor.Succeeded}, {State: processor.Succeeded, Refunded: 5000},
			{State: processor.DisputeOpened, Refunded: 5000}, {State: closed, Refunded: 5000}}}
		w.sandbox = p
		w.restart()
		var want string
		orders := permutations(4)
		rounds := max(len(orders), min(histories(t, 0), 1000)/2)
		if closed == processor.DisputeLost && rounds == len(orders) {
			rounds = 6 // how it is closed has little to do with the order
		}
		for n := range rounds {
			order := append([]int{}, orders[n%len(orders)]...)
			for range r.IntN(4) { // again, and late
				at := 1 + r.IntN(len(order))
				order = append(order[:at], append([]int{order[r.IntN(at)]}, order[at:]...)...)
			}
			p.stage = 0
			code := w.invoiced("acme:premium", 20000)
			before := w.values(`SELECT max(id) FROM txn`)
			w.Do("yan", "POST /api/billing/payments/"+code, `{"processor_token":"tok_visa"}`)
			key := w.values(`SELECT processor_key FROM charge ORDER BY id DESC LIMIT 1`)
			var lived []string
			for _, event := range order {
				p.stage = max(p.stage, event)
				p.stage += r.IntN(len(p.life) - p.stage)
				lived = append(lived, fmt.Sprintf("%d when it is %d", event, p.stage))
				e := processor.Event{ID: fmt.Sprintf("evt_%s_%d", key, event), Kind: kinds[event], ChargeKey: key}
				if err := w.TakeEvent(t.Context(), e); err != nil {
					t.Fatalf("seed %d: %v: %v", seed, lived, err)
				}
			}
			got := w.values(`SELECT state FROM charge ORDER BY id DESC LIMIT 1`) + " " + w.values(`SELECT slug || account || sum(amount) FROM (
				SELECT dest_profile_id AS p, dest_account AS account, dest_amount AS amount FROM txn WHERE id > ?1
				UNION ALL SELECT orig_profile_id, orig_account, -orig_amount FROM txn WHERE id > ?1) JOIN profile ON profile.id = p
				GROUP BY slug, account HAVING sum(amount) <> 0 ORDER BY 1`, before)
			if want == "" {
				want = got
			}
			if got != want || !strings.HasPrefix(got, state+" ") {
				t.Fatalf("seed %d: %v: the charge and the books end as\n%s\nwant\n%s", seed, lived, got, want)
			}
		}
		w.verify()
	}
}

// permutations are all orders of 0 to n-1.
func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, shorter := range permutations(n - 1) {
		for at := range n {
			one := append([]int{}, shorter[:at]...)
			all = append(all, append(append(one, n-1), shorter[at:]...))
		}
	}
	return all
}
