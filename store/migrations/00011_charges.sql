-- +goose Up
-- Refunds under way, and what the sandbox of payments remembers: docs/contract/ledger.md 5.12 and 7.

CREATE TABLE refund ( -- of a charge; committed to the books once the processor has given the money back
    id              INTEGER PRIMARY KEY,
    idempotency_key TEXT    NOT NULL UNIQUE,
    created_at      INTEGER NOT NULL,
    charge_id       INTEGER NOT NULL REFERENCES charge (id) ON DELETE RESTRICT,
    user_id         INTEGER REFERENCES user (id) ON DELETE SET NULL,
    lines           TEXT    NOT NULL, -- JSON, frozen
    state           TEXT    NOT NULL CHECK (state IN ('pending', 'committed', 'refused')),
    detail          TEXT
);
CREATE UNIQUE INDEX refund_pending ON refund (charge_id) WHERE state = 'pending';
CREATE INDEX refund_user ON refund (user_id) WHERE user_id IS NOT NULL;

CREATE INDEX checkout_attempt_pending_profile ON checkout_attempt (profile_id) WHERE state = 'pending';
CREATE INDEX checkout_attempt_profile ON checkout_attempt (profile_id);
CREATE INDEX checkout_attempt_user ON checkout_attempt (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE sandbox_charge (
    key        TEXT    PRIMARY KEY,
    created_at INTEGER NOT NULL,
    amount     INTEGER NOT NULL,
    unit       TEXT    NOT NULL,
    token      TEXT    NOT NULL,
    asked      INTEGER NOT NULL DEFAULT 0, -- how often somebody asked what became of it
    refunded   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE sandbox_refund (
    key        TEXT    PRIMARY KEY,
    charge_key TEXT    NOT NULL REFERENCES sandbox_charge (key) ON DELETE CASCADE,
    amount     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sandbox_customer (
    key   TEXT PRIMARY KEY,
    token TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sandbox_payout (
    key        TEXT    PRIMARY KEY,
    created_at INTEGER NOT NULL,
    provider   TEXT    NOT NULL, -- slug
    amount     INTEGER NOT NULL,
    unit       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sandbox_payout_provider ON sandbox_payout (provider, created_at);

CREATE INDEX charge_flying ON charge (customer_id) WHERE state = 0 AND processor_key IS NOT NULL;

CREATE INDEX txn_across ON txn (created_at) WHERE dest_unit <> orig_unit; -- all that does not add up to 0 by itself
CREATE INDEX txn_card_paid ON txn (payer_id, event_id, created_at) WHERE dest_account = 'Receivable' AND orig_account = 'Backlog' AND kind = 'paid_by_card';
