-- +goose Up
-- Whose address is this: the user who has proven it. A user who told another address keeps the proven one until the new one is
-- proven; what is given to an address that somebody holds without a proof waits on the address.

ALTER TABLE contact ADD COLUMN replaced_at INTEGER; -- the user has told another address since, which is not proven yet

CREATE TABLE invitation ( -- of an address to a role: it becomes a role of the user who proves the address and brings the key
    id                  INTEGER PRIMARY KEY,
    created_at          INTEGER NOT NULL,
    profile_id          INTEGER NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    role_description_id INTEGER NOT NULL REFERENCES role_description (id) ON DELETE CASCADE,
    email               TEXT    NOT NULL COLLATE NOCASE,
    full_name           TEXT    NOT NULL DEFAULT '',
    extra               TEXT,
    grant_key           TEXT    NOT NULL UNIQUE,
    UNIQUE (profile_id, email)
) STRICT;
CREATE INDEX invitation_description ON invitation (role_description_id);
CREATE INDEX invitation_created_at ON invitation (created_at);
