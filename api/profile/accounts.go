package profile

import (
	"cmp"
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// account is a row of a type-ahead list, of a profile or of a user without one.
type account struct {
	id   int64
	name string // full name, by which the two are merged
	directory.ProfileShort
}

func scanAccount(rows *sql.Rows, a *account) error { return rows.Scan(&a.id, &a.name) }

var (
	accountSearch = rest.Names{
		"slug": {"p.slug"}, "full_name": {"p.full_name"}, "email": {"p.email"}, "phone": {"p.phone"}, "street_address": {"p.street_address"},
		"locality": {"p.locality"}, "region": {"p.region"}, "postal_code": {"p.postal_code"}, "country": {"p.country"},
	}
	// accountProfiles are the profiles that are found (profiles.md 8.1).
	accountProfiles = rest.List[account]{
		Select: "p.id, p.full_name", From: "profile p", Where: "p.is_active = 1 AND p.email <> '' AND p.id <> ?", Key: "p.id",
		Search: accountSearch, Order: profileOrder, Default: []string{"full_name"}, Dates: "p.created_at", Scan: scanAccount,
	}
	accountProfilesSearched = searched(accountProfiles)
	// bareUsers are the users without a profile of their own (profiles.md 8.5).
	bareUsers = rest.List[account]{
		Select: "u.id, trim(u.first_name || ' ' || u.last_name)", From: "user u",
		Where: "u.is_active = 1 AND NOT EXISTS (SELECT 1 FROM profile p WHERE p.slug = u.username)", Key: "u.id",
		Search:  rest.Names{"slug": {"u.username"}, "full_name": {"u.first_name", "u.last_name"}, "email": {"u.email"}},
		Order:   rest.Names{"full_name": {"u.first_name", "u.last_name"}, "created_at": {"u.created_at"}},
		Default: []string{"full_name"}, Dates: "u.created_at", Scan: scanAccount,
	}
	// accountUsers are the users that are found (profiles.md 8.4).
	accountUsers = rest.List[accountUser]{
		Select: "u.id", From: "user u", Where: "u.is_active = 1", Key: "u.id",
		Search: rest.Names{
			"slug": {"u.username"}, "username": {"u.username"}, "first_name": {"u.first_name"}, "last_name": {"u.last_name"},
			"full_name": {"u.first_name", "u.last_name"}, "email": {"u.email"},
		},
		Order: rest.Names{
			"first_name": {"u.first_name", "u.last_name"}, "last_name": {"u.last_name"}, "email": {"u.email"}, "created_at": {"u.created_at"},
		},
		Default: []string{"first_name"}, Dates: "u.created_at", EndsNow: true,
		Scan: func(rows *sql.Rows, u *accountUser) error { return rows.Scan(&u.id) },
	}
)

// The same for who may not read the accounts: by what people and organisations are called. What one finds by a part of an address, a
// phone or a street is learned by trying (decision 78).
var (
	namedProfiles         = byName(accountProfiles)
	namedProfilesSearched = searched(namedProfiles)
	namedBareUsers        = byName(bareUsers)
	namedUsers            = byName(accountUsers)
)

// byName is a list that is searched by names alone, and not sorted by addresses.
func byName[T any](l rest.List[T]) rest.List[T] {
	l.Search, l.Order = maps.Clone(l.Search), maps.Clone(l.Order)
	for _, field := range []string{"email", "phone", "street_address", "locality", "region", "postal_code", "country"} {
		delete(l.Search, field)
		delete(l.Order, field)
	}
	return l
}

// hides reports whether it is kept from the caller which addresses have accounts: the broker's managers see them anyway.
func (s *Service) hides(c *rest.Call) bool {
	return s.settings.HideAccounts && !c.Query.IsBrokerManager()
}

// accountUser is a row of the type-ahead list of users.
type accountUser struct {
	id int64
	directory.UserShort
}

func (s *Service) listAccountUsers(c *rest.Call, r store.Reader) (rest.Found[accountUser], error) {
	list := &namedUsers
	if c.Query.IsBrokerStaff() {
		list = &accountUsers
	}
	found, err := list.TypeAhead(c, r)
	if err != nil {
		return found, err
	}
	ids := make([]int64, len(found.Results))
	for i := range found.Results {
		ids[i] = found.Results[i].id
	}
	users, err := s.dir.Users(r, ids)
	for i := range found.Results {
		found.Results[i].UserShort = users[found.Results[i].id]
	}
	return found, err
}

// maxDomains is how many domains of e-mail addresses one search looks at.
const maxDomains = 5

// neighbours are the profiles with an e-mail address in some domains.
var neighbours = rest.List[account]{
	Select: "p.id, p.full_name", From: "profile p", Where: "p.is_active = 1 AND p.email <> '' AND p.id <> ? AND p.email_domain IN (?, ?, ?, ?, ?)", Key: "p.id",
	Order: profileOrder, Default: []string{"full_name"}, Dates: "p.created_at", Scan: scanAccount,
}

func (s *Service) listAccountProfiles(c *rest.Call, r store.Reader) (rest.Found[account], error) {
	list, all, staff := namedProfilesSearched, &namedProfiles, c.Query.IsBrokerStaff()
	if staff {
		list, all = accountProfilesSearched, &accountProfiles
	}
	if len(c.Terms()) == 0 {
		list = all
	}
	found, err := list.TypeAhead(c, r, processorID)
	if err != nil {
		return found, err
	}
	if found.Count == 0 && staff && c.Searches(accountSearch, "email") {
		if found, err = s.findNeighbours(c, r, found); err != nil {
			return found, err
		}
	}
	return found, s.fillAccounts(r, found.Results)
}

// findNeighbours finds who shares the domain of an address in q, when nobody has the address itself (conventions.md 7.5).
func (s *Service) findNeighbours(c *rest.Call, r store.Reader, nobody rest.Found[account]) (rest.Found[account], error) {
	args := []any{processorID, "", "", "", "", ""}
	n := 0
	for _, term := range c.Terms() {
		if _, domain, ok := strings.Cut(strings.ToLower(term), "@"); ok && domain != "" && !s.public[domain] && n < maxDomains {
			n++
			args[n] = domain
		}
	}
	if n == 0 {
		return nobody, nil
	}
	return neighbours.TypeAhead(c, r, args...)
}

func (s *Service) fillAccounts(r store.Reader, list []account) error {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].id
	}
	profiles, err := s.dir.Profiles(r, ids)
	for i := range list {
		list[i].ProfileShort = profiles[list[i].id]
	}
	return err
}

