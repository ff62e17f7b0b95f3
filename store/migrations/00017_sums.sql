-- +goose Up
-- What tables of docs/contract/metrics.md add up, kept in the transaction that writes it, so that no table reads a million entries. Both
-- are proven against the entries by ledger.Verify.

-- How much went from account to account in each slot of 2^32 µs, 72 minutes: slots have no time zone, and what is before and after the
-- first and the last whole one of a period is few entries. The ledger writes it with the entries. Profiles are 0 but
-- on the accounts of a provider that its tables show.
CREATE TABLE movement (
    slot            INTEGER NOT NULL, -- created_at >> 32
    dest_profile_id INTEGER NOT NULL,
    dest_account    TEXT    NOT NULL,
    orig_profile_id INTEGER NOT NULL,
    orig_account    TEXT    NOT NULL,
    dest_unit       TEXT    NOT NULL,
    orig_unit       TEXT    NOT NULL,
    dest_amount     INTEGER NOT NULL,
    orig_amount     INTEGER NOT NULL,
    PRIMARY KEY (slot, dest_profile_id, dest_account, orig_profile_id, orig_account, dest_unit, orig_unit)
) STRICT, WITHOUT ROWID;
CREATE INDEX movement_dest ON movement (dest_profile_id, dest_account, slot) WHERE dest_profile_id <> 0;
CREATE INDEX movement_orig ON movement (orig_profile_id, orig_account, slot) WHERE orig_profile_id <> 0;

CREATE VIEW moved AS -- the entries as movement adds them up
SELECT id, created_at >> 32 AS slot,
    CASE WHEN dest_account IN ('Income', 'Backlog', 'Receivable', 'Refund') THEN dest_profile_id ELSE 0 END AS dest_profile_id, dest_account,
    CASE WHEN orig_account IN ('Income', 'Backlog', 'Receivable', 'Refund') THEN orig_profile_id ELSE 0 END AS orig_profile_id, orig_account,
    dest_unit, orig_unit, dest_amount, orig_amount, created_at
FROM txn;

INSERT INTO movement
SELECT slot, dest_profile_id, dest_account, orig_profile_id, orig_account, dest_unit, orig_unit, SUM(dest_amount), SUM(orig_amount)
FROM moved GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- The orders of a subscription that ask for other terms than the one before, and how long they hold: recurring revenue. Triggers keep
-- it, for orders and subscriptions both change it.
CREATE TABLE price (
    plan_id         INTEGER NOT NULL REFERENCES plan (id) ON DELETE CASCADE,
    subscription_id INTEGER NOT NULL,
    unit            TEXT    NOT NULL,
    since           INTEGER NOT NULL, -- date of the order
    entry_id        INTEGER NOT NULL, -- the order
    until           INTEGER NOT NULL, -- since of the next; the largest number for none
    customer_id     INTEGER NOT NULL, -- who pays
    amount          INTEGER NOT NULL, -- ordered
    nb_periods      INTEGER NOT NULL, -- natural periods that it buys
    starts_at       INTEGER NOT NULL, -- of the subscription; it ends when it starts while it waits to be accepted
    ends_at         INTEGER NOT NULL,
    PRIMARY KEY (plan_id, subscription_id, unit, since, entry_id)
) STRICT, WITHOUT ROWID;

CREATE VIEW priced AS -- what table price keeps, from the orders
SELECT plan_id, subscription_id, unit, since, entry_id,
    LEAD(since, 1, 9223372036854775807) OVER (PARTITION BY subscription_id, unit ORDER BY since, entry_id) AS until,
    customer_id, amount, nb_periods, starts_at, ends_at
FROM (
    SELECT s.plan_id, s.id AS subscription_id, t.dest_unit AS unit, t.created_at AS since, t.id AS entry_id,
        t.payer_id AS customer_id, t.dest_amount AS amount, t.nb_periods,
        s.created_at AS starts_at, CASE WHEN s.grant_key IS NULL AND s.request_key IS NULL THEN s.ends_at ELSE s.created_at END AS ends_at,
        LAG(t.payer_id) OVER terms AS customer_before, LAG(t.dest_amount) OVER terms AS amount_before, LAG(t.nb_periods) OVER terms AS nb_periods_before
    FROM subscription s CROSS JOIN txn t
    WHERE t.event_id = 'sub_' || s.id || '/' AND t.nb_periods > 0 AND t.dest_account = 'Payable' AND t.orig_account = 'Receivable'
    WINDOW terms AS (PARTITION BY s.id, t.dest_unit ORDER BY t.created_at, t.id))
