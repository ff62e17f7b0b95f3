package notice

import (
	"net/url"
	"time"
)

// route is where an event goes (notifications.md 2).
type route struct {
	back     string   // path of the page that the event is about, "" for null
	to       string   // e-mail address, "" for nobody
	managers []int64  // profiles whose managers get a copy
	by       *User    // whose action it is: no copy for them, and the Reply-To
	security *User    // whose account it is about: a proven address that the user replaced by one not proven yet is told as well
	also     []string // more addresses that are told, with to
	direct   bool     // for the one reader only, whatever preferences and switches say
	unproven bool     // it waits on an address that nobody has proven: the link, which holds its key, is in the mail alone
	endless  int64    // profile whose managers can cause it without end, and may have chosen who is written to; 0 for none
	nowhere  bool     // there is nothing to tell
}

func subject(kind, name string) string { return kind + "/" + name }

// email is the address of a user, "" for none.
func (u *User) email() string {
	if u == nil || u.Email == nil {
		return ""
	}
	return *u.Email
}

// profilePath is the path of a page about a profile: "/profile/xia/contact/".
func profilePath(before string, p *Profile, after string) string {
	return before + url.PathEscape(p.Slug) + after
}

// toAll is the route of a mail about an account, to addresses of it and to nobody else, whatever preferences say.
func toAll(addresses []string) route {
	if len(addresses) == 0 {
		return route{back: "/", nowhere: true}
	}
	return route{back: "/", to: addresses[0], also: addresses[1:], direct: true}
}

// toBroker is the route of what the broker wants to know.
func toBroker(b *Profile) route { return route{back: "/", to: b.Email, managers: []int64{b.ID}} }

func (e *UserRegistered) Name() string                  { return "user_registered" }
func (e *UserRegistered) Subject() string               { return subject("user", e.User.Username) }
func (e *UserRegistered) people() ([]*Profile, []*User) { return nil, []*User{&e.User} }
func (e *UserRegistered) route(broker *Profile) route   { return toBroker(broker) }

func (e *UserActivated) Name() string                  { return "user_activated" }
func (e *UserActivated) Subject() string               { return subject("user", e.User.Username) }
func (e *UserActivated) people() ([]*Profile, []*User) { return nil, []*User{&e.User} }
func (e *UserActivated) route(broker *Profile) route   { return toBroker(broker) }

func (e *UserWelcome) Name() string                  { return "user_welcome" }
func (e *UserWelcome) Subject() string               { return subject("user", e.User.Username) }
func (e *UserWelcome) people() ([]*Profile, []*User) { return nil, []*User{&e.User} }
func (e *UserWelcome) route(*Profile) route          { return route{back: "/", to: e.User.email()} }

func (e *UserLoggedIn) Name() string                  { return "user_logged_in" }
func (e *UserLoggedIn) Subject() string               { return subject("user", e.User.Username) }
func (e *UserLoggedIn) people() ([]*Profile, []*User) { return nil, []*User{&e.User} }
func (e *UserLoggedIn) route(*Profile) route {
	return route{back: "/", to: e.User.email(), security: &e.User}
}

func (e *UserLoginFailed) Name() string                  { return "user_login_failed" }
func (e *UserLoginFailed) Subject() string               { return subject("user", e.User.Username) }
func (e *UserLoginFailed) people() ([]*Profile, []*User) { return nil, []*User{&e.User} }
func (e *UserLoginFailed) route(*Profile) route {
	return route{back: "/", to: e.User.email(), security: &e.User}
}

func (e *UserAddressChanged) Name() string                  { return "user_address_changed" }
func (e *UserAddressChanged) Subject() string               { return subject("user", e.User.Username) }
func (e *UserAddressChanged) people() ([]*Profile, []*User) { return nil, []*User{&e.User} }
func (e *UserAddressChanged) route(*Profile) route          { return toAll(e.Tell) }

func (e *UserAddressLost) Name() string                  { return "user_address_lost" }
func (e *UserAddressLost) Subject() string               { return subject("user", e.User.Username) }
func (e *UserAddressLost) people() ([]*Profile, []*User) { return nil, []*User{&e.User} }
func (e *UserAddressLost) route(*Profile) route          { return toAll(e.Tell) }

