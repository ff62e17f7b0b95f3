package notice

import (
	"encoding/json"
	netmail "net/mail"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// envelope is who a notice goes to, as the outbox keeps it.
type envelope struct {
	To      []string `json:"to,omitempty"`
	Bcc     []string `json:"bcc,omitempty"`
	Only    []string `json:"only,omitempty"` // of them, those that it is still for; none: all
	ReplyTo string   `json:"reply_to,omitempty"`
	Omitted int      `json:"omitted,omitempty"` // lines that the payload lacks: there were too many
	Period  string   `json:"period,omitempty"`  // of a report, "Weekly"
	Lang    string   `json:"lang,omitempty"`    // of the mail, "" for the site's
}

// beside takes from an event what does not go into its payload.
func (letter *envelope) beside(e Event) {
	if long, ok := e.(interface{ cut(n int) int }); ok {
		letter.Omitted = long.cut(maxLines)
	}
	if report, ok := e.(*PeriodSalesReportCreated); ok {
		letter.Period = title(report.Period.String())
	}
}

func decodeEnvelope(recipients string) (e envelope, err error) {
	err = json.Unmarshal([]byte(recipients), &e)
	return e, err
}

// address resolves the recipients of a mail (notifications.md 2): To, unless its user does not want the event, and the managers
// who do, without the one whose action it is. Nobody is written to twice.
func (n *Notices) address(r store.Reader, event string, broker *Profile, to route) (envelope, error) {
	var e envelope
	seen := map[string]bool{}
	add := func(list *[]string, email string) {
		if key := strings.ToLower(email); email != "" && !seen[key] {
			seen[key] = true
			*list = append(*list, email)
		}
	}
	origin := ""
	if to.by != nil && to.by.Email != nil {
		origin = *to.by.Email
	}
	if e.ReplyTo = address(origin); e.ReplyTo == "" && !strings.EqualFold(broker.Email, address(n.o.From)) {
		e.ReplyTo = address(broker.Email)
	}
	if to.to != "" {
		wanted := to.direct
		if !wanted {
			var err error
			if wanted, err = n.wants(r, event, to.to); err != nil {
				return e, err
			}
		}
		if wanted {
			add(&e.To, address(to.to))
			for _, email := range to.also {
				add(&e.To, address(email))
			}
			if to.security != nil {
				kept, err := store.Column[string](r, `SELECT email FROM contact WHERE user_id = ? AND replaced_at IS NOT NULL AND email IS NOT NULL`,
					to.security.ID)
				if err != nil {
					return e, err
				}
				for _, email := range kept {
					add(&e.To, address(email))
				}
			}
		}
	}
	if len(to.managers) == 0 {
		return e, nil
	}
	ids, err := encode(to.managers)
	if err != nil {
		return e, err
	}
	rows, err := r.Query(`SELECT DISTINCT user.id, user.email FROM role
		JOIN role_description ON role_description.id = role_description_id JOIN user ON user.id = role.user_id
		WHERE role.profile_id IN (SELECT value FROM json_each(?)) AND role_description.slug = 'manager'
		AND grant_key IS NULL AND request_key IS NULL AND (role.ends_at IS NULL OR role.ends_at > ?)
		AND user.is_active = 1 AND user.email <> ''
		AND EXISTS (SELECT 1 FROM user_notification JOIN notification ON notification.id = notification_id
			WHERE user_notification.user_id = user.id AND notification.slug = ?) = ?
		ORDER BY user.id`, string(ids), r.Now(), event, n.o.OptIn)
	if err != nil {
		return e, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var email string
		if err := rows.Scan(&id, &email); err != nil {
			return e, err
		}
		if !strings.EqualFold(email, origin) {
			add(&e.Bcc, address(email))
		}
	}
	return e, rows.Err()
}

// bounded is a letter without those who are strangers to its cause, where that is something that a user can do without end and has done
// too often (decision 77). What was done stands, and programs are told of it; so are the managers of the profile that it is about, at
// addresses that they have proven, since nobody may hide from them what was done. Who manages the broker is trusted.
func (n *Notices) bounded(tx *store.Tx, broker *Profile, r route, letter envelope) (envelope, error) {
	if r.endless == 0 || r.endless == broker.ID || n.o.Room == nil || r.by == nil || r.by.ID == 0 {
		return letter, nil
	}
	all := slices.Concat(letter.To, letter.Bcc)
	proven, err := directory.UsersOf(tx, directory.Email, all)
	if err != nil {
		return letter, err
	}
	rows, err := tx.Query(`SELECT role.user_id, role.profile_id = ? FROM role JOIN role_description ON role_description.id = role_description_id
		WHERE role.profile_id IN (?, ?) AND role_description.slug = 'manager' AND grant_key IS NULL AND request_key IS NULL
		AND (role.ends_at IS NULL OR role.ends_at > ?)`, r.endless, r.endless, broker.ID, tx.Now())
	if err != nil {
		return letter, err
	}
	defer rows.Close()
	concerned := map[int64]bool{}
	for rows.Next() {
		var user int64
		var its bool
		if err := rows.Scan(&user, &its); err != nil {
			return letter, err
		}
		if !its && user == r.by.ID {
			return letter, nil
		}
		concerned[user] = concerned[user] || its
	}
	if err := rows.Err(); err != nil {
		return letter, err
	}
	stranger := func(email string) bool { return !concerned[proven[strings.ToLower(email)]] }
	if !slices.ContainsFunc(all, stranger) {
		return letter, nil
	}
	if room, err := n.o.Room(tx, r.by.ID); err != nil || room {
		return letter, err
	}
	letter.To, letter.Bcc = slices.DeleteFunc(letter.To, stranger), slices.DeleteFunc(letter.Bcc, stranger)
	return letter, nil
}

// wants reports whether mails of an event may go to an address: it is no user's, or its user wants them.
func (n *Notices) wants(r store.Reader, event, email string) (bool, error) {
	var wanted bool
	err := r.QueryRow(`SELECT NOT EXISTS (SELECT 1 FROM user WHERE email = ? AND EXISTS (SELECT 1 FROM user_notification
		JOIN notification ON notification.id = notification_id
		WHERE user_notification.user_id = user.id AND notification.slug = ?) <> ?)`, email, event, n.o.OptIn).Scan(&wanted)
	return wanted, err
}

// address is the bare e-mail address in s that can stand in a header as it is, "" when there is none: what has to be quoted
// cannot, so that it is read again as the same address; nor can control characters, which net/mail takes for letters.
func address(s string) string {
	a, err := netmail.ParseAddress(s)
	if err != nil || strings.ContainsAny(a.Address, " \t\"(),:;<>\\") || strings.ContainsFunc(a.Address, endsLine) {
		return ""
	}
	if again, err := netmail.ParseAddress(a.Address); err != nil || again.Address != a.Address {
		return "" // `"."@x`: dots where only quotes allow them
	}
	return a.Address
}
