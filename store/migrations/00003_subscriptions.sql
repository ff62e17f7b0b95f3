-- +goose Up
-- Plans, coupons, subscriptions and carts: docs/contract/subscriptions.md 2. Amounts are integers in 1/100 of a unit.

CREATE TABLE plan (
    id                  INTEGER PRIMARY KEY,
    slug                TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    title               TEXT    NOT NULL DEFAULT '',
    description         TEXT    NOT NULL DEFAULT '',
    is_active           INTEGER NOT NULL DEFAULT 0,
    is_not_priced       INTEGER NOT NULL DEFAULT 0,
    is_personal         INTEGER NOT NULL DEFAULT 0,
    created_at          INTEGER NOT NULL,
    discontinued_at     INTEGER,
    profile_id          INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    unit                TEXT    NOT NULL DEFAULT 'usd',
    skip_optin_on_grant INTEGER NOT NULL DEFAULT 0,
    optin_on_request    INTEGER NOT NULL DEFAULT 0,
    setup_amount        INTEGER NOT NULL DEFAULT 0 CHECK (setup_amount >= 0),
    period_amount       INTEGER NOT NULL DEFAULT 0 CHECK (period_amount >= 0),
    period_type         INTEGER NOT NULL DEFAULT 5 CHECK (period_type BETWEEN 1 AND 5),
    period_length       INTEGER NOT NULL DEFAULT 1 CHECK (period_length >= 1),
    broker_fee_percent  INTEGER NOT NULL DEFAULT 0 CHECK (broker_fee_percent BETWEEN 0 AND 10000),
    unlock_event        TEXT,
    length              INTEGER,
    renewal_type        INTEGER NOT NULL DEFAULT 1 CHECK (renewal_type BETWEEN 0 AND 2),
    next_plan_id        INTEGER REFERENCES plan (id) ON DELETE SET NULL,
    extra               TEXT,
    UNIQUE (profile_id, title)
);
CREATE INDEX plan_price ON plan (is_active, is_not_priced, period_amount, id);
CREATE INDEX plan_next ON plan (next_plan_id);

CREATE TABLE advance_discount (
    id             INTEGER PRIMARY KEY,
    plan_id        INTEGER NOT NULL REFERENCES plan (id) ON DELETE CASCADE,
    discount_type  INTEGER NOT NULL DEFAULT 1 CHECK (discount_type BETWEEN 1 AND 3),
    discount_value INTEGER NOT NULL DEFAULT 0 CHECK (discount_value >= 0),
    length         INTEGER NOT NULL DEFAULT 1 CHECK (length >= 1)
);
CREATE INDEX advance_discount_plan ON advance_discount (plan_id, length, id);

CREATE TABLE use_charge (
    id            INTEGER PRIMARY KEY,
    slug          TEXT    NOT NULL UNIQUE,
    title         TEXT    NOT NULL DEFAULT '',
    description   TEXT    NOT NULL DEFAULT '',
    created_at    INTEGER NOT NULL,
    plan_id       INTEGER NOT NULL REFERENCES plan (id) ON DELETE CASCADE,
    use_amount    INTEGER NOT NULL DEFAULT 0 CHECK (use_amount >= 0),
    quota         INTEGER NOT NULL DEFAULT 0 CHECK (quota >= 0),
    maximum_limit INTEGER CHECK (maximum_limit >= 0),
    extra         TEXT
);
CREATE INDEX use_charge_plan ON use_charge (plan_id, id);

CREATE TABLE subscription (
    id          INTEGER PRIMARY KEY,
    profile_id  INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE, -- the subscriber
    plan_id     INTEGER NOT NULL REFERENCES plan (id) ON DELETE CASCADE,
    provider_id INTEGER REFERENCES profile (id) ON DELETE CASCADE,          -- the plan's owner, which never changes: see the triggers
    archived    INTEGER NOT NULL DEFAULT 0,                                 -- the subscriber is: likewise
    created_at  INTEGER NOT NULL,                                           -- anchor of every period
    ends_at     INTEGER NOT NULL,
    auto_renew  INTEGER NOT NULL DEFAULT 1,
    description TEXT,
    grant_key   TEXT,
    request_key TEXT,
    extra       TEXT,
    CHECK (grant_key IS NULL OR request_key IS NULL)
);
CREATE INDEX subscription_profile ON subscription (profile_id, ends_at, id);
-- Lists of a plan and of a provider are counted from these alone; subscription_customer is who subscribes to a provider.
CREATE INDEX subscription_plan ON subscription (plan_id, ends_at, id, created_at, archived);
CREATE INDEX subscription_provider ON subscription (provider_id, ends_at, id, created_at, archived);
CREATE INDEX subscription_customer ON subscription (provider_id, profile_id, ends_at, archived, grant_key, request_key);
CREATE INDEX subscription_ends_at ON subscription (ends_at, id);
CREATE INDEX subscription_created_at ON subscription (created_at, id);
CREATE UNIQUE INDEX subscription_grant_key ON subscription (grant_key) WHERE grant_key IS NOT NULL;
CREATE UNIQUE INDEX subscription_request_key ON subscription (request_key) WHERE request_key IS NOT NULL;

