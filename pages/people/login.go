package people

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// A Login is what the page of log-in shows: the first step, or the next one that the account asks for.
type Login struct {
	Step string // "name", "code" or "otp"
	Name string // that was typed
	Way  string // by which a code came: "email" or "phone"
}

// entered is what was typed in the steps before.
type entered struct {
	Step     string `json:"step"`
	Name     string `json:"name"`
	Password string `json:"password,omitempty"`
	Way      string `json:"way,omitempty"`
	Code     string `json:"code,omitempty"`
}

func showLogin(q *pages.Request) (any, error) {
	var in entered
	if q.Kept(&in) && !q.Has("again") {
		return &Login{in.Step, in.Name, in.Way}, nil
	}
	return &Login{Step: "name", Name: q.Query("username")}, nil
}

// logIn is the first step: a name with a password, or with the wish for a code.
func logIn(q *pages.Request) (pages.Outcome, error) {
	in := entered{Name: q.Field("username"), Password: q.Field("password")}
	if q.Field("way") == "code" {
		in.Password, in.Way = "", wayOf(in.Name)
	}
	return enter(q, in, "")
}

// wayOf is how a code reaches somebody by a name that was typed.
func wayOf(name string) string {
	if isPhone(name) {
		return "phone"
	}
	return "email"
}

// logInByCode is the step after a code was sent, or asks for another one.
func logInByCode(q *pages.Request) (pages.Outcome, error) {
	var in entered
	if !q.Kept(&in) {
		return startAgain(q)
	}
	if in.Code = q.Field("code"); in.Code == "" && q.Field("way") != "again" {
		return pages.Outcome{}, q.Refuse("code", "code")
	}
	return enter(q, in, "")
}

// logInByOTP is the step of the one-time password.
func logInByOTP(q *pages.Request) (pages.Outcome, error) {
	var in entered
	if !q.Kept(&in) {
		return startAgain(q)
	}
	return enter(q, in, q.Field("otp_code"))
}

// startAgain shows the first step: what was typed before is too old.
func startAgain(q *pages.Request) (pages.Outcome, error) {
	return pages.Outcome{To: q.With(q.Link("/login/")), Said: "too_late"}, nil
}

// enter asks the API, and goes on to the page after it or to the step that comes next.
func enter(q *pages.Request, in entered, otp string) (pages.Outcome, error) {
	body := map[string]any{"username": in.Name}
	if in.Password != "" {
		body["password"] = in.Password
	}
	switch {
	case in.Code != "":
		body[in.Way+"_code"] = in.Code
	case in.Way != "":
		body["check_"+in.Way] = true
	}
	if otp != "" {
		body["otp_code"] = otp
	}
	_, err := q.Do(rest.Operation{Method: http.MethodPost, Path: "/api/auth", Query: withCookie, Body: body})
	if err == nil {
		q.Forget()
		return pages.Go(q.With(q.Link("/app/")))
	}
	asked := failedOn(err, http.StatusUnauthorized)
	switch {
	case asked["otp_code"] != nil && otp == "" && in.Step != "otp":
		in.Step = "otp"
	case asked["email"] != nil && in.Code == "":
		in.Step, in.Way, in.Password = "code", "email", ""
	case asked["phone"] != nil && in.Code == "":
		in.Step, in.Way, in.Password = "code", "phone", ""
	case in.Code != "" && otp == "":
		return pages.Outcome{}, pages.About(err, "email_code", "code", "phone_code", "code")
	default:
		return pages.Outcome{}, pages.About(err, "detail", "username")
	}
	if err := q.Keep(in); err != nil {
		return pages.Outcome{}, err
	}
	return pages.Go(q.With(q.Link("/login/")))
}
