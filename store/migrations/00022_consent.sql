-- +goose Up
-- Who agreed to what: docs/contract/trust.md, decision 68.

-- The e-mail domain that the broker confirmed to be that of a profile, in lower case; '' = none.
ALTER TABLE profile ADD COLUMN confirmed_domain TEXT NOT NULL DEFAULT '';
CREATE INDEX profile_confirmed_domain ON profile (confirmed_domain) WHERE confirmed_domain <> '';

ALTER TABLE role ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0;     -- in force, though its user was not asked
ALTER TABLE role ADD COLUMN must_answer INTEGER NOT NULL DEFAULT 0; -- an invitation that nothing but its user's answer puts in force

-- Who gave these to whom is not known, and the profile's own word was enough for them.
UPDATE role SET unasked = 1
WHERE grant_key IS NULL AND request_key IS NULL
    AND role_description_id IN (SELECT id FROM role_description WHERE profile_id IS NOT NULL AND skip_optin_on_grant = 1);

-- The last answer of a user about roles on a profile, where no role says it: accepted, and taken away by others since; or dropped or
-- declined.
CREATE TABLE role_answer (
    user_id     INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    profile_id  INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    accepted    INTEGER NOT NULL,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, profile_id)
) STRICT;
CREATE INDEX role_answer_profile ON role_answer (profile_id);

-- Subscribers that accepted a grant of a provider, and did not end or decline one since.
CREATE TABLE grant_consent (
    profile_id  INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    provider_id INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    accepted_at INTEGER NOT NULL,
    PRIMARY KEY (profile_id, provider_id)
) STRICT;
CREATE INDEX grant_consent_provider ON grant_consent (provider_id);
