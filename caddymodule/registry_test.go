package caddymodule

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRegistryOfPackages publishes a scoped package through the gate with npm and an API key, and installs it. npm writes the
// slash of a scope as %2f (decision 75), and the key that it presents is ours, so the registry never sees it (decision 71).
func TestRegistryOfPackages(t *testing.T) {
	registry := packageRegistry(t)
	s := newSite(t, func(s *site) {
		s.upstream = &upstream{Server: &httptest.Server{URL: registry}}
		s.gate = "rule /-/ping any\n\t\trule / authenticated\n\t\tsession none"
	})
	fay := s.register("fay")
	key := s.must(201, "POST", "/api/users/fay/api-keys", map[string]any{"password": "yoyo"}, fay).json(t)["secret"].(string)

	parcel := t.TempDir()
	write(t, filepath.Join(parcel, "package.json"), `{"name":"@shop/parcel","version":"1.0.0","main":"index.js"}`)
	write(t, filepath.Join(parcel, "index.js"), "module.exports = 42\n")
	if out, err := npm(t, parcel, "", "publish"); err == nil {
		t.Fatalf("published without a key: %s", out)
	}
	if out, err := npm(t, parcel, key, "publish"); err != nil {
		t.Fatalf("npm publish: %v\n%s", err, out)
	}
	user := t.TempDir()
	write(t, filepath.Join(user, "package.json"), `{"name":"user","version":"1.0.0"}`)
	if out, err := npm(t, user, key, "install", "@shop/parcel"); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(user, "node_modules", "@shop", "parcel", "index.js")); err != nil || string(got) != "module.exports = 42\n" {
		t.Errorf("installed %q, %v", got, err)
	}
	if out, err := npm(t, user, strings.Repeat("a", 64), "view", "@shop/parcel"); err == nil {
		t.Errorf("read with a key that is none: %s", out)
	}
}

// npm runs npm against the site with a token.
func npm(t *testing.T, dir, token string, args ...string) (string, error) {
	t.Helper()
	host := strings.TrimPrefix(base, "http:")
	lines := "registry=" + base + "/\ncache=" + filepath.Join(t.TempDir(), "cache") + "\naudit=false\nfund=false\nupdate-notifier=false\nfetch-retries=0\n"
	if token != "" {
		lines += host + "/:_authToken=" + token + "\n"
	}
	write(t, filepath.Join(dir, ".npmrc"), lines)
	cmd := exec.Command("npm", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "npm_config_registry="+base+"/", "npm_config_userconfig="+filepath.Join(dir, ".npmrc"), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// packageRegistry is the registry in testdata/registry. Its packages are installed by `npm ci` there.
func packageRegistry(t *testing.T) (address string) {
	program(t, "node", "npm")
	dir := filepath.Join("testdata", "registry")
	bin := filepath.Join(dir, "node_modules", "verdaccio", "bin", "verdaccio")
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("TOLLGATE_NO_SKIP") != "" {
			t.Fatalf("run npm ci in caddymodule/%s: %v", dir, err)
		}
		t.Skipf("run npm ci in caddymodule/%s first", dir)
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, fmt.Sprintf(`storage: %s
auth:
  htpasswd:
    file: ./htpasswd
packages:
  "**":
    access: $all
    publish: $all
log: {type: stdout, format: pretty, level: warn}
`, t.TempDir()))
	listen := freeAddress(t)
	startServer(t, "http://"+listen+"/-/ping", exec.Command("node", bin, "--config", config, "--listen", listen))
	return "http://" + listen
}

// startServer runs a server until the test ends, and waits until an address of it answers.
func startServer(t *testing.T, ready string, cmd *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 300 {
		if res, err := http.Get(ready); err == nil {
			_ = res.Body.Close()
			if res.StatusCode < http.StatusInternalServerError {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	t.Fatalf("%s did not start:\n%s", cmd.Path, out.String())
}

// freeAddress is an address of this machine that nobody listens at.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
