package rest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// Counts are rows of the table throttle, one a bucket. Whoever has many addresses can make many of them, so that their number is
// bounded (decision 77): while there are maxBuckets, a client that has no row yet shares the bucket of its wide network, a /16 of IPv4 or a
// /32 of IPv6. A row that is there stays until it means nothing any more: no flood takes the count of an attack away. Users have rows of
// their own at all times; there are as many as accounts.

// maxBuckets is how many rows there are before clients share them.
const maxBuckets = 200_000

// wideShare is how many clients' bound those of a wide network share.
const wideShare = 32

// A Bucket takes so many events in its window.
type Bucket struct {
	Name string
	Most int
	// Wide is the bucket that is counted in instead while there are too many, and WideMost is what it takes. Default: none.
	Wide     string `json:",omitempty"`
	WideMost int    `json:",omitempty"`
}

// BucketsOf are those of a client at an address and of its site: what is counted of them is named prefix and the client.
func BucketsOf(prefix, address string, most, site, wide int) []Bucket {
	c := ClientOf(address)
	all := []Bucket{{Name: prefix + c.Name, Most: most}}
	if c.Site != "" {
		all = append(all, Bucket{Name: prefix + c.Site, Most: site})
	}
	if c.Wide != "" {
		for i := range all {
			all[i].Wide, all[i].WideMost = prefix+c.Wide, wide
		}
	}
	return all
}

// Placed are the buckets that are counted in at present: where there are too many, the wide one of those that have no row yet.
func Placed(r store.Reader, buckets []Bucket) ([]Bucket, error) {
	if !slices.ContainsFunc(buckets, func(b Bucket) bool { return b.Wide != "" }) {
		return buckets, nil // of users alone
	}
	full, err := store.Exists(r, `SELECT 1 FROM throttle_size WHERE id = 1 AND buckets >= ?`, maxBuckets)
	if err != nil || !full {
		return buckets, err
	}
	placed := make([]Bucket, 0, len(buckets))
	for _, b := range buckets { // four at the most
		if b.Wide != "" {
			has, err := store.Exists(r, `SELECT 1 FROM throttle WHERE bucket = ?`, b.Name)
			if err != nil {
				return nil, err
			}
			if !has {
				b = Bucket{Name: b.Wide, Most: b.WideMost}
			}
		}
		if !slices.ContainsFunc(placed, func(other Bucket) bool { return other.Name == b.Name }) {
			placed = append(placed, b)
		}
	}
	return placed, nil
}

// ReadBucket returns how much was counted in a bucket, and when its window ends; zero when there is none.
func ReadBucket(r store.Reader, name string) (events int, ends store.Time, err error) {
	err = r.QueryRow(`SELECT failures, ends_at FROM throttle WHERE bucket = ?`, name).Scan(&events, &ends)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return events, ends, err
}

// countIn adds one to a bucket, which begins again once its window has passed.
func countIn(tx *store.Tx, bucket string, window time.Duration) (n int, ends store.Time, err error) {
	now := tx.Wall()
	err = tx.QueryRow(`INSERT INTO throttle (bucket, failures, since, ends_at, gone_at) VALUES (?, 1, ?, ?3, ?3)
		ON CONFLICT (bucket) DO UPDATE SET failures = CASE WHEN throttle.ends_at <= excluded.since THEN 1 ELSE throttle.failures + 1 END,
			since = CASE WHEN throttle.ends_at <= excluded.since THEN excluded.since ELSE throttle.since END,
			ends_at = CASE WHEN throttle.ends_at <= excluded.since THEN excluded.ends_at ELSE throttle.ends_at END,
			gone_at = CASE WHEN throttle.ends_at <= excluded.since THEN excluded.gone_at ELSE throttle.ends_at END
		RETURNING failures, ends_at`, bucket, now, store.At(now.Add(window))).Scan(&n, &ends)
	return n, ends, err
}

// GoneBuckets deletes some of the counts that mean nothing any more; see ForgetCounts.
const GoneBuckets = `DELETE FROM throttle WHERE bucket IN (SELECT bucket FROM throttle WHERE gone_at <= ? ORDER BY gone_at LIMIT 1000)`

// ForgetCounts deletes what was counted and means nothing any more.
func (s *Service) ForgetCounts(ctx context.Context) error {
	_, err := s.Store.Prune(ctx, GoneBuckets, store.At(s.Now()))
	return err
}
