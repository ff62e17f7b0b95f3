package directory

import "encoding/json"

// ExtraText is the stored form of an extra, the reverse of Extra: text as it is, anything else as its JSON, nil for null and for
// what was not given.
func ExtraText(raw json.RawMessage) *string {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if json.Unmarshal(raw, &text) != nil {
			return nil
		}
	}
	return &text
}
