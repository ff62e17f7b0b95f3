package api

import (
	"context"

	"github.com/caddy-tollgate/tollgate/api/importer"
)

// Import takes over a site from the database of the other system that serves the contract, into a store that holds nothing yet. The
// broker and the payment processor are those of the configuration. Errors: importer.ErrNotEmpty, or what is wrong with the file;
// nothing has changed then.
func (s *Service) Import(ctx context.Context, file string, dryRun bool, progress func(table string, done, of int64)) (*importer.Report, error) {
	report, err := importer.Run(ctx, importer.Options{
		File: file, Store: s.site.Store, Directory: s.site.Directory, Broker: s.options.Broker.Slug, Processor: s.options.ProcessorSlug,
		DryRun: dryRun, Progress: progress,
	})
	if err != nil || dryRun {
		return report, err
	}
	s.site.Directory.TouchAll()
	return report, s.proxy.Load(ctx, s.options.Broker.Slug)
}
