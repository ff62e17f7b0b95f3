package directory

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/store"
)

func TestUserShapes(t *testing.T) {
	w := newWorld(t)
	bare, named, many, spare := w.user("bare"), w.user("named"), w.user("many"), w.user("spare")
	w.exec(func(*store.Tx) {}, `UPDATE user SET first_name = '', last_name = '', email = NULL, password = '!x' WHERE id = ?`, bare)
	contact := func(user int64, slug string, at int64, nick, full string, phone, picture, lang any) {
		w.insert(`INSERT INTO contact (slug, created_at, nick_name, full_name, phone, picture, lang, user_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			slug, at, nick, full, phone, picture, lang, user)
	}
	contact(many, "late", 9, "Late", "Late Lee", "+14155550102", "https://x/late.png", "fr")
	contact(many, "early", 1, "", "Early Lee", nil, nil, "de")
	contact(many, "middle", 5, "Mid", "", "+14155550101", "", "it")
	w.insert(`INSERT INTO otp (user_id, priv_key, created_at) VALUES (?, 'x', 0)`, many)
	w.exec(func(*store.Tx) {}, `UPDATE user SET last_login = 1500000 WHERE id = ?`, many)
	want := map[int64]string{
		bare: `{"slug":"bare","username":"bare","printable_name":"bare","picture":null,"email":null,"phone":null,"full_name":"","nick_name":"",` +
			`"lang":"en","credentials":false,"otp_enabled":false,"created_at":"2025-03-10T12:00:00Z","last_login":null}`,
		named: `{"slug":"named","username":"named","printable_name":"Fnamed","picture":null,"email":"named@example.com","phone":null,` +
			`"full_name":"Fnamed Lee","nick_name":"Fnamed","lang":"en","credentials":true,"otp_enabled":false,"created_at":"2025-03-10T12:00:00Z","last_login":null}`,
		many: `{"slug":"many","username":"many","printable_name":"Mid","picture":"https://x/late.png","email":"many@example.com","phone":"+14155550101",` +
			`"full_name":"Early Lee","nick_name":"Mid","lang":"de","credentials":true,"otp_enabled":true,"created_at":"2025-03-10T12:00:00Z",` +
			`"last_login":"1970-01-01T00:00:01.500000Z"}`,
	}
	w.read(func(r store.Reader) error {
		details := must[map[int64]UserDetail](t)(w.UserDetails(r, []int64{many, bare, 999, named}))
		if len(details) != len(want) {
			t.Errorf("%d users of %d", len(details), len(want))
		}
		for id, text := range want {
			if got := encoded(t, details[id]); got != text {
				t.Errorf("user\n%s, want\n%s", got, text)
			}
		}
		short := must[map[int64]UserShort](t)(w.Users(r, []int64{many}))
		if got := encoded(t, short); got != `{"`+list([]int64{many})[1:2]+`":{"slug":"many","username":"many","printable_name":"Mid","picture":"https://x/late.png"}}` {
			t.Errorf("short users %s", got)
		}
		if one := must[UserDetail](t)(w.UserDetail(r, spare)); one.Username != "spare" {
			t.Errorf("one user %v", one)
		}
		if _, err := w.UserDetail(r, 999); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		if none, err := w.Users(r, nil); len(none) != 0 || err != nil {
			t.Errorf("no IDs: %v, %v", none, err)
		}
		return nil
	})
}

func TestProfileShapes(t *testing.T) {
	w := newWorld(t)
	xia, yan := w.user("xia"), w.user("Yan")
	acme, own, yans, gym := w.profile("acme"), w.profile("xia"), w.profile("yan"), w.profile("gym")
	w.role(xia, own, w.manager)
	w.role(xia, acme, w.manager)
	w.role(yan, yans, w.contributor)
	w.insert(`INSERT INTO contact (slug, created_at, nick_name, lang, user_id) VALUES ('x', 0, 'Xixi', 'fr', ?)`, xia)
	w.exec(func(*store.Tx) {}, `UPDATE user SET password = '' WHERE id = ?`, yan)
	w.exec(func(*store.Tx) {}, `UPDATE profile SET full_name = '', picture = 'https://x/p.png', phone = '1', street_address = '2', locality = '3',
		region = '4', postal_code = '5', country = 'US', is_provider = 1, extra = '{"b":1, "a":[2]}' WHERE id = ?`, acme)
	short := map[int64]string{
		acme: `{"slug":"acme","printable_name":"acme","picture":"https://x/p.png","type":"organization","credentials":false,"created_at":"2025-03-10T12:00:00Z"}`,
		own:  `{"slug":"xia","printable_name":"The xia","picture":null,"type":"personal","credentials":true,"created_at":"2025-03-10T12:00:00Z"}`,
		yans: `{"slug":"yan","printable_name":"The yan","picture":null,"type":"personal","credentials":false,"created_at":"2025-03-10T12:00:00Z"}`,
		gym:  `{"slug":"gym","printable_name":"The gym","picture":null,"type":"organization","credentials":false,"created_at":"2025-03-10T12:00:00Z"}`,
	}
	detail := map[int64]string{
		acme: short[acme][:len(short[acme])-1] + `,"full_name":"","email":"acme@example.com","phone":"1","street_address":"2","locality":"3","region":"4",` +
			`"postal_code":"5","country":"US","default_timezone":"UTC","no_implicit_role":false,"is_provider":true,"is_bulk_buyer":false,"extra":{"b":1,"a":[2]}}`,
		own: short[own][:len(short[own])-1] + `,"full_name":"The xia","email":"xia@example.com","phone":"","street_address":"","locality":"","region":"",` +
			`"postal_code":"","country":"","default_timezone":"UTC","no_implicit_role":false,"is_provider":false,"is_bulk_buyer":false,"extra":null}`,
	}
	w.read(func(r store.Reader) error {
		all := must[map[int64]ProfileShort](t)(w.Profiles(r, []int64{acme, own, yans, gym, 999}))
		if len(all) != 4 {
			t.Errorf("%d profiles", len(all))
		}
		for id, text := range short {
			if got := encoded(t, all[id]); got != text {
				t.Errorf("profile\n%s, want\n%s", got, text)
			}
		}
		details := must[map[int64]ProfileDetail](t)(w.ProfileDetails(r, []int64{acme, own}, false))
		for id, text := range detail {
			if got := encoded(t, details[id]); got != text {
				t.Errorf("profile\n%s, want\n%s", got, text)
			}
		}
		nick := must[ProfileDetail](t)(w.ProfileDetail(r, own, true))
		if nick.PrintableName != "Xixi" || *nick.NickName != "Xixi" || *nick.Lang != "fr" || nick.FullName != "The xia" {
			t.Errorf("with nick name: %s", encoded(t, nick))
		}
		bare := must[ProfileDetail](t)(w.ProfileDetail(r, yans, true))
		if bare.PrintableName != "The yan" || *bare.NickName != "" || *bare.Lang != "" {
			t.Errorf("without contact: %s", encoded(t, bare))
		}
		if org := must[ProfileDetail](t)(w.ProfileDetail(r, acme, true)); org.NickName != nil || org.Lang != nil {
			t.Errorf("an organization has a nick name: %s", encoded(t, org))
		}
		if _, err := w.ProfileDetail(r, 999, false); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("none: %v", err)
		}
		return nil
	})
}

func TestExtra(t *testing.T) {
	if got := Extra(nil); got != nil {
		t.Errorf("Extra(nil) = %s", got)
	}
	for text, want := range map[string]string{
		`{"z":1,"a":{"b":[1.50]}}`: `{"z":1,"a":{"b":[1.50]}}`, `{ "a" : 1 }`: `{"a":1}`, `[1,2]`: `[1,2]`, `12`: `12`, `null`: `null`, `"x"`: `"x"`,
		`free text`: `"free text"`, ``: `""`, `{"a":`: `"{\"a\":"`, `NaN`: `"NaN"`,
	} {
		if diff := cmp.Diff(want, string(Extra(&text))); diff != "" {
			t.Errorf("Extra(%q): %s", text, diff)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
