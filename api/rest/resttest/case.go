package resttest

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// A Step is a request and what is wanted of the answer to it; see Case.
type Step struct {
	name, as, request, body string
	headers                 []string
	status                  int
	want                    string
	wantHeaders             []string
	then                    func(t *testing.T, w *httptest.ResponseRecorder)
}

// Case is a step: who sends which request ("GET /api/profile?q=x") with which body, and the status and the body wanted. The
// body is wanted to the byte; "~a~b" wants the fragments a and b in it, and "*" anything.
func Case(name, as, request, body string, status int, want string) Step {
	return Step{name: name, as: as, request: request, body: body, status: status, want: want}
}

// With sends headers, "Name: value" each.
func (s Step) With(headers ...string) Step {
	s.headers = append(s.headers[:len(s.headers):len(s.headers)], headers...)
	return s
}

// Wants wants headers of the answer, "Name: value" each; without a value there must be none.
func (s Step) Wants(headers ...string) Step {
	s.wantHeaders = append(s.wantHeaders[:len(s.wantHeaders):len(s.wantHeaders)], headers...)
	return s
}

// Then looks at the answer, or at what the request left behind.
func (s Step) Then(fn func(t *testing.T, w *httptest.ResponseRecorder)) Step {
	s.then = fn
	return s
}

// Run sends the requests one after the other, each in a subtest.
func (s *Site) Run(t *testing.T, steps ...Step) {
	t.Helper()
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Helper()
			w := s.Do(step.as, step.request, step.body, step.headers...)
			step.check(t, w)
		})
	}
}

func (s Step) check(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	got := w.Body.String()
	if w.Code != s.status {
		t.Errorf("%s as %q: status %d, want %d; body %s", s.request, s.as, w.Code, s.status, got)
	}
	switch {
	case s.want == "*":
	case strings.HasPrefix(s.want, "~"):
		for _, fragment := range strings.Split(s.want[1:], "~") {
			if !strings.Contains(got, fragment) {
				t.Errorf("%s as %q: body %s\nwant it to hold %s", s.request, s.as, got, fragment)
			}
		}
	case got != s.want:
		t.Errorf("%s as %q: body %s\nwant %s", s.request, s.as, got, s.want)
	}
	for _, h := range s.wantHeaders {
		name, value, _ := strings.Cut(h, ":")
		value = strings.TrimSpace(value)
		if got := strings.Join(w.Header().Values(name), ", "); got != value {
			t.Errorf("%s as %q: header %s is %q, want %q", s.request, s.as, name, got, value)
		}
	}
	if s.then != nil {
		s.then(t, w)
	}
}
