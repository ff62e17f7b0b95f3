package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"golang.org/x/net/webdav"
)

// runs runs a program with a home of its own, and returns what it prints.
func runs(t *testing.T, home, stdin string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = home
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+home, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mustRun requires that it ends well.
func mustRun(t *testing.T, home, stdin string, name string, args ...string) string {
	t.Helper()
	out, err := runs(t, home, stdin, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// at is an address of the site with user and password in it.
func at(userinfo, path string) string {
	return strings.Replace(base, "//", "//"+userinfo+"@", 1) + path
}

// TestGit clones from and pushes to git's own server with an API key as the password, in each way in which git learns of one. The
// server takes a push from a user that it is told of, and from nobody else.
func TestGit(t *testing.T) {
	program(t, "git")
	where, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, home := t.TempDir(), t.TempDir()
	mustRun(t, root, "", "git", "init", "--quiet", "--bare", "--initial-branch=main", "shop.git")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusTeapot) // the key is ours, and stays at the gate
			return
		}
		(&cgi.Handler{
			Path: filepath.Join(strings.TrimSpace(string(where)), "git-http-backend"),
			Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + r.Header.Get("Tollgate-User")},
		}).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s := newSite(t, func(s *site) {
		s.upstream = &upstream{Server: server}
		s.gate = "rule /public.git/ any\n\t\trule / authenticated\n\t\theaders\n\t\tsession none"
	})
	key := s.apiKey("fay", s.register("fay"))
	git := func(dir string, args ...string) (string, error) {
		return runs(t, dir, "", "git", append([]string{"-c", "user.name=Fay", "-c", "user.email=fay@example.com"}, args...)...)
	}
	for _, userinfo := range []string{"", "fay:" + badKey, "fay:yoyo", badKey + ":" + key} {
		address := base + "/shop.git"
		if userinfo != "" {
			address = at(userinfo, "/shop.git")
		}
		if out, err := git(home, "clone", address, "refused"); err == nil {
			t.Errorf("cloned with %q: %s", userinfo, out)
		}
	}
	write(t, filepath.Join(home, "credentials"), at("fay:"+key, "")+"\n")
	for i, c := range []struct {
		name, address string
		options       []string
	}{
		{"user and key", at("fay:"+key, "/shop.git"), nil},
		{"any user and key", at("git:"+key, "/shop.git"), nil},
		{"key alone", at(key, "/shop.git"), nil},
		{"key and any password", at(key+":x-oauth-basic", "/shop.git"), nil},
		{"credential helper", base + "/shop.git", []string{"-c", "credential.helper=store --file=" + filepath.Join(home, "credentials")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "shop")
			if out, err := git(home, append(c.options, "clone", "--quiet", c.address, dir)...); err != nil {
				t.Fatalf("clone: %v\n%s", err, out)
			}
			for n := range i { // what the ones before have pushed
				if _, err := os.Stat(filepath.Join(dir, fmt.Sprint(n))); err != nil {
					t.Error(err)
				}
			}
			write(t, filepath.Join(dir, fmt.Sprint(i)), c.name)
			for _, args := range [][]string{{"add", "."}, {"commit", "--quiet", "-m", c.name}, append(c.options, "push", "--quiet", "origin", "HEAD:main")} {
				if out, err := git(dir, args...); err != nil {
					t.Fatalf("git %s: %v\n%s", args, err, out)
				}
			}
		})
	}
}

// TestClients has programs log in to the gate with an API key after the challenge, as each does it by itself (decision 116).
func TestClients(t *testing.T) {
	program(t, "curl", "wget", systemPython)
	s := newSite(t, func(s *site) { s.gate = "rule / authenticated\n\t\tsession none" })
	key := s.apiKey("fay", s.register("fay"))
	home, address := t.TempDir(), base+"/figures"
	const urllib = `
import sys, urllib.request
passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
passwords.add_password(None, sys.argv[1], sys.argv[2], sys.argv[3])
opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
print(opener.open(sys.argv[1]).read().decode())
`
	for _, c := range []struct {
		name string
		args func(user, password string) []string
	}{
		{"curl", func(u, p string) []string { return []string{"curl", "-sSf", "-u", u + ":" + p, address} }},
		{"curl --anyauth", func(u, p string) []string { return []string{"curl", "-sSf", "--anyauth", "-u", u + ":" + p, address} }},
		{"wget", func(u, p string) []string {
			return []string{"wget", "-nv", "--tries=1", "-O", "-", "--user=" + u, "--password=" + p, address}
		}},
		{"Python's urllib", func(u, p string) []string { return []string{systemPython, "-c", urllib, address, u, p} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, good := range [][2]string{{"fay", key}, {key, ""}, {key, "x"}} {
				args := c.args(good[0], good[1])
				if out := mustRun(t, home, "", args[0], args[1:]...); !strings.Contains(out, `"uri":"/figures"`) {
					t.Errorf("answered %s", out)
				}
				if got := s.upstream.take(); got.Headers["Authorization"] != nil {
					t.Errorf("the application receives %q", got.Headers["Authorization"])
				}
			}
			for _, bad := range [][2]string{{"fay", badKey}, {badKey, ""}, {"fay", "yoyo"}} {
				args := c.args(bad[0], bad[1])
				if out, err := runs(t, home, "", args[0], args[1:]...); err == nil || s.upstream.take() != nil {
					t.Errorf("%s came in: %s", bad, out)
				}
			}
		})
	}
}

