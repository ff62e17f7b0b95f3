-- +goose Up
-- Each receiver of notices is served by itself: docs/contract/notifications.md 4 and 5.

CREATE INDEX outbox_due ON outbox (sink, next_at, id) WHERE done_at IS NULL AND dead_at IS NULL;
