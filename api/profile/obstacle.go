package profile

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// Why an account or a profile cannot be deleted yet (decisions 7 and 39).
const (
	ObstacleManager     = "last_manager" // nobody else manages the profile
	ObstacleSubscribers = "subscribers"  // others are subscribed to its plans
	ObstacleBalance     = "balance"      // it owes, or is owed, money
	ObstacleBroker      = "broker"       // it runs the site
)

// An Obstacle is what stands in the way of deleting an account.
type Obstacle struct {
	Reason  string                 `json:"reason"`
	Profile directory.ProfileShort `json:"profile"`
	Due     []Amount               `json:"due,omitempty"`   // of a balance: what the profile owes, by unit
	Funds   []Amount               `json:"funds,omitempty"` // of a balance: what it has not been paid out, by unit

	profile int64
	slug    string
}

// An Amount is a sum in 1/100 of a unit.
type Amount struct {
	Amount int64  `json:"amount"`
	Unit   string `json:"unit"`
}

func amounts(all []ledger.Amount) (out []Amount) {
	for _, a := range all {
		out = append(out, Amount{a.Value, a.Unit})
	}
	return out
}

// refusal is the error of who deletes all the same.
func (o *Obstacle) refusal() error {
	switch o.Reason {
	case ObstacleBroker:
		return rest.Bad("detail", "The broker profile cannot be deleted.")
	case ObstacleSubscribers:
		return rest.Bad("detail", "A profile with current subscribers cannot be deleted.")
	case ObstacleBalance:
		return rest.Bad("detail", "A profile with a balance cannot be deleted.")
	}
	return rest.Bad("detail", "The user is the last manager of profile "+o.slug+".")
}

// Obstacles lists what stands in the way of deleting a user: the rules of Archive on the personal profile, 0 for none, and those of
// LastManagerElsewhere.
func (s *Service) Obstacles(r store.Reader, user, personal int64, broker bool) ([]Obstacle, error) {
	all := []Obstacle{}
	if personal != 0 {
		var slug string
		if err := r.QueryRow(`SELECT slug FROM profile WHERE id = ?`, personal).Scan(&slug); err != nil {
			return nil, err
		}
		own, err := s.archiveObstacles(r, personal, slug)
		if err != nil {
			return nil, err
		}
		all = append(all, own...)
	}
	others, err := s.lastManaged(r, user, personal, broker)
	if err != nil {
		return nil, err
	}
	all = append(all, others...)
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].profile
	}
	profiles, err := s.dir.Profiles(r, ids)
	for i := range all {
		all[i].Profile = profiles[all[i].profile]
	}
	return all, err
}

// archiveObstacles lists what stands in the way of archiving a profile.
func (s *Service) archiveObstacles(r store.Reader, profile int64, slug string) (all []Obstacle, err error) {
	if slug == s.dir.Broker() {
		return []Obstacle{{Reason: ObstacleBroker, profile: profile, slug: slug}}, nil
	}
	n, err := s.subs.CurrentSubscribers(r, profile)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		all = append(all, Obstacle{Reason: ObstacleSubscribers, profile: profile, slug: slug})
	}
	funds, err := ledger.Funds(r, profile)
	if err != nil {
		return nil, err
	}
	statement, err := ledger.StatementOf(r, profile, store.Time{})
	if err != nil {
		return nil, err
	}
	due, err := statement.Total()
	if err == nil && len(funds)+len(due) > 0 {
		all = append(all, Obstacle{Reason: ObstacleBalance, Due: amounts(due), Funds: amounts(funds), profile: profile, slug: slug})
	}
	return all, err
}

// maxLastManaged is how many profiles are named that only one user manages.
const maxLastManaged = 100

// lastManaged lists the active profiles other than except that a user is the last active manager of, the broker's alone with broker.
func (s *Service) lastManaged(r store.Reader, user, except int64, broker bool) ([]Obstacle, error) {
	return store.List(r, func(rows *sql.Rows, o *Obstacle) error {
		o.Reason = ObstacleManager
		return rows.Scan(&o.profile, &o.slug)
	}, `SELECT p.id, p.slug FROM role mine JOIN profile p ON p.id = mine.profile_id
		WHERE mine.user_id = ? AND mine.profile_id <> ? AND p.is_active = 1 AND (NOT ? OR p.slug = ?)
			AND mine.request_key IS NULL AND mine.grant_key IS NULL AND mine.unasked = 0
			AND (mine.ends_at IS NULL OR mine.ends_at > ?)
			AND +mine.role_description_id = (SELECT id FROM role_description WHERE slug = 'manager' AND profile_id IS NULL)
			AND NOT EXISTS (SELECT 1 FROM role r JOIN user u ON u.id = r.user_id
				WHERE r.profile_id = mine.profile_id AND r.user_id <> mine.user_id AND `+aManager+`)
		ORDER BY p.slug LIMIT ?`,
		user, except, broker, s.dir.Broker(), r.Now(), r.Now(), maxLastManaged)
}
