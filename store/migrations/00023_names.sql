-- +goose Up
-- Names that were used are nobody else's, and users and profiles have an id that never changes (decision 69).

-- 20 random characters of base32: what applications know a user or a profile by, whatever it is called. A trigger gives one to every
-- row, whoever makes it.
ALTER TABLE user ADD COLUMN public_id TEXT;
ALTER TABLE profile ADD COLUMN public_id TEXT;
UPDATE user SET public_id = substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1);
UPDATE profile SET public_id = substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1);
CREATE UNIQUE INDEX user_public_id ON user (public_id);
CREATE UNIQUE INDEX profile_public_id ON profile (public_id);

-- +goose StatementBegin
CREATE TRIGGER user_public_id_made AFTER INSERT ON user WHEN NEW.public_id IS NULL
BEGIN UPDATE user SET public_id = substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
WHERE id = NEW.id; END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER user_public_id_kept BEFORE UPDATE OF public_id ON user WHEN OLD.public_id IS NOT NULL AND NEW.public_id IS NOT OLD.public_id
BEGIN SELECT RAISE(ABORT, 'a public id never changes'); END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER profile_public_id_made AFTER INSERT ON profile WHEN NEW.public_id IS NULL
BEGIN UPDATE profile SET public_id = substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
    || substr('abcdefghijklmnopqrstuvwxyz234567', 1 + (random() & 31), 1)
WHERE id = NEW.id; END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER profile_public_id_kept BEFORE UPDATE OF public_id ON profile WHEN OLD.public_id IS NOT NULL AND NEW.public_id IS NOT OLD.public_id
BEGIN SELECT RAISE(ABORT, 'a public id never changes'); END;
-- +goose StatementEnd

-- A name that was used and that nobody bears now. Who bore it may take it back; after an erasure the row is tied to nobody. It holds
-- neither the name nor a date, and has no rowid, which would tell the order.
CREATE TABLE used_name (
    name_hash  TEXT    NOT NULL PRIMARY KEY, -- HMAC-SHA256 of the name in lower case, in hexadecimal
    user_id    INTEGER REFERENCES user (id) ON DELETE SET NULL,
    profile_id INTEGER REFERENCES profile (id) ON DELETE SET NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_name_user ON used_name (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX used_name_profile ON used_name (profile_id) WHERE profile_id IS NOT NULL;

-- The last renames of users and profiles, which are counted.
CREATE TABLE rename (
    created_at INTEGER NOT NULL,
    user_id    INTEGER REFERENCES user (id) ON DELETE CASCADE,
    profile_id INTEGER REFERENCES profile (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX rename_user ON rename (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX rename_profile ON rename (profile_id, created_at) WHERE profile_id IS NOT NULL;
