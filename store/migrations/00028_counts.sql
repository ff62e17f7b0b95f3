-- +goose Up
-- What clients did is counted in rows that go as soon as they mean nothing any more, and whose number is known at any time, so that it
-- can be bounded (decision 77).

ALTER TABLE throttle ADD COLUMN gone_at INTEGER NOT NULL DEFAULT 0; -- from when on the row says nothing: ends_at, later where it was closed
UPDATE throttle SET gone_at = ends_at + 86400000000;
DROP INDEX throttle_ends_at;
CREATE INDEX throttle_gone_at ON throttle (gone_at);

CREATE TABLE throttle_size (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    buckets INTEGER NOT NULL -- rows of throttle
);
INSERT INTO throttle_size (id, buckets) SELECT 1, count(*) FROM throttle;

-- +goose StatementBegin
CREATE TRIGGER throttle_added AFTER INSERT ON throttle
BEGIN UPDATE throttle_size SET buckets = buckets + 1 WHERE id = 1; END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER throttle_removed AFTER DELETE ON throttle
BEGIN UPDATE throttle_size SET buckets = buckets - 1 WHERE id = 1; END;
-- +goose StatementEnd
