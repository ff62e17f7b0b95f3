-- +goose Up
-- Seats that are claimed, and what was typed of who is asked: docs/contract/trust.md, decisions 68 and 78.

ALTER TABLE cart_item ADD COLUMN nb_periods INTEGER; -- natural periods that a group buy paid for, while they wait for who claims them

-- The name or address by which a pending invitation or grant was made, and the full name given with it: all that the inviting side is
-- shown until it is accepted. NULL for a profile that was made by the grant itself. Of older ones the name alone is known.
ALTER TABLE role ADD COLUMN typed TEXT;
ALTER TABLE role ADD COLUMN typed_name TEXT;
CREATE INDEX role_typed ON role (profile_id, typed) WHERE typed IS NOT NULL AND grant_key IS NOT NULL;
ALTER TABLE subscription ADD COLUMN typed TEXT;
ALTER TABLE subscription ADD COLUMN typed_name TEXT;
CREATE INDEX subscription_typed ON subscription (plan_id, typed) WHERE typed IS NOT NULL AND grant_key IS NOT NULL;
UPDATE role SET typed = (SELECT username FROM user WHERE user.id = role.user_id) WHERE grant_key IS NOT NULL;
UPDATE subscription SET typed = (SELECT slug FROM profile WHERE profile.id = subscription.profile_id) WHERE grant_key IS NOT NULL;
