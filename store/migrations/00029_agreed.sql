-- +goose Up
-- Nobody is charged for what he did not agree to: docs/contract/trust.md, decision 68.

ALTER TABLE subscription ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0; -- in force by a grant that its subscriber was not asked about

-- Who was granted a plan that skips the question, and has ordered nothing of it since.
UPDATE subscription SET unasked = 1
WHERE grant_key IS NULL AND request_key IS NULL
    AND plan_id IN (SELECT id FROM plan WHERE skip_optin_on_grant = 1)
    AND NOT EXISTS (SELECT 1 FROM txn WHERE txn.event_id = 'sub_' || subscription.id || '/');
