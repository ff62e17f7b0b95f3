package tollgate

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/caddy-tollgate/tollgate"

// floors of the house: a package imports packages of lower floors only, and those of its own floor that `beside` names.
var floors = map[string]int{
	"":                     10,
	"caddymodule":          9,
	"pages/buying":         8,
	"pages/people":         8,
	"pages":                7,
	"api":                  6,
	"api/auth":             5,
	"api/billing":          5,
	"api/importer":         5,
	"api/metrics":          5,
	"api/profile":          5,
	"api/proxy":            5,
	"api/subscription":     5,
	"api/notice":           4,
	"api/rest":             4,
	"api/directory":        3,
	"api/processor":        3,
	"accessrules":          2,
	"ledger":               2,
	"store":                1,
	"locale":               1,
	"api/rest/resttest":    5, // test support
	"store/storetest":      1,
	"ledger/ledgertest":    2,
	"api/processor/stripe": 4,
}

var beside = map[string][]string{
	"api/auth":         {"api/profile"},
	"api/subscription": {"api/profile"},
	"api/billing":      {"api/subscription", "api/profile"},
	"api/importer":     {"api/auth", "api/proxy"},
	"api/metrics":      {"api/billing"},
	"store/storetest":  {"store"},
}

// TestFloors holds the order of the packages.
func TestFloors(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		from := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		floor, ok := floors[from]
		if !ok {
			t.Errorf("package %s stands on no floor: add it to the table", from)
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module) {
				if floor < 9 && strings.HasPrefix(imp, "github.com/caddyserver/caddy") {
					t.Errorf("%s imports %s: only caddymodule knows Caddy", from, imp)
				}
				continue
			}
			to := strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
			if floors[to] < floor || slices.Contains(beside[from], to) {
				continue
			}
			t.Errorf("%s (floor %d) imports %s (floor %d): imports go down only", from, floor, to, floors[to])
		}
	}
}

// TestClock holds that nothing below the assembly reads the clock by itself: one request has one time, and tests set it.
func TestClock(t *testing.T) {
	now := regexp.MustCompile(`\btime\.(Now|Since|Until)\(`)
	for _, root := range []string{"accessrules", "ledger", "api", "store"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test"+string(filepath.Separator)) {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i, line := range strings.Split(string(text), "\n") {
				if code, _, _ := strings.Cut(line, "//"); now.MatchString(code) {
					t.Errorf("%s:%d reads the clock: have it passed in", path, i+1)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
