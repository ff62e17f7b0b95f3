-- +goose Up
-- The books: docs/contract/ledger.md 1. txn and batch are append-only; triggers hold it.

CREATE TABLE batch ( -- what one business event wrote, chained to the batch before it
    id         INTEGER PRIMARY KEY, -- 1, 2, 3 … without gaps
    created_at INTEGER NOT NULL,    -- when it was written, as opposed to the entries' own dates
    kind       TEXT    NOT NULL,    -- name of the business event, ledger.md 5
    actor      TEXT    NOT NULL,
    first_id   INTEGER NOT NULL,    -- its entries are first_id … first_id + nb_entries − 1
    nb_entries INTEGER NOT NULL CHECK (nb_entries > 0),
    hash       BLOB    NOT NULL CHECK (length(hash) = 32) -- of the hash before, itself and its entries: package ledger, chain.go
) STRICT;

CREATE TABLE txn (
    id              INTEGER PRIMARY KEY, -- 1, 2, 3 … without gaps
    created_at      INTEGER NOT NULL,
    descr           TEXT    NOT NULL DEFAULT 'N/A',
    event_id        TEXT,
    dest_account    TEXT    NOT NULL,
    dest_profile_id INTEGER NOT NULL REFERENCES profile (id) ON DELETE RESTRICT,
    dest_amount     INTEGER NOT NULL,
    dest_unit       TEXT    NOT NULL,
    orig_account    TEXT    NOT NULL,
    orig_profile_id INTEGER NOT NULL REFERENCES profile (id) ON DELETE RESTRICT,
    orig_amount     INTEGER NOT NULL,
    orig_unit       TEXT    NOT NULL,
    payer_id        INTEGER REFERENCES profile (id) ON DELETE RESTRICT, -- whose debt it makes or settles (decision 35)
    nb_periods      INTEGER,                                            -- periods bought by an order line
    kind            TEXT    NOT NULL,
    reverts_id      INTEGER REFERENCES txn (id) ON DELETE RESTRICT,     -- the entry it takes back (ledger.md 5.13)
    batch_id        INTEGER NOT NULL REFERENCES batch (id) ON DELETE RESTRICT,
    CHECK (dest_amount >= 0 AND orig_amount >= 0),
    CHECK (dest_unit <> orig_unit OR dest_amount = orig_amount)
) STRICT;
CREATE INDEX txn_event ON txn (event_id, created_at);
CREATE INDEX txn_payer ON txn (payer_id, event_id) WHERE payer_id IS NOT NULL;
CREATE INDEX txn_dest ON txn (dest_profile_id, dest_account, created_at, id);
CREATE INDEX txn_orig ON txn (orig_profile_id, orig_account, created_at, id);
CREATE INDEX txn_created_at ON txn (created_at, id);
CREATE UNIQUE INDEX txn_reverts ON txn (reverts_id) WHERE reverts_id IS NOT NULL;
CREATE UNIQUE INDEX txn_payout ON txn (event_id, orig_profile_id, dest_profile_id, dest_account) WHERE kind = 'paid_out';

CREATE TABLE balance ( -- Σ dest − Σ orig of an account, kept in the transaction that writes the entries, proven against them
    profile_id INTEGER NOT NULL REFERENCES profile (id) ON DELETE RESTRICT,
    account    TEXT    NOT NULL,
    unit       TEXT    NOT NULL,
    amount     INTEGER NOT NULL,
    nb_entries INTEGER NOT NULL, -- entries that have it on either side
    PRIMARY KEY (profile_id, account, unit)
) STRICT, WITHOUT ROWID;

CREATE TABLE statement ( -- what a payer owes for an event (ledger.md 4.2), kept and proven likewise
    payer_id        INTEGER NOT NULL REFERENCES profile (id) ON DELETE RESTRICT,
    event_id        TEXT    NOT NULL,
    unit            TEXT    NOT NULL,
    subscription_id INTEGER,          -- of the event id; NULL for a group buy
    provider_id     INTEGER,          -- to whom it is owed
    due             INTEGER NOT NULL, -- ordered
    paid            INTEGER NOT NULL, -- paid or written off
    payable         INTEGER NOT NULL, -- of what is due, still on the payer's Payable account
    ordered_at      INTEGER,          -- date of the most recent order; NULL before the first
    last_at         INTEGER NOT NULL, -- date of the most recent entry of any of these
    PRIMARY KEY (payer_id, event_id, unit)
) STRICT, WITHOUT ROWID;
CREATE INDEX statement_subscription ON statement (subscription_id) WHERE subscription_id IS NOT NULL;
CREATE INDEX statement_open ON statement (provider_id, payer_id) WHERE due <> paid; -- queries repeat the condition as it is

