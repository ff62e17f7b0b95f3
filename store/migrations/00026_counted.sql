-- +goose Up
-- What others cause, and may repeat without end, is one row of the audit an hour, which says how often it happened: failed log-ins.

ALTER TABLE audit ADD COLUMN times INTEGER; -- NULL: once, in a row of its own
CREATE UNIQUE INDEX audit_counted ON audit (action, subject, created_at) WHERE times IS NOT NULL;
