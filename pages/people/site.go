package people

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/caddy-tollgate/tollgate/pages"
)

// A site is what registration asks for here (auth.md 10), and what other pages need to know of the site.
type site struct {
	Open          bool        `json:"open"`
	Types         []string    `json:"types"`
	VerifyEmail   bool        `json:"verify_email"`
	Links         bool        `json:"use_verification_links"`
	HidesAccounts bool        `json:"hide_account_existence"`
	MinLength     int         `json:"min_length"`
	TextMessages  bool        `json:"text_messages"`
	Agreements    []agreement `json:"agreements"`
}

func aboutSite(q *pages.Request) (s site, err error) {
	err = q.Get(&s, "/api/auth/register")
	return s, err
}

// An invitation to a role, as its key shows it (profiles.md 10.7).
type invitation struct {
	Key       string
	CreatedAt string `json:"created_at"`
	Profile   struct {
		Slug string `json:"slug"`
		Name string `json:"printable_name"`
	} `json:"profile"`
	Role     KindOf `json:"role_description"`
	Username string `json:"username"` // of the user who is invited, "" while it waits on an address
	Email    string `json:"email"`    // that it waits on, "" for a user
}

var keyForm = regexp.MustCompile(`^[a-f0-9]{40}$`)

// invitationIn is the invitation that a visitor is on the way to answer, nil for none.
func invitationIn(q *pages.Request) *invitation {
	next, err := url.Parse(q.Next)
	if err != nil {
		return nil
	}
	key, ok := strings.CutPrefix(next.Path, q.Link("/users/roles/accept/"))
	if key = strings.TrimSuffix(key, "/"); !ok || !keyForm.MatchString(key) {
		return nil
	}
	in, err := findInvitation(q, key)
	if err != nil { // answered or ended, which the page that it leads to says
		return nil
	}
	return in
}

func findInvitation(q *pages.Request, key string) (*invitation, error) {
	in := invitation{Key: key}
	err := q.Get(&in, "/api/auth/invitations/{grant_key}", key)
	return &in, err
}
