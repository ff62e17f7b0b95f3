package importer

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// profiles imports profiles. The payment processor's gets the id and the slug that it has here.
func (w *work) profiles() error {
	w.funds = map[int64]int64{}
	slugs := map[string]bool{}
	err := w.each(profiles, func(r *row) error {
		slug, id := r.text("slug", 50), w.profile(r.id)
		switch {
		case r.id == w.processor:
			if !strings.EqualFold(slug, w.Processor) {
				w.note(r, "the payment processor: called "+w.Processor+" here")
			}
			slug = w.Processor
		case strings.EqualFold(slug, w.Processor):
			return fmt.Errorf("%s: slug is %q, which is the payment processor's here", r, slug)
		case !directory.ValidName(slug) || slugs[strings.ToLower(slug)]:
			slug = w.rename(r, slug)
		case directory.Reserved(slug) && !strings.HasPrefix(slug, "_archive_"):
			w.note(r, "its slug is a word of the API's addresses, where it cannot be reached: rename it")
		}
		slugs[strings.ToLower(slug)] = true
		if r.text("processor_priv_key", 255)+r.text("processor_refresh_token", 255)+r.text("processor_pub_key", 255) != "" {
			w.note(r, "the keys of its account at the payment processor are left out: connect it again")
		}
		if p := r.ref("processor_id"); p != 0 && p != w.processor {
			w.note(r, "has another payment processor than the broker: the broker's is used")
		}
		if funds := r.int("funds_balance", -mostID, mostID); funds != 0 {
			w.funds[id] = funds
		}
		return w.put(r, `INSERT INTO profile (id, slug, created_at, is_active, full_name, email, phone, street_address, locality, region, postal_code, country,
				default_timezone, picture, is_provider, is_bulk_buyer, no_implicit_role, billing_start, nb_renewal_attempts, processor_card_key,
				processor_deposit_key, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			id, slug, r.time("created_at"), r.bool("is_active"), w.plain(r, "full_name", 100), w.address(r), phoneOf(r), r.text("street_address", 150),
			r.text("locality", 50), r.text("region", 50), r.text("postal_code", 50), w.country(r), w.timezone(r), w.picture(r),
			r.bool("is_provider"), r.bool("is_bulk_buyer"), r.bool("no_implicit_role"), r.date("billing_start"), r.int("nb_renewal_attempts", 0, mostID),
			r.key("processor_card_key", 255), r.key("processor_deposit_key", 255), r.nullText("extra", mostText))
	})
	if err != nil {
		return err
	}
	_, err = w.tx.Exec(`UPDATE profile SET processor_id = 1 WHERE id <> 1`)
	return err
}

// address is the e-mail address of a profile, which others may have too.
func (w *work) address(r *row) string {
	text := r.text("email", 254)
	address := rest.ParseEmail(text)
	if text != "" && address == "" {
		w.note(r, "the e-mail address is none: left out")
	}
	return address
}

// phoneOf is the phone number of a profile: in E.164 when it is one, else as it is.
func phoneOf(r *row) string {
	text := r.text("phone", 50)
	if number := rest.ParsePhone(text); number != "" {
		return number
	}
	return text
}

func (w *work) country(r *row) string {
	text := r.text("country", 2)
	code := rest.Country(text)
	if text != "" && code == "" {
		w.note(r, "the country is none: left out")
	}
	return code
}

func (w *work) timezone(r *row) string {
	name := r.text("default_timezone", 100)
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		w.note(r, "the time zone is not known: UTC")
		return "UTC"
	}
	return name
}

// descriptions imports role descriptions, those of all profiles included.
func (w *work) descriptions() error {
	return w.each(descriptions, func(r *row) error {
		return w.put(r, `INSERT INTO role_description (id, created_at, slug, profile_id, title, skip_optin_on_grant, implicit_create_on_none, otp_required,
				extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.time("created_at"), r.text("slug", 50), orNull(w.profile(r.ref("organization_id"))), w.plain(r, "title", 50),
			r.bool("skip_optin_on_grant"), r.bool("implicit_create_on_none"), r.bool("otp_required"), r.nullText("extra", mostText))
	})
}

// roles imports roles, invitations and requests.
func (w *work) roles() error {
	return w.each(roles, func(r *row) error {
		description, request, grant := r.ref("role_description_id"), r.text("request_key", 40), r.text("grant_key", 40)
		switch {
		case request != "" && grant != "":
			w.note(r, "a role that is both asked for and offered: left out")
			return r.err
		case request == "" && description == 0:
			w.note(r, "a role of no kind: left out")
			return r.err
		}
		return w.put(r, `INSERT INTO role (id, created_at, profile_id, user_id, role_description_id, request_key, grant_key, ends_at, extra)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.time("created_at"), w.profile(r.must("organization_id")), r.must("user_id"), orNull(description), orNull(request), orNull(grant),
			r.nullTime("ends_at"), r.nullText("extra", mostText))
	})
}

// agreements imports agreements and who signed them when.
func (w *work) agreements() error {
	err := w.each(agreements, func(r *row) error {
		w.note(r, "the text of an agreement is not in the file: PUT /api/agreements/{document}")
		return w.put(r, `INSERT INTO agreement (id, slug, title, updated_at) VALUES (?, ?, ?, ?)`,
			r.id, r.text("slug", 50), w.plain(r, "title", 150), r.time("updated_at"))
	})
	if err != nil {
		return err
	}
	return w.each(signatures, func(r *row) error {
		return w.put(r, `INSERT INTO signature (id, agreement_id, user_id, last_signed) VALUES (?, ?, ?, ?)`,
			r.id, r.must("agreement_id"), r.must("user_id"), r.time("last_signed"))
	})
}
