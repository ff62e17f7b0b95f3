package caddymodule

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestWarningsOfPaths warns, when a configuration is checked and when it starts, of what stands around a gate and changes paths, and names
// the place of the gate (decisions 75, 76).
func TestWarningsOfPaths(t *testing.T) {
	const (
		proposed = "write `stripped /shop` in the block"
		before   = "paths are rewritten before the gate"
		after    = "paths are rewritten after the gate"
		told     = "is told the path with its prefix"
		errors   = "handle_errors proxies"
		open     = "a proxy stands before the gate or beside it"
	)
	gate := func(more string) string { return "tollgate {\n\t\t" + more + "\n\t\trule / any\n\t}\n\t" }
	for _, c := range []struct {
		name, site string
		want       []string
	}{
		{"nothing", gate("") + "php_fastcgi localhost:1", nil},
		{"a file server", gate("") + "try_files {path} /index.html\n\tfile_server", []string{before}},
		{"a prefix that is stripped by handle_path", "handle_path /shop/* {\n\t" + gate("") + "reverse_proxy localhost:1\n\t}", []string{proposed}},
		{"a prefix that is stripped by uri", "uri strip_prefix /shop\n\t" + gate("") + "reverse_proxy localhost:1", []string{proposed}},
		{"a prefix that the block knows", "uri strip_prefix /shop\n\t" + gate("stripped /shop") + "reverse_proxy localhost:1", nil},
		{"… before PHP", "uri strip_prefix /shop\n\t" + gate("stripped /shop") + "php_fastcgi localhost:1", []string{told}},
		{"… before who is told the original", "uri strip_prefix /shop\n\t" + gate("stripped /shop") + "reverse_proxy localhost:1 {\n\t\theader_up X-Uri {http.request.orig_uri}\n\t}", []string{told}},
		{"a rewrite", "rewrite /old /new\n\t" + gate("") + "reverse_proxy localhost:1", []string{before}},
		{"a rewrite of the query", "rewrite ?a=b\n\t" + gate("") + "reverse_proxy localhost:1", nil},
		{"a rewrite behind", "route {\n\t" + gate("") + "rewrite * /x\n\treverse_proxy localhost:1\n\t}", []string{after}},
		{"a prefix that is stripped behind", "route {\n\t" + gate("") + "uri strip_prefix /shop\n\treverse_proxy localhost:1\n\t}", []string{after}},
		{"a rewrite on another way", "handle /old {\n\t\trewrite * /new\n\t\trespond ok\n\t}\n\thandle {\n\t" + gate("") + "reverse_proxy localhost:1\n\t}", nil},
		{"a proxy for what the way of the gate leaves", "handle /app/* {\n\t" + gate("") + "reverse_proxy localhost:1\n\t}\n\thandle /old {\n\t\trespond gone\n\t}\n\treverse_proxy localhost:2", []string{open}},
		{"a proxy beside a single handle with a gate",
			"handle /app/* {\n\t" + gate("") + "reverse_proxy localhost:1\n\t}\n\treverse_proxy localhost:2", []string{open}},
		{"a proxy behind a gate for some paths", "tollgate /app/* {\n\t\trule / any\n\t}\n\treverse_proxy localhost:1", []string{open}},
		{"… for these alone", "tollgate /app/* {\n\t\trule / any\n\t}\n\treverse_proxy /app/* localhost:1", nil},
		{"… for some of these", "tollgate /app/* {\n\t\trule / any\n\t}\n\treverse_proxy /app/x/* localhost:1", nil},
		{"… by the same matcher", "@some method GET\n\ttollgate @some {\n\t\trule / any\n\t}\n\treverse_proxy @some localhost:1", nil},
		{"error handlers that proxy", gate("") + "reverse_proxy localhost:1\n\thandle_errors {\n\t\treverse_proxy localhost:2\n\t}", []string{errors}},
		{"error handlers that do not", gate("") + "reverse_proxy localhost:1\n\thandle_errors {\n\t\trespond {err.status_code}\n\t}", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			config := "{\n\tadmin localhost:2999\n\tauto_https off\n\tskip_install_trust\n\tlog {\n\t\toutput file " + dir + "/FILE.json\n\t}\n\ttollgate {\n\t\tstore " + dir +
				"/FILE.db\n\t}\n}\n" + base + " {\n\t" + c.site + "\n}\n"
			if err := provisioned(t, strings.ReplaceAll(config, "FILE", "checked")); err != nil {
				t.Fatal(err)
			}
			runSite(t, strings.ReplaceAll(config, "FILE", "started"))
			line := 1 + strings.Count(config[:strings.Index(config, "rule / any")], "\n")
			for _, file := range []string{"checked", "started"} {
				text, err := os.ReadFile(filepath.Join(dir, file+".json"))
				if err != nil {
					t.Fatal(err)
				}
				for _, warning := range []string{proposed, before, after, told, errors, open} {
					wanted := 0
					for _, w := range c.want {
						if w == warning {
							wanted = 1
						}
					}
					if n := strings.Count(string(text), warning); n != wanted {
						t.Errorf("%s: %q is said %d times, want %d", file, warning, n, wanted)
					}
				}
				if place := "Caddyfile:" + strconv.Itoa(line) + `"`; len(c.want) > 0 && c.want[0] != errors && !strings.Contains(string(text), place) {
					t.Errorf("%s: %s is not named in\n%s", file, place, text)
				}
			}
		})
	}
}
