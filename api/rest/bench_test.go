package rest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
)

// discard is an answer that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func benchmark(b *testing.B, site *resttest.Site, r *http.Request) {
	b.Helper()
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatalf("%d %s", w.Code, w.Body)
	}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.Header())
		site.ServeHTTP(&discard{w.Header()}, r)
	}
}

// BenchmarkRefusal is everything but the operation.
func BenchmarkRefusal(b *testing.B) {
	site := resttest.New(b, resttest.Cowork(), shop())
	r := resttest.NewRequest("yan", "GET /api/profile/acme", "")
	b.ReportAllocs()
	w := &discard{http.Header{}}
	for b.Loop() {
		clear(w.header)
		site.ServeHTTP(w, r)
	}
}

func BenchmarkItem(b *testing.B) {
	site := resttest.New(b, resttest.Cowork(), shop())
	benchmark(b, site, resttest.NewRequest("xia", "GET /api/profile/acme", ""))
}

func BenchmarkList(b *testing.B) {
	site := library(b, 1000, "ann", "bob")
	for name, path := range map[string]string{
		"first": "/api/users", "history": "/api/billing/acme/history?page=2", "search": "/api/billing/acme/history?q=ann&o=actor",
	} {
		b.Run(name, func(b *testing.B) { benchmark(b, site, resttest.NewRequest("xia", "GET "+path, "")) })
	}
}
