package directory

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// Profiles returns the short form of profiles, by ID, in one query. IDs of none are left out.
func (d *Directory) Profiles(r store.Reader, ids []int64) (map[int64]ProfileShort, error) {
	all := make(map[int64]ProfileShort, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	rows, err := r.Query(`SELECT profile.id, slug, full_name, picture, profile.created_at,
		owner.id IS NOT NULL, owner.id IS NOT NULL AND substr(owner.password, 1, 1) NOT IN ('', '!')
		FROM profile LEFT JOIN user owner ON owner.username = profile.slug
			AND EXISTS (SELECT 1 FROM role WHERE role.profile_id = profile.id AND role.user_id = owner.id)
		WHERE profile.id IN (SELECT value FROM json_each(?))`, list(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var p ProfileShort
		var personal bool
		if err := rows.Scan(&id, &p.Slug, &p.PrintableName, &p.Picture, &p.CreatedAt, &personal, &p.Credentials); err != nil {
			return nil, err
		}
		p.complete(personal)
		all[id] = p
	}
	return all, rows.Err()
}

// TypedProfile is a profile that was granted something by a slug or an e-mail address, and has not accepted it: nothing but what was
// typed.
func TypedProfile(typed, fullName string) ProfileDetail {
	p := ProfileDetail{ProfileShort: ProfileShort{Slug: typed, PrintableName: fullName}, FullName: fullName, DefaultTimezone: "UTC"}
	p.complete(false)
	if strings.Contains(typed, "@") {
		p.Email = typed
	}
	return p
}

// complete derives what is not stored (profiles.md 2.1): PrintableName holds the full name until then.
func (p *ProfileShort) complete(personal bool) {
	p.Type = "organization"
	if personal {
		p.Type = "personal"
	}
	if p.PrintableName == "" {
		p.PrintableName = p.Slug
	}
	p.Picture = filled(p.Picture)
}

// ProfileDetail returns the detail form of a profile; see ProfileDetails. Error: store.ErrNotFound.
func (d *Directory) ProfileDetail(r store.Reader, id int64, withNick bool) (ProfileDetail, error) {
	all, err := d.ProfileDetails(r, []int64{id}, withNick)
	if err != nil {
		return ProfileDetail{}, err
	}
	p, ok := all[id]
	if !ok {
		return ProfileDetail{}, store.ErrNotFound
	}
	return p, nil
}

// ProfileDetails returns the detail form of profiles, by ID, in one query. With withNick, which is for /api/profile and
// /api/profile/{profile}, personal profiles go by the nick name of their user and say it (profiles.md 2.1, 5.5). IDs of none
// are left out.
func (d *Directory) ProfileDetails(r store.Reader, ids []int64, withNick bool) (map[int64]ProfileDetail, error) {
	all := make(map[int64]ProfileDetail, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	rows, err := r.Query(`SELECT profile.id, slug, full_name, picture, profile.created_at, profile.email, phone, street_address, locality,
		region, postal_code, country, default_timezone, no_implicit_role, is_provider, is_bulk_buyer, profile.extra,
		owner.id IS NOT NULL, owner.id IS NOT NULL AND substr(owner.password, 1, 1) NOT IN ('', '!'),
		(SELECT nick_name FROM contact WHERE user_id = owner.id AND nick_name <> '' ORDER BY created_at, id LIMIT 1),
		(SELECT lang FROM contact WHERE user_id = owner.id AND lang <> '' ORDER BY created_at, id LIMIT 1)
		FROM profile LEFT JOIN user owner ON owner.username = profile.slug
			AND EXISTS (SELECT 1 FROM role WHERE role.profile_id = profile.id AND role.user_id = owner.id)
		WHERE profile.id IN (SELECT value FROM json_each(?))`, list(ids))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			id                int64
			p                 ProfileDetail
			extra, nick, lang *string
			personal          bool
		)
		if err := rows.Scan(&id, &p.Slug, &p.FullName, &p.Picture, &p.CreatedAt, &p.Email, &p.Phone, &p.StreetAddress, &p.Locality,
			&p.Region, &p.PostalCode, &p.Country, &p.DefaultTimezone, &p.NoImplicitRole, &p.IsProvider, &p.IsBulkBuyer, &extra,
			&personal, &p.Credentials, &nick, &lang); err != nil {
			return nil, err
		}
		p.PrintableName, p.Extra = p.FullName, Extra(extra)
		if withNick && personal {
			nickName, language := value(nick), value(lang)
			p.NickName, p.Lang = &nickName, &language
			if nickName != "" {
				p.PrintableName = nickName
			}
		}
		p.complete(personal)
		all[id] = p
	}
	return all, rows.Err()
}

// Extra decodes a stored extra (profiles.md 5.4): the JSON that the text is, else the text as a JSON string; nil, which prints
// null, for NULL.
func Extra(text *string) json.RawMessage {
	if text == nil {
		return nil
	}
	if json.Valid([]byte(*text)) {
		var b bytes.Buffer
		if json.Compact(&b, []byte(*text)) == nil {
			return b.Bytes()
		}
	}
	b, _ := json.Marshal(*text) // a string always has a JSON form
	return b
}
