-- +goose Up
-- Profiles, roles and agreements: docs/contract/profiles.md 2.

CREATE TABLE profile (
    id                      INTEGER PRIMARY KEY, -- 1 is the processor
    slug                    TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    created_at              INTEGER NOT NULL,
    created_by_id           INTEGER REFERENCES user (id) ON DELETE SET NULL,
    is_active               INTEGER NOT NULL DEFAULT 1,
    full_name               TEXT    NOT NULL DEFAULT '',
    email                   TEXT    NOT NULL DEFAULT '',
    email_domain            TEXT    NOT NULL GENERATED ALWAYS AS (lower(substr(email, instr(email, '@') + 1))) STORED,
    phone                   TEXT    NOT NULL DEFAULT '',
    street_address          TEXT    NOT NULL DEFAULT '',
    locality                TEXT    NOT NULL DEFAULT '',
    region                  TEXT    NOT NULL DEFAULT '',
    postal_code             TEXT    NOT NULL DEFAULT '',
    country                 TEXT    NOT NULL DEFAULT '',
    default_timezone        TEXT    NOT NULL DEFAULT 'UTC',
    picture                 TEXT,
    is_provider             INTEGER NOT NULL DEFAULT 0,
    is_bulk_buyer           INTEGER NOT NULL DEFAULT 0,
    no_implicit_role        INTEGER NOT NULL DEFAULT 0,
    billing_start           TEXT,                -- YYYY-MM-DD of the next automatic charge
    nb_renewal_attempts     INTEGER NOT NULL DEFAULT 0,
    processor_id            INTEGER REFERENCES profile (id) ON DELETE SET NULL,
    processor_card_key      TEXT,
    processor_deposit_key   TEXT,
    processor_priv_key      TEXT,
    processor_pub_key       TEXT,
    processor_refresh_token TEXT,
    clock_offset            INTEGER NOT NULL DEFAULT 0, -- µs, sandbox only: a clock of its own
    parked_at               INTEGER,
    parked_reason           TEXT,
    extra                   TEXT
);
CREATE INDEX profile_full_name ON profile (full_name, id, is_active);
CREATE INDEX profile_created_at ON profile (created_at, full_name, id, is_active);
CREATE INDEX profile_email ON profile (email COLLATE NOCASE);
CREATE INDEX profile_email_domain ON profile (email_domain);
CREATE INDEX profile_processor ON profile (processor_id);
CREATE INDEX profile_billing_start ON profile (billing_start) WHERE billing_start IS NOT NULL;

CREATE TABLE role_description (
    id                      INTEGER PRIMARY KEY,
    created_at              INTEGER NOT NULL,
    slug                    TEXT    NOT NULL,
    profile_id              INTEGER REFERENCES profile (id) ON DELETE CASCADE, -- NULL = global
    title                   TEXT    NOT NULL,
    skip_optin_on_grant     INTEGER NOT NULL DEFAULT 0,
    implicit_create_on_none INTEGER NOT NULL DEFAULT 0,
    otp_required            INTEGER NOT NULL DEFAULT 0,
    extra                   TEXT
);
CREATE UNIQUE INDEX role_description_local ON role_description (profile_id, slug) WHERE profile_id IS NOT NULL;
CREATE UNIQUE INDEX role_description_global ON role_description (slug) WHERE profile_id IS NULL;

CREATE TABLE role (
    id                  INTEGER PRIMARY KEY,
    created_at          INTEGER NOT NULL,
    profile_id          INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    user_id             INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    role_description_id INTEGER REFERENCES role_description (id) ON DELETE CASCADE, -- NULL: request of no role in particular
    request_key         TEXT,
    grant_key           TEXT,
    ends_at             INTEGER,
    extra               TEXT,
    UNIQUE (profile_id, user_id),
    CHECK (request_key IS NULL OR grant_key IS NULL)
);
CREATE INDEX role_user ON role (user_id, profile_id);
CREATE INDEX role_profile_created ON role (profile_id, created_at);
CREATE INDEX role_description_roles ON role (role_description_id);
CREATE UNIQUE INDEX role_grant_key ON role (grant_key) WHERE grant_key IS NOT NULL;
CREATE UNIQUE INDEX role_request_key ON role (request_key) WHERE request_key IS NOT NULL;

CREATE TABLE agreement (
    id         INTEGER PRIMARY KEY,
    slug       TEXT    NOT NULL UNIQUE,
    title      TEXT    NOT NULL UNIQUE,
    text       TEXT    NOT NULL DEFAULT '', -- Markdown
    updated_at INTEGER NOT NULL
);
CREATE TABLE signature (
    id           INTEGER PRIMARY KEY,
    agreement_id INTEGER NOT NULL REFERENCES agreement (id) ON DELETE RESTRICT,
    user_id      INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    last_signed  INTEGER NOT NULL,
    UNIQUE (agreement_id, user_id)
);
CREATE INDEX signature_user ON signature (user_id);
