package auth

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// Endpoints are the rows of the table of the API that this package answers (auth.md 0), in the order of their paths.
func (s *Service) Endpoints() []rest.Endpoint {
	created := rest.Answers(http.StatusCreated)
	cookie := rest.Takes(rest.Text("cookie", "With any value, the session is a cookie as well."))
	return []rest.Endpoint{
		rest.Get("/api", accessrules.Public, s.version),

		rest.Act(http.MethodPost, "/api/auth", accessrules.Public, s.login, created, cookie, rest.Door(), rest.Unaudited()),
		rest.Act(http.MethodPost, "/api/auth/recover", accessrules.Public, s.recoverHandler, rest.Door(), rest.Unaudited()),
		rest.Get("/api/auth/register", accessrules.Public, s.registering, rest.Doc("Tells what registration asks for on this site")),
		rest.Act(http.MethodPost, "/api/auth/register", accessrules.Public, s.registerHandler, created, cookie, rest.Door(), rest.Unaudited()),
		rest.Get("/api/auth/tokens", accessrules.AuthenticatedOnly, s.whoAmI),
		rest.Act(http.MethodPost, "/api/auth/tokens", accessrules.AuthenticatedOnly, s.refresh, created, rest.Unaudited()),
		rest.Delete("/api/auth/tokens", accessrules.AuthenticatedOnly, s.logout, rest.Unaudited(),
			rest.Takes(rest.Flag("everywhere", "Ends all sessions of the caller, with their tokens."))),
		rest.Get("/api/auth/tokens/realms/{profile}", accessrules.DirectStrict, s.realms),
		rest.Act(http.MethodPost, "/api/auth/tokens/verify", accessrules.AuthenticatedOnly, s.verify, rest.Unaudited()),
		rest.Get("/api/auth/{verification_key}", accessrules.Public, s.activation, rest.Fails(http.StatusBadRequest)),
		rest.Act(http.MethodPost, "/api/auth/{verification_key}", accessrules.Public, s.activate, created, rest.Door(), rest.Unaudited()),

		rest.Get("/api/users", accessrules.BrokerStrict, s.listPeople, rest.Lists(&everybody)),
		rest.Post("/api/users", accessrules.BrokerStrict, s.createContact, created, rest.Keyed()),
		rest.Get("/api/users/{user}", accessrules.SelfFrictionless, s.readAccount),
		rest.Act(http.MethodPut, "/api/users/{user}", accessrules.SelfFrictionless, s.updateAccount, rest.Find(findAccount)),
		rest.Act(http.MethodPatch, "/api/users/{user}", accessrules.SelfFrictionless, s.updateAccount, rest.Find(findAccount)),
		rest.Act(http.MethodDelete, "/api/users/{user}", accessrules.SelfFrictionless, s.deleteAccount, rest.Unaudited()),
		rest.Post("/api/users/{user}/activate", accessrules.SelfWideFrictionless, s.reactivate),
		rest.Post("/api/users/{user}/confirm", accessrules.BrokerStrict, s.confirmAddress, rest.Unaudited(),
			rest.Doc("Takes an address of a user for proven, on the broker's word")),
		rest.Get("/api/users/{user}/api-keys", accessrules.SelfOnlyStrict, s.listKeys, rest.Lists(&apiKeys)),
		rest.Act(http.MethodPost, "/api/users/{user}/api-keys", accessrules.SelfOnlyStrict, s.createKey, created, rest.Find(findUserOnly)),
		rest.Act(http.MethodPost, "/api/users/{user}/api-keys/{key}", accessrules.SelfOnlyStrict, s.deleteKey, rest.Find(findKey)),
		rest.Get("/api/users/{user}/deletion", accessrules.SelfOnlyFrictionless, s.previewDeletion,
			rest.Doc("Lists what stands in the way of deleting a user")),
		rest.Act(http.MethodPut, "/api/users/{user}/otp", accessrules.SelfFrictionless, s.setOTP, rest.Answers(200, otpOutput{}), rest.Answers(201, otpOutput{}), rest.Answers(204), rest.Find(findUserOnly), rest.Unaudited()),
		rest.Act(http.MethodPut, "/api/users/{user}/password", accessrules.SelfStrict, s.changePassword, rest.Find(findUserOnly), rest.Unaudited()),
		rest.Delete("/api/users/{user}/password", accessrules.SelfStrict, s.removePassword),
		rest.Act(http.MethodPost, "/api/users/{user}/picture", accessrules.SelfStrict, s.setPicture, created, rest.File(pictureBody)),
		rest.Delete("/api/users/{user}/picture", accessrules.SelfStrict, s.removePicture, rest.Doc("Removes the picture of a user")),
		rest.Get("/api/users/{user}/ssh-keys", accessrules.SelfOnlyStrict, s.readSSHKey, rest.Doc("Shows the SSH public key of a user")),
		rest.Act(http.MethodDelete, "/api/users/{user}/ssh-keys", accessrules.SelfStrict, s.deleteSSHKey,
			rest.Find(findUserOnly), rest.Unaudited(), rest.Doc("Removes the SSH public key of a user")),
		rest.Act(http.MethodPut, "/api/users/{user}/ssh-keys", accessrules.SelfStrict, s.setSSHKey, rest.Find(findUserOnly), rest.Unaudited()),

		rest.Get("/api/contacts", accessrules.BrokerStrict, s.listPeople, rest.Lists(&everybody)),
		rest.Post("/api/contacts", accessrules.BrokerStrict, s.createContact, created, rest.Keyed()),
		rest.Get("/api/contacts/{user}", accessrules.BrokerStrict, s.readAccount),
		rest.Act(http.MethodPut, "/api/contacts/{user}", accessrules.BrokerStrict, s.updateAccount, rest.Find(findAccount)),
		rest.Act(http.MethodPatch, "/api/contacts/{user}", accessrules.BrokerStrict, s.updateAccount, rest.Find(findAccount)),
		rest.Act(http.MethodDelete, "/api/contacts/{user}", accessrules.BrokerStrict, s.deleteAccount, rest.Unaudited()),
		rest.Get("/api/contacts/{user}/activities", accessrules.BrokerStrict, s.listContactActivities, rest.Lists(contactActivities, userActivities)),
		rest.Post("/api/contacts/{user}/activities", accessrules.BrokerStrict, s.noteContact, created, rest.Find(findAccount), rest.Keyed()),
		rest.Act(http.MethodPost, "/api/contacts/{user}/picture", accessrules.BrokerStrict, s.setPicture, created, rest.File(pictureBody)),
		rest.Delete("/api/contacts/{user}/picture", accessrules.BrokerStrict, s.removePicture, rest.Doc("Removes the picture of a contact")),

		rest.Get("/api/activities", accessrules.BrokerStrict, s.listActivities, rest.Lists(allActivities)),
		rest.Get("/api/activities/{profile}", accessrules.ProviderOnlyStrict, s.listProfileActivities, rest.Lists(profileActivities)),
		rest.Post("/api/activities/{profile}", accessrules.ProviderOnlyStrict, s.noteProfile, created, rest.Find(findProfile), rest.Keyed()),
		rest.Get("/api/activities/{profile}/contacts", accessrules.ProviderOnlyStrict, s.listProfileContacts, rest.Lists(&profileContacts)),

		rest.Act(http.MethodPost, "/api/contact", accessrules.Public, s.contactUs),
		rest.Get("/api/todos", accessrules.BrokerStrict, s.listTodos, rest.Lists(noActivities)),
		rest.Get("/api/proxy/recent", accessrules.BrokerStrict, s.recent),
		rest.Act(http.MethodPost, "/api/proxy/generate-error", accessrules.BrokerStrict, s.generateError),
		rest.Get("/api/accounts/places", accessrules.AuthenticatedOnly, s.places),
		rest.Get("/api/accounts/places/{place_id}", accessrules.AuthenticatedOnly, s.findPlace),
	}
}

// pictureBody bounds the multipart body that carries a picture: the picture and what is around it.
const pictureBody = rest.MaxPicture + 64<<10
