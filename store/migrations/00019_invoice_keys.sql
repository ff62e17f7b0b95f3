-- +goose Up
-- Charge items that wait to be synchronised by the application behind the gate: docs/contract/access.md B.7, invoice_keys.

DROP INDEX charge_item_sync;
CREATE INDEX charge_item_sync ON charge_item (lower(sync_on)) WHERE invoice_key IS NOT NULL;
CREATE INDEX charge_item_invoice_key ON charge_item (invoice_key) WHERE invoice_key IS NOT NULL;
