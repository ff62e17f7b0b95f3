-- +goose Up
-- Periodic reports on sales: docs/contract/metrics.md 6.

CREATE TABLE sales_report ( -- up to when a provider was reported on
    profile_id  INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    period_type INTEGER NOT NULL CHECK (period_type BETWEEN 1 AND 5),
    ends_at     INTEGER NOT NULL, -- of the last period
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (profile_id, period_type)
) STRICT, WITHOUT ROWID;

CREATE INDEX profile_provider ON profile (id) WHERE is_provider = 1;
