package profile

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Endpoints are the operations of profiles.md.
func (s *Service) Endpoints() []rest.Endpoint {
	const (
		one       = "/api/profile/{profile}"
		roles     = one + "/roles"
		describes = roles + "/describe"
		mine      = "/api/users/{user}/accessibles"
	)
	anybody, known, broker := accessrules.Public, accessrules.AuthenticatedOnly, accessrules.BrokerStrict
	direct, provider, self := accessrules.DirectStrict, accessrules.ProviderStrict, accessrules.SelfStrict
	provides, deletes := accessrules.ProviderFrictionless, accessrules.ProviderDeleteFrictionless
	profile, user, role := rest.Find(hasProfile), rest.Find(hasUser), rest.Find(s.hasRole)

	created := rest.Answers(http.StatusCreated)
	status := rest.Text("role_status", "Keeps roles that are one of these, which commas separate: active, invited, requested.")
	personal := rest.Flag("include_personal_profile", "Lists the personal profile too.")
	return []rest.Endpoint{
		rest.Get("/api/accounts", known, s.listAccounts,
			rest.Lists(&accountProfiles, accountProfilesSearched, &namedProfiles, namedProfilesSearched,
				&neighbours, &bareUsers, &namedBareUsers)),
		rest.Get("/api/accounts/profiles", known, s.listAccountProfiles, rest.Lists(&accountProfiles, accountProfilesSearched,
			&namedProfiles, namedProfilesSearched, &neighbours)),
		rest.Post("/api/accounts/profiles", known, s.createShadow, created, rest.Keyed()),
		rest.Get("/api/accounts/profiles/{profile}", known, s.getAccount),
		rest.Get("/api/accounts/users", known, s.listAccountUsers, rest.Lists(&accountUsers, &namedUsers)),

		rest.Get("/api/agreements", broker, s.listAgreements, rest.Lists(&agreements)),
		rest.Post("/api/agreements", broker, s.addAgreement, created),
		rest.Get("/api/agreements/{document}", broker, s.readDocument),
		rest.Put("/api/agreements/{document}", broker, s.changeAgreement, rest.Find(hasDocument)),
		rest.Patch("/api/agreements/{document}", broker, s.changeAgreement, rest.Find(hasDocument)),
		rest.Delete("/api/agreements/{document}", broker, s.dropAgreement),

		rest.Get("/api/auth/invitations/{grant_key}", anybody, s.readInvitation,
			rest.Doc("Shows an invitation to a role to whoever has its key")),
		rest.Act(http.MethodDelete, "/api/auth/invitations/{grant_key}", anybody, s.declineInvitation,
			rest.Doc("Declines an invitation to a role")),

		rest.Get("/api/legal", anybody, s.listAgreements, rest.Lists(&agreements)),
		rest.Get("/api/legal/{agreement}", anybody, s.readAgreement),
		rest.Post("/api/legal/{agreement}", anybody, s.setPreferences, rest.Find(hasAgreement), rest.Unaudited()),
		rest.Post("/api/legal/{agreement}/sign", known, s.signAgreement, rest.Find(hasAgreement)),

		rest.Get("/api/profile", broker, s.listProfiles, rest.Lists(&everybody, everybodySearched, &archived), rest.Takes(rest.Flag("active", "False lists the profiles that are closed."))),
		rest.Get(one, provides, s.getProfile),
		rest.Put(one, provides, s.updateProfile, profile),
		rest.Patch(one, provides, s.updateProfile, profile),
		rest.Delete(one, deletes, s.deleteProfile),
		rest.Act(http.MethodPost, one+"/picture", provides, s.setPicture, created, rest.File(pictureBody)),

		rest.Get(roles, provider, s.listRoles, rest.Lists(&profileRoles), rest.Takes(status)),
		rest.Get(describes, direct, s.listDescriptions, rest.Lists(&descriptions)),
		rest.Post(describes, direct, s.addDescription, created, profile),
		rest.Get(describes+"/{role}", direct, s.getDescription),
		rest.Put(describes+"/{role}", direct, s.changeDescription, rest.Find(s.hasDescription)),
		rest.Patch(describes+"/{role}", direct, s.changeDescription, rest.Find(s.hasDescription)),
		rest.Delete(describes+"/{role}", direct, s.dropDescription, rest.Takes(rest.Flag("force", "Deletes the roles of the description too."))),
		rest.Get(roles+"/{role}", provider, s.listRolesOf, rest.Lists(&describedRoles), rest.Takes(status)),
		rest.Post(roles+"/{role}", provider, s.grantRole, rest.Answers(200), rest.Answers(201), rest.Takes(rest.Flag("force", "Makes a user, and invites it, when there is none.")), role, rest.Keyed()),
		rest.Get(roles+"/{role}/{user}", provider, s.getRole),
		rest.Post(roles+"/{role}/{user}", provider, s.resendGrant),
		rest.Put(roles+"/{role}/{user}", provider, s.updateRole, rest.Find(s.hasPathRole)),
		rest.Delete(roles+"/{role}/{user}", provider, s.revokeRole),

		rest.Act(http.MethodGet, mine, self, s.listAccessibles, rest.Lists(&accessibles), rest.Takes(status, personal)),
		rest.Post(mine, self, s.requestRoles, rest.Answers(200), rest.Answers(201), rest.Takes(rest.Flag("force", "Makes a profile when there is none.")), user, rest.Keyed()),
		rest.Put(mine+"/accept/{verification_key}", self, s.acceptAccessible),
		rest.Act(http.MethodGet, mine+"/{role}", self, s.listAccessiblesAs, rest.Lists(&accessiblesAs), rest.Takes(status, personal)),
		rest.Post(mine+"/{role}", self, s.requestRoles, rest.Answers(200), rest.Answers(201), rest.Takes(rest.Flag("force", "Makes a profile when there is none.")), user, rest.Keyed()),
		rest.Get(mine+"/{role}/{profile}", self, s.getAccessible),
		rest.Post(mine+"/{role}/{profile}", self, s.resendRequest),
		rest.Delete(mine+"/{role}/{profile}", accessrules.SelfFrictionless, s.dropAccessible),
		rest.Get("/api/users/{user}/profiles", self, s.listConnected, rest.Lists(&connected)),
		rest.Post("/api/users/{user}/profiles", self, s.createConnected, rest.Answers(200, converted{}), rest.Answers(201, directory.ProfileDetail{}), rest.Takes(rest.Flag("convert_from_personal", "Makes an organization of the personal profile.")), user, rest.Keyed()),
	}
}

