package caddymodule

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// Metrics, in Caddy's own registry. That is a new one on every load: what is counted here belongs to the process, or to the site,
// which outlives configurations, and is registered again. No label holds a user or a path, of which there is no end.
var (
	decisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "tollgate", Name: "decisions_total", Help: "Requests that came to a gate, by what became of them and why.",
	}, []string{"gate", "result", "reason"})
	decisionSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "tollgate", Name: "decision_duration_seconds", Help: "Time that a gate took to decide on a request and to prepare it.",
		Buckets: []float64{1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 1e-4, 1e-3, 1e-2, 0.1, 1},
	}, []string{"gate"})
	aborted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "tollgate", Name: "streams_aborted_total", Help: "Requests that were under way when the access to them ended, by why.",
	}, []string{"gate", "reason"})
	// sessions counts what was attached to requests: made before, or made for the request.
	sessions struct{ hits, misses atomic.Uint64 }
)

// A meter counts the decisions of a gate.
type meter struct {
	gate     string
	admitted prometheus.Counter // apart, as it is the one that must cost nothing
	seconds  prometheus.Observer
}

func newMeter(gate string) meter {
	return meter{gate, decisions.WithLabelValues(gate, string(resultAdmitted), ""), decisionSeconds.WithLabelValues(gate)}
}

// count counts a decision that took some time.
func (m *meter) count(res result, reason accessrules.Reason, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	if res == resultAdmitted {
		m.admitted.Inc()
		return
	}
	decisions.WithLabelValues(m.gate, string(res), string(reason)).Inc()
}

// siteMetrics tells, when it is asked, what a site has counted.
type siteMetrics struct {
	site    *api.Site
	service *api.Service
}

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("tollgate", "", name), help, labels, nil)
}

var (
	cacheRequests = metric("cache_requests_total", "Answers of caches: facts about users, profiles and plans, credentials, and sessions for the application.", "cache", "result")
	outboxNotices = metric("outbox_notices", "Notices that wait to be delivered, and those that were given up.", "state")
	storeCommits  = metric("store_commits_total", "Transactions committed, each of one write or more.")
	storeWrites   = metric("store_writes_total", "Writes committed.")
	storeFailures = metric("store_write_failures_total", "Writes that the database or its queue refused.")
	rejections    = metric("rejections_total", "Requests that a limit has refused, with 429, or 503 where a queue was full.", "limit")
	failedLogins  = metric("failed_logins_total", "Log-ins that failed, by where and why.", "door", "reason")
	storeQueued   = metric("store_queued_writes", "Writes that wait to be committed.")
)

// Describe implements prometheus.Collector.
func (*siteMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{cacheRequests, outboxNotices, storeCommits, storeWrites, storeFailures, storeQueued, rejections, failedLogins} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read is left out.
func (m *siteMetrics) Collect(ch chan<- prometheus.Metric) {
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, float64(n), labels...)
	}
	cache := func(name string, hits, misses uint64) {
		tell(cacheRequests, prometheus.CounterValue, hits, name, "hit")
		tell(cacheRequests, prometheus.CounterValue, misses, name, "miss")
	}
	for _, c := range m.site.Directory.CacheStats() {
		cache(c.Cache, c.Hits, c.Misses)
	}
	cache("session", sessions.hits.Load(), sessions.misses.Load())
	rest.Rejections(func(l rest.Limit, n uint64) { tell(rejections, prometheus.CounterValue, n, string(l)) })
	rest.FailedLogins(func(d rest.LoginDoor, r rest.Reason, n uint64) {
		tell(failedLogins, prometheus.CounterValue, n, string(d), string(r))
	})
	s := m.site.Store.Stats()
	tell(storeCommits, prometheus.CounterValue, s.Batches)
	tell(storeWrites, prometheus.CounterValue, s.Writes)
	tell(storeFailures, prometheus.CounterValue, s.Failures)
	tell(storeQueued, prometheus.GaugeValue, uint64(s.Queued))
	if waiting, dead, err := m.service.Outbox(context.Background()); err == nil {
		tell(outboxNotices, prometheus.GaugeValue, uint64(waiting), "waiting")
		tell(outboxNotices, prometheus.GaugeValue, uint64(dead), "dead")
	}
}

// register makes the metrics of a site known to a registry.
func (m *siteMetrics) register(registry *prometheus.Registry) error {
	if registry == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{decisions, decisionSeconds, aborted, m} {
		var twice prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &twice) {
			return err
		}
	}
	return nil
}

// Interface guard
var _ prometheus.Collector = (*siteMetrics)(nil)
