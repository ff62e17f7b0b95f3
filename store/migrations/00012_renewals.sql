-- +goose Up
-- The renewal engine: docs/contract/subscriptions.md 13.

ALTER TABLE profile ADD COLUMN billing_day INTEGER;         -- of the month; billing_start falls on it, or on the last day of a shorter month
ALTER TABLE profile ADD COLUMN renewal_refused_at INTEGER;  -- when the card on file was last refused
CREATE INDEX profile_parked ON profile (parked_at) WHERE parked_at IS NOT NULL;

CREATE TABLE renewal ( -- a single row
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    ran_at INTEGER NOT NULL -- days up to then are extended and recognised
) STRICT;

CREATE TABLE recognition ( -- what earns income by the passing of time
    id      INTEGER PRIMARY KEY,
    event   TEXT    NOT NULL UNIQUE, -- a subscription ("sub_7/", its uses too) or a group buy ("cpn_…")
    next_at INTEGER                  -- when there may be something to recognise, 0 for now; NULL when all is
) STRICT;
CREATE INDEX recognition_next ON recognition (next_at, id) WHERE next_at IS NOT NULL;

CREATE TABLE coupon_claim ( -- a subscription that somebody got by a group buy (ledger.md 5.16)
    id              INTEGER PRIMARY KEY,
    created_at      INTEGER NOT NULL,
    coupon_id       INTEGER NOT NULL REFERENCES coupon (id) ON DELETE CASCADE,
    subscription_id INTEGER NOT NULL REFERENCES subscription (id) ON DELETE CASCADE,
    entry_id        INTEGER NOT NULL REFERENCES txn (id) ON DELETE RESTRICT -- its free order
) STRICT;
CREATE INDEX coupon_claim_coupon ON coupon_claim (coupon_id, id);
CREATE INDEX coupon_claim_subscription ON coupon_claim (subscription_id);
CREATE INDEX coupon_claim_entry ON coupon_claim (entry_id);

CREATE TABLE expiry_notice ( -- what was told of the end of a subscription
    subscription_id INTEGER NOT NULL REFERENCES subscription (id) ON DELETE CASCADE,
    days            INTEGER NOT NULL,
    ends_at         INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (subscription_id, days, ends_at)
) STRICT, WITHOUT ROWID;

INSERT INTO recognition (event, next_at)
SELECT DISTINCT CASE WHEN event_id GLOB 'cpn_*' THEN event_id ELSE 'sub_' || CAST(substr(event_id, 5) AS INTEGER) || '/' END, 0
FROM txn WHERE dest_account = 'Payable' AND orig_account = 'Receivable' AND (event_id GLOB 'sub_*' OR event_id GLOB 'cpn_*');

-- An order, a claim and an opt-in ask for recognition at the next run.
-- +goose StatementBegin
CREATE TRIGGER recognition_ordered AFTER INSERT ON txn
WHEN NEW.dest_account = 'Payable' AND NEW.orig_account = 'Receivable' AND (NEW.event_id GLOB 'sub_*' OR NEW.event_id GLOB 'cpn_*')
BEGIN
    INSERT INTO recognition (event, next_at)
    VALUES (CASE WHEN NEW.event_id GLOB 'cpn_*' THEN NEW.event_id ELSE 'sub_' || CAST(substr(NEW.event_id, 5) AS INTEGER) || '/' END, 0)
    ON CONFLICT (event) DO UPDATE SET next_at = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER recognition_claimed AFTER INSERT ON coupon_claim
BEGIN UPDATE recognition SET next_at = 0 WHERE event = (SELECT code FROM coupon WHERE id = NEW.coupon_id); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER recognition_accepted AFTER UPDATE OF grant_key, request_key ON subscription WHEN NEW.grant_key IS NULL AND NEW.request_key IS NULL
BEGIN UPDATE recognition SET next_at = 0 WHERE event = 'sub_' || NEW.id || '/'; END;
-- +goose StatementEnd
