package profile

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-tollgate/tollgate/store"
)

// The state machine of profiles.md 4, from any sequence of operations by any callers:
//
//   - nobody has a role in force that no authorised person gave them, in that very description, since it was last taken away;
//   - nobody is a member without having agreed, whatever the profile's own descriptions say of opt-in;
//   - no profile loses its last manager but to the broker, and the broker never does.
func TestRoleMachine(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		flag.Set("rapid.checks", "40")
		defer flag.Set("rapid.checks", f.DefValue)
	}
	w := newWorld(t)
	w.exec(`INSERT INTO role_description (created_at, slug, profile_id, title, skip_optin_on_grant) SELECT 0, 'auditor', id, 'Auditor', 1 FROM profile WHERE slug = 'cowork'`)
	rapid.Check(t, func(rt *rapid.T) {
		w.batch(func() {
			w.tx.Exec(`DELETE FROM role`)
			w.tx.Exec(`DELETE FROM role_answer`)
			w.tx.Exec(`DELETE FROM user WHERE username LIKE 'new%'`)
			w.tx.Exec(`DELETE FROM outbox`)
			for _, r := range machineStart {
				f := strings.Fields(r)
				w.role(f[0], f[1], f[2])
			}
		})
		m := &machine{w: w, rt: rt, given: map[member]string{}, agreed: map[member]bool{}}
		for _, r := range machineStart {
			f := strings.Fields(r)
			m.given[member{f[0], f[1]}], m.agreed[member{f[0], f[1]}] = f[2], true
		}
		rt.Repeat(map[string]func(*rapid.T){
			"grant": m.grant, "invite": m.invite, "remove": m.remove, "request": m.request, "accept": m.accept, "drop": m.drop, "list": m.list,
			"": m.check,
		})
	})
}

var machineStart = []string{"bob broker manager", "ben broker contributor", "donny cowork manager", "carol cowork contributor", "yan acme manager",
	"kim acme contributor", "xia xia manager"}

type member struct{ user, profile string }

// machine is what should be true, known apart from the code: who was given what, and who agreed.
type machine struct {
	w      *world
	rt     *rapid.T
	given  map[member]string // description
	agreed map[member]bool
}

var (
	machineUsers    = []string{"bob", "ben", "donny", "carol", "yan", "kim", "xia", "alice", "olga"}
	machineProfiles = []string{"broker", "cowork", "acme", "xia", "joey-black", "ghost"}
	machineRoles    = []string{"manager", "contributor", "auditor"}
)

func pick(rt *rapid.T, name string, from []string) string {
	return rapid.SampledFrom(from).Draw(rt, name)
}

// everybody are the users, with those that were invited so far.
func (m *machine) everybody() []string {
	return append(machineUsers[:len(machineUsers):len(machineUsers)], m.rows(`SELECT username FROM user WHERE username LIKE 'new%' ORDER BY username`)...)
}

func (m *machine) rows(query string, args ...any) (all []string) {
	err := m.w.Store.Read(context.Background(), func(r store.Reader) error {
		rows, err := r.Query(query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			all = append(all, s)
		}
		return rows.Err()
	})
	if err != nil {
		m.rt.Fatal(err)
	}
	return all
}

// do sends a request, and holds that no profile loses its last manager by it, but to the broker.
func (m *machine) do(as, request, body string) int {
	before := m.managed()
	r := m.w.Do(as, request, body)
	if r.Code >= 500 {
		m.rt.Fatalf("%s as %s: %d %s", request, as, r.Code, r.Body)
	}
	after := m.managed()
	for p := range before {
		if !after[p] && (p == "broker" || !m.manages(as, "broker")) {
			m.rt.Fatalf("%s as %s: %s lost its last manager", request, as, p)
		}
	}
	m.rt.Logf("%s as %s %s: %d", request, as, body, r.Code)
	return r.Code
}

func (m *machine) managed() map[string]bool {
	set := map[string]bool{}
	for _, p := range m.rows(`SELECT DISTINCT p.slug FROM profile p JOIN role r ON r.profile_id = p.id JOIN user u ON u.id = r.user_id JOIN role_description d ON d.id = r.role_description_id
		WHERE d.slug = 'manager' AND r.grant_key IS NULL AND r.request_key IS NULL AND u.username NOT LIKE 'new%'`) {
		set[p] = true
	}
	return set
}

func (m *machine) manages(user, profile string) bool { return m.w.roleOf(user, profile) == "manager" }

// authorised reports whether a caller may write the roles of a profile (profiles.md 3.4).
func (m *machine) authorised(as, profile string) bool {
	return m.manages(as, "broker") || m.manages(as, profile) ||
		(profile == "joey-black" || profile == "xia") && !m.managed()[profile] && m.manages(as, "cowork") // a shadow with a current subscription to basic
}

func (m *machine) grant(rt *rapid.T) {
	as, profile, role, user := pick(rt, "as", machineUsers), pick(rt, "profile", machineProfiles), pick(rt, "role", machineRoles), pick(rt, "user", m.everybody())
	m.granted(as, profile, role, user, m.authorised(as, profile), m.do(as, "POST /api/profile/"+profile+"/roles/"+role, fmt.Sprintf(`{"slug":%q}`, user)))
}