func (e *UserContact) Name() string    { return "user_contact" }
func (e *UserContact) Subject() string { return subject("profile", e.Provider.Slug) }
func (e *UserContact) people() ([]*Profile, []*User) {
	return []*Profile{&e.Provider}, []*User{e.OriginatedBy}
}
func (e *UserContact) route(broker *Profile) route {
	return route{back: "/", to: broker.Email, by: e.OriginatedBy}
}

func (e *ProfileUpdated) Name() string    { return "profile_updated" }
func (e *ProfileUpdated) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *ProfileUpdated) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile}, []*User{e.OriginatedBy}
}
func (e *ProfileUpdated) route(broker *Profile) route {
	changed := false // something that was not empty before
	for _, c := range e.Changes {
		changed = changed || c.Before != ""
	}
	return route{back: profilePath("/profile/", &e.Profile, "/contact/"), to: e.Profile.Email, managers: []int64{e.Profile.ID, broker.ID},
		by: e.OriginatedBy, nowhere: !changed, endless: e.Profile.ID}
}

func (e *RoleGrantCreated) Name() string    { return "role_grant_created" }
func (e *RoleGrantCreated) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *RoleGrantCreated) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile}, []*User{e.OriginatedBy, &e.User}
}
func (e *RoleGrantCreated) route(*Profile) route {
	r := route{back: profilePath("/app/", &e.Profile, "/"), to: e.User.email(), by: e.OriginatedBy}
	if e.GrantKey != "" {
		r.back = "/users/roles/accept/" + url.PathEscape(e.GrantKey) + "/"
		r.unproven = !e.User.Credentials && e.User.LastLogin.IsZero()
	}
	return r
}

func (e *RoleRequestCreated) Name() string    { return "role_request_created" }
func (e *RoleRequestCreated) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *RoleRequestCreated) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile}, []*User{e.OriginatedBy, &e.User}
}
func (e *RoleRequestCreated) route(*Profile) route {
	if e.Profile.ID == 0 { // whose address it is, the site does not tell
		return route{back: "/", to: e.Profile.Email, by: e.OriginatedBy}
	}
	return route{back: profilePath("/profile/", &e.Profile, "/roles/"), to: e.Profile.Email, managers: []int64{e.Profile.ID}, by: e.OriginatedBy}
}

func (e *RoleGrantAccepted) Name() string    { return "role_grant_accepted" }
func (e *RoleGrantAccepted) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *RoleGrantAccepted) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile}, []*User{e.OriginatedBy, &e.User}
}
func (e *RoleGrantAccepted) route(*Profile) route {
	return route{back: profilePath("/profile/", &e.Profile, "/roles/") + url.PathEscape(e.RoleDescription.Slug) + "/",
		to: e.Profile.Email, managers: []int64{e.Profile.ID}, by: e.OriginatedBy}
}

func (e *SubscriptionGrantCreated) Name() string    { return "subscription_grant_created" }
func (e *SubscriptionGrantCreated) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *SubscriptionGrantCreated) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Provider}, []*User{e.OriginatedBy}
}
func (e *SubscriptionGrantCreated) route(*Profile) route {
	return route{back: profilePath("/profile/", &e.Profile, "/subscriptions/accept/") + url.PathEscape(e.GrantKey) + "/",
		to: e.Profile.Email, by: e.OriginatedBy}
}

func (e *SubscriptionGrantAccepted) Name() string    { return "subscription_grant_accepted" }
func (e *SubscriptionGrantAccepted) Subject() string { return subject("profile", e.Subscriber.Slug) }
func (e *SubscriptionGrantAccepted) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Subscriber}, []*User{e.OriginatedBy}
}
func (e *SubscriptionGrantAccepted) route(*Profile) route {
	return route{back: profilePath("/app/", &e.Profile, "/"), to: e.Profile.Email,
		managers: []int64{e.Profile.ID, e.Subscriber.ID}, by: e.OriginatedBy}
}

