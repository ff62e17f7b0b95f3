package stripe

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Requests against Stripe's published description of its API. With TOLLGATE_OPENAPI set, every request that a test of this package sends to
// the fake is shown to stripe-mock as well, which Stripe makes from its OpenAPI document, and a test fails whose request does not fit:
// an unknown path, an unknown parameter, one that is missing or has another type. What it answers is not looked at further: it remembers
// nothing, the fake does.
//
// stripe-mock is a module of its own, so that the product needs none of it: testdata/stripe-mock.mod.

// published is the address of stripe-mock, "" when requests are not checked.
var published string

func TestMain(m *testing.M) {
	stop := func() {}
	if os.Getenv("TOLLGATE_OPENAPI") != "" {
		var err error
		if published, stop, err = runMock(); err != nil {
			fmt.Fprintln(os.Stderr, "stripe-mock:", err)
			os.Exit(1)
		}
	}
	code := m.Run()
	stop()
	os.Exit(code)
}

// runMock builds stripe-mock and runs it on a port of its choice.
func runMock() (at string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "stripe-mock")
	if err != nil {
		return "", nil, err
	}
	program := filepath.Join(dir, "stripe-mock")
	build := exec.Command("go", "build", "-modfile=testdata/stripe-mock.mod", "-o", program, "github.com/stripe/stripe-mock")
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("%w: %s", err, out)
	}
	mock := exec.Command(program, "-http-addr", "127.0.0.1:0")
	out, err := mock.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := mock.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = mock.Process.Kill()
		_ = mock.Wait()
		_ = os.RemoveAll(dir)
	}
	listens := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at := listens.FindString(lines.Text()); at != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return "http://" + at, stop, nil
		}
	}
	stop()
	return "", nil, fmt.Errorf("%s says no address", program)
}

// undescribed is what Stripe takes and its description leaves out: an intent that is paid with the token of a card. Its migration guide has
// it; the description's list of types is marked as not whole (x-stripeBypassValidation).
var undescribed = []string{"payment_method_data[type]", "payment_method_data[card][token]"}

// unfits is what stripe-mock has against a request, "" for nothing.
func unfits(r *http.Request) (string, error) {
	form := maps.Clone(r.PostForm)
	if form.Get(undescribed[0]) == "card" {
		for _, name := range undescribed {
			form.Del(name)
		}
	}
	shown, err := http.NewRequest(r.Method, published+r.URL.RequestURI(), strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	for _, name := range []string{"Authorization", "Content-Type", "Idempotency-Key", "Stripe-Account", "Stripe-Version"} {
		shown.Header[name] = r.Header[name]
	}
	answer, err := http.DefaultClient.Do(shown)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode == http.StatusOK {
		return "", err
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, text), nil
}

// publish shows a request to stripe-mock. OAuth is not a part of what Stripe describes.
func (f *fake) publish(r *http.Request) {
	if published == "" || !strings.HasPrefix(r.URL.Path, "/v1/") {
		return
	}
	problem, err := unfits(r)
	if err != nil {
		f.t.Errorf("stripe-mock: %v", err)
	} else if problem != "" {
		f.t.Errorf("%s %s?%s %v does not fit Stripe's description: %s", r.Method, r.URL.Path, r.URL.RawQuery, r.PostForm, problem)
	}
}

// TestPublished: the check finds a path, a parameter and a type that are none.
func TestPublished(t *testing.T) {
	if published == "" {
		t.Skip("runs with TOLLGATE_OPENAPI=1")
	}
	for _, c := range []struct {
		request, form string
		fits          bool
	}{
		{"POST /v1/payment_intents", "amount=100&currency=usd", true},
		{"POST /v1/payment_intents", "amount=100", false},
		{"POST /v1/payment_intents", "amount=much&currency=usd", false},
		{"POST /v1/payment_intents", "amount=100&currency=usd&tip=5", false},
		{"POST /v1/payment_intent", "amount=100&currency=usd", false},
		{"GET /v1/charges/ch_1?expand[]=balance_transaction", "", true},
		{"GET /v1/charges/ch_1?expand=", "", false},
		{"GET /v1/charges?limit=many", "", false},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		r, err := http.NewRequest(method, path, strings.NewReader(c.form))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+testKey)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := r.ParseForm(); err != nil {
			t.Fatal(err)
		}
		if problem, err := unfits(r); err != nil || (problem == "") != c.fits {
			t.Errorf("%s %s: %q, %v", c.request, c.form, problem, err)
		}
	}
}
