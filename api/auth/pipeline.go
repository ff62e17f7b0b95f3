package auth

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Log-in, registration, recovery and activation are one pipeline with different doors (auth.md 6). It goes through these stages,
// named after the steps of the contract:
//
//	look      3–5, 7–9   on a snapshot: who is meant, what is asked of them
//	prove     10–13, 15  codes and passwords, outside of any transaction; failures are counted at once
//	settle    10–17      in one transaction: codes are used up, the user is made or recovered, the session opens

// A door is an endpoint of the pipeline.
type door int

const (
	loginDoor door = iota
	registerDoor
	recoverDoor
	activateDoor
)

// An entry is what somebody brings to a door.
type entry struct {
	door   door
	id     identifier // all that is given must match
	either bool       // Username and Phone are two readings of one text

	typed       string // name, as it was typed, "" where it is one of id
	username    string // wanted by a new user, "" = derived
	password    string // "" = not given
	newPassword string // "" with newGiven: null, no usable password is wanted
	newGiven    bool   // the key is there
	aliased     bool   // newPassword is what came as password (D-1)

	emailCode, phoneCode   string
	otpCode                string
	checkEmail, checkPhone bool
	link                   *proof   // activation: the address that the key was sent to
	linkVia                *channel // and how

	person     person
	wish       wish // profile to be made with a new user
	agreements map[string]bool
	cookie     bool // open a cookie session

	sentTo string // hint at the address that a code was sent to, "" for none

	lost []lostAddress // what the answer tells of addresses that the user lost
}

// A view is what look found out.
type view struct {
	candidate    *user  // who is meant: exactly one active user matches
	disabled     *user  // who would be, but may not log in
	email, phone string // given, or else the candidate's
	provider     string // who logs in the people of the e-mail's domain, "" for this site
	owner        *user  // whom the code or link recovers, if it is good
	mailRequired bool   // a contact of the candidate asks for a proof of e-mail at every log-in
	textRequired bool   // or of phone
	hidden       bool   // nobody is told yet whether there is a candidate
}

// proves reports whether a code or link was brought that proves access to an address of ch.
func (e *entry) proves(ch *channel) bool {
	switch {
	case e.link != nil && e.linkVia == ch:
		return true
	case ch == byEmail:
		return e.emailCode != ""
	}
	return e.phoneCode != ""
}

func (e *entry) coded() bool { return e.proves(byEmail) || e.proves(byPhone) }

// enter carries an entry through the pipeline and returns a login token; "" when a recovery code was sent.
func (s *Service) enter(c *rest.Call, e *entry) (token string, err error) {
	if s.set.HideAccountExistence && e.link == nil {
		return s.enterHidden(c, e)
	}
	var v view
	if err := c.Read(func(r store.Reader) (err error) {
		v, err = s.look(r, e)
		return err
	}); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(c.Context(), s.set.Hashing.Deadline)
	defer cancel()
	who := &failing{call: c, door: doors[e.door], typed: first(e.typed, v.account(e)), account: v.candidate}
	if who.account == nil {
		who.account = v.disabled
	}
	place, err := s.attempt(ctx, who, v.account(e))
	if err != nil {
		return "", err
	}
	defer place.done()
	if v.candidate != nil && s.notices.TellsLogins() {
		place.also = func(tx *store.Tx) error { return s.tellFailure(tx, v.candidate) }
	}
	if v.provider != "" {
		return "", delegated(c, v.email, v.provider)
	}
	if done, err := s.challenge(c, e, &v, place); done || err != nil {
		return "", err
	}
	if e.door == recoverDoor {
		who.log(rest.ReasonUser)
		return "", errUnknown
	}
	return s.prove(c, e, &v, place)
}

// account is the name of the bucket of failures.
func (v *view) account(e *entry) string {
	switch {
	case v.candidate != nil && !v.hidden:
		return v.candidate.Username
	case e.id.Username != "":
		return e.id.Username
	case e.id.Email != "":
		return e.id.Email
	}
	return e.id.Phone
}

// look is steps 3 to 5: who is meant, and whether the site lets them.
func (s *Service) look(r store.Reader, e *entry) (v view, err error) {
	if err := v.identify(r, e); err != nil {
		return v, err
	}
	if err := s.admits(r, v.candidate, e.door); err != nil {
		return v, err
	}
	v.provider, err = delegateOf(r, v.email)
	return v, err
}

// identify finds who is meant, and their addresses.
func (v *view) identify(r store.Reader, e *entry) error {
	users, err := find(r, e.id, e.either)
	if err != nil {
		return err
	}
	var active []*user
	for _, u := range users {
		if u.Active {
			active = append(active, u)
		} else {
			v.disabled = u
		}
	}
	if len(active) == 1 {
		v.candidate, v.disabled = active[0], nil
	}
	v.email, v.phone = e.id.Email, e.id.Phone
	if v.candidate != nil {
		if err := v.addresses(r); err != nil {
			return err
		}
	}
	switch {
	case e.link != nil && e.linkVia == byEmail:
		v.email = e.link.address
	case e.link != nil:
		v.phone = e.link.address
	}
	return nil
}

