package caddymodule

import (
	"context"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// synchronising is synchronise, as a handler.
func (g *Gate) synchronising(next caddyhttp.Handler, keys []string) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error { return g.synchronise(w, r, next, keys) })
}

// synchronise passes on a request whose session tells of invoices by their keys, and takes the keys off what was paid when the
// application answers 200 (access.md B.7): the caller's next request tells of them no more. Of what cannot be written it tells again.
func (g *Gate) synchronise(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, keys []string) error {
	status := &statusWriter{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
	err := g.pass(status, r, next)
	if err != nil || status.code != http.StatusOK {
		return err
	}
	// The client may have gone: the application has the keys all the same.
	if err := g.app.service.Proxy().Synchronised(context.WithoutCancel(r.Context()), keys); err != nil {
		g.logger.Warn("invoices that the application has taken note of could not be marked", zap.Strings("keys", keys), zap.Error(err))
	}
	return nil
}

// A statusWriter remembers the status of an answer.
type statusWriter struct {
	*caddyhttp.ResponseWriterWrapper
	code int // 0: none yet
}

func (w *statusWriter) WriteHeader(code int) {
	if w.code == 0 && code >= 200 {
		w.code = code
	}
	w.ResponseWriterWrapper.WriteHeader(code)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriterWrapper.Write(b)
}
