package api

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/auth"
	"github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/api/subscription"
	"github.com/caddy-tollgate/tollgate/store/storetest"
	"go.uber.org/zap"
)

var update = flag.Bool("update", false, "write what is there as what is wanted")

// door is a service under test: what comes and goes through it is held against the description of the API.
type door struct {
	*Service
	t testing.TB
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	document, err := d.Schema()
	if err != nil {
		d.t.Error(err)
		return
	}
	contract, err := resttest.ContractOf(document)
	if err != nil {
		d.t.Errorf("the description of the API: %v", err)
		return
	}
	if err := contract.Serve(d.Service, w, r); err != nil {
		d.t.Error(err)
	}
}

func newService(t testing.TB, change ...func(o *Options)) *door {
	t.Helper()
	dir := t.TempDir()
	clock := storetest.NewClock()
	site, err := Open(t.Context(), SiteOptions{
		Path: filepath.Join(dir, "tollgate.db"), Secrets: filepath.Join(dir, "secrets.json"), Now: clock.Now, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Destruct(); err != nil {
			t.Error(err)
		}
	})
	o := Options{
		Broker: Broker{Slug: "cowork", FullName: "Cowork"},
		Auth:   auth.DefaultSettings(), Profile: profile.DefaultSettings(), Subscription: subscription.DefaultSettings(), Billing: billing.DefaultSettings(),
	}
	for _, fn := range change {
		fn(&o)
	}
	s, err := New(site, o)
	if err != nil {
		t.Fatal(err)
	}
	return &door{s, t}
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(strings.ReplaceAll(strings.TrimSpace(string(text)), " ", "\x00"))
}

// TestOperations compares the table of endpoints with the contract's checklist. What is not there yet is listed in
// testdata/missing.txt; nothing else may be missing, and nothing may be there that neither the checklist names nor testdata/ours.txt,
// the list of what the contract does not have.
func TestOperations(t *testing.T) {
	var there []string
	for _, e := range newService(t).Endpoints() {
		there = append(there, e.Method+"\x00"+e.Path)
	}
	contract := lines(t, "testdata/operations.txt")
	var missing []string
	for _, op := range contract {
		if !slices.Contains(there, op) {
			missing = append(missing, op)
		}
	}
	ours := lines(t, "testdata/ours.txt")
	for _, op := range there {
		if slices.Contains(contract, op) == slices.Contains(ours, op) {
			t.Errorf("%s is not in one of the contract and testdata/ours.txt", strings.ReplaceAll(op, "\x00", " "))
		}
	}
	for _, op := range ours {
		if !slices.Contains(there, op) {
			t.Errorf("%s is in testdata/ours.txt alone", strings.ReplaceAll(op, "\x00", " "))
		}
	}
	t.Logf("%d of %d operations are there", len(contract)-len(missing), len(contract))
	if *update {
		text := strings.ReplaceAll(strings.Join(missing, "\n"), "\x00", " ") + "\n"
		if err := os.WriteFile("testdata/missing.txt", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := lines(t, "testdata/missing.txt"); !slices.Equal(missing, want) {
		t.Errorf("missing:\n%s\nwant those of testdata/missing.txt", strings.ReplaceAll(strings.Join(missing, "\n"), "\x00", " "))
	}
}

// TestAccessMatrix compares who may call each endpoint with access.md A.4, as testdata/matrix.txt has it.
func TestAccessMatrix(t *testing.T) {
	got := newService(t).Table()
	if *update {
		if err := os.WriteFile("testdata/matrix.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/matrix.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
