package people

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/pages"
)

// A Login is what the page of log-in shows: the first step, or the next one that the account asks for.
type Login struct {
	Step       string      // "name", "code" or "otp"
	Name       string      // that was typed
	Way        string      // by which a code came: "email" or "phone"
	SentTo     string      // hint at the address that it went to, "" for none
	Links      bool        // messages hold a link in place of a code
	Inactive   bool        // who is logged in has set no password yet
	Invitation *invitation // that the visitor is on the way to answer, nil for none
}

// entered is what was typed in the steps before.
type entered struct {
	Step     string `json:"step"`
	Name     string `json:"name"`
	Password string `json:"password,omitempty"`
	Way      string `json:"way,omitempty"`
	Code     string `json:"code,omitempty"`
	SentTo   string `json:"sent_to,omitempty"`
}

func showLogin(q *pages.Request) (any, error) {
	about, err := aboutSite(q)
	if err != nil {
		return nil, err
	}
	var in entered
	if first := q.Field("form") == "login" || q.Field("form") == "activation"; !first && !q.Has("again") && q.Kept(&in) {
		return &Login{Step: in.Step, Name: in.Name, Way: in.Way, SentTo: in.SentTo, Links: about.Links}, nil
	}
	shown := &Login{Step: "name", Name: q.Query("username"), Invitation: invitationIn(q)}
	shown.Inactive = q.Caller() != nil && !q.Caller().Credentials
	if i := shown.Invitation; i != nil && shown.Name == "" {
		shown.Name = i.Email
	}
	return shown, nil
}

// logIn is the first step: a name with a password, or with the wish for a code.
func logIn(q *pages.Request) (pages.Outcome, error) {
	in := entered{Name: q.Field("username"), Password: q.Field("password")}
	if q.Field("way") == "code" {
		in.Password, in.Way = "", wayOf(in.Name)
	} else if in.Password == "" && in.Name != "" {
		return pages.Outcome{}, q.Refuse("password", "password")
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
	if q.Field("way") == "again" {
		in.Code = ""
		out, err := enter(q, in, "")
		out.Said = "code_sent"
		return out, err
	}
	if in.Code = q.Field("code"); in.Code == "" {
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

// sendActivation sends the message once more by which somebody who is logged in sets a password.
func sendActivation(q *pages.Request) (pages.Outcome, error) {
	if q.Caller() == nil {
		return startAgain(q)
	}
	_, err := q.Post(map[string]any{}, "/api/users/{user}/activate", q.Caller().Username)
	if err != nil {
		return pages.Outcome{}, err
	}
	return pages.Said("activation_sent")
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
	result, err := q.Do(rest.Operation{Method: http.MethodPost, Path: "/api/auth", Query: withCookie, Body: body})
	if err == nil {
		q.Forget()
		return letIn(result, q.Home(), "")
	}
	asked := failedOn(err, http.StatusUnauthorized)
	switch {
	case asked["otp_code"] != nil && otp == "" && in.Step != "otp":
		in.Step = "otp"
	case asked["email"] != nil && in.Code == "":
		in.Step, in.Way, in.Password, in.SentTo = "code", "email", "", one(asked["sent_to"])
	case asked["phone"] != nil && in.Code == "":
		in.Step, in.Way, in.Password, in.SentTo = "code", "phone", "", one(asked["sent_to"])
	default:
		return pages.Outcome{}, wrongEntry(err, in)
	}
	if err := q.Keep(in); err != nil {
		return pages.Outcome{}, err
	}
	return pages.Go(q.With(q.Link("/login/")))
}

// wrongEntry is a refused log-in, as the form of its step shows it. A password that is wrong is told once, where it is typed again; who
// has no account is told beside the name.
func wrongEntry(err error, in entered) error {
	failed := failedOn(err, http.StatusUnauthorized, http.StatusBadRequest)
	switch {
	case failed["username"] != nil && failed["password"] != nil:
		return rest.Invalid("password", one(failed["password"]))
	case failed["provider"] != nil:
		return rest.Invalid("username", one(failed["detail"]))
	case in.Step == "":
		return pages.About(err, "detail", "username")
	}
	return pages.About(err, "email_code", "code", "phone_code", "code")
}

// letIn is where somebody goes on who has just been let in, and is told of addresses that were lost meanwhile (trust.md 66).
func letIn(result *rest.Result, to, said string) (pages.Outcome, error) {
	var out struct {
		Lost []any `json:"addresses_lost"`
	}
	if err := result.Into(&out); err != nil {
		return pages.Outcome{}, err
	}
	if len(out.Lost) > 0 {
		said = "address_lost"
	}
	return pages.Outcome{To: to, Said: said}, nil
}

// one is the first of some messages, "" for none.
func one(messages []string) string {
	if len(messages) == 0 {
		return ""
	}
	return messages[0]
}
