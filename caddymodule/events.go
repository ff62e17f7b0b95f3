package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
)

// announcer emits Caddy events, `tollgate.<event>`, about what happened: once it is durable, one after another, and beside the
// request that caused it, since a handler of an event may take its time.
//
// The data is the event's name and what it is about, as in `profile/xia`, and no more: Caddy logs it, and a payload holds keys of
// invitations.
type announcer struct {
	ctx    caddy.Context
	app    *caddyevents.App
	queue  chan announcement
	logger *zap.Logger
}

type announcement struct{ event, subject string }

// announceAhead is how many events may wait for their handlers.
const announceAhead = 1024

// announcerOf is nil when nobody can listen.
func announcerOf(ctx caddy.Context, logger *zap.Logger) *announcer {
	app, err := ctx.AppIfConfigured("events") // Caddy's HTTP server makes it, and all apps are there when they start
	if err != nil {
		return nil
	}
	a := &announcer{ctx: ctx, app: app.(*caddyevents.App), queue: make(chan announcement, announceAhead), logger: logger}
	go a.run()
	return a
}

// run emits until the configuration is gone.
func (a *announcer) run() {
	for {
		select {
		case <-a.ctx.Done():
			return
		case e := <-a.queue:
			a.app.Emit(a.ctx, "tollgate."+e.event, map[string]any{"event": e.event, "subject": e.subject})
		}
	}
}

// announce never waits: an event that there is no room for is lost. Webhooks are for what must arrive.
func (a *announcer) announce(event, subject string) {
	if a == nil || !a.app.ShouldEmit("tollgate."+event) {
		return
	}
	select {
	case a.queue <- announcement{event, subject}:
	default:
		a.logger.Warn("event not emitted: its handlers are too slow", zap.String("event", event), zap.String("subject", subject))
	}
}
