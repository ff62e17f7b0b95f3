// Package profile is profiles, shadow profiles and accounts, the roles of users on them with their invitations and requests,
// and the agreements that users sign: docs/contract/profiles.md.
package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options of a Service.
type Options struct {
	Store     *store.Store
	Directory *directory.Directory
	Notices   *notice.Notices
	Pictures  *rest.Pictures // nil: none are taken
	Settings  Settings
}

// Settings are the contract's settings about profiles; DefaultSettings has their defaults.
type Settings struct {
	// ForcePersonal gives every user a personal profile when its roles are first listed: registration style "personal" or
	// "implicit" (auth.md 25). Default: false.
	ForcePersonal bool
	// ShadowsPerHour is how many profiles that are not their own one user may create in an hour (decision 4). Default: 60.
	ShadowsPerHour int
	// ArchiveDomain is the domain of the e-mail addresses of archived profiles: that of the site's sender address. Default:
	// "anonimized.local".
	ArchiveDomain string
	// PublicMail are the domains of public mail providers, whose users have nothing in common (profiles.md 4.5). Default:
	// PublicMailDomains.
	PublicMail []string
	// AppPath is the entry page of the gated application for a profile; "{profile}" stands for its slug. Default:
	// "/app/{profile}/".
	AppPath string
	// HideAccounts keeps to itself which addresses have accounts (decision 78). Default: false.
	HideAccounts bool
}

// DefaultSettings returns the default of every setting.
func DefaultSettings() Settings {
	return Settings{
		ShadowsPerHour: 60,
		ArchiveDomain:  "anonimized.local",
		PublicMail:     slices.Clone(PublicMailDomains),
		AppPath:        "/app/{profile}/",
	}
}

// processorID is the row of the profile that stands for the payment processor.
const processorID = 1

// A Service carries out the operations of profiles.md.
type Service struct {
	store    *store.Store
	dir      *directory.Directory
	notices  *notice.Notices
	pictures *rest.Pictures
	settings Settings
	users    Users
	subs     Subscriptions
	public   map[string]bool // domains of PublicMail

	activities func(r store.Reader, profile int64) (any, error)
}

// NewService returns a service; SetUsers and SetSubscriptions complete it.
func NewService(o Options) *Service {
	s := &Service{store: o.Store, dir: o.Directory, notices: o.Notices, pictures: o.Pictures, settings: o.Settings, public: map[string]bool{}}
	for _, domain := range o.Settings.PublicMail {
		s.public[strings.ToLower(domain)] = true
	}
	return s
}

// SetUsers hands over what profiles ask of user accounts. It is called once, before the first request.
func (s *Service) SetUsers(u Users) { s.users = u }

// SetSubscriptions hands over what profiles ask of subscriptions. It is called once, before the first request.
func (s *Service) SetSubscriptions(u Subscriptions) { s.subs = u }

// SetActivities hands over the notes about a profile (auth.md 21): a list, as it is printed in the profile. Without, profiles have
// none.
func (s *Service) SetActivities(fn func(r store.Reader, profile int64) (any, error)) {
	s.activities = fn
}

// Bootstrap is what a new site starts with.
type Bootstrap struct {
	ProcessorSlug, ProcessorName        string // of the profile that stands for the payment processor: "stripe", "Stripe"
	BrokerSlug, BrokerName, BrokerEmail string
}

// ErrProcessor says that row 1 of a database is not the processor's profile.
var ErrProcessor = errors.New("profile: row 1 is not the payment processor")

// Bootstrap makes what every site needs and does not have yet: the profile of the payment processor (row 1), that of the broker,
// the role descriptions "manager" and "contributor" (profiles.md 1). It changes nothing that exists, so it runs at every start.
func (s *Service) Bootstrap(tx *store.Tx, b Bootstrap) error {
	if err := bootstrapRoles(tx); err != nil {
		return err
	}
	if err := s.bootstrapProfile(tx, processorID, b.ProcessorSlug, b.ProcessorName, "", false); err != nil {
		return err
	}
	var slug string
	if err := tx.QueryRow(`SELECT slug FROM profile WHERE id = ?`, processorID).Scan(&slug); err != nil {
		return err
	}
	if slug != b.ProcessorSlug {
		return ErrProcessor
	}
	return s.bootstrapProfile(tx, nil, b.BrokerSlug, b.BrokerName, b.BrokerEmail, true)
}

func bootstrapRoles(tx *store.Tx) error {
	const insert = `INSERT INTO role_description (created_at, slug, title) SELECT ?, ?, ?
		WHERE NOT EXISTS (SELECT 1 FROM role_description WHERE slug = ? AND profile_id IS NULL)`
	if _, err := tx.Exec(insert, tx.Now(), Manager, "Profile Manager", Manager); err != nil {
		return err
	}
	_, err := tx.Exec(insert, tx.Now(), Contributor, "Contributor", Contributor)
	return err
}

// ErrNameTaken says that a profile of the configuration has the name of a user, or a name that somebody else used (decision 69).
var ErrNameTaken = errors.New("profile: the name belongs to somebody else")

// bootstrapProfile makes a profile unless the row or the slug is there.
func (s *Service) bootstrapProfile(tx *store.Tx, id any, slug, name, email string, provider bool) error {
	there, err := exists(tx, `SELECT EXISTS (SELECT 1 FROM profile WHERE id = ? OR slug = ?)`, id, slug)
	if err != nil || there {
		return err
	}
	free, err := s.dir.NameFree(tx, slug, 0, 0)
	if err == nil && !free {
		err = fmt.Errorf("%w: %q", ErrNameTaken, slug)
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO profile (id, slug, created_at, full_name, email, is_provider, processor_id) VALUES (?, ?, ?, ?, ?, ?, CASE WHEN ? IS NULL THEN 1 END)
		ON CONFLICT DO NOTHING`, id, slug, tx.Now(), name, email, provider, id)
	return err
}
