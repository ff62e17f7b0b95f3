package buying

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// A Refused is what somebody is told whom a rule of the site refused (pages.md 4).
type Refused struct {
	Kind      string    // of the texts: refused.<kind>_title, refused.<kind>_text
	Request   string    // id of the request, "" when it has none
	Profile   *Named    // that it is about, nil for none in particular
	Choice    int       // how many other profiles there are to go on with
	Plans     []Offer   // that would do
	Ended     time.Time // when the last subscription ended, zero for none
	Due       []Sum     // what is due
	Manager   bool      // the caller manages Profile
	Managers  []string  // names of those who do
	Held      []string  // roles that the caller has on Profile
	Roles     []string  // of which one is asked for
	Agreement *Named    // to be signed
}

// A Named is something with a name.
type Named struct{ Slug, Name string }

// A Sum is an amount of money.
type Sum struct {
	Amount int64  `json:"amount"`
	Unit   string `json:"unit"`
}

// kinds are the texts for the reasons of rules. Whoever is refused for another one is told what everybody is.
var kinds = map[accessrules.Reason]string{
	accessrules.NotSubscribed: "subscribe",
	accessrules.Expired:       "ended",
	accessrules.BalanceDue:    "balance",
	accessrules.RoleMissing:   "role",
	accessrules.OTPRequired:   "otp",
	accessrules.TermsUnsigned: "terms",
	accessrules.PendingGrant:  "invited",
	accessrules.ReadOnlySite:  "readonly",
}

// Refuse tells why a rule of the site refused somebody who may be told. What the API does not tell its caller stays out.
func Refuse(q *pages.Request, why *pages.Refusal) (any, error) {
	l := &why.Lack
	r := &Refused{Kind: kinds[why.Reason], Request: q.RequestID(), Held: l.Held, Roles: l.Roles}
	if r.Kind == "" || q.Caller() == nil {
		return nil, nil
	}
	if l.Profile != nil {
		r.Profile = &Named{l.Profile.Slug, l.Profile.PrintableName}
		r.Manager = slices.Contains(l.Held, accessrules.Manager)
	}
	r.Choice = others(q.Caller(), l.Profile)
	if l.Invited {
		r.Kind = "invited"
		return r, nil
	}
	var err error
	switch r.Kind {
	case "subscribe", "ended", "balance":
		if l.Was != nil {
			r.Ended = l.Was.EndsAt
		}
		if r.Plans, err = offersOf(q, l); err != nil {
			return nil, err
		}
		if r.Kind == "balance" {
			r.Due, err = due(q, r.Profile)
		}
	case "terms":
		r.Agreement, err = agreementOf(q, l.Agreement)
	}
	if err == nil && r.Profile != nil && !r.Manager {
		r.Managers, err = managersOf(q, r.Profile)
	}
	return r, err
}

// others counts the profiles of somebody besides one.
func others(u *accessrules.User, besides *accessrules.Profile) int {
	seen := map[string]bool{}
	for i := range u.Roles {
		if p := u.Roles[i].Profile; p.Active && (besides == nil || p.Slug != besides.Slug) {
			seen[p.Slug] = true
		}
	}
	return len(seen)
}

// offersOf are the plans on sale that would do, in the order of the rule.
func offersOf(q *pages.Request, l *accessrules.Lack) (offers []Offer, err error) {
	for i, slug := range l.Plans {
		if i == shownPlans {
			break
		}
		offer, err := offerOf(q, slug)
		if err != nil {
			return nil, err
		}
		if offer != nil {
			offers = append(offers, *offer)
		}
	}
	return offers, nil
}

// shownPlans is how many of the plans that would do are shown: all are on the page of prices.
const shownPlans = 3

// due is what is due on a profile, as far as the caller may know.
func due(q *pages.Request, p *Named) ([]Sum, error) {
	if p == nil {
		return nil, nil
	}
	var balance struct {
		Amount int64  `json:"balance_amount"`
		Unit   string `json:"balance_unit"`
		All    []Sum  `json:"balances"`
	}
	err := q.List(&balance, url.Values{"page_size": {"1"}}, "/api/billing/{profile}/balance", p.Slug)
	switch {
	case private(err):
		return nil, nil
	case err != nil:
		return nil, err
	case len(balance.All) > 0:
		return balance.All, nil
	case balance.Amount > 0:
		return []Sum{{balance.Amount, balance.Unit}}, nil
	}
	return nil, nil
}

// managersOf are the names of those who manage a profile, as far as the caller may know them.
func managersOf(q *pages.Request, p *Named) (names []string, err error) {
	var list struct {
		Results []struct {
			User struct {
				Name string `json:"printable_name"`
			} `json:"user"`
		} `json:"results"`
	}
	query := url.Values{"role_status": {"active"}, "page_size": {"5"}}
	if err := q.List(&list, query, "/api/profile/{profile}/roles/{role}", p.Slug, accessrules.Manager); err != nil {
		if private(err) {
			return nil, nil
		}
		return nil, err
	}
	for _, one := range list.Results {
		names = append(names, one.User.Name)
	}
	return names, nil
}

// agreementOf is the agreement of a slug.
func agreementOf(q *pages.Request, slug string) (*Named, error) {
	var agreement struct {
		Title string `json:"title"`
	}
	if err := q.Get(&agreement, "/api/legal/{agreement}", slug); err != nil {
		if private(err) {
			return &Named{slug, slug}, nil
		}
		return nil, err
	}
	return &Named{slug, agreement.Title}, nil
}

// private reports whether an operation told its caller that it tells nothing.
func private(err error) bool {
	var answer *rest.Error
	return errors.As(err, &answer) && (answer.Status == http.StatusForbidden || answer.Status == http.StatusNotFound)
}
