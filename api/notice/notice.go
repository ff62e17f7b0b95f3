// Package notice is the events of notifications.md: typed payloads, their recipients, and the outbox they are written to in the
// transaction that causes them. What is written is delivered later, at least once, by Deliver.
package notice

import "github.com/caddy-tollgate/tollgate/store"

// An Event is something that people or programs are told about (notifications.md 2). Its JSON form is the payload.
type Event interface {
	// Name is the event's slug: "role_grant_created".
	Name() string
	// Subject is what the event is about, as in "profile/xia": notices about one subject are delivered in order.
	Subject() string
}

// Emit writes the event to the outbox, with the recipients as they are now (notifications.md 8.2). It is delivered if tx commits.
func (n *Notices) Emit(tx *store.Tx, e Event) error { return n.emit(tx, e) }
