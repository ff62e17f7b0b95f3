package caddymodule

import (
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// A site outlives configurations, and Caddy closes the logs of a configuration that has another place for them after it. What a site logs
// goes where the configuration that runs has it.

// followed is where that is.
var followed atomic.Pointer[zapcore.Core]

// follow makes sites log where a configuration does.
func follow(logger *zap.Logger) {
	core := logger.Core()
	followed.Store(&core)
}

// following is the logger of a site.
func following() *zap.Logger {
	return zap.New(&follower{}).Named(string((*App)(nil).CaddyModule().ID))
}

// A follower is the core of such a logger, with the fields that were added to it.
type follower struct{ fields []zapcore.Field }

func (f *follower) core() zapcore.Core {
	if core := followed.Load(); core != nil {
		return *core
	}
	return caddy.Log().Core()
}

func (f *follower) Enabled(l zapcore.Level) bool { return f.core().Enabled(l) }

func (f *follower) With(fields []zapcore.Field) zapcore.Core {
	return &follower{append(f.fields[:len(f.fields):len(f.fields)], fields...)}
}

// Check lets the core at hand decide, and write by itself.
func (f *follower) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	core := f.core()
	if len(f.fields) > 0 && core.Enabled(e.Level) {
		core = core.With(f.fields)
	}
	return core.Check(e, ce)
}

func (f *follower) Write(e zapcore.Entry, fields []zapcore.Field) error {
	return f.core().With(f.fields).Write(e, fields)
}

func (f *follower) Sync() error { return f.core().Sync() }