WHERE customer_before IS NOT customer_id OR amount_before IS NOT amount OR nb_periods_before IS NOT nb_periods;

INSERT INTO price SELECT * FROM priced;

-- An order after all others of its subscription: nearly each is.
-- +goose StatementBegin
CREATE TRIGGER price_ordered AFTER INSERT ON txn
WHEN NEW.nb_periods > 0 AND NEW.dest_account = 'Payable' AND NEW.orig_account = 'Receivable' AND NEW.event_id = 'sub_' || CAST(substr(NEW.event_id, 5) AS INTEGER) || '/'
    AND NOT EXISTS (SELECT 1 FROM txn WHERE event_id = NEW.event_id AND created_at > NEW.created_at AND nb_periods > 0)
BEGIN
    UPDATE price SET until = NEW.created_at
    WHERE plan_id = (SELECT plan_id FROM subscription WHERE id = CAST(substr(NEW.event_id, 5) AS INTEGER))
        AND subscription_id = CAST(substr(NEW.event_id, 5) AS INTEGER) AND unit = NEW.dest_unit AND until = 9223372036854775807
        AND (customer_id <> NEW.payer_id OR amount <> NEW.dest_amount OR nb_periods <> NEW.nb_periods);
    INSERT INTO price
    SELECT s.plan_id, s.id, NEW.dest_unit, NEW.created_at, NEW.id, 9223372036854775807, NEW.payer_id, NEW.dest_amount, NEW.nb_periods,
        s.created_at, CASE WHEN s.grant_key IS NULL AND s.request_key IS NULL THEN s.ends_at ELSE s.created_at END
    FROM subscription s
    WHERE s.id = CAST(substr(NEW.event_id, 5) AS INTEGER) AND NOT EXISTS (SELECT 1 FROM price p
        WHERE p.plan_id = s.plan_id AND p.subscription_id = s.id AND p.unit = NEW.dest_unit AND p.until = 9223372036854775807);
END;
-- +goose StatementEnd
-- One that is dated back: all of them are looked at anew.
-- +goose StatementBegin
CREATE TRIGGER price_dated_back AFTER INSERT ON txn
WHEN NEW.nb_periods > 0 AND NEW.dest_account = 'Payable' AND NEW.orig_account = 'Receivable' AND NEW.event_id = 'sub_' || CAST(substr(NEW.event_id, 5) AS INTEGER) || '/'
    AND EXISTS (SELECT 1 FROM txn WHERE event_id = NEW.event_id AND created_at > NEW.created_at AND nb_periods > 0)
BEGIN
    DELETE FROM price WHERE plan_id = (SELECT plan_id FROM subscription WHERE id = CAST(substr(NEW.event_id, 5) AS INTEGER))
        AND subscription_id = CAST(substr(NEW.event_id, 5) AS INTEGER);
    INSERT INTO price SELECT * FROM priced WHERE subscription_id = CAST(substr(NEW.event_id, 5) AS INTEGER);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER price_subscribed AFTER INSERT ON subscription
BEGIN INSERT INTO price SELECT * FROM priced WHERE subscription_id = NEW.id; END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER price_extended AFTER UPDATE OF created_at, ends_at, grant_key, request_key ON subscription
BEGIN
    UPDATE price SET starts_at = NEW.created_at, ends_at = CASE WHEN NEW.grant_key IS NULL AND NEW.request_key IS NULL THEN NEW.ends_at ELSE NEW.created_at END
    WHERE plan_id = NEW.plan_id AND subscription_id = NEW.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER price_left AFTER DELETE ON subscription
BEGIN DELETE FROM price WHERE plan_id = OLD.plan_id AND subscription_id = OLD.id; END;
-- +goose StatementEnd

-- Who bought what, by time: sales are counted by customer from this alone.
CREATE INDEX txn_sold ON txn (orig_profile_id, dest_unit, created_at, dest_profile_id, dest_amount, dest_account) WHERE orig_account = 'Receivable' AND dest_account <> 'Canceled';

-- With the keys, subscriptions are counted by plan from the index alone.
DROP INDEX subscription_plan;
CREATE INDEX subscription_plan ON subscription (plan_id, ends_at, id, created_at, archived, grant_key, request_key);
