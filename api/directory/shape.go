package directory

import (
	"encoding/json"

	"github.com/caddy-tollgate/tollgate/store"
)

// UserShort is a user in lists and embedded in others (conventions.md 8.4).
type UserShort struct {
	Slug          string  `json:"slug"`
	Username      string  `json:"username"`
	PrintableName string  `json:"printable_name"`
	Picture       *string `json:"picture"`
}

// UserDetail is a user's own record, and the claims of a login token (auth.md 4).
type UserDetail struct {
	UserShort
	Email       *string    `json:"email"`
	Phone       *string    `json:"phone"`
	FullName    string     `json:"full_name"`
	NickName    string     `json:"nick_name"`
	Lang        string     `json:"lang"`
	Credentials bool       `json:"credentials"`
	OTPEnabled  bool       `json:"otp_enabled"`
	CreatedAt   store.Time `json:"created_at"`
	LastLogin   store.Time `json:"last_login"`
}

// ProfileShort is a profile in lists and embedded in others (conventions.md 8.4).
type ProfileShort struct {
	Slug          string     `json:"slug"`
	PrintableName string     `json:"printable_name"`
	Picture       *string    `json:"picture"`
	Type          string     `json:"type"` // "organization", "personal" or "user"
	Credentials   bool       `json:"credentials"`
	CreatedAt     store.Time `json:"created_at"`
}

// ProfileDetail adds the contact fields (profiles.md 5.5). NickName and Lang are there for personal profiles only, and on
// /api/profile and /api/profile/{profile} only.
type ProfileDetail struct {
	ProfileShort
	FullName        string          `json:"full_name"`
	Email           string          `json:"email"`
	Phone           string          `json:"phone"`
	StreetAddress   string          `json:"street_address"`
	Locality        string          `json:"locality"`
	Region          string          `json:"region"`
	PostalCode      string          `json:"postal_code"`
	Country         string          `json:"country"`
	DefaultTimezone string          `json:"default_timezone"`
	NoImplicitRole  bool            `json:"no_implicit_role"`
	IsProvider      bool            `json:"is_provider"`
	IsBulkBuyer     bool            `json:"is_bulk_buyer"`
	Extra           json.RawMessage `json:"extra"`
	NickName        *string         `json:"nick_name,omitempty"`
	Lang            *string         `json:"lang,omitempty"`
}