func (e *SubscriptionRequestCreated) Name() string    { return "subscription_request_created" }
func (e *SubscriptionRequestCreated) Subject() string { return subject("profile", e.Subscriber.Slug) }
func (e *SubscriptionRequestCreated) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Subscriber}, []*User{e.OriginatedBy}
}
func (e *SubscriptionRequestCreated) route(*Profile) route {
	return route{back: profilePath("/profile/", &e.Profile, "/subscribers/accept/") + url.PathEscape(e.RequestKey) + "/",
		to: e.Profile.Email, managers: []int64{e.Profile.ID, e.Subscriber.ID}, by: e.OriginatedBy, endless: e.Subscriber.ID}
}

func (e *SubscriptionRequestAccepted) Name() string    { return "subscription_request_accepted" }
func (e *SubscriptionRequestAccepted) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *SubscriptionRequestAccepted) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Provider}, []*User{e.OriginatedBy}
}
func (e *SubscriptionRequestAccepted) route(*Profile) route {
	return route{back: profilePath("/app/", &e.Profile, "/"), to: e.Profile.Email, managers: []int64{e.Profile.ID, e.Provider.ID}, by: e.OriginatedBy}
}

func (e *ExpiresSoon) Name() string    { return "expires_soon" }
func (e *ExpiresSoon) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *ExpiresSoon) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Provider}, nil
}
func (e *ExpiresSoon) route(broker *Profile) route {
	return billing(&e.Profile, broker, nil, "/cart/?plan="+url.QueryEscape(e.Plan.Slug))
}

// billing is the route of what a profile pays: to the profile, its managers and the broker's.
func billing(p, broker *Profile, by *User, page string) route {
	return route{back: profilePath("/billing/", p, page), to: p.Email, managers: []int64{p.ID, broker.ID}, by: by}
}

func (e *OrderExecuted) Name() string    { return "order_executed" }
func (e *OrderExecuted) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *OrderExecuted) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile}, []*User{e.OriginatedBy}
}
func (e *OrderExecuted) route(broker *Profile) route {
	e.Provider = *broker
	r := billing(&e.Profile, broker, e.OriginatedBy, "")
	r.back, r.endless = "/", e.Profile.ID
	return r
}

func (e *ChargeUpdated) Name() string    { return "charge_updated" }
func (e *ChargeUpdated) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *ChargeUpdated) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Provider}, []*User{e.OriginatedBy}
}
func (e *ChargeUpdated) route(broker *Profile) route {
	key := ""
	if e.Charge.ProcessorKey != nil {
		key = *e.Charge.ProcessorKey
	}
	r := billing(&e.Profile, broker, e.OriginatedBy, "/receipt/"+url.PathEscape(key)+"/")
	r.nowhere = e.Charge.State != "done"
	return r
}

func (e *CardUpdated) Name() string    { return "card_updated" }
func (e *CardUpdated) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *CardUpdated) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile}, []*User{e.OriginatedBy}
}
func (e *CardUpdated) route(broker *Profile) route {
	r := billing(&e.Profile, broker, e.OriginatedBy, "/card/")
	r.endless = e.Profile.ID
	return r
}

func (e *CardExpiresSoon) Name() string                  { return "card_expires_soon" }
func (e *CardExpiresSoon) Subject() string               { return subject("profile", e.Profile.Slug) }
func (e *CardExpiresSoon) people() ([]*Profile, []*User) { return []*Profile{&e.Profile}, nil }
func (e *CardExpiresSoon) route(broker *Profile) route {
	return billing(&e.Profile, broker, nil, "/card/")
}

func (e *RenewalChargeFailed) Name() string                  { return "renewal_charge_failed" }
func (e *RenewalChargeFailed) Subject() string               { return subject("profile", e.Profile.Slug) }
func (e *RenewalChargeFailed) people() ([]*Profile, []*User) { return []*Profile{&e.Profile}, nil }
func (e *RenewalChargeFailed) route(broker *Profile) route {
	e.Provider = *broker
	return billing(&e.Profile, broker, nil, "/cart/")
}

