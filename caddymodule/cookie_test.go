package caddymodule

import (
	"net/http"
	"slices"
	"testing"
)

// TestStripCookies takes the gate's own cookies off, in every way in which a server may find one, and leaves the others as they are.
func TestStripCookies(t *testing.T) {
	for _, test := range []struct{ sent, want []string }{
		{[]string{"a=1; b=2"}, []string{"a=1; b=2"}},
		{[]string{"a=1;b=2 ; c"}, []string{"a=1;b=2 ; c"}},
		{[]string{`list=1,2,3; q="a,b;c"`}, []string{`list=1,2,3; q="a,b;c"`}},
		{[]string{"sessionid=x"}, nil},
		{[]string{"sessionid"}, nil},
		{[]string{"__Host-sessionid=x; csrftoken=y; cart=z"}, nil},
		{[]string{"a=1; sessionid=x; b=2"}, []string{"a=1; b=2"}},
		{[]string{"sessionid=x; b=2"}, []string{"b=2"}},
		{[]string{"a=1; sessionid=x"}, []string{"a=1"}},
		{[]string{"a=1", "sessionid=x", "b=2; sessionid=y"}, []string{"a=1", "b=2"}},
		{[]string{"a=1; sessionid=x; sessionid=y; sessionid=z"}, []string{"a=1"}},
		{[]string{"a=1;\tsessionid\t=x"}, []string{"a=1"}},
		{[]string{"a=1;\u00a0sessionid=x"}, []string{"a=1"}},
		{[]string{"a=1;\xa0sessionid\x85=x"}, []string{"a=1"}},
		{[]string{"a=1; \"sessionid\"=x"}, []string{"a=1"}},
		{[]string{"a=1, sessionid=x; b=2"}, []string{"a=1; b=2"}},
		{[]string{"a=1, sessionid=x, b=2"}, []string{"a=1, b=2"}},
		{[]string{"sessionid=x,y; b=2"}, []string{"y; b=2"}},
		{[]string{`q="1; sessionid=x"`}, []string{`q="1`}},
		{[]string{"sessionids=1; mysessionid=2; sessionid.x=3; Cart=4"}, []string{"sessionids=1; mysessionid=2; sessionid.x=3; Cart=4"}},
	} {
		h := http.Header{"Cookie": test.sent}
		stripCookies(h)
		if !slices.Equal(h["Cookie"], test.want) {
			t.Errorf("%q: got %q, want %q", test.sent, h["Cookie"], test.want)
		}
	}
}
