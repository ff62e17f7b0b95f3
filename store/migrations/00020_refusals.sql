-- +goose Up
-- A card that did not pay what a customer owes or wanted of a provider. The payments that say so may be of several providers.

DROP INDEX checkout_attempt_declined;

CREATE TABLE card_refusal (
    created_at  INTEGER NOT NULL,
    provider_id INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    customer_id INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX card_refusal_provider ON card_refusal (provider_id, created_at, customer_id);
CREATE INDEX card_refusal_customer ON card_refusal (customer_id);

INSERT INTO card_refusal
SELECT DISTINCT a.created_at, p.id, a.profile_id
FROM checkout_attempt a CROSS JOIN json_each(a.lines, '$.bills') bill CROSS JOIN profile p
WHERE a.state = 'declined' AND p.id = bill.value ->> 'provider';
