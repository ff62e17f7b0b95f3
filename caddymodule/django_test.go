package caddymodule

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

const systemPython = "/usr/bin/python3" // Debian's packages of Python belong to Debian's Python

// django runs testdata/django with settings and middleware added to Django's defaults, and returns its address.
func django(t *testing.T, settings map[string]any, middleware ...string) string {
	t.Helper()
	if out, err := exec.Command(systemPython, "-c", "import django").CombinedOutput(); err != nil {
		if os.Getenv("TOLLGATE_NO_SKIP") != "" {
			t.Fatalf("Django is not installed: %v: %s", err, out)
		}
		t.Skip("Django is not installed")
	}
	program, err := filepath.Abs("testdata/django/serve.py")
	if err != nil {
		t.Fatal(err)
	}
	added, _ := json.Marshal(settings)
	classes, _ := json.Marshal(append([]string{}, middleware...))
	listen := freeAddress(t)
	cmd := exec.Command(systemPython, "-B", program, listen)
	cmd.Env = append(os.Environ(), "DIR="+t.TempDir(), "SETTINGS="+string(added), "MIDDLEWARE="+string(classes))
	startServer(t, "http://"+listen+"/whoami/", cmd)
	return "http://" + listen
}

// behindProxy is what Django must be told of a proxy that takes the encryption off.
var behindProxy = map[string]any{"SECURE_PROXY_SSL_HEADER": []string{"HTTP_X_FORWARDED_PROTO", "https"}}

var csrfField = regexp.MustCompile(`name="csrfmiddlewaretoken" value="([^"]+)"`)

// djangoForm shows a page of Django and sends its form.
func (p *person) djangoForm(status int, page string, fields ...string) answer {
	p.t.Helper()
	m := csrfField.FindStringSubmatch(p.visit(200, page).body)
	if m == nil {
		p.t.Fatalf("%s has no form", page)
	}
	return p.form(status, page, append(fields, "csrfmiddlewaretoken", m[1])...)
}

// TestDjango logs a person in to the site and to the admin of a Django that has its own log-in, sessions, CSRF tokens and messages
// under the names that Django gives them, in one browser (decisions 71, 72).
func TestDjango(t *testing.T) {
	const gate = "rule / authenticated\n\t\theaders\n\t\tsession "
	renamed := map[string]any{"SESSION_COOKIE_NAME": "django_session"}
	for name, value := range behindProxy {
		renamed[name] = value
	}
	for _, c := range []struct {
		name     string
		settings map[string]any
		sessions map[string]bool // form: whether a log-in to Django holds
	}{
		{"defaults", behindProxy, map[string]bool{"none": true, "cookie": false, "jwt": false}},
		{"a session cookie of another name", renamed, map[string]bool{"none": true, "cookie": true, "jwt": true}},
	} {
		address := django(t, c.settings)
		s := tlsSite(t, address, gate+"none")
		for form, holds := range c.sessions {
			t.Run(c.name+", session "+form, func(t *testing.T) {
				s.reload(gate + form + " # " + c.name)
				p := newPerson(t, secure)
				p.visit(401, "/admin/")
				p.login("xia")
				p.visit(302, "/admin/")
				p.visit(200, "/admin/login/?next=/admin/")
				p.form(403, "/admin/login/?next=/admin/", "username", "boss", "password", "django's own", "csrfmiddlewaretoken", "made up")
				p.djangoForm(302, "/admin/login/?next=/admin/", "username", "boss", "password", "django's own")
				if !holds { // sessionid means the site's session to the application
					p.visit(302, "/admin/")
					p.api(200, "GET", "/api/users/xia", nil)
					return
				}
				p.visit(200, "/admin/")
				p.djangoForm(302, "/admin/auth/group/add/", "name", "Packers, "+form)
				if a := p.visit(200, "/admin/auth/group/"); !regexp.MustCompile(`was added successfully`).MatchString(a.body) {
					t.Error("the message of success is lost")
				}
				whoami := p.visit(200, "/whoami/?a=b").json(t)
				if whoami["user"] != "boss" || whoami["secure"] != true || whoami["address"] != secure+"/whoami/?a=b" {
					t.Errorf("Django sees %v", whoami)
				}
				for _, name := range []string{"__Host-tollgate_session", "__Host-tollgate_csrf"} {
					if _, mine := p.cookies()[name]; !mine || slices.Contains(whoami["cookies"].([]any), any(name)) {
						t.Errorf("%s: the browser has %v, Django receives %v", name, p.cookies(), whoami["cookies"])
					}
				}
				p.api(200, "PATCH", "/api/users/xia", map[string]any{"nick_name": "X"})
				p.visit(200, "/admin/")
				m := csrfField.FindStringSubmatch(p.visit(200, "/admin/auth/group/add/").body)
				p.form(200, "/admin/logout/", "csrfmiddlewaretoken", m[1])
				p.visit(302, "/admin/")
				p.api(200, "GET", "/api/users/xia", nil)
				p.djangoForm(302, "/admin/login/?next=/admin/", "username", "boss", "password", "django's own")
				p.visit(200, "/admin/")
				p.api(204, "DELETE", "/api/auth/tokens", nil)
				p.visit(401, "/admin/")
			})
		}
	}
}

// TestFetchedWithoutCookies opens what browsers fetch without cookies, and nothing beside it.
func TestFetchedWithoutCookies(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.gate = "rule /manifest.webmanifest any\n\t\trule /favicon.ico any\n\t\trule / authenticated"
	})
	for path, status := range map[string]int{"/manifest.webmanifest": 200, "/favicon.ico": 200, "/favicon.ico.bak": 401, "/": 401, "/manifest.json": 401} {
		s.must(status, "GET", path, nil, "Sec-Fetch-Dest: manifest", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin")
	}
}

// TestDjangoRemoteUser has Django take its user from the gate: nobody else names one, and a log-out from the site is one from Django.
func TestDjangoRemoteUser(t *testing.T) {
	settings := map[string]any{"AUTHENTICATION_BACKENDS": []string{"django.contrib.auth.backends.RemoteUserBackend"}}
	for name, value := range behindProxy {
		settings[name] = value
	}
	tlsSite(t, django(t, settings, "remote.TollgateUser"), "rule / any\n\t\theaders\n\t\tsession none")
	p := newPerson(t, secure)
	user := func(headers ...string) string {
		t.Helper()
		return p.send("GET", "/whoami/", "", "", headers...).json(t)["user"].(string)
	}
	if got := user("Tollgate-Id: boss", "Tollgate_Id: boss", "Remote-User: boss"); got != "" {
		t.Errorf("nobody is %s", got)
	}
	p.login("xia")
	id := p.api(200, "GET", "/api/users/xia", nil).json(t)["id"]
	xia := user("Tollgate-Id: boss")
	if len(xia) != 20 || id != nil && xia != id {
		t.Errorf("xia, who is %v, is %s", id, xia)
	}
	p.api(204, "DELETE", "/api/auth/tokens", nil)
	if got := user(); got != "" {
		t.Errorf("after a log-out of the site the user is %s", got)
	}
	p.login("donny")
	if got := user(); got == xia || got == "" {
		t.Errorf("donny is %s", got)
	}
}
