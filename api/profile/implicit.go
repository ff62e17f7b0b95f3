package profile

import (
	"database/sql"
	"encoding/json"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// PublicMailDomains are mail providers open to everybody: an address there says nothing about who one works for.
var PublicMailDomains = strings.Fields(`
	126.com 163.com aim.com alice.it aol.com att.net bellsouth.net bigpond.com bluewin.ch bol.com.br bt.com btinternet.com
	charter.net comcast.net cox.net daum.net disroot.org duck.com earthlink.net email.com fastmail.com fastmail.fm free.fr
	freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.fr gmx.net googlemail.com hey.com hotmail.ca hotmail.co.uk hotmail.com
	hotmail.de hotmail.es hotmail.fr hotmail.it hushmail.com icloud.com inbox.com inbox.lv interia.pl juno.com laposte.net
	libero.it live.ca live.co.uk live.com live.fr live.nl lycos.com mac.com mail.com mail.de mail.ee mail.ru mailbox.org
	mailfence.com mailinator.com me.com msn.com naver.com neuf.fr o2.pl onet.pl online.de orange.fr outlook.com outlook.de
	outlook.es outlook.fr outlook.jp pm.me posteo.de proton.me protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com
	riseup.net rocketmail.com rogers.com runbox.com sapo.pt sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com
	startmail.com sympatico.ca t-online.de talktalk.net telus.net terra.com.br tiscali.it tuta.com tuta.io tutanota.com
	uol.com.br verizon.net virgilio.it virginmedia.com wanadoo.fr web.de wp.pl xtra.co.nz yahoo.ca yahoo.co.in yahoo.co.jp
	yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru yeah.net ymail.com
	zoho.com zohomail.com`)

// maxCandidates is how many profiles an e-mail address may match before it says nothing (profiles.md 4.5).
const maxCandidates = 5

// maxProven is how many proven addresses of a user count, the oldest first.
const maxProven = 20

// settlement is what a user gets without asking (profiles.md 4.5), as found in one reading.
type settlement struct {
	personal *New           // personal profile to make
	grants   []implicitRole // roles to grant
	accept   []int64        // rows of role to accept
}

// An implicitRole is put in force by its description only where that is the broker's, and the broker confirmed the domain: what a
// profile says of itself puts nobody on it (decision 68).
type implicitRole struct {
	profile, role int64
	vouched       bool
}

func (d settlement) empty() bool {
	return d.personal == nil && len(d.grants) == 0 && len(d.accept) == 0
}

// Settle gives a user what comes by itself: a personal profile where the site or the cart asks for one, roles on profiles with the
// user's verified e-mail address or domain, invitations that need no answer. It runs before the user's roles are listed and at
// login; running it again changes nothing (profiles.md 4.5, decision 49).
func (s *Service) Settle(tx *store.Tx, user int64) error {
	due, err := s.due(tx, user)
	if err != nil {
		return err
	}
	if due.personal != nil {
		if _, err := s.Create(tx, *due.personal); err != nil {
			return err
		}
	}
	for _, g := range due.grants {
		if _, _, err := s.GrantRole(tx, Grant{Profile: g.profile, User: user, Role: g.role, MustAnswer: !g.vouched}); err != nil {
			return err
		}
	}
	if len(due.accept) > 0 {
		if _, err := tx.Exec(`UPDATE role SET grant_key = NULL, unasked = 1 WHERE user_id = ? AND profile_id IN (SELECT value FROM json_each(?))`,
			user, store.IDs(due.accept)); err != nil {
			return err
		}
		s.dir.TouchUser(tx, user)
		s.dir.TouchProfile(tx, due.accept...)
	}
	return nil
}

// due finds what Settle has to do, nothing most of the time, so that the reading of a list does not write.
func (s *Service) due(r store.Reader, user int64) (due settlement, err error) {
	var username, name, email string
	var active bool
	err = r.QueryRow(`SELECT username, trim(first_name || ' ' || last_name), coalesce(email, ''), is_active FROM user u WHERE id = ?`, user).
		Scan(&username, &name, &email, &active)
	if err != nil || !active {
		return due, err
	}
	if due.personal, err = s.duePersonal(r, user, username, name, email); err != nil {
		return due, err
	}
	// Every address that the user has proven counts, shown or not, and no other (decision 66).
	proven, err := store.Column[string](r, `SELECT lower(email) FROM contact WHERE user_id = ? AND email IS NOT NULL AND email_verified_at IS NOT NULL
		ORDER BY created_at, id LIMIT ?`, user, maxProven)
	if err != nil {
		return due, err
	}
	if len(proven) > 0 {
		if due.grants, err = s.dueGrants(r, user, proven); err != nil {
			return due, err
		}
		waiting, err := s.dueManagers(r, user, proven)
		if err != nil {
			return due, err
		}
		due.grants = append(due.grants, waiting...)
	}
	due.accept, err = store.Column[int64](r, `SELECT r.profile_id FROM role r JOIN role_description d ON d.id = r.role_description_id
		WHERE r.user_id = ? AND r.grant_key IS NOT NULL AND r.must_answer = 0 AND d.skip_optin_on_grant = 1 AND d.profile_id IS NULL`, user)
	return due, err
}

func (s *Service) duePersonal(r store.Reader, user int64, username, name, email string) (*New, error) {
	if !directory.ValidName(username) {
		return nil, nil
	}
	var wanted, taken bool
	err := r.QueryRow(`SELECT EXISTS (SELECT 1 FROM cart_item c JOIN plan p ON p.id = c.plan_id WHERE c.user_id = ? AND c.recorded = 0 AND p.is_personal = 1),
		EXISTS (SELECT 1 FROM profile WHERE slug = ?)`, user, username).Scan(&wanted, &taken)
	if err != nil || taken || !wanted && !s.settings.ForcePersonal {
		return nil, err
	}
	return &New{Slug: username, FullName: name, Email: email, Personal: true, CreatedBy: user, Manager: user}, nil
}

// dueGrants finds the roles that verified addresses open: on profiles that have one of them, and on those of its domain that the broker
// confirmed. On a profile that the user left, or was removed from, there is none.
func (s *Service) dueGrants(r store.Reader, user int64, emails []string) ([]implicitRole, error) {
	domains := make([]string, len(emails))
	for i, email := range emails {
		if _, domain, _ := strings.Cut(email, "@"); !s.public[domain] {
			domains[i] = domain
		}
	}
	var candidates []int64
	counting := []string{} // domains of the addresses that say something
	err := store.Each(r, func(rows *sql.Rows) error {
		var i int
		var text string
		var found []int64
		err := rows.Scan(&i, &text)
		if err == nil {
			err = json.Unmarshal([]byte(text), &found)
		}
		if len(found) > 0 && len(found) < maxCandidates {
			candidates, counting = append(candidates, found...), append(counting, domains[i])
		}
		return err
	}, `SELECT a.key, (SELECT json_group_array(id) FROM (SELECT id FROM (SELECT id FROM profile WHERE email = a.value COLLATE NOCASE AND is_active = 1 AND id <> ?2 LIMIT ?3) AS same
		UNION ALL SELECT id FROM (SELECT id FROM profile WHERE confirmed_domain = d.value AND confirmed_domain <> '' AND is_active = 1 AND id <> ?2 LIMIT ?3) AS near))
		FROM json_each(?1) a JOIN json_each(?4) d ON d.key = a.key ORDER BY a.key`, store.IDs(emails), processorID, maxCandidates, store.IDs(domains))
	if err != nil || len(candidates) == 0 {
		return nil, err
	}
	// Several descriptions at a level, or none: the level is skipped. min = max: there is exactly one.
	var grants []implicitRole
	err = store.Each(r, func(rows *sql.Rows) error {
		var g implicitRole
		var global bool
		err := rows.Scan(&g.profile, &g.role, &global, &g.vouched)
		g.vouched = g.vouched && global
		if g.role != 0 {
			grants = append(grants, g)
		}
		return err
	}, `SELECT p.id, coalesce(p.own, p.site, 0), p.own IS NULL, p.confirmed_domain <> '' AND p.confirmed_domain IN (SELECT value FROM json_each(?)) FROM (SELECT id, no_implicit_role, confirmed_domain,
			(SELECT CASE WHEN min(id) = max(id) THEN min(id) END FROM role_description WHERE profile_id = profile.id AND implicit_create_on_none = 1) AS own,
			(SELECT CASE WHEN min(id) = max(id) THEN min(id) END FROM role_description WHERE profile_id IS NULL AND implicit_create_on_none = 1) AS site
			FROM profile) AS p WHERE p.id IN (SELECT value FROM json_each(?)) AND p.no_implicit_role = 0
			AND NOT EXISTS (SELECT 1 FROM role r WHERE r.profile_id = p.id AND r.user_id = ?)
			AND NOT EXISTS (SELECT 1 FROM role_answer a WHERE a.profile_id = p.id AND a.user_id = ?)
		ORDER BY p.id`, store.IDs(counting), store.IDs(candidates), user, user)
	return grants, err
}

// dueManagers finds the profiles that wait on a verified address: somebody granted it a plan before it was proven, and nobody manages
// them. The user is asked to, and can then accept the plan (decision 66).
func (s *Service) dueManagers(r store.Reader, user int64, emails []string) ([]implicitRole, error) {
	waiting, err := store.Column[int64](r, `SELECT DISTINCT p.id FROM json_each(?) a CROSS JOIN profile p ON p.email = a.value COLLATE NOCASE
		WHERE p.is_active = 1 AND p.id <> ? AND EXISTS (SELECT 1 FROM subscription s WHERE s.profile_id = p.id AND s.grant_key IS NOT NULL AND s.ends_at > ?)
			AND NOT EXISTS (SELECT 1 FROM role r JOIN user u ON u.id = r.user_id WHERE r.profile_id = p.id AND `+aManager+`)
			AND NOT EXISTS (SELECT 1 FROM role r WHERE r.profile_id = p.id AND r.user_id = ?)
			AND NOT EXISTS (SELECT 1 FROM role_answer a WHERE a.profile_id = p.id AND a.user_id = ?)
		ORDER BY p.id LIMIT ?`, store.IDs(emails), processorID, r.Now(), r.Now(), user, user, maxRequested)
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	manager, err := managerRole(r)
	grants := make([]implicitRole, len(waiting))
	for i, id := range waiting {
		grants[i] = implicitRole{profile: id, role: manager}
	}
	return grants, err
}
