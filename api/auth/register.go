package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/profile"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// tokenOutput is the answer of every door that lets somebody in.
type tokenOutput struct {
	Token string        `json:"token"`
	Lost  []lostAddress `json:"addresses_lost,omitempty"` // since the log-in before
}

// codes are the fields of a body that carry secrets sent before (auth.md 9).
type codes struct {
	EmailCode  code `json:"email_code" in:"blank,null"`
	PhoneCode  code `json:"phone_code" in:"blank,null"`
	CheckEmail bool `json:"check_email"`
	CheckPhone bool `json:"check_phone"`
	OTPCode    code `json:"otp_code" in:"blank,null"`
}

func (in *codes) fill(e *entry) {
	e.emailCode, e.phoneCode, e.otpCode = in.EmailCode.padded(), in.PhoneCode.padded(), in.OTPCode.otp()
	e.checkEmail, e.checkPhone = in.CheckEmail, in.CheckPhone
}

// check refuses codes that are no numbers.
func (in *codes) check() error {
	var f rest.Fields
	for _, c := range []struct{ name, code string }{
		{"email_code", string(in.EmailCode)}, {"phone_code", string(in.PhoneCode)}, {"otp_code", in.OTPCode.otp()},
	} {
		if strings.Trim(c.code, "0123456789") != "" {
			f = append(f, rest.Field{Name: c.name, Value: []string{"A valid integer is required."}})
		}
	}
	if f == nil {
		return nil
	}
	return &rest.Error{Status: http.StatusBadRequest, Body: f}
}

// A code is a number that came as text or as a number (D-10).
type code string

// padded is the code with the zeros that a number lacks.
func (c code) padded() string {
	if c == "" || len(c) >= otpDigits {
		return string(c)
	}
	return strings.Repeat("0", otpDigits-len(c)) + string(c)
}

// otp is the code as a one-time password, or a recovery code, which people write in groups.
func (c code) otp() string {
	return code(strings.NewReplacer(" ", "", "-", "").Replace(string(c))).padded()
}

// personInput are the fields of registration and activation (auth.md 10) but for the name, which only the former requires.
type personInput struct {
	codes
	Email            string                 `json:"email" in:"blank,null" validate:"max=254,email"`
	Phone            string                 `json:"phone" in:"blank,null" validate:"max=50,phone"`
	Username         string                 `json:"username" in:"blank,null" validate:"max=50,slug"`
	Slug             string                 `json:"slug" in:"blank,null" validate:"max=50,slug"`
	NickName         string                 `json:"nick_name" in:"blank,null" validate:"max=60"`
	Lang             string                 `json:"lang" in:"blank,null" validate:"max=8"`
	Type             rest.Opt[registration] `json:"type"`
	OrganizationName string                 `json:"organization_name" in:"blank,null" validate:"max=100"`
	StreetAddress    string                 `json:"street_address" in:"blank,null" validate:"max=150"`
	Locality         string                 `json:"locality" in:"blank,null" validate:"max=50"`
	Region           string                 `json:"region" in:"blank,null" validate:"max=50"`
	PostalCode       string                 `json:"postal_code" in:"blank,null" validate:"max=50"`
	Country          string                 `json:"country" in:"blank,null" validate:"country"`
	Captcha          string                 `json:"g-recaptcha-response" in:"blank,null" validate:"max=4096"`
}

// A registration is what a new user wants to be.
type registration string

// Choices are the types of auth.md 10.
func (registration) Choices() []string {
	return []string{"unknown", "user", "personal", "organization", "provider"}
}

// registerInput is the body of POST /api/auth/register.
type registerInput struct {
	FullName string `json:"full_name" in:"required"`
	personInput
	NewPassword rest.Opt[string] `json:"new_password" in:"null,verbatim"`
	Password    rest.Opt[string] `json:"password" in:"verbatim"`
}

// Check holds what concerns several fields.
func (in *registerInput) Check(c *rest.Call) error {
	if err := in.personInput.checkPerson(in.FullName); err != nil {
		return err
	}
	if in.Email == "" && in.Phone == "" {
		return &rest.Error{Status: http.StatusBadRequest, Body: rest.Fields{
			{Name: "email", Value: []string{"An email or a phone is required."}}, {Name: "phone", Value: []string{"An email or a phone is required."}}}}
	}
	return nil
}

func (in *personInput) checkPerson(fullName string) error {
	if err := in.codes.check(); err != nil {
		return err
	}
	for _, name := range []struct{ field, text string }{{"full_name", fullName}, {"nick_name", in.NickName}, {"organization_name", in.OrganizationName}} {
		if err := checkName(name.field, name.text); err != nil {
			return err
		}
	}
	if in.Lang != "" {
		if in.Lang = parseLang(in.Lang); in.Lang == "" {
			return rest.Invalid("lang", "Enter a valid language.")
		}
	}
	if (in.Type.Value == "organization" || in.Type.Value == "provider") && in.OrganizationName == "" {
		return rest.Invalid("organization_name", "This field is required.")
	}
	return nil
}

