package people

import (
	"net/http"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// A Key is what the page behind the link of a mail shows: whose account it opens, and what is still to be typed.
type Key struct {
	Gone      bool   // the link was used, or is too old
	Username  string // of the account, or of the contact that becomes one
	Name      string // full name, "" where it is to be typed
	Email     string
	New       bool // the account has no password yet
	OTP       bool // and asks for a one-time password
	Other     bool // somebody else is logged in here
	MinLength int  // of passwords
}

func showKey(q *pages.Request) (any, error) {
	about, err := aboutSite(q)
	if err != nil {
		return nil, err
	}
	var who struct {
		Username    string `json:"username"`
		Name        string `json:"full_name"`
		Email       string `json:"email"`
		Credentials bool   `json:"credentials"`
		OTP         bool   `json:"otp_enabled"`
	}
	if !keyForm.MatchString(q.Param("key")) { // another operation may have that address, as one has /api/auth/register
		return nil, rest.Fail(http.StatusNotFound, "")
	}
	err = q.Get(&who, "/api/auth/{verification_key}", q.Param("key"))
	if failedOn(err, http.StatusBadRequest) != nil {
		return &Key{Gone: true}, nil
	}
	if err != nil {
		return nil, err
	}
	name := who.Name
	if strings.EqualFold(name, who.Username) { // nobody has told it yet
		name = ""
	}
	return &Key{
		Username: who.Username, Name: name, Email: who.Email, New: !who.Credentials, OTP: who.OTP, MinLength: about.MinLength,
		Other: q.Caller() != nil && !strings.EqualFold(q.Caller().Username, who.Username),
	}, nil
}

// useKey sets a password by the link of a mail, and logs in. Whoever presses twice has been let in by the first time.
func useKey(q *pages.Request) (pages.Outcome, error) {
	about, err := aboutSite(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	password := q.Field("new_password")
	if !keyForm.MatchString(q.Param("key")) {
		return pages.Outcome{}, rest.Fail(http.StatusNotFound, "")
	}
	if password == "" {
		return pages.Outcome{}, q.Refuse("new_password", "new_password")
	}
	body := withTyped(q, map[string]any{"new_password": password, "lang": q.Lang()}, "full_name", "otp_code")
	if len(about.Types) > 0 && about.Types[0] != "organization" && invitationIn(q) == nil {
		body["type"] = about.Types[0] // of an account that is made now; one that is there stays as it is
	}
	path := rest.Path("/api/auth/{verification_key}", q.Param("key"))
	result, err := q.Do(rest.Operation{Method: http.MethodPost, Path: path, Query: withCookie, Body: body})
	switch {
	case err == nil:
		return letIn(result, q.Home(), "password_set")
	case one(failedOn(err, http.StatusBadRequest)["detail"]) == "This link is wrong or has expired.":
		if q.Caller() != nil {
			return pages.Go(q.Home())
		}
		return pages.Outcome{}, nil // the page says so
	}
	return pages.Outcome{}, err
}
