package auth

import (
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A recentEntry is somebody who logged in lately, or a profile that was charged (auth.md 22).
type recentEntry struct {
	Slug          string     `json:"slug"`
	PrintableName string     `json:"printable_name"`
	Descr         string     `json:"descr"`
	CreatedAt     store.Time `json:"created_at"`
	Type          string     `json:"type,omitempty"` // "user"; nothing for a charge
}

// States of a charge, as the column has them.
const (
	chargeDone   = 1
	chargeFailed = 2
)

// recent is GET /api/proxy/recent.
func (s *Service) recent(c *rest.Call, r store.Reader) (page rest.Page[recentEntry], err error) {
	year, month, day := r.Now().Date()
	since := store.At(time.Date(year, month, day-6, 0, 0, 0, 0, time.UTC))
	entries := map[string]recentEntry{}
	ids, err := store.Column[int64](r, `SELECT id FROM user WHERE last_login >= ? AND is_active = 1 ORDER BY last_login DESC, id LIMIT 5`, since)
	if err != nil {
		return page, err
	}
	users, err := s.dir.UserDetails(r, ids)
	if err != nil {
		return page, err
	}
	for _, u := range users {
		entries[u.Slug] = recentEntry{u.Slug, u.PrintableName, "recently logged in", u.LastLogin, "user"}
	}
	err = store.Each(r, func(rows *sql.Rows) error {
		var e recentEntry
		var state int
		if err := rows.Scan(&e.Slug, &e.PrintableName, &state, &e.CreatedAt); err != nil {
			return err
		}
		e.Descr = "charge paid"
		if state == chargeFailed {
			e.Descr = "charge failed"
		}
		if before, ok := entries[e.Slug]; !ok || before.Type != "" { // not a later charge of the same profile
			entries[e.Slug] = e
		}
		return nil
	}, `SELECT p.slug, CASE p.full_name WHEN '' THEN p.slug ELSE p.full_name END, ch.state, ch.created_at
		FROM charge ch JOIN profile p ON p.id = ch.customer_id WHERE ch.created_at >= ? AND ch.state IN (?, ?)
		ORDER BY ch.created_at DESC, ch.id DESC LIMIT 5`, since, chargeDone, chargeFailed)
	if err != nil {
		return page, err
	}
	page.Results = make([]recentEntry, 0, len(entries))
	for _, e := range entries {
		page.Results = append(page.Results, e)
	}
	slices.SortFunc(page.Results, func(a, b recentEntry) int {
		return strings.Compare(a.PrintableName+"\x00"+a.Slug, b.PrintableName+"\x00"+b.Slug)
	})
	page.Count = int64(len(page.Results))
	return page, nil
}

// generateError is POST /api/proxy/generate-error, by which an operator tests the monitoring.
func (s *Service) generateError(*rest.Call, *rest.None) (rest.None, error) {
	return rest.None{}, errors.New("auth: this error was asked for, to test the monitoring")
}

// A place is a completed street address.
type place struct {
	Description string `json:"description"`
	PlaceID     string `json:"place_id"`
}

// places is GET /api/accounts/places: without a maps service nothing is completed.
func (s *Service) places(*rest.Call, store.Reader) (rest.Found[place], error) {
	return rest.Found[place]{Results: []place{}}, nil
}

// findPlace is GET /api/accounts/places/{place_id}.
func (s *Service) findPlace(*rest.Call, store.Reader) (rest.None, error) {
	return rest.None{}, &rest.Error{Status: http.StatusNotFound}
}
