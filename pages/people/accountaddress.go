package people

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/pages"
)

// An addressKind is the e-mail address or the phone of an account, as forms of its page change it.
type addressKind string

const (
	byEmail addressKind = "email"
	byPhone addressKind = "phone"
)

// addressSecrets are the secrets that a change of an address takes: no codes, which stand for the address itself.
var addressSecrets = []string{"password", "otp_code"}

// change gives the account another address, and has its code sent.
func (kind addressKind) change(q *pages.Request) (pages.Outcome, error) {
	typed := q.Field(string(kind))
	if typed == "" {
		return pages.Outcome{}, q.Refuse(string(kind), "address_"+string(kind))
	}
	return kind.ask(q, typed)
}

// ask gives the account an address, or asks for its code once more.
func (kind addressKind) ask(q *pages.Request, address string) (pages.Outcome, error) {
	about, err := aboutSite(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	body := map[string]any{string(kind): address}
	codes := kind == byEmail || about.TextMessages
	if codes {
		body["check_"+string(kind)] = true
	}
	if _, err := q.Patch(withTyped(q, body, addressSecrets...), "/api/users/{user}", q.Param("user")); err != nil {
		return pages.Outcome{}, unproven(q, err)
	}
	a, _, err := readAccount(q)
	if err != nil {
		return pages.Outcome{}, err
	}
	switch box := a.box(string(kind), codes); {
	case box.Proven && len(box.Waiting) == 0:
		return pages.Said("saved")
	case codes:
		return pages.Said("code_sent_" + string(kind))
	}
	return pages.Said("phone_waits")
}

// prove brings the code of an address back, or asks for another one.
func (kind addressKind) prove(q *pages.Request) (pages.Outcome, error) {
	address := q.Field("address")
	if q.Field("way") == "again" {
		return kind.ask(q, address)
	}
	code := q.Field("code")
	if code == "" {
		return pages.Outcome{}, q.Refuse("code", "code")
	}
	body := map[string]any{string(kind): address, string(kind) + "_code": code}
	_, err := q.Patch(withTyped(q, body, addressSecrets...), "/api/users/{user}", q.Param("user"))
	if failedOn(err, http.StatusBadRequest) != nil {
		err = pages.About(err, "detail", "code", string(kind)+"_code", "code", string(kind), "code")
	}
	return pages.Outcome{Said: "address_proven"}, unproven(q, err)
}

// takeBack ends a change that waits for its code; or shows the proven address again that an unproven one has replaced.
func (kind addressKind) takeBack(q *pages.Request) (pages.Outcome, error) {
	body := map[string]any{"take_back": string(kind)}
	if address := q.Field("address"); address != "" {
		body = map[string]any{string(kind): address}
	}
	_, err := q.Patch(body, "/api/users/{user}", q.Param("user"))
	return pages.Outcome{Said: "taken_back"}, unproven(q, err)
}

// confirm is the word of the broker that an address is the user's.
func (kind addressKind) confirm(q *pages.Request) (pages.Outcome, error) {
	_, err := q.Post(map[string]any{string(kind): q.Field("address")}, "/api/users/{user}/confirm", q.Param("user"))
	return pages.Outcome{Said: "address_proven"}, err
}