-- What is known of the plan and the subscriber is kept here too, so that lists need not look there for every row.
-- +goose StatementBegin
CREATE TRIGGER subscription_owner AFTER INSERT ON subscription WHEN NEW.provider_id IS NULL
BEGIN
    UPDATE subscription SET provider_id = (SELECT profile_id FROM plan WHERE id = NEW.plan_id),
        archived = (SELECT is_active = 0 FROM profile WHERE id = NEW.profile_id) WHERE id = NEW.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER subscription_archived AFTER UPDATE OF is_active ON profile WHEN NEW.is_active <> OLD.is_active
BEGIN UPDATE subscription SET archived = (NEW.is_active = 0) WHERE profile_id = NEW.id; END;
-- +goose StatementEnd

CREATE TABLE subscription_request ( -- the frozen lines of a request that waits for acceptance (decisions 10, 51)
    id              INTEGER PRIMARY KEY,
    subscription_id INTEGER NOT NULL REFERENCES subscription (id) ON DELETE CASCADE,
    payer_id        INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    user_id         INTEGER REFERENCES user (id) ON DELETE SET NULL,
    coupon_id       INTEGER REFERENCES coupon (id) ON DELETE SET NULL,
    use_id          INTEGER REFERENCES use_charge (id) ON DELETE SET NULL,
    amount          INTEGER NOT NULL,
    unit            TEXT    NOT NULL,
    nb_periods      INTEGER NOT NULL,
    quantity        INTEGER NOT NULL DEFAULT 0,
    descr           TEXT    NOT NULL
);
CREATE INDEX subscription_request_subscription ON subscription_request (subscription_id, id);

CREATE TABLE subscription_use (
    id              INTEGER PRIMARY KEY,
    subscription_id INTEGER NOT NULL REFERENCES subscription (id) ON DELETE CASCADE,
    use_id          INTEGER NOT NULL REFERENCES use_charge (id) ON DELETE CASCADE,
    expiring_quota  INTEGER NOT NULL DEFAULT 0 CHECK (expiring_quota >= 0),
    rollover_quota  INTEGER NOT NULL DEFAULT 0 CHECK (rollover_quota >= 0),
    used_quantity   INTEGER NOT NULL DEFAULT 0,
    quota_told_at   INTEGER, -- start of the period in which quota_reached was told (decision 46)
    limit_told_at   INTEGER,
    extra           TEXT,
    UNIQUE (subscription_id, use_id)
);

CREATE TABLE coupon (
    id             INTEGER PRIMARY KEY,
    code           TEXT    NOT NULL COLLATE NOCASE,
    profile_id     INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    created_at     INTEGER NOT NULL,
    ends_at        INTEGER,
    description    TEXT,
    discount_type  INTEGER NOT NULL DEFAULT 1 CHECK (discount_type BETWEEN 1 AND 3),
    discount_value INTEGER NOT NULL DEFAULT 0 CHECK (discount_value >= 0),
    plan_id        INTEGER REFERENCES plan (id) ON DELETE CASCADE,
    nb_attempts    INTEGER CHECK (nb_attempts >= 0),
    extra          TEXT,
    UNIQUE (profile_id, code)
);
CREATE INDEX coupon_code ON coupon (code);
CREATE INDEX coupon_ends_at ON coupon (profile_id, ends_at, id);
CREATE INDEX coupon_plan ON coupon (plan_id);

CREATE TABLE cart (              -- an anonymous visitor's cart (decision 13), or what a user's cart remembers
    id           INTEGER PRIMARY KEY,
    anonymous_id BLOB    UNIQUE, -- SHA-256 of the cart cookie
    user_id      INTEGER UNIQUE REFERENCES user (id) ON DELETE CASCADE,
    redeemed     TEXT,           -- last coupon code that succeeded
    updated_at   INTEGER NOT NULL
);
CREATE INDEX cart_updated_at ON cart (updated_at) WHERE anonymous_id IS NOT NULL;

CREATE TABLE cart_item (
    id           INTEGER PRIMARY KEY,
    created_at   INTEGER NOT NULL,
    user_id      INTEGER REFERENCES user (id) ON DELETE CASCADE,
    anonymous_id BLOB,
    plan_id      INTEGER REFERENCES plan (id) ON DELETE CASCADE,
    use_id       INTEGER REFERENCES use_charge (id) ON DELETE CASCADE,
    coupon_id    INTEGER REFERENCES coupon (id) ON DELETE SET NULL,
    recorded     INTEGER NOT NULL DEFAULT 0,
    quantity     INTEGER NOT NULL DEFAULT 0 CHECK (quantity >= 0),
    option       INTEGER NOT NULL DEFAULT 0 CHECK (option >= 0),
    full_name    TEXT    NOT NULL DEFAULT '',
    email        TEXT,
    sync_on      TEXT,
    claim_code   TEXT
);
CREATE INDEX cart_item_user ON cart_item (user_id, recorded, plan_id, sync_on, id);
CREATE INDEX cart_item_anonymous ON cart_item (anonymous_id) WHERE anonymous_id IS NOT NULL;
CREATE INDEX cart_item_claim ON cart_item (claim_code) WHERE claim_code IS NOT NULL;
CREATE INDEX cart_item_coupon ON cart_item (coupon_id) WHERE coupon_id IS NOT NULL;
CREATE INDEX cart_item_plan ON cart_item (plan_id);
CREATE INDEX cart_item_open ON cart_item (created_at, id) WHERE recorded = 0;
