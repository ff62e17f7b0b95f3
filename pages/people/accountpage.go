package people

import (
	"net/http"
	"slices"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// An Account is what the page of an account shows.
type Account struct {
	Holder
	Picture   string
	FullName  string
	NickName  string
	Lang      string
	Languages []pages.Option
	Since     string
	LastLogin string
	Email     AddressBox
	Phone     AddressBox
	Obstacles []Obstacle
}

// An AddressBox is what the page shows of the e-mail address or the phone of an account.
type AddressBox struct {
	Kind     string // email or phone
	Shown    string
	Proven   bool
	Replaced string   // proven one that counts until the one shown is proven
	Waiting  []string // changes that wait for their codes
	Codes    bool     // can be sent there
	Ask      bool     // who changes it proves again who it is
}

// An Obstacle keeps the account from being deleted.
type Obstacle struct {
	Reason  string `json:"reason"`
	Profile struct {
		Slug          string `json:"slug"`
		PrintableName string `json:"printable_name"`
	} `json:"profile"`
	Due   []amountOf `json:"due"`
	Funds []amountOf `json:"funds"`
}

type amountOf struct {
	Amount int64  `json:"amount"`
	Unit   string `json:"unit"`
}

// showAccount is the page of an account.
func showAccount(q *pages.Request) (any, error) {
	a, holder, err := readAccount(q)
	if err != nil {
		return nil, err
	}
	var deletion struct {
		Obstacles []Obstacle `json:"obstacles"`
	}
	if err := q.Get(&deletion, "/api/users/{user}/deletion", a.Username); err != nil {
		return nil, err
	}
	about, err := aboutSite(q)
	if err != nil {
		return nil, err
	}
	d := &Account{
		Holder: holder, Picture: a.Picture, FullName: a.FullName, NickName: a.NickName, Lang: a.Lang,
		Since: a.CreatedAt, LastLogin: a.LastLogin,
		Email: a.box("email", true), Phone: a.box("phone", about.TextMessages), Obstacles: deletion.Obstacles,
	}
	for _, l := range q.Languages() {
		d.Languages = append(d.Languages, pages.Option{Value: l.Tag, Label: l.Name})
	}
	if len(d.Languages) > 0 && !slices.ContainsFunc(d.Languages, func(o pages.Option) bool { return o.Value == a.Lang }) {
		d.Languages = append(d.Languages, pages.Option{Value: a.Lang, Label: a.Lang})
	}
	return d, nil
}

// box is what is shown of the addresses of a kind.
func (a *accountOf) box(kind string, codes bool) AddressBox {
	b := AddressBox{Kind: kind, Codes: codes, Ask: a.proven()}
	for _, one := range a.Addresses {
		switch {
		case one.Kind != kind:
		case one.State == "shown":
			b.Shown, b.Proven = one.Address, one.VerifiedAt != ""
		case one.State == "replaced":
			b.Replaced = one.Address
		case one.State == "pending":
			b.Waiting = append(b.Waiting, one.Address)
		}
	}
	return b
}

// changeDetails changes how somebody is called, and the language that the site speaks with them.
func changeDetails(q *pages.Request) (pages.Outcome, error) {
	body := withTyped(q, map[string]any{"full_name": q.Field("full_name"), "nick_name": q.Field("nick_name")}, "lang")
	if _, err := q.Patch(body, "/api/users/{user}", q.Param("user")); err != nil {
		return pages.Outcome{}, err
	}
	if me := q.Caller(); me != nil && me.Username == q.Param("user") && body["lang"] != nil {
		q.ForgetLanguage()
	}
	return pages.Said("saved")
}

// changePicture takes a picture.
func changePicture(q *pages.Request) (pages.Outcome, error) {
	if q.File("file") == nil {
		return pages.Outcome{}, q.Refuse("file", "file")
	}
	_, err := q.Do(rest.Operation{Method: http.MethodPost, Path: rest.Path("/api/users/{user}/picture", q.Param("user")), Files: true})
	return pages.Outcome{Said: "saved"}, err
}

// removePicture removes it.
func removePicture(q *pages.Request) (pages.Outcome, error) {
	_, err := q.Delete(nil, "/api/users/{user}/picture", q.Param("user"))
	return pages.Outcome{Said: "saved"}, err
}

// deleteAccount ends the account, and the session with it.
func deleteAccount(q *pages.Request) (pages.Outcome, error) {
	if !q.Checked("sure") {
		return pages.Outcome{}, q.Refuse("sure", "sure")
	}
	own := q.Caller() != nil && q.Caller().Username == q.Param("user")
	if _, err := q.Delete(nil, "/api/users/{user}", q.Param("user")); err != nil {
		return pages.Outcome{}, err
	}
	if !own {
		return pages.Outcome{To: q.Link("/users/"), Said: "account_deleted"}, nil
	}
	return pages.Outcome{To: q.Link("/login/"), Said: "account_deleted"}, nil
}
