-- +goose Up
-- What tables and lists of docs/contract/metrics.md read, so that they read nothing else.

-- One index has all that is counted of the subscriptions of a provider: with created_at and plan_id, the table itself is not read.
DROP INDEX subscription_customer;
CREATE INDEX subscription_customer ON subscription (provider_id, profile_id, ends_at, archived, grant_key, request_key, created_at, plan_id);

-- Who ever ordered something that costs something, by provider. It changes with the first order of a debt only.
CREATE INDEX statement_customer ON statement (provider_id, payer_id) WHERE due > 0; -- queries repeat the condition as it is

CREATE INDEX cart_item_used ON cart_item (coupon_id, created_at, id) WHERE coupon_id IS NOT NULL AND recorded = 1;

-- Refusals of cards: few rows of big tables.
CREATE INDEX checkout_attempt_declined ON checkout_attempt (created_at, profile_id) WHERE state = 'declined';
CREATE INDEX charge_failed ON charge (provider_id, created_at, customer_id) WHERE state = 2 AND disputed_at IS NULL;
