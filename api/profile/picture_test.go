package profile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

func TestPicture(t *testing.T) {
	w := newWorld(t)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	var another bytes.Buffer
	if err := png.Encode(&another, image.NewGray(image.Rect(0, 0, 3, 3))); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(picture.Bytes())
	key := hex.EncodeToString(sum[:])
	send := func(as, profile, field, name string, content []byte) *httptest.ResponseRecorder {
		t.Helper()
		var body bytes.Buffer
		m := multipart.NewWriter(&body)
		f, err := m.CreateFormFile(field, name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(content)
		m.Close()
		return w.Do(as, "POST /api/profile/"+profile+"/picture", body.String(), "Content-Type: "+m.FormDataContentType())
	}
	for _, tc := range []struct {
		name, as, profile, field, file string
		content                        []byte
		status                         int
		want                           string
	}{
		{"a picture", "yan", "acme", "file", "Me.PNG", picture.Bytes(), 201, `{"location":"https://app.example.com/media/` + key + `.png"}`},
		{"the same again", "yan", "acme", "file", "me.png", picture.Bytes(), 201, `{"location":"https://app.example.com/media/` + key + `.png"}`},
		{"a name that would run", "yan", "acme", "file", "me.html", picture.Bytes(), 201, `{"location":"https://app.example.com/media/` + key + `.png"}`},
		{"another field", "yan", "acme", "picture", "me.png", picture.Bytes(), 400, `{"detail":"no location or file specified."}`},
		{"a page", "yan", "acme", "file", "me.png", []byte("<html><script>alert(1)</script>"), 400, `{"file":["Upload a valid image: PNG, JPEG, GIF or WebP."]}`},
		{"a drawing that runs", "yan", "acme", "file", "me.svg", []byte(`<?xml version="1.0"?><svg onload="alert(1)"/>`), 400, `{"file":["Upload a valid image: PNG, JPEG, GIF or WebP."]}`},
		{"too large", "yan", "acme", "file", "me.png", append(bytes.Clone(picture.Bytes()), make([]byte, 1<<10)...), 413, `{"detail":"The picture is too large."}`},
		{"a contributor", "kim", "acme", "file", "me.png", picture.Bytes(), 403, `{"detail":"Permission denied"}`},
		{"unknown profile", "bob", "nope", "file", "me.png", picture.Bytes(), 404, `{"detail":"No Organization matches the given query."}`},
		{"a personal one", "xia", "xia", "file", "me.png", picture.Bytes(), 201, "*"},
		{"a second manager", "olga", "xia", "file", "me.png", another.Bytes(), 201, "*"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.as == "olga" {
				w.role("olga", "xia", "manager")
			}
			r := send(tc.as, tc.profile, tc.field, tc.file, tc.content)
			if r.Code != tc.status || tc.want != "*" && r.Body.String() != tc.want {
				t.Errorf("%d %s, want %d %s", r.Code, r.Body, tc.status, tc.want)
			}
		})
	}
	w.Run(t,
		resttest.Case("JSON", "yan", "POST /api/profile/acme/picture", `{"file":"x"}`, 415, "*"),
		resttest.Case("other method", "yan", "GET /api/profile/acme/picture", "", 405, "*").Wants("Allow: POST, OPTIONS"),
		resttest.Case("shown", "kim", "GET /api/profile/acme", "", 200, `~"picture":"https://app.example.com/media/`+key+`.png"`),
	)
	// The account of xia has the picture that xia gave, not that of another manager of her profile (decision 29).
	if got := get[string](w, `SELECT picture FROM contact WHERE slug = 'xia'`); !strings.HasSuffix(got, key+".png") {
		t.Errorf("the picture of the account is %s", got)
	}

	served := httptest.NewRecorder()
	w.service.pictures.ServeHTTP(served, httptest.NewRequest(http.MethodGet, "/media/"+key+".png", nil))
	if served.Code != 200 || served.Header().Get("Content-Type") != "image/png" || served.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("served %d %v", served.Code, served.Header())
	}
	if shown, err := png.Decode(served.Body); err != nil || shown.Bounds().Dx() != 2 {
		t.Errorf("what is served is not the picture: %v", err)
	}
	for _, path := range []string{"/media/../profile.db", "/media/", "/media/" + key, "/media/" + key + ".html", "/media/" + key[1:] + ".png", "/media/.new-1"} {
		served := httptest.NewRecorder()
		w.service.pictures.ServeHTTP(served, httptest.NewRequest(http.MethodGet, path, nil))
		if served.Code != 404 {
			t.Errorf("%s: %d", path, served.Code)
		}
	}
}
