-- +goose Up
-- A change to an address that another user has waits for its code, which is of the user whose change it is and of nobody else.

CREATE TABLE pending_address (
    id         INTEGER PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL CHECK (kind IN ('email', 'phone')),
    address    TEXT    NOT NULL COLLATE NOCASE,
    code       TEXT, -- NULL after too many wrong ones
    attempts   INTEGER NOT NULL DEFAULT 0,
    sent_at    INTEGER NOT NULL, -- the last time
    sent       INTEGER NOT NULL, -- messages since
    sent_since INTEGER NOT NULL,
    UNIQUE (kind, address, user_id)
) STRICT;
CREATE INDEX pending_address_user ON pending_address (user_id);
CREATE INDEX pending_address_sent_at ON pending_address (sent_at);

-- An address that another user proved and thereby took away: its user is told at the next log-in.
CREATE TABLE lost_address (
    id      INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    kind    TEXT    NOT NULL CHECK (kind IN ('email', 'phone')),
    address TEXT    NOT NULL,
    lost_at INTEGER NOT NULL
) STRICT;
CREATE INDEX lost_address_user ON lost_address (user_id, lost_at);
CREATE INDEX lost_address_lost_at ON lost_address (lost_at);
