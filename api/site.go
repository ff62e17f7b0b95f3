// Package api assembles the service from its parts: it opens the site, wires the packages to each other, serves their endpoints
// and runs their jobs. It knows nothing of Caddy.
package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/proxy"
	"github.com/caddy-tollgate/tollgate/store"
)

// SiteOptions say where a site is kept.
type SiteOptions struct {
	Path    string           // of the database
	Secrets string           // path of the file of generated secrets
	Now     func() time.Time // the clock of everything
	Logger  *zap.Logger
}

// Site is what outlives a configuration: the database, what is cached of it, and the jobs. Configurations share it by the path of
// the database.
type Site struct {
	SiteOptions
	Store     *store.Store
	Directory *directory.Directory

	visits  *proxy.Visits
	changed chan struct{} // another process has written

	mu      sync.Mutex
	secrets directory.Secrets
	stop    func() // ends the jobs of the service that runs
}

// Open opens the database without changing it. See Service.Start.
func Open(ctx context.Context, o SiteOptions) (*Site, error) {
	s, err := store.Open(ctx, store.Options{Path: o.Path, Now: o.Now, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	d, err := directory.New(directory.Options{Store: s, Now: o.Now, Logger: o.Logger})
	if err != nil {
		s.Close()
		return nil, err
	}
	site := &Site{SiteOptions: o, Store: s, Directory: d, visits: proxy.NewVisits(s), changed: make(chan struct{}, 1)}
	s.OnForeignChange(func() {
		select {
		case site.changed <- struct{}{}:
		default:
		}
	})
	return site, nil
}

// Destruct ends the jobs and closes the database.
func (s *Site) Destruct() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	return s.Store.Close()
}

// Secrets are the generated secrets; empty until a service has started.
func (s *Site) Secrets() directory.Secrets {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secrets
}

// AssertionKeys are the keys of assertions, the one that signs first; none until a service has started.
func (s *Site) AssertionKeys() ([]*accessrules.AssertionKey, error) {
	var keys []*accessrules.AssertionKey
	for _, seed := range s.Secrets().AssertionSeeds {
		key, err := accessrules.NewAssertionKey(seed)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Migrate brings the database up to date and reads the secrets, or makes them.
func (s *Site) Migrate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.migrate(ctx)
}

func (s *Site) migrate(ctx context.Context) error {
	if err := s.Store.Migrate(ctx); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	return s.readSecrets(ctx, true)
}

// readSecrets is done at every start: keys may have been rotated. A start may make them.
func (s *Site) readSecrets(ctx context.Context, start bool) error {
	secrets, err := directory.ReadSecrets(s.SiteOptions.Secrets)
	if errors.Is(err, fs.ErrNotExist) {
		secrets, err = s.firstSecrets(ctx, start)
	}
	if err != nil {
		return fmt.Errorf("secrets: %w", err)
	}
	s.secrets = secrets
	return nil
}

// firstSecrets makes the secrets of a site that has no data yet. Those of one that has are lost: others would end every log-in, and what
// is encrypted in the database could not be read any more, which must not happen without a word.
func (s *Site) firstSecrets(ctx context.Context, start bool) (secrets directory.Secrets, err error) {
	used := false
	err = s.Store.Read(ctx, func(r store.Reader) error {
		return r.QueryRow(`SELECT EXISTS (SELECT 1 FROM profile) OR EXISTS (SELECT 1 FROM user)`).Scan(&used)
	})
	if err != nil {
		return secrets, err
	}
	if used || !start {
		return secrets, fmt.Errorf("%s is missing, and the database %s has data: put it back from a backup, or name it with `secrets`; "+
			"if it is lost for good, `caddy tollgate key create` makes another", s.SiteOptions.Secrets, s.Path)
	}
	return directory.LoadSecrets(s.SiteOptions.Secrets)
}

// run makes the jobs those of a service, in place of the one before. Two never run at once.
func (s *Site) run(jobs []job) {
	if s.stop != nil {
		s.stop()
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, j := range jobs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			j.run(ctx, s.Logger)
		}()
	}
	s.stop = func() {
		cancel()
		wg.Wait()
	}
}

// A job is done again and again, or runs until it is told to stop.
type job struct {
	name  string
	every time.Duration // 0: do runs until its context ends
	do    func(ctx context.Context) error
}

func (j job) run(ctx context.Context, logger *zap.Logger) {
	report := func(err error) {
		if err != nil && ctx.Err() == nil {
			logger.Error("job failed", zap.String("job", j.name), zap.Error(err))
		}
	}
	if j.every == 0 {
		report(j.do(ctx))
		return
	}
	ticker := time.NewTicker(j.every)
	defer ticker.Stop()
	for {
		report(j.do(ctx))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