// fill puts the fields into an entry. Errors: 400 on "detail" when there are too many others.
func (in *personInput) fill(c *rest.Call, e *entry) error {
	in.codes.fill(e)
	e.id = identifier{Username: in.Username, Email: strings.ToLower(in.Email), Phone: in.Phone}
	e.username = in.Username
	e.person.NickName, e.person.Lang = in.NickName, in.Lang
	e.wish = wish{
		typ: in.Type.Value, organization: in.OrganizationName, provider: in.Type.Value == "provider",
		address: profile.New{
			StreetAddress: in.StreetAddress, Locality: in.Locality, Region: in.Region, PostalCode: in.PostalCode, Country: in.Country,
		},
	}
	e.cookie = c.QueryString("cookie") != ""
	members := c.Members()
	e.agreements = make(map[string]bool, len(members))
	for name, raw := range members {
		e.agreements[name] = truthy(raw)
	}
	e.person.Extra = prefixed(members, "user_")
	e.wish.address.Extra = prefixed(members, "organization_", "organization_name")
	e.wish.address.RoleExtra = prefixed(members, "role_")
	if len(e.person.Extra)+len(e.wish.address.Extra)+len(e.wish.address.RoleExtra) > maxExtra {
		return rest.Fail(http.StatusBadRequest, "The fields that start with user_, organization_ and role_ are too long.")
	}
	return nil
}

// maxExtra bounds in bytes what anybody may leave in the database by registering.
const maxExtra = 16 << 10

// truthy reads the value of an agreement: what is not false, "f", 0 or nothing agrees (auth.md 6.1).
func truthy(raw json.RawMessage) bool {
	switch text := strings.ToLower(strings.Trim(string(raw), `" `)); text {
	case "", "false", "f", "0", "null", "[]", "{}":
		return false
	}
	return true
}

// prefixed collects the members that start with a prefix, as a JSON object without the prefix; "" for none.
func prefixed(members map[string]json.RawMessage, prefix string, but ...string) string {
	found := map[string]json.RawMessage{}
	for name, raw := range members {
		if short, ok := strings.CutPrefix(name, prefix); ok && short != "" && !slices.Contains(but, name) {
			found[short] = raw
		}
	}
	if len(found) == 0 {
		return ""
	}
	text, err := json.Marshal(found)
	if err != nil {
		return ""
	}
	return string(text)
}

// registerHandler is POST /api/auth/register.
func (s *Service) registerHandler(c *rest.Call, in *registerInput) (out tokenOutput, err error) {
	if err := s.checkCaptcha(c, in.Captcha); err != nil {
		return out, err
	}
	e := &entry{door: registerDoor, person: person{FullName: in.FullName}}
	if err := in.personInput.fill(c, e); err != nil {
		return out, err
	}
	e.password = in.Password.Value
	e.newPassword, e.newGiven = in.NewPassword.Value, in.NewPassword.Given
	if !e.newGiven && in.Password.Set() {
		e.newPassword, e.newGiven, e.aliased = e.password, true, true
	} else if e.newPassword != "" {
		if err := s.checkPassword("new_password", e.newPassword); err != nil {
			return out, err
		}
	}
	out.Token, err = s.enter(c, e)
	out.Lost = e.lost
	c.Created("")
	return out, err
}

// A wish is the profile that somebody wants to be made with the user.
type wish struct {
	typ          registration
	organization string // name
	provider     bool
	address      profile.New // address and extras
}

// A wishedProfile is what comes of it.
type wishedProfile struct {
	kind     profileKind
	slug     string // of an organization
	name     string
	provider bool
}

type profileKind int

const (
	noProfile profileKind = iota
	personalProfile
	organizationProfile
)

// wished is the table of auth.md 10. Errors: 400 on "organization_name" when no slug can be made of it.
func (s *Service) wished(e *entry) (w wishedProfile, err error) {
	full := e.person.FullName
	switch at := e.wish.address; {
	case e.door != registerDoor && e.door != activateDoor:
	case e.wish.typ == "personal":
		w.kind = personalProfile
	case e.wish.typ == "organization", e.wish.typ == "provider":
		w.kind = organizationProfile
	case e.wish.typ != "":
	case e.wish.organization != "" && e.wish.organization != full:
		w.kind = organizationProfile
	case e.wish.organization != "", at.StreetAddress != "", at.Locality != "", at.PostalCode != "":
		w.kind = personalProfile
	}
	w.name = full
	if w.kind == organizationProfile {
		w.name = e.wish.organization
		w.slug = directory.Slugify(w.name)
		if len(w.slug) > 50 {
			w.slug = strings.Trim(w.slug[:50], "-_")
		}
		w.provider = e.wish.provider && s.set.ProviderRegistration
		if w.slug == "" {
			return w, rest.Bad("organization_name", "No URL can be made of this organization_name.")
		}
	}
	return w, nil
}

// grantWish makes the profile, with the new user as its manager. Errors: 400 on "organization_name" or "username" when its slug
// is taken.
func (s *Service) grantWish(tx *store.Tx, w wishedProfile, e *entry, v *view, user int64, username string) error {
	if w.kind == noProfile {
		return nil
	}
	n := e.wish.address
	n.Slug, n.FullName, n.Email, n.Phone = w.slug, w.name, v.email, v.phone
	n.Personal, n.Provider = w.kind == personalProfile, w.provider
	n.CreatedBy, n.Manager = user, user
	field := "organization_name"
	if n.Personal {
		n.Slug, field = username, "username"
	}
	_, err := s.profiles.Create(tx, n)
	var refused *rest.Error
	if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
		err = rest.Bad(field, "This "+field+" is already taken.")
	}
	return err
}

// checkCaptcha asks anonymous callers for the answer to a captcha, where the site does.
func (s *Service) checkCaptcha(c *rest.Call, response string) error {
	if s.captcha == nil || c.User != nil {
		return nil
	}
	if response == "" {
		return rest.Invalid("g-recaptcha-response", "This field is required.")
	}
	ok, err := s.captcha(c.Context(), response, c.Client)
	if err == nil && !ok {
		err = rest.Invalid("g-recaptcha-response", "The captcha was not solved.")
	}
	return err
}
