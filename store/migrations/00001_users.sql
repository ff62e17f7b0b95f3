-- +goose Up
-- Users, their contacts and credentials: docs/contract/auth.md 2. Times are microseconds since 1970 (UTC); booleans are 0 or 1.

CREATE TABLE user (
    id                  INTEGER PRIMARY KEY,
    username            TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    email               TEXT    UNIQUE COLLATE NOCASE,
    first_name          TEXT    NOT NULL DEFAULT '',
    last_name           TEXT    NOT NULL DEFAULT '',
    password            TEXT    NOT NULL DEFAULT '!', -- PHC string; empty or '!…' = no usable password
    is_active           INTEGER NOT NULL DEFAULT 1,
    is_superuser        INTEGER NOT NULL DEFAULT 0,
    created_at          INTEGER NOT NULL,
    last_login          INTEGER,
    password_changed_at INTEGER NOT NULL,             -- login tokens issued before are refused (D-6)
    ssh_key             TEXT
);
CREATE INDEX user_last_login ON user (last_login) WHERE last_login IS NOT NULL;
CREATE INDEX user_created_at ON user (created_at, id);
CREATE INDEX user_first_name ON user (first_name, last_name, id, is_active, username, email);

CREATE TABLE contact (
    id                          INTEGER PRIMARY KEY,
    slug                        TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    created_at                  INTEGER NOT NULL,
    email                       TEXT    UNIQUE COLLATE NOCASE,
    phone                       TEXT    UNIQUE,
    full_name                   TEXT    NOT NULL DEFAULT '',
    nick_name                   TEXT    NOT NULL DEFAULT '',
    picture                     TEXT,
    user_id                     INTEGER REFERENCES user (id) ON DELETE SET NULL,
    lang                        TEXT    NOT NULL DEFAULT 'en',
    extra                       TEXT,
    email_verification_key      TEXT    UNIQUE,
    email_code                  TEXT,
    email_verification_at       INTEGER, -- when key and code were last sent
    email_verified_at           INTEGER, -- last proof of access
    email_verification_required INTEGER NOT NULL DEFAULT 0,
    email_attempts              INTEGER NOT NULL DEFAULT 0,
    email_sent                  INTEGER NOT NULL DEFAULT 0, -- messages since email_sent_since
    email_sent_since            INTEGER,
    phone_verification_key      TEXT    UNIQUE,
    phone_code                  TEXT,
    phone_verification_at       INTEGER,
    phone_verified_at           INTEGER,
    phone_verification_required INTEGER NOT NULL DEFAULT 0,
    phone_attempts              INTEGER NOT NULL DEFAULT 0,
    phone_sent                  INTEGER NOT NULL DEFAULT 0,
    phone_sent_since            INTEGER
);
CREATE INDEX contact_user ON contact (user_id, created_at);
CREATE INDEX contact_dangling ON contact (created_at) WHERE user_id IS NULL;

-- A login. The token's jti is hex(id_hash's preimage); only hashes are kept.
CREATE TABLE session (
    id           INTEGER PRIMARY KEY,
    key_hash     BLOB    NOT NULL UNIQUE, -- SHA-256 of the jti, which is also the value of the session cookie
    user_id      INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    created_at   INTEGER NOT NULL,
    ends_at      INTEGER NOT NULL,
    revoked_at   INTEGER,
    cookie       INTEGER NOT NULL DEFAULT 0, -- opened with ?cookie: may be presented as a cookie
    csrf         TEXT,
    last_visited TEXT,
    preferences  TEXT
);
CREATE INDEX session_user ON session (user_id);
CREATE INDEX session_ends_at ON session (ends_at);

CREATE TABLE api_key (
    id           INTEGER PRIMARY KEY,
    title        TEXT    NOT NULL DEFAULT '',
    api_pub_key  TEXT    NOT NULL UNIQUE,
    api_password BLOB    NOT NULL, -- SHA-256 of the secret half, which carries 32 random characters
    created_at   INTEGER NOT NULL,
    ends_at      INTEGER,
    last_used_at INTEGER,
    user_id      INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    extra        TEXT
);
CREATE INDEX api_key_user ON api_key (user_id, title);

CREATE TABLE otp (
    user_id      INTEGER PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE,
    priv_key     BLOB    NOT NULL, -- encrypted at rest
    created_at   INTEGER NOT NULL,
    nb_attempts  INTEGER NOT NULL DEFAULT 0,
    locked_until INTEGER,
    last_step    INTEGER NOT NULL DEFAULT 0 -- last consumed 30 s step
);
CREATE TABLE otp_recovery (
    user_id   INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    code_hash BLOB    NOT NULL,
    used_at   INTEGER,
    PRIMARY KEY (user_id, code_hash)
) WITHOUT ROWID;

CREATE TABLE delegate_auth (
    id         INTEGER PRIMARY KEY,
    domain     TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    provider   TEXT    NOT NULL,
    created_at INTEGER NOT NULL
);

-- Failed attempts, counted outside of the request's transaction (D-7): one row a bucket, as in "login:ann:192.0.2.1".
CREATE TABLE throttle (
    bucket     TEXT    PRIMARY KEY,
    failures   INTEGER NOT NULL DEFAULT 0,
    since      INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX throttle_ends_at ON throttle (ends_at);

CREATE TABLE activity (
    id         INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    created_by INTEGER REFERENCES user (id) ON DELETE SET NULL,
    contact_id INTEGER REFERENCES contact (id) ON DELETE CASCADE,
    profile_id INTEGER REFERENCES profile (id) ON DELETE CASCADE,
    text       TEXT    NOT NULL DEFAULT '',
    extra      TEXT
);
CREATE INDEX activity_created_at ON activity (created_at, id);
CREATE INDEX activity_contact ON activity (contact_id, created_at);
CREATE INDEX activity_profile ON activity (profile_id, created_at);

CREATE TABLE notification (
    id          INTEGER PRIMARY KEY,
    slug        TEXT NOT NULL UNIQUE,
    title       TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    extra       TEXT
);
CREATE TABLE user_notification ( -- the user does not want this event (opt-out)
    user_id         INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    notification_id INTEGER NOT NULL REFERENCES notification (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, notification_id)
) WITHOUT ROWID;
