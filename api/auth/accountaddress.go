package auth

import (
	"database/sql"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// What a user, and the broker's staff, see of the addresses of an account: which of them are proven, and what waits (decision 66).

// States of an address of an account.
const (
	addressShown    = "shown"    // the one that the account shows
	addressReplaced = "replaced" // proven, and counts until the one that replaced it is proven
	addressPending  = "pending"  // waits for its code: nothing has changed yet
	addressFurther  = "further"  // another one of the user's
)

// An accountAddress is an address of a user.
type accountAddress struct {
	Kind       string     `json:"kind"` // email or phone
	Address    string     `json:"address"`
	State      string     `json:"state"`
	VerifiedAt store.Time `json:"verified_at"`
}

// proofs completes an account with its addresses, and with which of them every log-in has to prove.
func (out *account) proofs(r store.Reader, u *user) error {
	contacts, err := contactsOf(r, u.ID)
	if err != nil {
		return err
	}
	out.EmailRequired, out.PhoneRequired = new(bool), new(bool)
	phone, listed := shownPhone(contacts), false
	for _, c := range contacts { // a few
		*out.EmailRequired = *out.EmailRequired || c.EmailRequired
		*out.PhoneRequired = *out.PhoneRequired || c.PhoneRequired
		for _, a := range []struct {
			ch      *channel
			address string
			isShown bool
		}{{byEmail, c.Email, strings.EqualFold(c.Email, u.Email)}, {byPhone, c.Phone, c.Phone == phone}} {
			if a.address == "" {
				continue
			}
			one := accountAddress{Kind: a.ch.name, Address: a.address, State: addressFurther}
			switch {
			case c.Replaced:
				one.State = addressReplaced
			case a.isShown:
				one.State, listed = addressShown, listed || a.ch == byEmail
			}
			was, err := proofOf(r, a.ch, a.address)
			if err != nil {
				return err
			}
			if was != nil {
				one.VerifiedAt = was.verifiedAt
			}
			out.Addresses = append(out.Addresses, one)
		}
	}
	if u.Email != "" && !listed { // in no contact
		out.Addresses = append(out.Addresses, accountAddress{Kind: byEmail.name, Address: u.Email, State: addressShown})
	}
	waiting, err := store.List(r, func(rows *sql.Rows, a *accountAddress) error {
		a.State = addressPending
		return rows.Scan(&a.Kind, &a.Address)
	}, `SELECT kind, address FROM pending_address WHERE user_id = ? AND (code IS NOT NULL OR attempts >= ?)
		ORDER BY kind, sent_at DESC, id`, u.ID, wrongCodes)
	out.Addresses = append(out.Addresses, waiting...)
	return err
}

// takeBack ends the changes of a user to other addresses of a kind, whose codes have not come back. The messages that were
// sent stay counted: who takes back and asks again sends no more of them.
func takeBack(tx *store.Tx, kind string, user int64) error {
	_, err := tx.Exec(`UPDATE pending_address SET code = NULL, attempts = 0 WHERE kind = ? AND user_id = ?`, kind, user)
	return err
}

// sendProof sends the code of an address that an account shows and its user has not proven. It is a code also where links are sent
// elsewhere: it counts in a request of that user alone. Errors: 429.
func (s *Service) sendProof(c *rest.Call, ch *channel, address string, whose int64) error {
	var u *user
	unproven := false
	if err := c.Read(func(r store.Reader) (err error) {
		if u, err = userByID(r, whose); err != nil || u == nil {
			return err
		}
		if address == "" && ch == byEmail {
			address = u.Email
		} else if address == "" {
			contacts, err := contactsOf(r, u.ID)
			if err != nil {
				return err
			}
			address = shownPhone(contacts)
		}
		mine, err := holds(r, ch, address, u)
		if err != nil || !mine {
			return err
		}
		was, err := proofOf(r, ch, address)
		unproven = err == nil && (was == nil || was.verifiedAt.IsZero())
		return err
	}); err != nil || !unproven {
		return err
	}
	return s.sendCode(c, ch, address, u, person{}, false)
}
