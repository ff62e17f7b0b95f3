package directory

import "github.com/caddy-tollgate/tollgate/store"

// A PublicID is what applications know a user or a profile by, whatever its name: it never changes (decision 69).
type PublicID string

// Pattern is what an id looks like, for the description of the API.
func (PublicID) Pattern() string { return "^[a-z2-7]{20}$" }

// PublicIDOfUser returns the public id of a user.
func PublicIDOfUser(r store.Reader, user int64) (id PublicID, err error) {
	err = r.QueryRow(`SELECT public_id FROM user WHERE id = ?`, user).Scan(&id)
	return id, err
}

// PublicIDOfProfile returns the public id of a profile.
func PublicIDOfProfile(r store.Reader, profile int64) (id PublicID, err error) {
	err = r.QueryRow(`SELECT public_id FROM profile WHERE id = ?`, profile).Scan(&id)
	return id, err
}
