package auth

import (
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

const (
	incorrect = `{"username":"Incorrect credentials.","password":"Incorrect credentials."}`
	nobody    = `{"detail":"This account is unknown. Please register."}`
)

func TestLogin(t *testing.T) {
	s := newSite(t)
	login := func(name, body string, status int, want string) resttest.Step {
		return resttest.Case(name, "", "POST /api/auth", body, status, want)
	}
	s.Run(t,
		resttest.Case("version", "", "GET /api", "", 200, `{"version":"dev"}`),
		login("empty", `{}`, 400, `{"username":["This field is required."]}`),
		login("no username", `{"password":"yoyo"}`, 400, `{"username":["This field is required."]}`),
		login("no password", `{"username":"xia"}`, 401, `{"password":"A password is required."}`).Wants(`WWW-Authenticate: Bearer realm="cowork"`),
		login("right", `{"username":"xia","password":"yoyo"}`, 201, `~{"token":"ey`),
		login("by e-mail", `{"username":"xia@example.com","password":"yoyo"}`, 201, `~{"token":"ey`),
		login("by e-mail in capitals", `{"username":"XIA@EXAMPLE.COM","password":"yoyo"}`, 201, `~{"token":"ey`),
		login("by username in capitals", `{"username":"XIA","password":"yoyo"}`, 201, `~{"token":"ey`),
		login("by phone", `{"username":"+14155555556","password":"yoyo"}`, 201, `~{"token":"ey`),
		login("by national phone", `{"username":"(415) 555-5556","password":"yoyo"}`, 201, `~{"token":"ey`),
		login("wrong password", `{"username":"xia","password":"wrong"}`, 401, incorrect).Wants(`WWW-Authenticate: Bearer realm="cowork"`),
		login("unknown user", `{"username":"ghost","password":"yoyo"}`, 401, nobody),
		login("unknown e-mail", `{"username":"ghost@example.com","password":"yoyo"}`, 401, nobody),
		login("disabled, right password", `{"username":"rob","password":"yoyo"}`, 401, incorrect),
		login("disabled, wrong password", `{"username":"rob","password":"wrong"}`, 401, incorrect),
		login("no password set", `{"username":"nina","password":"yoyo"}`, 401, `~{"email":"A code was sent`),
		login("empty password", `{"username":"xia","password":""}`, 400, `{"password":["This field may not be blank."]}`),
		login("number as username", `{"username":12,"password":"yoyo"}`, 401, nobody),
		login("null", `{"username":null,"password":null}`, 400, `{"username":["This field may not be null."],"password":["This field may not be null."]}`),
		login("not a username", `{"username":"joe.x","password":"yoyo"}`, 400, `{"username":["Enter a valid username."]}`),
		login("not an address", `{"username":"a@b","password":"yoyo"}`, 400, `{"username":["Enter a valid username."]}`),
		login("code is no number", `{"username":"xia","email_code":"abc"}`, 400, `{"email_code":["A valid integer is required."]}`),
		login("wrong code", `{"username":"yan@example.com","email_code":1}`, 400, `{"email_code":"This code is wrong or has expired."}`),
		login("by form", `username=xia&password=yoyo`, 201, `~{"token":"ey`).With("Content-Type: application/x-www-form-urlencoded"),
		resttest.Case("other method", "", "GET /api/auth", "", 405, `{"detail":"Method \"GET\" not allowed."}`).Wants("Allow: POST, OPTIONS"),
		resttest.Case("trailing slash", "", "POST /api/auth/", `{}`, 404, `{"detail":"Not found."}`),
	)
}

// The doors that log somebody in take no request that a page of another site had a browser send; programs, and the pages of the site, are
// let through (decision 117).
func TestDoorsRefuseOtherSites(t *testing.T) {
	s := newSite(t)
	s.Do("alice", "POST /api/users/nina/activate", "")
	key := s.key(t, "nina@example.com")
	for request, body := range map[string]string{
		"POST /api/auth":          `{"username":"xia","password":"wrong"}`,
		"POST /api/auth/register": `{"username":"xia","password":"wrong","email":"xia@example.com","full_name":"Xia"}`,
		"POST /api/auth/recover":  `{"username":"nobody"}`,
		"POST /api/auth/" + key:   `{"new_password":"x"}`,
	} {
		for header, refused := range map[string]bool{
			"Sec-Fetch-Site: cross-site": true, "Sec-Fetch-Site: same-site": true, "Origin: https://evil.example": true, "Origin: null": true,
			"Sec-Fetch-Site: same-origin": false, "Sec-Fetch-Site: none": false, "Origin: " + resttest.Base: false, "X-Nothing: 1": false,
		} {
			if w := s.Do("", request, body, header); (w.Code == 403) != refused {
				t.Errorf("%s with %s: %d %s", request, header, w.Code, w.Body)
			}
		}
	}
}
