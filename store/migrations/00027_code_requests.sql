-- +goose Up
-- What somebody asked at a door of a site that does not tell who has an account (decision 78). It is looked at after the answer, so
-- that the answer and its cost are the same for everybody: docs/contract/auth.md 6.

CREATE TABLE code_request (
    id INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    request TEXT NOT NULL -- JSON: the door, what was typed, and what was asked for
);