func (m *machine) invite(rt *rapid.T) {
	as, profile, role, user := pick(rt, "as", machineUsers), pick(rt, "profile", machineProfiles), pick(rt, "role", machineRoles), pick(rt, "user", []string{"new1", "new2"})
	m.granted(as, profile, role, user, m.authorised(as, profile), m.do(as, "POST /api/profile/"+profile+"/roles/"+role+"?force=1", fmt.Sprintf(`{"email":"%s@new.example"}`, user)))
}

func (m *machine) granted(as, profile, role, user string, authorised bool, status int) {
	switch {
	case status >= 300:
		if authorised && status == 403 {
			m.rt.Fatalf("%s may grant on %s, but was refused", as, profile)
		}
	case !authorised:
		m.rt.Fatalf("%s granted %s on %s to %s without any right", as, role, profile, user)
	default:
		m.given[member{user, profile}] = role
	}
}

func (m *machine) remove(rt *rapid.T) {
	as, profile, user := pick(rt, "as", machineUsers), pick(rt, "profile", machineProfiles), pick(rt, "user", m.everybody())
	authorised := m.authorised(as, profile)
	name := user
	if strings.HasPrefix(user, "new") {
		name += "@new.example" // by which it was invited
	}
	m.gone(as, member{user, profile}, authorised, as != user, m.do(as, "DELETE /api/profile/"+profile+"/roles/manager/"+name, ""))
}

func (m *machine) drop(rt *rapid.T) {
	as, profile, user := pick(rt, "as", machineUsers), pick(rt, "profile", machineProfiles), pick(rt, "user", m.everybody())
	authorised := as == user || m.manages(as, "broker")
	m.gone(as, member{user, profile}, authorised, false, m.do(as, "DELETE /api/users/"+user+"/accessibles/manager/"+profile, ""))
}

// gone notes that a role was taken away, by others or by its user: who agreed and was removed by others still agrees.
func (m *machine) gone(as string, of member, authorised, others bool, status int) {
	if status == 204 {
		if !authorised {
			m.rt.Fatalf("%s took the role of %v away without any right", as, of)
		}
		delete(m.given, of)
		if !others {
			delete(m.agreed, of)
		}
	}
}

func (m *machine) request(rt *rapid.T) {
	as, profile, user := pick(rt, "as", machineUsers), pick(rt, "profile", machineProfiles), pick(rt, "user", m.everybody())
	role := pick(rt, "role", []string{"", "/manager", "/contributor"})
	of := member{user, profile}
	had := m.w.roleOf(user, profile)
	authorised := as == user || m.manages(as, "broker")
	if m.do(as, "POST /api/users/"+user+"/accessibles"+role, fmt.Sprintf(`{"slug":%q}`, profile)) >= 300 {
		return
	}
	if !authorised {
		m.rt.Fatalf("%s asked in the name of %s", as, user)
	}
	m.agreed[of] = true
	if strings.HasSuffix(had, "?") && role != "" && "/"+strings.TrimSuffix(had, "?") != role {
		delete(m.given, of) // the invitation is no more
	}
}

func (m *machine) accept(rt *rapid.T) {
	keys := m.rows(`SELECT grant_key FROM role WHERE grant_key IS NOT NULL ORDER BY grant_key`)
	if len(keys) == 0 {
		rt.Skip("nobody is invited")
	}
	as, user, key := pick(rt, "as", machineUsers), pick(rt, "user", m.everybody()), pick(rt, "key", keys)
	owner := m.rows(`SELECT u.username || ' ' || p.slug FROM role r JOIN user u ON u.id = r.user_id JOIN profile p ON p.id = r.profile_id WHERE r.grant_key = ?`, key)[0]
	f := strings.Fields(owner)
	invited := member{f[0], f[1]}
	authorised := as == user || m.manages(as, "broker")
	if m.do(as, "PUT /api/users/"+user+"/accessibles/accept/"+key, "") >= 300 {
		return
	}
	of := member{user, invited.profile}
	switch {
	case !authorised:
		m.rt.Fatalf("%s accepted in the name of %s", as, user)
	case user != invited.user && !strings.HasPrefix(invited.user, "new"):
		m.rt.Fatalf("%s took the invitation of %s", user, invited.user)
	case user != invited.user:
		m.given[of] = m.given[invited]
		delete(m.given, invited)
	}
	m.agreed[of] = true
}

func (m *machine) list(rt *rapid.T) {
	as, user := pick(rt, "as", machineUsers), pick(rt, "user", m.everybody())
	m.do(as, "GET /api/users/"+user+"/accessibles", "")
}

// check compares who is in with what was given and agreed.
func (m *machine) check(rt *rapid.T) {
	for _, row := range m.rows(`SELECT u.username || ' ' || p.slug || ' ' || d.slug FROM role r JOIN user u ON u.id = r.user_id JOIN profile p ON p.id = r.profile_id
		JOIN role_description d ON d.id = r.role_description_id WHERE r.grant_key IS NULL AND r.request_key IS NULL`) {
		f := strings.Fields(row)
		of, role := member{f[0], f[1]}, f[2]
		if m.given[of] != role {
			rt.Fatalf("%s is %s of %s: nobody who may gave that; given is %q", of.user, role, of.profile, m.given[of])
		}
		own := role == "manager" && of.user == of.profile
		if own {
			m.agreed[of] = true // needs no opt-in, nor do later changes of a member's role
		}
		if !m.agreed[of] {
			rt.Fatalf("%s is %s of %s without having agreed", of.user, role, of.profile)
		}
	}
}