// pictureBody is the size in bytes of the largest body with a picture.
const pictureBody = rest.MaxPicture + 64<<10

// What is looked up of a path when the body is bad: the object's 404 comes first (conventions.md 9.3).

func hasProfile(c *rest.Call, r store.Reader) error {
	_, err := findProfile(r, c.Param("profile"))
	return err
}

func hasUser(c *rest.Call, r store.Reader) error {
	_, err := findUser(r, c.Param("user"))
	return err
}

func (s *Service) hasRole(c *rest.Call, r store.Reader) error {
	p, err := findProfile(r, c.Param("profile"))
	if err == nil {
		_, err = grantable(r, p.ID, c.Param("role"), s.editor(c))
	}
	return err
}

func (s *Service) hasDescription(c *rest.Call, r store.Reader) error {
	_, _, err := s.pathDescription(c, r, true)
	return err
}

func (s *Service) hasPathRole(c *rest.Call, r store.Reader) error {
	_, _, err := s.pathRole(c, r)
	return err
}

func hasAgreement(c *rest.Call, r store.Reader) error {
	_, err := findAgreement(r, c.Param("agreement"))
	return err
}

func hasDocument(c *rest.Call, r store.Reader) error {
	_, err := findAgreement(r, c.Param("document"))
	return err
}
