package caddymodule

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/caddy-tollgate/tollgate/api/notice"
)

// announcer is the receiver of notices that emits Caddy events, `tollgate.<event>`: once what happened is durable, one after another about
// one subject, and beside the request that caused it, since a handler of an event may take its time. What is not emitted when the
// configuration or the process ends is emitted by the next.
//
// The data is the event's name and what it is about, as in `profile/xia`, and no more: Caddy logs it, and a payload holds keys of
// invitations.
type announcer struct{ app *App }

// listeners are Caddy's events and the context of the configuration; nil when nobody can listen.
type listeners struct {
	*caddyevents.App
	ctx caddy.Context
}

func listenersOf(ctx caddy.Context) *listeners {
	app, err := ctx.AppIfConfigured("events") // Caddy's HTTP server makes it, and all apps are there when they start
	if err != nil {
		return nil
	}
	return &listeners{app.(*caddyevents.App), ctx}
}

// Name implements notice.Sink.
func (announcer) Name() string { return "caddy events" }

// Wants implements notice.Sink: somebody listens.
func (a announcer) Wants(event string) bool {
	return a.app.events != nil && a.app.events.ShouldEmit("tollgate."+event)
}

// Deliver implements notice.Sink. Nobody listens any more after a reload that took the handlers away: then there is nothing to do.
func (a announcer) Deliver(_ context.Context, n *notice.Notice) error {
	if !a.Wants(n.Event) {
		return nil
	}
	if err := a.app.events.ctx.Err(); err != nil { // the configuration is gone, and its handlers with it
		return err
	}
	a.app.events.Emit(a.app.events.ctx, "tollgate."+n.Event, map[string]any{"event": n.Event, "subject": n.Subject})
	return nil
}
