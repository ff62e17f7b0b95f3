package auth

import (
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// An activity is a note about a contact, a profile, or both (auth.md 21).
type activity struct {
	CreatedAt store.Time              `json:"created_at"`
	CreatedBy *directory.UserShort    `json:"created_by"`
	Text      string                  `json:"text"`
	Account   *directory.ProfileShort `json:"account"`
	Contact   *directory.UserShort    `json:"contact"`
	Extra     json.RawMessage         `json:"extra"`

	by, contact, profile int64
}

const activityColumns = "a.created_at, coalesce(a.created_by, 0), a.text, coalesce(a.profile_id, 0), coalesce(a.contact_id, 0), a.extra"

func scanActivity(rows *sql.Rows, a *activity) error {
	var extra *string
	err := rows.Scan(&a.CreatedAt, &a.by, &a.Text, &a.profile, &a.contact, &extra)
	a.Extra = directory.Extra(extra)
	return err
}

// activities lists activities; where is the condition of one of its lists.
func activities(where, order string) *rest.List[activity] {
	key := "a.id"
	if order[0] == '-' {
		key = "-a.id"
	}
	return &rest.List[activity]{
		Select: activityColumns, From: "activity a", Where: where, Key: key,
		Search: rest.Names{"text": {"a.text"}}, Order: rest.Names{"created_at": {"a.created_at"}}, Default: []string{order},
		Dates: "a.created_at", Blank: true, Scan: scanActivity,
	}
}

var (
	allActivities     = activities("", "-created_at")
	profileActivities = activities("a.profile_id = ?", "-created_at")
	contactActivities = activities("a.contact_id = ?", "created_at")
	userActivities    = activities("a.contact_id IN (SELECT id FROM contact WHERE user_id = ?)", "created_at")
	noActivities      = activities("1 = 0", "-created_at")
)

// fill completes activities read from the database, with one query for each kind of thing.
func (s *Service) fill(r store.Reader, list []activity) error {
	var users, profiles, contacts []int64
	for i := range list {
		users, profiles, contacts = append(users, list[i].by), append(profiles, list[i].profile), append(contacts, list[i].contact)
	}
	by, err := s.dir.Users(r, users)
	if err != nil {
		return err
	}
	about, err := s.dir.Profiles(r, profiles)
	if err != nil {
		return err
	}
	people, err := s.shortContacts(r, contacts)
	if err != nil {
		return err
	}
	for i := range list {
		a := &list[i]
		if u, ok := by[a.by]; ok {
			a.CreatedBy = &u
		}
		if p, ok := about[a.profile]; ok {
			a.Account = &p
		}
		if c, ok := people[a.contact]; ok {
			a.Contact = &c
		}
	}
	return nil
}

// shortContacts returns contacts by ID in the shape of users in lists: their users where they have one.
func (s *Service) shortContacts(r store.Reader, ids []int64) (map[int64]directory.UserShort, error) {
	short := map[int64]directory.UserShort{}
	owners := map[int64]int64{}
	var users []int64
	err := store.Each(r, func(rows *sql.Rows) error {
		c, err := scanContact(rows)
		if err != nil {
			return err
		}
		short[c.ID] = c.short()
		if c.User != 0 {
			owners[c.ID] = c.User
			users = append(users, c.User)
		}
		return nil
	}, selectContact+`WHERE id IN (SELECT value FROM json_each(?))`, store.IDs(ids))
	if err != nil {
		return nil, err
	}
	people, err := s.dir.Users(r, users)
	for contact, user := range owners {
		if u, ok := people[user]; ok {
			short[contact] = u
		}
	}
	return short, err
}

func (s *Service) activityPage(c *rest.Call, r store.Reader, l *rest.List[activity], args ...any) (rest.Page[activity], error) {
	page, err := l.Page(c, r, args...)
	if err == nil {
		err = s.fill(r, page.Results)
	}
	return page, err
}

// listActivities is GET /api/activities.
func (s *Service) listActivities(c *rest.Call, r store.Reader) (rest.Page[activity], error) {
	return s.activityPage(c, r, allActivities)
}

// listProfileActivities is GET /api/activities/{profile}.
func (s *Service) listProfileActivities(c *rest.Call, r store.Reader) (page rest.Page[activity], err error) {
	id, err := pathProfile(c, r)
	if err != nil {
		return page, err
	}
	return s.activityPage(c, r, profileActivities, id)
}

// listContactActivities is GET /api/contacts/{user}/activities.
func (s *Service) listContactActivities(c *rest.Call, r store.Reader) (page rest.Page[activity], err error) {
	u, who, err := subject(r, c.Param("user"))
	switch {
	case err != nil:
		return page, err
	case u != nil:
		return s.activityPage(c, r, userActivities, u.ID)
	}
	return s.activityPage(c, r, contactActivities, who.ID)
}

// listTodos is GET /api/todos: nothing plugs a source into this product.
func (s *Service) listTodos(c *rest.Call, r store.Reader) (rest.Page[activity], error) {
	return s.activityPage(c, r, noActivities)
}

// listProfileContacts is GET /api/activities/{profile}/contacts: who the activities about a profile are with.
func (s *Service) listProfileContacts(c *rest.Call, r store.Reader) (page rest.Page[directory.UserShort], err error) {
	id, err := pathProfile(c, r)
	if err != nil {
		return page, err
	}
	return profileContacts.Page(c, r, id)
}

var profileContacts = rest.List[directory.UserShort]{
	Select: everybody.Select, From: everybody.From,
	Where: `p.key % 2 = 0 AND p.key / 2 IN (SELECT contact_id FROM activity WHERE profile_id = ?)`,
	Key:   everybody.Key, Search: everybody.Search, Order: everybody.Order, Default: everybody.Default, Blank: true, Scan: everybody.Scan,
}

// ActivitiesOf lists the latest activities about a profile, for whoever shows it (profiles.md 5.5).
func (s *Service) ActivitiesOf(r store.Reader, profile int64) (any, error) {
	list, err := store.List(r, scanActivity, `SELECT `+activityColumns+` FROM activity a
		WHERE a.profile_id = ? ORDER BY a.created_at DESC, a.id DESC LIMIT 25`, profile)
	if err != nil {
		return nil, err
	}
	return list, s.fill(r, list)
}

// contactNote is the body of POST /api/contacts/{user}/activities, and the answer.
type contactNote struct {
	Text    string           `json:"text" in:"blank,null" validate:"max=10000"`
	Account rest.Opt[string] `json:"account" in:"required,null"`
}

type contactNoteOutput struct {
	Text    string  `json:"text"`
	Account *string `json:"account"`
}

// noteContact is POST /api/contacts/{user}/activities.
func (s *Service) noteContact(c *rest.Call, tx *store.Tx, in *contactNote) (out contactNoteOutput, err error) {
	u, who, err := subject(tx, c.Param("user"))
	if err != nil {
		return out, err
	}
	if who == nil {
		if who, err = s.ownContact(tx, u); err != nil {
			return out, err
		}
	}
	var account int64
	if in.Account.Set() {
		if account, err = profileBySlug(tx, in.Account.Value); err != nil {
			return out, err
		}
		if account == 0 {
			return out, rest.Invalid("account", "Object with slug="+in.Account.Value+" does not exist.")
		}
		out.Account = &in.Account.Value
	}
	out.Text = in.Text
	c.Created("")
	return out, s.note(tx, c, who.ID, account, in.Text)
}

// profileNote is the body of POST /api/activities/{profile}, and the answer.
type profileNote struct {
	Text    string           `json:"text" in:"blank,null" validate:"max=10000"`
	Contact rest.Opt[string] `json:"contact" in:"required,null"`
}

type profileNoteOutput struct {
	Text    string  `json:"text"`
	Contact *string `json:"contact"`
}

// noteProfile is POST /api/activities/{profile}.
func (s *Service) noteProfile(c *rest.Call, tx *store.Tx, in *profileNote) (out profileNoteOutput, err error) {
	account, err := pathProfile(c, tx)
	if err != nil {
		return out, err
	}
	var who contact
	if in.Contact.Set() {
		found, err := contactBySlug(tx, in.Contact.Value)
		if err != nil {
			return out, err
		}
		if found == nil {
			return out, rest.Invalid("contact", "Object with slug="+in.Contact.Value+" does not exist.")
		}
		who, out.Contact = *found, &in.Contact.Value
	}
	out.Text = in.Text
	c.Created("")
	if err := rest.AtMost(tx, maxNotes, "There are at most 10000 notes about a profile.",
		`SELECT 1 FROM activity WHERE profile_id = ?`, account); err != nil {
		return out, err
	}
	return out, s.note(tx, c, who.ID, account, in.Text)
}

// maxNotes is how many notes there are about a profile at the most, but for those that the broker takes of its people (decision 77).
const maxNotes = 10_000

func (s *Service) note(tx *store.Tx, c *rest.Call, contact, profile int64, text string) error {
	_, err := tx.Exec(`INSERT INTO activity (created_at, created_by, contact_id, profile_id, text) VALUES (?, ?, nullif(?, 0), nullif(?, 0), ?)`,
		tx.Now(), c.User.ID, contact, profile, text)
	return err
}

// ownContact is the oldest contact of a user; a user who has none gets one.
func (s *Service) ownContact(tx *store.Tx, u *user) (*contact, error) {
	all, err := contactsOf(tx, u.ID)
	if err != nil {
		return nil, err
	}
	if len(all) > 0 {
		return all[0], nil
	}
	return s.addContact(tx, u.Username, person{FullName: u.fullName(), NickName: u.FirstName}, u.ID)
}

// pathProfile finds {profile}. Errors: 404.
func pathProfile(c *rest.Call, r store.Reader) (id int64, err error) {
	id, err = profileBySlug(r, c.Param("profile"))
	if err == nil && id == 0 {
		err = rest.NotFound("Organization")
	}
	return id, err
}

// findProfile is the 404 that comes before a 400.
func findProfile(c *rest.Call, r store.Reader) error {
	_, err := pathProfile(c, r)
	return err
}

// profileBySlug returns the profile of that very slug, 0 when there is none.
func profileBySlug(r store.Reader, slug string) (id int64, err error) {
	var found string
	err = r.QueryRow(`SELECT id, slug FROM profile WHERE slug = ?`, slug).Scan(&id, &found)
	if errors.Is(err, store.ErrNotFound) || err == nil && found != slug {
		return 0, nil
	}
	return id, err
}
