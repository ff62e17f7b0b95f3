package billing

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// connecting is a sandbox at which providers connect accounts: the code "good" is of acct_1. Payments of browsers, "pi_…", are made
// already; for "pi_revoked" the provider's account gives no access any more.
type connecting struct {
	*processor.Sandbox
	asked []processor.Payment
}

func (*connecting) AuthorizeURL(_ processor.Profile, state string) string {
	return "https://connect.example.com/?state=" + state
}

func (*connecting) Connect(_ context.Context, code string) (processor.Account, error) {
	if code != "good" {
		return processor.Account{}, &processor.SetupError{Detail: "The account was not connected."}
	}
	return processor.Account{DepositKey: "acct_1", PubKey: "pk_1"}, nil
}

func (p *connecting) CreatePayment(ctx context.Context, pay processor.Payment) (processor.Receipt, error) {
	p.asked = append(p.asked, pay)
	if pay.Token == "pi_revoked" {
		return processor.Receipt{}, &processor.SetupError{Detail: "cowork is not connected.", Provider: pay.Provider.Slug, Revoked: true}
	}
	return p.Sandbox.CreatePayment(ctx, pay)
}

func newConnecting(t *testing.T) (*world, *connecting) {
	w := newWorld(t)
	p := &connecting{Sandbox: w.sandbox.(*processor.Sandbox)}
	w.sandbox = p
	w.restart()
	return w, p
}

const accounts = `SELECT coalesce(processor_deposit_key, '-') || coalesce(processor_pub_key, '-') || coalesce(processor_priv_key, '-') FROM profile WHERE slug = 'cowork'`

// TestConnectBank connects the account of a provider for who began it, within an hour, and for nobody else (ledger.md 8.3).
func TestConnectBank(t *testing.T) {
	w, _ := newConnecting(t)
	c := resttest.Case
	begin := func(user, profile string) string {
		t.Helper()
		answer := w.Do(user, "GET /api/billing/"+profile+"/bank/connect", "")
		var b BankConnection
		if err := json.Unmarshal(answer.Body.Bytes(), &b); err != nil || answer.Code != 200 {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		return strings.TrimPrefix(b.URL, "https://connect.example.com/?state=")
	}
	mine, other, kim := begin("donny", "cowork"), begin("gus", "gym"), begin("cleo", "cowork")
	if !strings.HasPrefix(mine, "cowork.") {
		t.Errorf("the state %q does not say whose bank it is", mine)
	}
	const path = "GET /api/billing/cowork/bank?code=good&state="
	const bad = `{"state":["The connection was not begun here, or too long ago. Please begin again."]}`
	w.Run(t,
		c("nobody", "", path+mine, "", 401, "*"),
		c("a contributor", "cleo", path+kim, "", 403, "*"),
		c("of another user", "alice", path+mine, "", 400, bad),
		c("of another profile", "donny", path+other, "", 400, bad),
		c("of no profile", "donny", path+"cowork.AAAA", "", 400, bad),
		c("altered", "donny", path+mine[:len(mine)-2]+"AA", "", 400, bad),
		c("none", "donny", path, "", 400, bad),
		c("connected", "donny", path+mine, "", 200, `~"bank_name":"Sandbox"`),
	)
	if got := w.values(accounts); got != "acct_1pk_1-" {
		t.Errorf("accounts %s", got)
	}
	w.Run(t, c("a code that is none", "donny", "GET /api/billing/cowork/bank?code=bad&state="+mine, "", 400, `{"detail":"The account was not connected."}`))
	if got := w.values(accounts); got != "---" {
		t.Errorf("accounts %s after another one failed", got)
	}
	if got := w.values(`SELECT count(*) FROM audit WHERE action LIKE '%/bank'`); got != "2" {
		t.Errorf("%s rows in the audit, want 2", got)
	}
	w.Clock.Advance(time.Hour)
	w.Run(t, c("too late", "donny", path+mine, "", 400, bad))
}

// TestRevoked forgets the account of a provider who gave it up, and tells the broker (ledger.md 7).
func TestRevoked(t *testing.T) {
	w, _ := newConnecting(t)
	w.exec(`UPDATE profile SET processor_deposit_key = 'acct_1', processor_priv_key = 'x' WHERE slug = 'cowork'`)
	code := w.invoiced("acme:premium", 20000)
	w.Run(t, resttest.Case("refused", "yan", "POST /api/billing/payments/"+code, `{"processor_token":"pi_revoked"}`, 400, `{"detail":"cowork is not connected."}`))
	if got := w.values(accounts); got != "---" {
		t.Errorf("accounts %s", got)
	}
	if got := w.values(`SELECT count(*) FROM outbox WHERE event = 'processor_setup_error'`); got != "1" {
		t.Errorf("the broker is told %s times", got)
	}
	w.agree("revoked")
}

// TestBrowserPaid saves the card of a payment that the browser made, and takes that payment: the card is not charged as well. After a crash
// the processor is told that it was asked before.
func TestBrowserPaid(t *testing.T) {
	for _, step := range []string{"", "pay:saved", "pay:charged"} {
		w, p := newConnecting(t)
		w.broken = step
		code := w.invoiced("acme:premium", 20000)
		w.Do("yan", "POST /api/billing/payments/"+code, `{"processor_token":"pi_1","remember_card":true}`)
		w.restart()
		w.sweep()
		w.agree(step)
		for i, asked := range p.asked {
			again := step == "pay:saved" || i > 0
			if asked.Token != "pi_1" || asked.Subscriber.CardKey == "" || asked.OffSession || asked.Shared || asked.Again != again || !strings.HasPrefix(asked.Provider.Slug, "cowork") {
				t.Errorf("%q: payment %d is %+v", step, i, asked)
			}
		}
		if len(p.asked) == 0 || w.values(`SELECT count(*) FROM sandbox_charge`) != "1" {
			t.Errorf("%q: asked %d times, %s charges", step, len(p.asked), w.values(`SELECT count(*) FROM sandbox_charge`))
		}
		if key := w.values(`SELECT processor_card_key FROM profile WHERE slug = 'acme'`); !strings.HasPrefix(key, "cus_") {
			t.Errorf("%q: the card is not on file: %s", step, key)
		}
	}
}