// getAccount prints the name of a profile.
func (s *Service) getAccount(c *rest.Call, r store.Reader) (*directory.ProfileShort, error) {
	p, err := findProfile(r, c.Param("profile"))
	if err == nil && !p.Active {
		err = rest.NotFound("Organization")
	}
	if err != nil {
		return nil, err
	}
	profiles, err := s.dir.Profiles(r, []int64{p.ID})
	short := profiles[p.ID]
	return &short, err
}

// listAccounts merges profiles and users without one, each with a limit of its own.
func (s *Service) listAccounts(c *rest.Call, r store.Reader) (rest.Found[account], error) {
	found, err := s.listAccountProfiles(c, r)
	if err != nil {
		return found, err
	}
	bare := &namedBareUsers
	if c.Query.IsBrokerStaff() {
		bare = &bareUsers
	}
	users, err := bare.TypeAhead(c, r)
	if err != nil {
		return found, err
	}
	ids := make([]int64, len(users.Results))
	for i := range users.Results {
		ids[i] = users.Results[i].id
	}
	details, err := s.dir.UserDetails(r, ids)
	if err != nil {
		return found, err
	}
	for _, u := range users.Results {
		d := details[u.id]
		u.ProfileShort = directory.ProfileShort{Slug: d.Slug, PrintableName: d.PrintableName, Type: "user", Credentials: d.Credentials, CreatedAt: d.CreatedAt}
		found.Results = append(found.Results, u)
	}
	found.Count += users.Count
	slices.SortStableFunc(found.Results, accountsOrder(c))
	return found, nil
}

// accountsOrder compares as the parameters o say: full_name, created_at; by name in the end.
func accountsOrder(c *rest.Call) func(a, b account) int {
	var keys []string
	for _, o := range c.QueryStrings("o") {
		keys = append(keys, strings.Split(o, ",")...)
	}
	keys = append(keys, "full_name")
	return func(a, b account) int {
		for _, key := range keys {
			name, down := strings.CutPrefix(key, "-")
			n := 0
			switch name {
			case "full_name":
				n = cmp.Compare(a.name, b.name)
			case "created_at":
				n = a.CreatedAt.Compare(b.CreatedAt.Time)
			}
			if down {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	}
}
