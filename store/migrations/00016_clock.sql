-- +goose Up
-- A profile of the sandbox may have a clock of its own, which is ahead of the site's: `caddy tollgate clock`.

ALTER TABLE profile ADD COLUMN clock_ahead INTEGER NOT NULL DEFAULT 0 CHECK (clock_ahead >= 0); -- µs
CREATE INDEX profile_clock ON profile (id) WHERE clock_ahead > 0; -- queries repeat the condition as it is
