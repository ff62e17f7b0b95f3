package caddymodule

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/oapi-codegen/runtime" // what the generated client is made with
)

// TestGeneratedClient generates a Go client from the description that the example site answers, and has a program take the tour with
// it: register, be refused, buy, be let in. The client is not kept: it is compiled with the program by an overlay.
func TestGeneratedClient(t *testing.T) {
	s := exampleSite(t)
	dir := t.TempDir()
	document, client := filepath.Join(dir, "openapi.json"), filepath.Join(dir, "client.gen.go")
	a := s.send("GET", "/api/schema", "")
	if a.status != 200 {
		t.Fatalf("GET /api/schema: %d", a.status)
	}
	if err := os.WriteFile(document, []byte(a.body), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("go", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("tool", "oapi-codegen", "-generate", "types,client", "-package", "main", "-o", client, document)
	place, err := filepath.Abs("testdata/client/client.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{place: client}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := run("run", "-overlay", file, "./testdata/client", base), "/app/joe1/ 403\n/app/joe1/ 200\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
