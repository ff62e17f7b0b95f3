package people

import (
	"net/http"
	"slices"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// A Register is what the page of registration shows: the form, or the step after a code was sent.
type Register struct {
	Step       string      // "form", "code", "link" or "closed"
	Name       string      // typed before, as the next four
	Email      string      // an invitation fixes it
	Username   string      //
	Kind       string      //
	Company    string      //
	Types      []string    // to choose from, none where there is no choice
	MinLength  int         // of passwords
	Agreements []agreement // to be signed
	Invitation *invitation // that the visitor is on the way to answer, nil for none
}

// An agreement is one to be signed.
type agreement struct {
	Slug      string `json:"slug"`
	Title     string `json:"title"`
	Text      string `json:"text"`
	UpdatedAt string `json:"updated_at"`
}

// registered is what was typed before the code was sent.
type registered struct {
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Username string   `json:"username,omitempty"`
	Kind     string   `json:"kind,omitempty"`
	Company  string   `json:"company,omitempty"`
	Password string   `json:"password"`
	Signed   []string `json:"signed,omitempty"`
	Code     string   `json:"code,omitempty"`
}

func showRegister(q *pages.Request) (any, error) {
	about, err := aboutSite(q)
	if err != nil {
		return nil, err
	}
	var in registered
	kept := q.Kept(&in)
	shown := &Register{
		Step: "form", Name: in.Name, Email: in.Email, Username: in.Username, Kind: in.Kind, Company: in.Company, Types: about.Types,
		MinLength: about.MinLength, Agreements: about.Agreements, Invitation: invitationIn(q),
	}
	switch {
	case !about.Open:
		shown.Step = "closed"
	case kept && !q.Has("again") && q.Field("form") != "register" && about.Links:
		shown.Step = "link"
	case kept && !q.Has("again") && q.Field("form") != "register":
		shown.Step = "code"
	}
	if shown.Kind == "" && len(shown.Types) > 0 {
		shown.Kind = shown.Types[0]
	}
	if i := shown.Invitation; i != nil {
		shown.Types = nil
		if i.Email != "" {
			shown.Email = i.Email
		}
	}
	if len(shown.Types) < 2 {
		shown.Types = nil
	}
	return shown, nil
}

// register makes an account, or has the address proven first.
func register(q *pages.Request) (pages.Outcome, error) {
	about, err := aboutSite(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	in := registered{
		Name: q.Field("full_name"), Email: q.Field("email"), Username: q.Field("username"), Kind: q.Field("type"),
		Company: q.Field("organization_name"), Password: q.Field("password"), Signed: q.Fields("sign"),
	}
	if in.Kind == "" && len(about.Types) > 0 {
		in.Kind = about.Types[0]
	}
	invited := invitationIn(q)
	if invited != nil {
		in.Kind = "user" // comes to a profile that is there
		if invited.Email != "" {
			in.Email = invited.Email
		}
	}
	if in.Password == "" {
		return pages.Outcome{}, q.Refuse("password", "new_password")
	}
	for _, a := range about.Agreements {
		if !slices.Contains(in.Signed, a.Slug) {
			return pages.Outcome{}, q.Refuse("sign", "sign")
		}
	}
	if about.VerifyEmail || invited != nil && invited.Email != "" {
		return proveFirst(q, in)
	}
	return makeAccount(q, in)
}

// proveFirst has a code sent to the address, and keeps what was typed until it comes back.
func proveFirst(q *pages.Request, in registered) (pages.Outcome, error) {
	body := in.body(q)
	body["check_email"] = true
	_, err := q.Do(rest.Operation{Method: http.MethodPost, Path: "/api/auth/register", Query: withCookie, Body: body})
	if err == nil { // nobody asks for a proof any more
		q.Forget()
		return pages.Go(q.Onward())
	}
	if failedOn(err, http.StatusUnauthorized)["email"] == nil {
		return pages.Outcome{}, refusedAccount(q, err)
	}
	if err := q.Keep(in); err != nil {
		return pages.Outcome{}, err
	}
	return pages.Go(q.With(q.Link("/register/")))
}

// registerByCode is the step after a code was sent, or asks for another one. What turns out to be taken is typed anew beside it.
func registerByCode(q *pages.Request) (pages.Outcome, error) {
	var in registered
	if !q.Kept(&in) {
		return pages.Outcome{To: q.With(q.Link("/register/")), Said: "too_late"}, nil
	}
	if q.Field("way") == "again" {
		out, err := proveFirst(q, in)
		out.Said = "code_sent"
		return out, err
	}
	for field, value := range map[string]*string{
		"username": &in.Username, "organization_name": &in.Company, "full_name": &in.Name, "password": &in.Password,
	} {
		if typed := q.Field(field); typed != "" {
			*value = typed
		}
	}
	if in.Code = q.Field("code"); in.Code == "" {
		return pages.Outcome{}, q.Refuse("code", "code")
	}
	return makeAccount(q, in)
}

func (in registered) body(q *pages.Request) map[string]any {
	body := map[string]any{"full_name": in.Name, "email": in.Email, "password": in.Password, "type": in.Kind, "lang": q.Lang()}
	if in.Username != "" {
		body["username"] = in.Username
	}
	if in.Kind == "organization" || in.Kind == "provider" {
		body["organization_name"] = in.Company
	}
	for _, slug := range in.Signed {
		body[slug] = true
	}
	if in.Code != "" {
		body["email_code"] = in.Code
	}
	return body
}

func makeAccount(q *pages.Request, in registered) (pages.Outcome, error) {
	result, err := q.Do(rest.Operation{Method: http.MethodPost, Path: "/api/auth/register", Query: withCookie, Body: in.body(q)})
	if err != nil {
		return pages.Outcome{}, refusedAccount(q, err)
	}
	q.Forget()
	return letIn(result, q.Onward(), "welcome")
}

// refusedAccount is a refused registration. Who has an account already is shown the way to it: a password that does not fit means so,
// since it is one of an account that is there.
func refusedAccount(q *pages.Request, err error) error {
	failed := failedOn(err, http.StatusUnauthorized, http.StatusBadRequest)
	switch {
	case failed["username"] != nil && failed["password"] != nil, one(failed["email"]) == "This email is already taken.":
		return q.Refuse("account", "address_taken")
	case failed["provider"] != nil:
		return rest.Invalid("email", one(failed["detail"]))
	}
	return pages.About(err, "email_code", "code", "new_password", "password")
}
