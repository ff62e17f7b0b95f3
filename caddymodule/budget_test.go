package caddymodule

import (
	"bytes"
	"compress/gzip"
	"slices"
	"testing"
	"time"
)

// Budgets of a page in bytes, compressed: with all it loads, and of the style sheet (pages.md 1).
const (
	pageBudget  = 60_000
	styleBudget = 10_000
)

// weight is how many bytes a page is with all it loads, compressed, and how many requests it takes.
func (w *world) weight(s sample) (size, requests, style int) {
	w.t.Helper()
	v := w.show(s)
	size, requests = zipped(v.body), 1
	var seen []string
	for n := range v.page.Descendants() {
		to := attrOf(n, "src")
		if n.Data == "link" {
			to = attrOf(n, "href")
		}
		if to == "" || slices.Contains(seen, to) {
			continue
		}
		seen = append(seen, to)
		a := v.send("GET", to, "", "")
		if a.status != 200 {
			w.t.Errorf("%s loads %s: %d", s.name(), to, a.status)
		}
		size, requests = size+zipped(a.body), requests+1
		if attrOf(n, "rel") == "stylesheet" {
			style += zipped(a.body)
		}
	}
	return size, requests, style
}

func zipped(text string) int {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Len()
}

// TestPagesAreSmall holds the budgets in bytes.
func TestPagesAreSmall(t *testing.T) {
	w := newWorld(pagesSite(t))
	for _, s := range samples {
		size, _, style := w.weight(s)
		if size > pageBudget {
			t.Errorf("%s: %d bytes, compressed and with all it loads, of %d", s.name(), size, pageBudget)
		}
		if style > styleBudget {
			t.Errorf("%s: style sheets of %d bytes, of %d", s.name(), style, styleBudget)
		}
	}
}

// BenchmarkPages prints what each page costs: bytes with all that it loads, requests, and how long the server takes for it.
func BenchmarkPages(b *testing.B) {
	w := newWorld(pagesSite(b))
	for _, s := range samples {
		size, requests, _ := w.weight(s)
		b.Run(s.name(), func(b *testing.B) {
			v, address := w.as(s.who), w.address(s)
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				v.send("GET", address, "", "")
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(size), "bytes")
			b.ReportMetric(float64(requests), "requests")
			for name, share := range map[string]float64{"p50-ms": .5, "p99-ms": .99} {
				b.ReportMetric(took[int(share*float64(len(took)-1))].Seconds()*1000, name)
			}
		})
	}
}
