-- +goose Up
-- Periodic reports on sales: docs/contract/metrics.md 6; and the order of notices.

CREATE TABLE sales_report ( -- up to when a provider was reported on
    profile_id  INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    period_type INTEGER NOT NULL CHECK (period_type BETWEEN 1 AND 5),
    ends_at     INTEGER NOT NULL, -- of the last period
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (profile_id, period_type)
) STRICT, WITHOUT ROWID;

CREATE INDEX profile_provider ON profile (id) WHERE is_provider = 1;

-- Of the notices about one subject the first alone is due: the others have the last time there is.
UPDATE outbox SET next_at = 253402300799999000 WHERE done_at IS NULL AND dead_at IS NULL AND EXISTS (SELECT 1 FROM outbox older
    WHERE older.sink = outbox.sink AND older.subject = outbox.subject AND older.id < outbox.id AND older.done_at IS NULL AND older.dead_at IS NULL);
