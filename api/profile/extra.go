package profile

import (
	"database/sql"
	"encoding/json"

	"github.com/caddy-tollgate/tollgate/api/directory"
)

// extraText is the stored form of an extra: text as it is, anything else as JSON, null as NULL. It comes back parsed where it
// parses (profiles.md 5.4).
func extraText(raw json.RawMessage) sql.NullString {
	if len(raw) == 0 || string(raw) == "null" {
		return sql.NullString{}
	}
	var text string
	if raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return sql.NullString{String: text, Valid: true}
	}
	return sql.NullString{String: string(raw), Valid: true}
}

// storedExtra is what is printed of it.
func storedExtra(text sql.NullString) json.RawMessage {
	if !text.Valid {
		return nil
	}
	return directory.Extra(&text.String)
}
