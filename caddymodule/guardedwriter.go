package caddymodule

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// A guardedWriter lets a stream over HTTP/3 be reset while its handlers run. The server hands out the stream itself by its writer alone,
// which sends the header then: so nobody may use that writer, or its header, at the same time. Handlers get this one, and a header of
// their own, which is handed on when it is sent.
type guardedWriter struct {
	inner  http.ResponseWriter
	header http.Header // the handlers'

	mu   sync.Mutex // of inner, while the handlers run
	sent bool       // the header is
	off  bool       // the stream was reset: nothing is sent any more
}

var errCut = errors.New("the access to this has ended")

func newGuardedWriter(w http.ResponseWriter) *guardedWriter {
	return &guardedWriter{inner: w, header: w.Header().Clone()}
}

// Header implements http.ResponseWriter.
func (w *guardedWriter) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter.
func (w *guardedWriter) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off {
		return
	}
	w.handHeader()
	w.sent = w.sent || status >= 200
	w.inner.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *guardedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off {
		return 0, errCut
	}
	w.handHeader()
	w.sent = true
	return w.inner.Write(b)
}

// FlushError is http.Flusher as http.ResponseController wants it.
func (w *guardedWriter) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off {
		return errCut
	}
	w.handHeader()
	w.sent = true
	return http.NewResponseController(w.inner).Flush()
}

// Flush implements http.Flusher.
func (w *guardedWriter) Flush() { _ = w.FlushError() }

// Unwrap lets http.ResponseController set deadlines.
func (w *guardedWriter) Unwrap() http.ResponseWriter { return w.inner }

// handHeader makes the header that is sent that of the handlers, until it is sent.
func (w *guardedWriter) handHeader() {
	if w.sent {
		return
	}
	header := w.inner.Header()
	clear(header)
	maps.Copy(header, w.Header())
}

// done hands on what the handlers have left in their header, once they have returned: all of it where nothing was sent, else trailers.
func (w *guardedWriter) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off {
		return
	}
	w.handHeader()
	if !w.sent {
		return
	}
	header := w.inner.Header()
	for name, values := range w.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			header[name] = values
		}
	}
	for _, list := range w.header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if values, ok := w.header[name]; ok {
				header[name] = values
			}
		}
	}
}

// cut resets the stream. Its deadlines have passed, so that no handler is in the middle of writing for long, and the header, if it was
// not sent yet, is not sent now.
func (w *guardedWriter) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = true
	if server, ok := innermost(w.inner).(http3.HTTPStreamer); ok {
		stream := server.HTTPStream()
		stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeInternalError))
		stream.CancelWrite(quic.StreamErrorCode(http3.ErrCodeInternalError))
	}
}