// admits is what the site's mode says of a user, nil for a new one. Errors: 403.
func (s *Service) admits(r store.Reader, u *user, d door) error {
	if s.set.Authentication != Enabled && (u == nil || d == registerDoor) {
		return errNoRegistration
	}
	if s.set.Authentication == Disabled {
		staff, err := s.managesBroker(r, u.ID)
		if err != nil {
			return err
		}
		if !staff {
			return rest.Fail(http.StatusForbidden, "Authentication is disabled")
		}
	}
	return nil
}

var errNoRegistration = rest.Fail(http.StatusForbidden, "registration is disabled.")

// addresses fills in the candidate's e-mail and phone where none was given: proven ones, if any is.
func (v *view) addresses(r store.Reader) error {
	contacts, err := contactsOf(r, v.candidate.ID)
	proven := false
	for _, c := range contacts {
		proven = proven || c.EmailProven || c.PhoneProven
	}
	shown := !proven // what the user shows: where something is proven, that counts alone
	for _, c := range contacts {
		shown = shown || c.EmailProven && strings.EqualFold(c.Email, v.candidate.Email)
	}
	if v.email == "" && shown {
		v.email = v.candidate.Email
	}
	for _, c := range contacts {
		if v.email == "" && (!proven || c.EmailProven) {
			v.email = c.Email
		}
		if v.phone == "" && (!proven || c.PhoneProven) {
			v.phone = c.Phone
		}
		v.mailRequired = v.mailRequired || c.EmailRequired && c.Email != ""
		v.textRequired = v.textRequired || c.PhoneRequired && c.Phone != ""
	}
	return err
}

// owner returns the active user who has an address that the entry proves, nil when there is none (auth.md 6.1 step 3). What is
// told but not proven finds nobody. Errors: 400 when there are several.
func owner(r store.Reader, e *entry, v *view) (found *user, err error) {
	for ch, address := range map[*channel]string{byEmail: v.email, byPhone: v.phone} {
		if address == "" || !e.proves(ch) {
			continue
		}
		ids, err := directory.LoginsOf(r, ch.kind(), address)
		if err != nil {
			return nil, err
		}
		if e.link != nil && e.link.user != 0 {
			ids = []int64{e.link.user} // linked has looked at it
		}
		for _, id := range ids {
			u, err := userByID(r, id)
			if err != nil {
				return nil, err
			}
			if u == nil || !u.Active {
				continue
			}
			if found != nil && found.ID != u.ID {
				return nil, bothAddresses("Several accounts have this email or phone.")
			}
			found = u
		}
	}
	return found, nil
}

// bothAddresses is a 400 on e-mail and phone.
func bothAddresses(message string) error {
	return &rest.Error{Status: http.StatusBadRequest, Body: rest.Fields{{Name: "email", Value: message}, {Name: "phone", Value: message}}}
}

func (s *Service) managesBroker(r store.Reader, user int64) (is bool, err error) {
	err = r.QueryRow(`SELECT EXISTS (SELECT 1 FROM role r JOIN profile p ON p.id = r.profile_id JOIN role_description d ON d.id = r.role_description_id
		WHERE r.user_id = ? AND p.slug = ? AND d.slug = ? AND d.profile_id IS NULL AND r.grant_key IS NULL AND r.request_key IS NULL
			AND (r.ends_at IS NULL OR r.ends_at > ?))`, user, s.dir.Broker(), "manager", r.Now()).Scan(&is)
	return is, err
}

// delegated is step 7: people of some e-mail domains log in through their own provider.
func delegated(c *rest.Call, email, provider string) error {
	path := "/login/" + provider + "/"
	if provider == "saml" {
		_, domain, _ := strings.Cut(email, "@")
		path += "?next=%2F&idp=" + url.QueryEscape(domain)
	}
	return &rest.Error{Status: http.StatusBadRequest, Body: rest.Fields{
		{Name: "detail", Value: "Log in through your organization."}, {Name: "provider", Value: provider}, {Name: "url", Value: c.URL(path)}}}
}

// delegateOf is who logs in the people of an e-mail address, "" for this site.
func delegateOf(r store.Reader, email string) (provider string, err error) {
	_, domain, ok := strings.Cut(email, "@")
	if !ok {
		return "", nil
	}
	err = r.QueryRow(`SELECT coalesce(max(provider), '') FROM delegate_auth WHERE domain = ?`, domain).Scan(&provider)
	return provider, err
}

