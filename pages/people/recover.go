package people

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// A Recover is what the pages of recovery and activation show: which account, then the code that was sent with a new password.
type Recover struct {
	Kind      string // "recover" or "activate": chooses the words
	Step      string // "name", "code" or "link"
	Name      string // that was typed
	Way       string // by which the message came: "email" or "phone"
	SentTo    string // hint at the address that it went to, "" for none
	MinLength int    // of passwords
}

// recovered is what was typed in the step before.
type recovered struct {
	Name   string `json:"name"`
	SentTo string `json:"sent_to,omitempty"`
}

// showRecovery shows the pages of recovery and activation, which differ in their words.
func showRecovery(kind string) func(q *pages.Request) (any, error) {
	return func(q *pages.Request) (any, error) {
		about, err := aboutSite(q)
		if err != nil {
			return nil, err
		}
		shown := &Recover{Kind: kind, Step: "name", Name: q.Query("username"), MinLength: about.MinLength}
		var in recovered
		if q.Field("form") != "recover" && !q.Has("again") && q.Kept(&in) {
			shown.Step, shown.Name, shown.Way, shown.SentTo = "code", in.Name, wayOf(in.Name), in.SentTo
			if about.Links {
				shown.Step = "link"
			}
		}
		return shown, nil
	}
}

// sendRecovery sends a code to the address of an account.
func sendRecovery(q *pages.Request) (pages.Outcome, error) {
	return askRecovery(q, recovered{Name: q.Field("username")}, "")
}

func askRecovery(q *pages.Request, in recovered, said string) (pages.Outcome, error) {
	result, err := q.Do(rest.Operation{Method: http.MethodPost, Path: "/api/auth/recover", Body: map[string]any{"username": in.Name}})
	asked := failedOn(err, http.StatusUnauthorized)
	if asked["email"] == nil && asked["phone"] == nil && err != nil { // the site may answer 401 when it has sent a code (D-4)
		return pages.Outcome{}, pages.About(err, "detail", "username")
	}
	var out struct {
		SentTo string `json:"sent_to"`
	}
	if err == nil {
		if err := result.Into(&out); err != nil {
			return pages.Outcome{}, err
		}
	}
	in.SentTo = out.SentTo
	if err := q.Keep(in); err != nil {
		return pages.Outcome{}, err
	}
	return pages.Outcome{To: q.With(q.HTTP.URL.Path), Said: said}, nil
}

// recoverByCode sets a new password with the code, and logs in.
func recoverByCode(q *pages.Request) (pages.Outcome, error) {
	var in recovered
	if !q.Kept(&in) {
		return pages.Outcome{To: q.With(q.HTTP.URL.Path), Said: "too_late"}, nil
	}
	if q.Field("way") == "again" {
		return askRecovery(q, in, "code_sent")
	}
	code, password := q.Field("code"), q.Field("new_password")
	switch {
	case code == "":
		return pages.Outcome{}, q.Refuse("code", "code")
	case password == "":
		return pages.Outcome{}, q.Refuse("new_password", "new_password")
	}
	body := map[string]any{"username": in.Name, wayOf(in.Name) + "_code": code, "new_password": password}
	withTyped(q, body, "otp_code")
	result, err := q.Do(rest.Operation{Method: http.MethodPost, Path: "/api/auth", Query: withCookie, Body: body})
	if err != nil {
		return pages.Outcome{}, pages.About(err, "email_code", "code", "phone_code", "code")
	}
	q.Forget()
	return letIn(result, q.Home(), "password_set")
}
