package profile

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/ledger"
)

func TestArchiveRefused(t *testing.T) {
	w := newWorld(t)
	c := resttest.Case
	w.batch(func() {
		w.profile("rich")
		w.role("alice", "rich", "manager")
		w.exec(`INSERT INTO balance (profile_id, account, unit, amount, nb_entries) SELECT id, ?, 'usd', 5, 1 FROM profile WHERE slug = 'rich'`, ledger.AccountFunds)
		w.profile("poor")
		w.role("alice", "poor", "manager")
		w.exec(`INSERT INTO statement (payer_id, event_id, unit, due, paid, payable, ordered_at, last_at) SELECT id, 'sub_1/', 'eur', 10, 4, 6, 0, 0 FROM profile WHERE slug = 'poor'`)
		w.profile("even")
		w.role("alice", "even", "manager")
		w.exec(`INSERT INTO statement (payer_id, event_id, unit, due, paid, payable, ordered_at, last_at) SELECT id, 'sub_2/', 'eur', 10, 10, 0, 0, 0 FROM profile WHERE slug = 'even'`)
		w.role("xia", "otherprov", "manager")
		w.exec(`DELETE FROM role WHERE user_id = (SELECT id FROM user WHERE username = 'olga')`)
	})
	w.Run(t,
		c("the broker", "bob", "DELETE /api/profile/broker", "", 400, `{"detail":"The broker profile cannot be deleted."}`),
		c("the processor", "bob", "DELETE /api/profile/stripe", "", 400, `{"detail":"The profile of the payment processor cannot be deleted."}`),
		c("funds", "alice", "DELETE /api/profile/rich", "", 400, `{"detail":"A profile with a balance cannot be deleted."}`),
		c("a debt", "bob", "DELETE /api/profile/poor", "", 400, `{"detail":"A profile with a balance cannot be deleted."}`),
		c("a debt that is paid", "alice", "DELETE /api/profile/even", "", 204, ""),
		c("current subscribers", "bob", "DELETE /api/profile/cowork", "", 400, `{"detail":"A profile with current subscribers cannot be deleted."}`),
		c("ended subscribers", "gus", "DELETE /api/profile/gym", "", 204, ""),
		c("her user is the last manager elsewhere", "xia", "DELETE /api/profile/xia", "", 400, `{"detail":"The user is the last manager of profile otherprov."}`),
		c("the broker may", "bob", "DELETE /api/profile/xia", "", 204, ""),
		c("a shadow, by the broker", "bob", "DELETE /api/profile/ghost", "", 204, ""),
		c("never by a provider", "donny", "DELETE /api/profile/joey-black", "", 403, `{"detail":"Permission denied"}`),
	)
	if got := w.roleOf("xia", "otherprov"); got != "" {
		t.Errorf("an archived user is %s", got)
	}
	if events := w.events(); len(events) > 0 {
		t.Errorf("archiving emits %v", events)
	}
}

// A slug that was never used is free again, and the next one who has it gets nothing of the one before.
func TestArchivedSlugIsFree(t *testing.T) {
	w := newWorld(t)
	w.exec(`DELETE FROM subscription WHERE profile_id = (SELECT id FROM profile WHERE slug = 'acme')`)
	c := resttest.Case
	id := get[int64](w, `SELECT id FROM profile WHERE slug = 'acme'`)
	w.Run(t,
		c("a member is in", "kim", "GET /api/profile/acme", "", 200, "*"),
		c("close", "yan", "DELETE /api/profile/acme", "", 204, ""),
		c("members are out", "kim", "GET /api/profile/_archive_"+itoa(id), "", 403, "*"),
		c("at once", "kim", "GET /api/profile/acme", "", 403, "*"),
		c("taken again", "alice", "POST /api/users/alice/profiles", `{"slug":"acme","full_name":"New Acme"}`, 201, "*"),
		c("by somebody else", "yan", "GET /api/profile/acme", "", 403, "*"),
		c("whose providers are not those of the old one", "gus", "GET /api/profile/acme", "", 403, "*"),
	)
	if n := get[int](w, `SELECT count(*) FROM role WHERE profile_id = ?`, id); n != 0 {
		t.Errorf("%d roles are left", n)
	}
}

// Somebody has to run the site, whoever asks.
func TestBrokerKeepsAManager(t *testing.T) {
	w := newWorld(t)
	w.profile("bob")
	w.role("bob", "bob", "manager")
	c := resttest.Case
	w.Run(t, c("the last one", "bob", "DELETE /api/profile/bob", "", 400, `{"detail":"The user is the last manager of profile broker."}`))
	w.role("olga", "broker", "manager")
	w.Run(t, c("not the last one", "bob", "DELETE /api/profile/bob", "", 204, ""))
}

// One who is the last manager elsewhere is not counted for a manager who cannot log in (decision 31).
func TestLastManagerElsewhere(t *testing.T) {
	w := newWorld(t)
	w.role("xia", "otherprov", "manager")
	c := resttest.Case
	w.exec(`UPDATE user SET password = '!' WHERE username = 'olga'`)
	w.Run(t, c("olga has no password", "xia", "DELETE /api/profile/xia", "", 400, "*"))
	w.exec(`UPDATE user SET last_login = 1 WHERE username = 'olga'`)
	w.Run(t, c("but has logged in", "xia", "DELETE /api/profile/xia", "", 204, ""))
}
