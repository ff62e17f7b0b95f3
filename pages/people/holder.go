package people

import (
	"cmp"
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// A Holder is whose account a page is about.
type Holder struct {
	Username string
	Name     string // printable
	Mine     bool   // it is the visitor's own
	Prove    Prove
}

// Prove is how the visitor can prove again who it is, before something changes that opens the account: by secrets of its own, whoever's
// account the page is about (auth.md 16).
type Prove struct {
	Password bool
	OTP      bool
	Email    string // to which a code can be sent, where there is neither
}

// An accountOf is what the API tells of a user.
type accountOf struct {
	ID            string `json:"id"` // for the user itself and the broker's staff
	Username      string `json:"username"`
	PrintableName string `json:"printable_name"`
	Picture       string `json:"picture"`
	Email         string `json:"email"`
	Phone         string `json:"phone"`
	FullName      string `json:"full_name"`
	NickName      string `json:"nick_name"`
	Lang          string `json:"lang"`
	Credentials   bool   `json:"credentials"`
	OTPEnabled    bool   `json:"otp_enabled"`
	CreatedAt     string `json:"created_at"`
	LastLogin     string `json:"last_login"`

	Addresses     []addressOf `json:"addresses"`
	EmailRequired bool        `json:"email_verification_enabled"`
	PhoneRequired bool        `json:"phone_verification_enabled"`
}

type addressOf struct {
	Kind       string `json:"kind"`
	Address    string `json:"address"`
	State      string `json:"state"`
	VerifiedAt string `json:"verified_at"`
}

// proven reports whether the user has proven an address.
func (a *accountOf) proven() bool {
	for _, one := range a.Addresses {
		if one.VerifiedAt != "" {
			return true
		}
	}
	return false
}

// readAccount asks for the account that the page is about.
func readAccount(q *pages.Request) (*accountOf, Holder, error) {
	a := new(accountOf)
	if err := q.Get(a, "/api/users/{user}", q.Param("user")); err != nil {
		return nil, Holder{}, err
	}
	if a.ID == "" { // who may read an account for a profile's sake has no business on its pages; nor has a contact pages
		err := q.Get(new(struct{}), "/api/users/{user}/deletion", q.Param("user"))
		if err == nil {
			err = rest.NotFound("User")
		}
		return nil, Holder{}, err
	}
	h := Holder{Username: a.Username, Name: a.PrintableName}
	if me := q.Caller(); me != nil {
		h.Mine = me.Username == a.Username
		h.Prove = Prove{Password: me.Credentials, OTP: me.OTP, Email: codeAddress(q)}
	}
	return a, h, nil
}

// codeAddress is the address of the visitor to which a code can be sent, "" for none.
func codeAddress(q *pages.Request) string {
	me := q.Caller()
	if me == nil {
		return ""
	}
	return cmp.Or(me.Email, me.EmailUnproven)
}

// secretFields are the fields of a form by which a visitor proves again who it is, as the API and the template "proof" call them.
var secretFields = []string{"password", "otp_code", "email_code"}

// withSecrets adds to a body what was typed to prove again who the visitor is.
func withSecrets(q *pages.Request, body map[string]any) map[string]any {
	return withTyped(q, body, secretFields...)
}

// withTyped adds to a body what was typed into some fields that may be left empty, and is not in it yet.
func withTyped(q *pages.Request, body map[string]any, names ...string) map[string]any {
	for _, name := range names {
		if value := q.Field(name); value != "" && body[name] == nil {
			body[name] = value
		}
	}
	return body
}

// proveAgain sends the code that a visitor without a password asks for in a form; the form is shown once more, with what was typed.
// asked tells whether it was that.
func proveAgain(q *pages.Request) (asked bool, err error) {
	if q.Field("way") != "code" {
		return false, nil
	}
	if _, err := q.Post(map[string]any{"username": codeAddress(q)}, "/api/auth/recover"); err != nil {
		return true, pages.About(err, "username", "email_code", "detail", "email_code")
	}
	return true, q.Refuse("email_code", "proof_sent")
}

// unproven is the error of an operation that asks who the visitor is, beside the field in which that is typed.
func unproven(q *pages.Request, err error) error {
	switch asked := failedOn(err, http.StatusUnauthorized); {
	case asked["detail"] != nil:
		return pages.About(err, "detail", "password")
	case asked["password"] != nil:
		return q.Refuse("password", "wrong_password")
	}
	return err
}
