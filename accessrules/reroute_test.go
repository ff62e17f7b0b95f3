package accessrules_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// TestMethod finds the method that an upstream may take a request to have.
func TestMethod(t *testing.T) {
	for _, test := range []struct {
		method, proto string
		major         int
		protocol      string // of an extended CONNECT over HTTP/2
		want          string
		ok            bool
	}{
		{"GET", "HTTP/1.1", 1, "", "GET", true},
		{"get", "HTTP/1.1", 1, "", "GET", true},
		{"pOsT", "HTTP/2.0", 2, "", "POST", true},
		{"M-SEARCH", "HTTP/1.1", 1, "", "M-SEARCH", true},
		{"CONNECT", "HTTP/1.1", 1, "", "", false},
		{"CONNECT", "HTTP/1.1", 1, "websocket", "", false},
		{"CONNECT", "HTTP/2.0", 2, "", "", false},
		{"CONNECT", "HTTP/2.0", 2, "connect-udp", "", false},
		{"CONNECT", "HTTP/2.0", 2, "websocket", "GET", true},
		{"CONNECT", "HTTP/3.0", 3, "", "", false},
		{"CONNECT", "websocket", 3, "", "GET", true},
	} {
		r := &http.Request{Method: test.method, Proto: test.proto, ProtoMajor: test.major, Header: http.Header{}}
		if test.protocol != "" {
			r.Header[":protocol"] = []string{test.protocol}
		}
		if method, ok := accessrules.Method(r); ok != test.ok || ok && method != test.want {
			t.Errorf("%+v: %q %v", test, method, ok)
		}
	}
}

// TestStripRerouting takes off what tells of another path, and finds what asks for another method.
func TestStripRerouting(t *testing.T) {
	h := http.Header{"X-Original-Url": {"/a"}, "X_rewrite.url": {"/b"}, "X-Http-Method-Override": {" delete", "PUT"}, "X.method.override": {"patch"}, "X-Http-Methods": {"x"}, "X": {"y"}}
	methods := accessrules.NewHeaders("X-").Strip(h).Methods
	slices.Sort(methods)
	if !slices.Equal(methods, []string{"DELETE", "PATCH", "PUT"}) {
		t.Errorf("methods %q", methods)
	}
	if len(h) != 4 {
		t.Errorf("left %v", h)
	}
}

// TestJudgeMethods admits a request with the methods that it asks for, or not at all.
func TestJudgeMethods(t *testing.T) {
	w := sampleWorld("current")
	m := w.facts()
	set, err := accessrules.Compile([]accessrules.Rule{
		{Path: "/{profile}/", Methods: []string{"GET"}, Conditions: []accessrules.Condition{accessrules.Any()}},
		{Path: "/{profile}/", Conditions: []accessrules.Condition{accessrules.Direct(accessrules.Strong)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		user, method string
		over         []string
		want         accessrules.Reason
	}{
		{"", "GET", nil, accessrules.Passed},
		{"", "GET", []string{"HEAD"}, accessrules.Passed},
		{"", "GET", []string{"DELETE"}, accessrules.Unauthenticated},
		{"", "GET", []string{"HEAD", "DELETE"}, accessrules.Unauthenticated},
		{"", "POST", []string{"GET"}, accessrules.Unauthenticated},
		{"reader", "GET", []string{"DELETE"}, accessrules.RoleMissing},
		{"member", "GET", []string{"DELETE"}, accessrules.Passed},
	} {
		q := m.query(test.user, test.method)
		path, err := accessrules.Read("/acme/x")
		if err != nil {
			t.Fatal(err)
		}
		if d := set.Judge(q, &accessrules.Asked{Path: path, Methods: test.over}); d.Verdict.Reason != test.want || q.Method != test.method {
			t.Errorf("%+v: %+v", test, d.Verdict)
		}
	}
}
