package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func TestContactUs(t *testing.T) {
	s := newSite(t)
	contact := func(name, as, body string, status int, want string) resttest.Step {
		return resttest.Case(name, as, "POST /api/contact", body, status, want)
	}
	const thanks = `{"detail":"Your message was sent. We will be back to you shortly."}`
	s.Run(t,
		contact("empty", "", `{}`, 400, `{"full_name":["This field is required."],"email":["This field is required."]}`),
		contact("line break in the address", "", `{"full_name":"Joe","email":"joe@example.com\r\nBcc: all@example.com"}`, 400, `{"email":["Enter a valid email address."]}`),
		contact("line break in the name", "", `{"full_name":"Joe\r\nBcc: all@example.com","email":"joe@example.com"}`, 400, `{"full_name":["Enter a valid name."]}`),
		contact("anonymous", "", `{"full_name":"Joe","email":"joe@example.com","message":"Hello"}`, 200, thanks),
		contact("without message", "", `{"full_name":"Joe","email":"xia@example.com"}`, 200, thanks),
		contact("logged in", "xia", `{"full_name":"Joe","email":"joe@example.com","message":"Hello"}`, 200, thanks),
		contact("long message", "", `{"full_name":"Joe","email":"joe@example.com","message":"`+strings.Repeat("x", 10001)+`"}`, 400, `~{"message":["`),
		resttest.Case("GET", "", "GET /api/contact", "", 405, `*`).Wants("Allow: POST, OPTIONS"),
	)
	if n := one[int](t, s, `SELECT count(*) FROM user WHERE email = 'joe@example.com'`) + one[int](t, s, `SELECT count(*) FROM contact WHERE email = 'joe@example.com'`); n != 0 {
		t.Error("a row was written")
	}
}

func TestContactUsThrottle(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.Throttle.PerClient = 2 })
	const body = `{"full_name":"Joe","email":"joe@example.com"}`
	s.Run(t,
		resttest.Case("first", "", "POST /api/contact", body, 200, `*`),
		resttest.Case("second", "", "POST /api/contact", body, 200, `*`),
		resttest.Case("third", "", "POST /api/contact", body, 429, `*`).Wants("Retry-After: 900"),
	)
}

func TestExtraFields(t *testing.T) {
	got := extraFields(map[string]json.RawMessage{
		"full_name": []byte(`"x"`), "csrfmiddlewaretoken": []byte(`"x"`), "g-recaptcha-response": []byte(`"x"`),
		"company": []byte(`"Acme"`), "budget": []byte(`7`), "long": []byte(`"` + strings.Repeat("x", 1001) + `"`),
	})
	if len(got) != 2 || got[0] != [2]string{"budget", "7"} || got[1] != [2]string{"company", "Acme"} {
		t.Errorf("fields %v", got)
	}
}

func TestCaptcha(t *testing.T) {
	s := newSite(t, func(o *Options) {
		o.Captcha = func(_ context.Context, response, _ string) (bool, error) { return response == "solved", nil }
	})
	for path, body := range map[string]string{
		"POST /api/contact":       `{"full_name":"Joe","email":"joe@example.com"`,
		"POST /api/auth/register": `{"full_name":"Joe","email":"joe@example.com","new_password":"yoyo"`,
	} {
		s.Run(t,
			resttest.Case("none", "", path, body+`}`, 400, `{"g-recaptcha-response":["This field is required."]}`),
			resttest.Case("wrong", "", path, body+`,"g-recaptcha-response":"x"}`, 400, `{"g-recaptcha-response":["The captcha was not solved."]}`),
			resttest.Case("right", "", path, body+`,"g-recaptcha-response":"solved"}`, map[bool]int{true: 201, false: 200}[strings.HasSuffix(path, "register")], `*`),
		)
	}
}