-- +goose StatementBegin
CREATE TRIGGER txn_no_update BEFORE UPDATE ON txn BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER txn_no_delete BEFORE DELETE ON txn BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER txn_no_replace BEFORE INSERT ON txn WHEN EXISTS (SELECT 1 FROM txn WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER batch_no_update BEFORE UPDATE ON batch BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER batch_no_delete BEFORE DELETE ON batch BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER batch_no_replace BEFORE INSERT ON batch WHEN EXISTS (SELECT 1 FROM batch WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- +goose StatementEnd

CREATE TABLE charge (
    id              INTEGER PRIMARY KEY,
    claim_code      TEXT    UNIQUE,
    created_at      INTEGER NOT NULL,
    created_by      INTEGER REFERENCES user (id) ON DELETE SET NULL,
    amount          INTEGER NOT NULL CHECK (amount >= 0),
    unit            TEXT    NOT NULL,
    customer_id     INTEGER NOT NULL REFERENCES profile (id) ON DELETE RESTRICT,
    provider_id     INTEGER REFERENCES profile (id) ON DELETE RESTRICT,
    description     TEXT,
    last4           TEXT,
    exp_date        TEXT,
    card_name       TEXT,
    processor_id    INTEGER REFERENCES profile (id) ON DELETE RESTRICT,
    processor_key   TEXT    UNIQUE,
    state           INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3), -- created, done, failed, disputed
    idempotency_key TEXT    UNIQUE,
    attempt         INTEGER NOT NULL DEFAULT 0,
    failure_code    TEXT,
    failure_detail  TEXT,
    disputed_at     INTEGER,
    extra           TEXT
);
CREATE INDEX charge_customer ON charge (customer_id, created_at, id);
CREATE INDEX charge_created_at ON charge (created_at, id);
CREATE INDEX charge_in_flight ON charge (created_at) WHERE state = 0 AND processor_key IS NOT NULL;

CREATE TABLE charge_item (
    id                        INTEGER PRIMARY KEY,
    charge_id                 INTEGER NOT NULL REFERENCES charge (id) ON DELETE RESTRICT,
    invoiced_id               INTEGER NOT NULL REFERENCES txn (id) ON DELETE RESTRICT,
    invoiced_processor_fee_id INTEGER REFERENCES txn (id) ON DELETE RESTRICT,
    invoiced_broker_fee_id    INTEGER REFERENCES txn (id) ON DELETE RESTRICT,
    invoiced_distribute_id    INTEGER REFERENCES txn (id) ON DELETE RESTRICT,
    invoice_key               TEXT,
    sync_on                   TEXT,
    UNIQUE (charge_id, invoiced_id)
);
CREATE INDEX charge_item_invoiced ON charge_item (invoiced_id);
CREATE INDEX charge_item_sync ON charge_item (sync_on) WHERE invoice_key IS NOT NULL;

CREATE TABLE checkout_attempt (
    id              INTEGER PRIMARY KEY,
    idempotency_key TEXT    NOT NULL UNIQUE,
    created_at      INTEGER NOT NULL,
    profile_id      INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    user_id         INTEGER REFERENCES user (id) ON DELETE SET NULL,
    lines           TEXT    NOT NULL, -- JSON, frozen
    amount          INTEGER NOT NULL,
    unit            TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('pending', 'committed', 'declined')),
    detail          TEXT
);
CREATE INDEX checkout_attempt_pending ON checkout_attempt (user_id) WHERE state = 'pending';

CREATE TABLE processor_event ( -- webhook events already taken in
    id         TEXT    PRIMARY KEY,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE balance_line (
    id          INTEGER PRIMARY KEY,
    report      TEXT    NOT NULL,
    title       TEXT    NOT NULL,
    selector    TEXT    NOT NULL DEFAULT '',
    is_positive INTEGER NOT NULL DEFAULT 0,
    rank        INTEGER NOT NULL,
    moved       INTEGER NOT NULL DEFAULT 0,
    UNIQUE (report, rank, moved)
);