// challenge is steps 8 and 9: whether the address has to be proven before anything else, and if so, a message with a code. done
// says that a recovery code was sent.
func (s *Service) challenge(c *rest.Call, e *entry, v *view, place *attempt) (done bool, err error) {
	if e.link != nil {
		return false, nil
	}
	demands := s.demands(e, v)
	if len(demands) == 0 {
		return false, nil
	}
	a := demands[0]
	if v.candidate == nil && !a.forced {
		return false, mustVerify(a.ch)
	}
	if err := s.send(c, a.ch, a.address, v.candidate, e.person); err != nil {
		return false, err
	}
	if err := place.sent(c.Context(), nil); err != nil {
		return false, err
	}
	if e.id.Email == "" && e.id.Phone == "" && !s.set.RecoverStatus401 { // the name that was typed does not tell
		e.sentTo = masked(a.address)
	}
	if e.door == recoverDoor && !s.set.RecoverStatus401 {
		return true, nil
	}
	return false, codeSent(a.ch, e.sentTo)
}

// A demand is a code that has to be brought back.
type demand struct {
	ch      *channel
	address string
	forced  bool // it is asked for; else the address has to be proven
}

// demands lists the codes that an entry asks for or has to bring and does not, the one to be sent first.
func (s *Service) demands(e *entry, v *view) (all []demand) {
	for _, a := range []struct {
		demand
		required bool
	}{
		{demand{byPhone, v.phone, e.checkPhone || e.door == recoverDoor}, v.textRequired || v.candidate == nil && s.set.VerifyPhone},
		{demand{byEmail, v.email, e.checkEmail || e.door == recoverDoor}, v.mailRequired || v.candidate == nil && s.set.VerifyEmail ||
			v.candidate != nil && !usable(v.candidate.Password) && e.id.Phone == "" && e.phoneCode == ""},
	} {
		if a.address == "" || e.proves(a.ch) || !a.required && !a.forced || a.ch == byPhone && s.texts == nil {
			continue
		}
		all = append(all, a.demand)
	}
	return all
}

// mustVerify and codeSent are the answers to who has to prove an address: first of all, and by the code that was sent.
func mustVerify(ch *channel) error {
	return unauthorized(ch.name, "This "+ch.name+" must be verified: ask for a code with check_"+ch.name+".")
}

// codeSent holds a hint at the address for who typed another name, "" for none.
func codeSent(ch *channel, hint string) error {
	fields := rest.Fields{{Name: ch.name, Value: "A code was sent to this " + ch.name + ". Please bring it back as " + ch.name + "_code."}}
	if hint != "" {
		fields = append(fields, rest.Field{Name: "sent_to", Value: hint})
	}
	return &rest.Error{Status: http.StatusUnauthorized, Body: fields}
}

// masked shows as much of an address as its owner needs to know it by: j•••@e•••.com, +•••00.
func masked(address string) string {
	const dots = "•••"
	local, domain, ok := strings.Cut(address, "@")
	if !ok {
		return address[:min(1, len(address))] + dots + address[max(0, len(address)-2):]
	}
	letter := func(text string) string {
		_, n := utf8.DecodeRuneInString(text)
		return text[:n]
	}
	end := ""
	if i := strings.LastIndexByte(domain, '.'); i >= 0 {
		end = domain[i:]
	}
	return letter(local) + dots + "@" + letter(domain) + dots + end
}

// failedWith counts a failure, and returns the answer to it.
func failedWith(ctx context.Context, place *attempt, reason rest.Reason, answer error) error {
	if err := place.failed(ctx, reason); err != nil {
		return err
	}
	return answer
}

// tellEvery is how often a user is told at most that log-ins fail: guessing must not fill a mailbox.
const tellEvery = time.Hour

// tellFailure tells a user that a log-in failed, in the transaction that counts it (notifications.md 2.1).
func (s *Service) tellFailure(tx *store.Tx, u *user) error {
	now, err := userByID(tx, u.ID)
	if err != nil || now == nil || !now.Active {
		return err
	}
	first, err := s.throttle.once(tx, "told:"+strconv.FormatInt(u.ID, 10), tellEvery)
	if err != nil || !first {
		return err
	}
	return s.notices.Emit(tx, &notice.UserLoginFailed{User: notice.User{ID: u.ID}})
}

// errCredentials is a wrong password: both fields, so that nobody learns which one is wrong.
var errCredentials = &rest.Error{Status: http.StatusUnauthorized, Body: rest.Fields{
	{Name: "username", Value: "Incorrect credentials."}, {Name: "password", Value: "Incorrect credentials."}}}

var errUnknown = unauthorized("detail", "This account is unknown. Please register.")

// unauthorized is a 401 of a step of the pipeline: {"field": "message"}.
func unauthorized(field, message string) error {
	return &rest.Error{Status: http.StatusUnauthorized, Body: rest.Fields{{Name: field, Value: message}}}
}