func TestRecent(t *testing.T) {
	s := newSite(t)
	s.Clock.Set(time.Date(2025, 3, 20, 12, 0, 0, 0, time.UTC))
	day := func(d int) int64 { return time.Date(2025, 3, d, 8, 0, 0, 0, time.UTC).UnixMicro() }
	s.exec(t, `UPDATE user SET last_login = ? WHERE username = 'xia'`, day(19))
	s.exec(t, `UPDATE user SET last_login = ? WHERE username = 'nina'`, day(14))
	s.exec(t, `UPDATE user SET last_login = ? WHERE username = 'cindy'`, day(13)) // before midnight six days ago
	for _, c := range []struct {
		profile string
		state   int
		at      int64
	}{{"acme", 2, day(18)}, {"acme", 1, day(17)}, {"xia", 1, day(16)}, {"cowork", 0, day(19)}, {"cowork", 1, day(13)}} {
		s.exec(t, `INSERT INTO charge (created_at, amount, unit, customer_id, state) SELECT ?, 100, 'usd', id, ? FROM profile WHERE slug = ?`, c.at, c.state, c.profile)
	}
	s.Run(t,
		resttest.Case("others", "xia", "GET /api/proxy/recent", "", 403, denied),
		resttest.Case("recent", "cindy", "GET /api/proxy/recent", "", 200, `{"count":3,"next":null,"previous":null,"results":[`+
			`{"slug":"acme","printable_name":"Acme Corp","descr":"charge failed","created_at":"2025-03-18T08:00:00Z"},`+
			`{"slug":"nina","printable_name":"Nina","descr":"recently logged in","created_at":"2025-03-14T08:00:00Z","type":"user"},`+
			`{"slug":"xia","printable_name":"Xia Lee","descr":"charge paid","created_at":"2025-03-16T08:00:00Z"}]}`),
	)
}

func TestMonitoringAndPlaces(t *testing.T) {
	s := newSite(t)
	s.Run(t,
		resttest.Case("error, others", "cindy", "POST /api/proxy/generate-error", `{}`, 403, denied),
		resttest.Case("error", "alice", "POST /api/proxy/generate-error", "", 500, `{"detail":"A server error occurred."}`),
		resttest.Case("places, anonymous", "", "GET /api/accounts/places?q=Main", "", 401, `*`),
		resttest.Case("places", "nina", "GET /api/accounts/places?q=Main", "", 200, `{"count":0,"results":[]}`),
		resttest.Case("place", "nina", "GET /api/accounts/places/abc", "", 404, ``),
	)
}

func picture(t testing.TB) []byte {
	t.Helper()
	p := image.NewRGBA(image.Rect(0, 0, 2, 2))
	p.Set(1, 1, color.RGBA{200, 10, 10, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload is a multipart body with a file, and its Content-Type.
func upload(t testing.TB, field, name string, content []byte) (body, header string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	f, err := w.CreateFormFile(field, name)
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

func TestPicture(t *testing.T) {
	s := newSite(t)
	content := picture(t)
	sum := sha256.Sum256(content)
	path := "/media/" + hex.EncodeToString(sum[:]) + ".png"
	body, header := upload(t, "file", "Me.PNG", content)
	post := func(name, as, user, body, header string, status int, want string) resttest.Step {
		return resttest.Case(name, as, "POST /api/users/"+user+"/picture", body, status, want).With(header)
	}
	located := `{"location":"https://app.example.com` + path + `"}`
	big, bigHeader := upload(t, "file", "me.png", make([]byte, rest.MaxPicture+1))
	html, htmlHeader := upload(t, "file", "me.png", []byte("<html><script>alert(1)</script>"))
	svg, svgHeader := upload(t, "file", "me.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`))
	other, otherHeader := upload(t, "other", "me.png", content)
	empty, emptyHeader := upload(t, "file", "me.png", nil)
	s.Run(t,
		post("anonymous", "", "xia", body, header, 401, `*`),
		post("a stranger", "yan", "xia", body, header, 403, denied),
		post("own", "xia", "xia", body, header, 201, located),
		post("again: the same file", "xia", "xia", body, header, 201, located),
		post("broker", "alice", "nina", body, header, 201, located),
		post("nobody", "alice", "ghost", body, header, 404, `*`),
		post("JSON", "xia", "xia", `{"file":"x"}`, "Content-Type: application/json", 415, `*`),
		post("no file", "xia", "xia", other, otherHeader, 400, `{"detail":"no location or file specified."}`),
		post("empty file", "xia", "xia", empty, emptyHeader, 400, `*`),
		post("HTML", "xia", "xia", html, htmlHeader, 400, `~{"file":["`),
		post("SVG", "xia", "xia", svg, svgHeader, 400, `~{"file":["`),
		post("too large", "xia", "xia", big, bigHeader, 413, `*`),
		resttest.Case("shown", "xia", "GET /api/users/xia", "", 200, `~"picture":"https://app.example.com`+path+`"`),
		resttest.Case("as a contact", "alice", "POST /api/contacts/xia/picture", body, 201, located).With(header),
	)
	w := httptest.NewRecorder()
	s.pictures.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if got, err := png.Decode(w.Body); w.Code != 200 || err != nil || got.Bounds().Dx() != 2 || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("served %d %v %v", w.Code, err, w.Header())
	}
}