// TestCadaver keeps files by WebDAV with a client that logs in after the challenge and copies and moves by addresses.
func TestCadaver(t *testing.T) {
	program(t, "cadaver")
	files := webdav.NewMemFS()
	dav := httptest.NewServer(&webdav.Handler{FileSystem: files, LockSystem: webdav.NewMemLS()})
	t.Cleanup(dav.Close)
	s := newSite(t, func(s *site) {
		s.upstream = &upstream{Server: dav}
		s.gate = "rule /{user}/ self\n\t\tsession none"
	})
	key := s.apiKey("fay", s.register("fay"))
	s.register("vic")
	ctx := context.Background()
	for _, name := range []string{"/fay", "/vic"} {
		if err := files.Mkdir(ctx, name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	content := func(name string) string {
		f, err := files.OpenFile(ctx, name, os.O_RDONLY, 0)
		if err != nil {
			return ""
		}
		defer f.Close()
		b, _ := io.ReadAll(f)
		return string(b)
	}
	home := t.TempDir()
	write(t, filepath.Join(home, "list.txt"), "parcels")
	write(t, filepath.Join(home, ".netrc"), "machine 127.0.0.1 login fay password "+key+"\n")
	out := mustRun(t, home, `put list.txt
mkcol old (1)
copy list.txt copy.txt
move copy.txt moved.txt
get moved.txt got.txt
copy list.txt /vic/list.txt
lock list.txt
unlock list.txt
ls
quit
`, "cadaver", base+"/fay/")
	for name, want := range map[string]string{"/fay/list.txt": "parcels", "/fay/moved.txt": "parcels", "/fay/copy.txt": "", "/vic/list.txt": ""} {
		if got := content(name); got != want {
			t.Errorf("%s holds %q, want %q\n%s", name, got, want, out)
		}
	}
	if got, err := os.ReadFile(filepath.Join(home, "got.txt")); err != nil || string(got) != "parcels" {
		t.Errorf("got %q, %v\n%s", got, err, out)
	}
	write(t, filepath.Join(home, ".netrc"), "machine 127.0.0.1 login fay password "+badKey+"\n")
	if out, _ := runs(t, home, "put list.txt stolen.txt\nquit\n", "cadaver", base+"/fay/"); content("/fay/stolen.txt") != "" {
		t.Errorf("came in with a key that is none: %s", out)
	}
}

// TestBasicAuthBeside keeps a basic_auth of Caddy, before the gate and behind it, and a webhook that checks a token of its own
// (decision 71).
func TestBasicAuthBeside(t *testing.T) {
	program(t, "curl")
	hash, err := caddyauth.BcryptHash{}.Hash([]byte("pass"))
	if err != nil {
		t.Fatal(err)
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hook" && r.Header.Get("Authorization") != "Bearer whsec_of_the_application" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(hook.Close)
	for _, order := range []string{"", "\torder basic_auth after tollgate\n"} {
		s := newSite(t, func(s *site) {
			s.upstream, s.options = &upstream{Server: hook}, order
			s.more = "basic_auth /admin/* {\n\t\tkeeper " + string(hash) + "\n\t}"
			s.gate = "rule /hook any\n\t\trule / authenticated\n\t\tsession none"
		})
		s.register("fay")
		cookie, _ := s.browser("fay")
		for _, c := range []struct {
			want string
			args []string
		}{
			{"200", []string{"-u", "keeper:pass", "-H", cookie, base + "/admin/x"}},
			{"401", []string{"-u", "keeper:wrong", "-H", cookie, base + "/admin/x"}},
			{"401", []string{"-H", cookie, base + "/admin/x"}},
			{"401", []string{"-u", "keeper:pass", base + "/admin/x"}},
			{"200", []string{"-H", cookie, base + "/other"}},
			{"200", []string{"-X", "POST", "-H", "Authorization: Bearer whsec_of_the_application", base + "/hook"}},
			{"200", []string{"-X", "POST", "-H", "Authorization: Bearer whsec_of_the_application", "-H", cookie, base + "/hook"}},
			{"403", []string{"-X", "POST", "-H", "Authorization: Bearer another", base + "/hook"}},
			{"403", []string{"-X", "POST", base + "/hook"}},
		} {
			got := mustRun(t, t.TempDir(), "", "curl", append([]string{"-sS", "-o", "/dev/null", "-w", "%{http_code}"}, c.args...)...)
			if got != c.want {
				t.Errorf("%q: curl %q: %s, want %s", order, c.args, got, c.want)
			}
		}
	}
}
