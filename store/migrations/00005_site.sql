-- +goose Up
-- The gate's own records (access.md B) and what every write leaves behind.

CREATE TABLE app (
    id              INTEGER PRIMARY KEY,
    slug            TEXT    NOT NULL UNIQUE,
    profile_id      INTEGER REFERENCES profile (id) ON DELETE SET NULL,
    path_prefix     TEXT,
    entry_point     TEXT,
    enc_key         TEXT    NOT NULL DEFAULT '',
    session_backend INTEGER NOT NULL DEFAULT 2 CHECK (session_backend BETWEEN 0 AND 2),
    cors_restricted INTEGER NOT NULL DEFAULT 1,
    welcome_email   INTEGER NOT NULL DEFAULT 1
);

CREATE TABLE rule (
    id         INTEGER PRIMARY KEY,
    app_id     INTEGER NOT NULL REFERENCES app (id) ON DELETE CASCADE,
    rank       INTEGER NOT NULL,
    path       TEXT    NOT NULL,
    rule_op    INTEGER NOT NULL DEFAULT 1 CHECK (rule_op BETWEEN 0 AND 18),
    kwargs     TEXT    NOT NULL DEFAULT '',
    is_forward INTEGER NOT NULL DEFAULT 1,
    engaged    TEXT    NOT NULL DEFAULT '',
    UNIQUE (app_id, path)
);
CREATE INDEX rule_rank ON rule (app_id, rank);

CREATE TABLE engagement (
    id           INTEGER PRIMARY KEY,
    slug         TEXT    NOT NULL,
    user_id      INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    last_visited INTEGER NOT NULL,
    UNIQUE (user_id, slug)
);
CREATE INDEX engagement_slug ON engagement (slug);

CREATE TABLE outbox ( -- messages to deliver, written in the transaction that caused them
    id         INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    event      TEXT    NOT NULL,
    subject    TEXT    NOT NULL, -- what it is about; messages of one subject go out in order
    sink       TEXT    NOT NULL, -- "mail", "webhook …"
    recipients TEXT    NOT NULL, -- JSON
    payload    TEXT    NOT NULL, -- JSON
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    done_at    INTEGER,
    dead_at    INTEGER,
    error      TEXT
);
CREATE INDEX outbox_next ON outbox (next_at, id) WHERE done_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_subject ON outbox (sink, subject, id) WHERE done_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX outbox_dead ON outbox (dead_at) WHERE dead_at IS NOT NULL;

CREATE TABLE audit ( -- who did what: one row a write
    id         INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    subject    TEXT    NOT NULL DEFAULT '',
    detail     TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX audit_created_at ON audit (created_at);
CREATE INDEX audit_actor ON audit (actor, id);

CREATE TABLE idempotency_key (
    key        TEXT    PRIMARY KEY, -- caller and key
    created_at INTEGER NOT NULL,
    request    BLOB    NOT NULL,    -- SHA-256 of method, path and body
    status     INTEGER,             -- NULL while in flight
    headers    TEXT,
    body       BLOB
) WITHOUT ROWID;
CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);

CREATE TABLE setting ( -- facts of the installation that the program writes: identifier of the file, broker, last runs of jobs
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
