package importer

import (
	"encoding/base32"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/auth"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// users imports logins with the hashes of their passwords (auth.md 2).
func (w *work) users() error {
	// Names that are good as they are go first, so that no derived one takes them away.
	good := map[string]int64{}
	err := w.src.each(users, func(r *row) error {
		name := r.text("username", 150)
		if key := strings.ToLower(name); directory.ValidName(name) && good[key] == 0 {
			good[key] = r.id
		}
		return r.err
	})
	if err != nil {
		return err
	}
	for name := range good {
		w.names[name] = true
	}
	emails := map[string]bool{}
	return w.each(users, func(r *row) error {
		name := r.text("username", 150)
		if good[strings.ToLower(name)] != r.id || !directory.ValidName(name) {
			name = w.rename(r, name)
		}
		joined := r.time("date_joined")
		return w.put(r, `INSERT INTO user (id, username, email, first_name, last_name, password, is_active, is_superuser, created_at, last_login,
				password_changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, name, w.email(r, emails), w.plain(r, "first_name", 150), w.plain(r, "last_name", 150), w.password(r), r.bool("is_active"),
			r.bool("is_superuser"), joined, r.nullTime("last_login"), joined)
	})
}

// rename derives a free name, of the form that usernames and slugs have (auth.md D-11), from one that cannot be kept.
func (w *work) rename(r *row, name string) string {
	base := directory.Slugify(name)
	if base == "" {
		base = "user"
	}
	base = base[:min(len(base), 30)]
	n := base
	for i := int64(0); w.names[n]; i++ {
		n = fmt.Sprintf("%s-%d", base, r.id+i)
	}
	w.names[n] = true
	w.note(r, "renamed: a name has letters, digits, - and _, and differs from others by more than case")
	return n
}

// email is an address that nobody had before, or nothing.
func (w *work) email(r *row, seen map[string]bool) any {
	text := r.text("email", 254)
	if text == "" {
		return nil
	}
	address := rest.ParseEmail(text)
	switch {
	case address == "":
		w.note(r, "the e-mail address is none: left out")
		return nil
	case seen[address]:
		w.note(r, "the e-mail address is somebody else's: left out")
		return nil
	}
	seen[address] = true
	return address
}

func (w *work) password(r *row) string {
	hash, ok := auth.ImportedHash(r.text("password", 512))
	if !ok {
		w.note(r, "the password is hashed in a way that is not known here: its user asks for a new one")
	}
	return hash
}

// contacts imports the verified and unverified addresses of users, and the address book.
func (w *work) contacts() error {
	emails, phones, slugs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	return w.each(contacts, func(r *row) error {
		slug := r.text("slug", 50)
		if !directory.ValidName(slug) || slugs[strings.ToLower(slug)] {
			slug = "contact-" + strconv.FormatInt(r.id, 10)
			w.note(r, "renamed: a slug has letters, digits, - and _, and differs from others by more than case")
		}
		slugs[strings.ToLower(slug)] = true
		if r.text("email_verification_key", 40)+r.text("phone_verification_key", 40) != "" {
			w.note(r, "a verification under way is left out: it is asked for again")
		}
		return w.put(r, `INSERT INTO contact (id, slug, created_at, email, phone, full_name, nick_name, picture, user_id, lang, extra, email_verified_at,
				phone_verified_at, email_verification_required, phone_verification_required) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, slug, r.time("created_at"), w.email(r, emails), w.phone(r, phones), w.plain(r, "full_name", 60), w.plain(r, "nick_name", 60), w.picture(r),
			orNull(r.ref("user_id")), r.text("lang", 8), r.nullText("extra", mostText), r.nullTime("email_verified_at"), r.nullTime("phone_verified_at"),
			r.bool("email_verification_required"), r.bool("phone_verification_required"))
	})
}

// phone is a number that nobody had before, in E.164 (decision 45), or nothing.
func (w *work) phone(r *row, seen map[string]bool) any {
	text := r.text("phone", 128)
	if text == "" {
		return nil
	}
	number := rest.ParsePhone(text)
	switch {
	case number == "":
		w.note(r, "the phone number is none: left out")
		return nil
	case seen[number]:
		w.note(r, "the phone number is somebody else's: left out")
		return nil
	}
	seen[number] = true
	return number
}

// picture is the address of a picture, or nothing. The files themselves stay where they are.
func (w *work) picture(r *row) any {
	text := r.text("picture", 2083)
	if text == "" {
		return nil
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		w.note(r, "the picture is no address of the web: left out")
		return nil
	}
	return text
}

// otps imports the secrets of one-time passwords, which are encrypted here.
func (w *work) otps() error {
	return w.each(otps, func(r *row) error {
		secret := strings.ToUpper(strings.TrimRight(r.text("priv_key", 40), "="))
		if _, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret); err != nil || secret == "" {
			w.note(r, "the secret of one-time passwords is none: left out")
			return r.err
		}
		user := r.must("user_id")
		sealed, err := auth.SealOTP(w.Directory, user, secret)
		if err != nil {
			return err
		}
		return w.put(r, `INSERT INTO otp (user_id, priv_key, created_at) VALUES (?, ?, ?)`, user, sealed, w.tx.Now())
	})
}

// notifications imports which events users do not want to be mailed about (notifications.md 7).
func (w *work) notifications() error {
	err := w.each(notifications, func(r *row) error {
		return w.put(r, `INSERT INTO notification (id, slug, title, description, extra) VALUES (?, ?, ?, ?, ?)`,
			r.id, r.text("slug", 50), r.text("title", 100), r.text("description", mostText), r.nullText("extra", mostText))
	})
	if err != nil {
		return err
	}
	return w.each(unwanted, func(r *row) error {
		return w.put(r, `INSERT INTO user_notification (user_id, notification_id) VALUES (?, ?)`, r.must("user_id"), r.must("notification_id"))
	})
}

// delegates imports the domains whose users log in elsewhere.
func (w *work) delegates() error {
	return w.each(delegates, func(r *row) error {
		return w.put(r, `INSERT INTO delegate_auth (id, domain, provider, created_at) VALUES (?, ?, ?, ?)`,
			r.id, r.text("domain", 100), r.text("provider", 32), r.time("created_at"))
	})
}

// activities imports notes about contacts.
func (w *work) activities() error {
	return w.each(activities, func(r *row) error {
		contact := r.ref("contact_id")
		if contact == 0 {
			w.note(r, "a note about no contact: left out")
			return r.err
		}
		return w.put(r, `INSERT INTO activity (id, created_at, created_by, contact_id, text, extra) VALUES (?, ?, ?, ?, ?, ?)`,
			r.id, r.time("created_at"), orNull(r.ref("created_by_id")), contact, r.text("text", mostText), r.nullText("extra", mostText))
	})
}
