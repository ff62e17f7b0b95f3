package profile

import (
	"strconv"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Archive closes a profile for good (profiles.md 6.4, decision 7): personal data erased, roles gone, subscriptions and plans
// ended; the row stays, for the books, under the slug "_archive_<id>"; a slug that was used stays nobody's. The user of a personal profile is archived with it.
// broker says that a manager of the broker asks, who may leave other profiles of that user without a manager. Archiving what is
// archived changes nothing. Errors: 400 for the broker, the processor, a profile that has current subscribers or a balance, and
// a user who is the last manager of another profile.
func (s *Service) Archive(tx *store.Tx, profile int64, broker bool) error {
	var slug string
	var active bool
	if err := tx.QueryRow(`SELECT slug, is_active FROM profile WHERE id = ?`, profile).Scan(&slug, &active); err != nil {
		return err
	}
	if !active {
		return nil
	}
	user, err := attachedUser(tx, profile)
	if err != nil {
		return err
	}
	if err := s.mayArchive(tx, profile, slug); err != nil {
		return err
	}
	if err := s.dir.LeaveName(tx, slug, user, profile); err != nil {
		return err
	}
	if err := s.dir.ForgetNames(tx, 0, profile); err != nil {
		return err
	}
	if user != 0 {
		if err := s.LastManagerElsewhere(tx, user, profile, broker); err != nil {
			return err
		}
		if err := s.users.ArchiveUser(tx, user); err != nil {
			return err
		}
		s.dir.TouchUser(tx, user)
	}
	if _, err := tx.Exec(`DELETE FROM role WHERE profile_id = ?`, profile); err != nil {
		return err
	}
	if err := s.subs.EndAll(tx, profile); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM role_answer WHERE profile_id = ?`, profile); err != nil {
		return err
	}
	name := "_archive_" + strconv.FormatInt(profile, 10)
	_, err = tx.Exec(`UPDATE profile SET slug = ?, email = ?, is_active = 0, full_name = '', phone = '', street_address = '', locality = '',
		region = '', postal_code = '', country = '', picture = NULL, extra = NULL, confirmed_domain = '' WHERE id = ?`,
		name, name+"@"+s.settings.ArchiveDomain, profile)
	s.dir.TouchProfile(tx, profile) // its members are read again too
	return err
}

// deleteProfile archives a profile. That of a user goes with the account, which is for the user and the broker to end, not for
// whoever else manages the profile (decision 29).
func (s *Service) deleteProfile(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	p, err := findProfile(tx, c.Param("profile"))
	if err != nil {
		return rest.None{}, err
	}
	user, err := attachedUser(tx, p.ID)
	if err != nil {
		return rest.None{}, err
	}
	broker := c.Query.IsBrokerManager()
	if user != 0 && user != c.User.ID && !broker {
		return rest.None{}, rest.Forbidden("Only its user can delete a personal profile.")
	}
	return rest.None{}, s.Archive(tx, p.ID, broker)
}

// mayArchive holds decision 7.
func (s *Service) mayArchive(tx *store.Tx, profile int64, slug string) error {
	if profile == processorID {
		return rest.Bad("detail", "The profile of the payment processor cannot be deleted.")
	}
	all, err := s.archiveObstacles(tx, profile, slug)
	if err == nil && len(all) > 0 {
		err = all[0].refusal()
	}
	return err
}

// LastManagerElsewhere fails with 400 when a user is the last active manager of an active profile other than except
// (decision 39). With broker, which a manager of the broker sets, only the broker's own profile counts: without a manager there,
// nobody runs the site.
func (s *Service) LastManagerElsewhere(r store.Reader, user, except int64, broker bool) error {
	all, err := s.lastManaged(r, user, except, broker)
	if err == nil && len(all) > 0 {
		err = all[0].refusal()
	}
	return err
}