func (e *ClaimCodeGenerated) Name() string    { return "claim_code_generated" }
func (e *ClaimCodeGenerated) Subject() string { return subject("claim", e.Profile.Email) }
func (e *ClaimCodeGenerated) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Provider}, []*User{e.OriginatedBy}
}
func (e *ClaimCodeGenerated) route(*Profile) route {
	r := route{back: "/billing/cart/?code=" + url.QueryEscape(e.ClaimCode), to: e.Profile.Email, by: e.OriginatedBy}
	if e.Profile.ID != 0 {
		r.managers = []int64{e.Profile.ID}
	}
	return r
}

func (e *QuotaReached) Name() string    { return "quota_reached" }
func (e *QuotaReached) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *QuotaReached) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Provider}, nil
}
func (e *QuotaReached) route(broker *Profile) route {
	r := billing(&e.Profile, broker, nil, "")
	r.back = "/"
	return r
}

func (e *UseChargeLimitCrossed) Name() string    { return "use_charge_limit_crossed" }
func (e *UseChargeLimitCrossed) Subject() string { return subject("profile", e.Profile.Slug) }
func (e *UseChargeLimitCrossed) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Provider}, nil
}
func (e *UseChargeLimitCrossed) route(broker *Profile) route {
	r := billing(&e.Profile, broker, nil, "")
	r.back = "/"
	return r
}

func (e *ProcessorSetupError) Name() string    { return "processor_setup_error" }
func (e *ProcessorSetupError) Subject() string { return subject("profile", e.Provider.Slug) }
func (e *ProcessorSetupError) people() ([]*Profile, []*User) {
	return []*Profile{&e.Profile, &e.Provider}, []*User{e.OriginatedBy}
}
func (e *ProcessorSetupError) route(broker *Profile) route {
	return route{back: profilePath("/billing/", &e.Provider, "/bank/"), to: broker.Email, managers: []int64{broker.ID}, by: e.OriginatedBy}
}

func (e *PeriodSalesReportCreated) Name() string    { return "period_sales_report_created" }
func (e *PeriodSalesReportCreated) Subject() string { return subject("report", e.Profile.Slug) }
func (e *PeriodSalesReportCreated) people() (profiles []*Profile, users []*User) {
	profiles = append(profiles, &e.Profile)
	for i := range e.NewProfilesSampled {
		profiles = append(profiles, &e.NewProfilesSampled[i])
	}
	for i := range e.NewUsersSampled {
		users = append(users, &e.NewUsersSampled[i])
	}
	return profiles, users
}
func (e *PeriodSalesReportCreated) route(broker *Profile) route { return toBroker(broker) }

func (e *UserVerification) Name() string                  { return "user_verification" }
func (e *UserVerification) Subject() string               { return subject("address", e.Email) }
func (e *UserVerification) people() ([]*Profile, []*User) { return nil, []*User{e.User} }
func (e *UserVerification) route(*Profile) route {
	r := route{to: e.Email, direct: true}
	if e.LinkKey != "" {
		r.back = "/login/" + url.PathEscape(e.LinkKey) + "/"
		if e.Next != "" {
			r.back += "?next=" + url.QueryEscape(e.Next)
		}
	}
	return r
}

// cut leaves the first n lines of an event that may have any number, and returns how many there were more.
func (e *OrderExecuted) cut(n int) int       { return e.InvoicedItems.cut(n) }
func (e *ChargeUpdated) cut(n int) int       { return e.ChargeItems.cut(n) }
func (e *RenewalChargeFailed) cut(n int) int { return e.InvoicedItems.cut(n) }
func (e *ClaimCodeGenerated) cut(n int) int  { return e.CartItems.cut(n) }

// MarshalJSON prints the lifetime as the contract does, "01:00:00".
func (e *UserVerification) MarshalJSON() ([]byte, error) {
	return encode(struct {
		User     *User   `json:"user"`
		Purpose  Purpose `json:"purpose"`
		Code     string  `json:"code"`
		Lifetime string  `json:"lifetime"`
	}{e.User, e.Purpose, e.Code, time.Time{}.Add(e.Lifetime).Format(time.TimeOnly)})
}
