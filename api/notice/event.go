package notice

import (
	"time"

	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/ledger"
)

// UserRegistered says that a new account finished registration and never logged in before (notifications.md 2.1).
type UserRegistered struct {
	User User `json:"user"`
}

// UserActivated says that an account without a password, which had logged in before, got one.
type UserActivated struct {
	User User `json:"user"`
}

// UserWelcome greets a new user. It goes out when the site's welcome e-mail is on.
type UserWelcome struct {
	User User `json:"user"`
}

// UserLoggedIn says that somebody logged in. It goes out where the site wants it: Options.Logins.
type UserLoggedIn struct {
	User User `json:"user"`
}

// UserLoginFailed says that somebody brought a wrong password or code for an account. It goes out as UserLoggedIn does.
type UserLoginFailed struct {
	User User `json:"user"`
}

// UserContact is the contact form. OriginatedBy is made from the body alone when the caller is anonymous, without an ID.
type UserContact struct {
	OriginatedBy *User           `json:"originated_by"`
	Provider     Profile         `json:"provider"`
	Detail       List[[2]string] `json:"detail"` // other fields, then "Message" and its text
}

// ProfileUpdated says that a profile was edited. Nothing goes out when only empty fields were filled in.
type ProfileUpdated struct {
	Profile      Profile `json:"profile"`
	OriginatedBy *User   `json:"originated_by"`
	Changes      Changes `json:"changes"`
}

// RoleGrantCreated says that a role was granted, or an invitation sent again (notifications.md 2.2).
type RoleGrantCreated struct {
	Profile         Profile         `json:"profile"`
	OriginatedBy    *User           `json:"originated_by"`
	User            User            `json:"user"`
	RoleDescription RoleDescription `json:"role_description"`
	Detail          string          `json:"detail"` // the inviter's message
	GrantKey        string          `json:"-"`      // while the grant waits for an answer
}

// RoleRequestCreated says that a user asks for a role.
type RoleRequestCreated struct {
	Profile      Profile `json:"profile"`
	OriginatedBy *User   `json:"originated_by"`
	User         User    `json:"user"`
	Detail       string  `json:"detail"`
}

// RoleGrantAccepted says that a grantee accepted; OriginatedBy is the grantee too.
type RoleGrantAccepted struct {
	Profile         Profile         `json:"profile"`
	OriginatedBy    *User           `json:"originated_by"`
	User            User            `json:"user"`
	RoleDescription RoleDescription `json:"role_description"`
	Detail          string          `json:"detail"`
}

// SubscriptionGrantCreated says that a provider subscribed a profile, which has to accept (notifications.md 2.3).
type SubscriptionGrantCreated struct {
	Profile      Profile `json:"profile"` // the subscriber
	OriginatedBy *User   `json:"originated_by"`
	Provider     Profile `json:"provider"`
	Plan         Plan    `json:"plan"`
	Detail       string  `json:"detail"`
	GrantKey     string  `json:"-"`
}

// SubscriptionGrantAccepted says that the subscriber accepted.
type SubscriptionGrantAccepted struct {
	Profile      Profile `json:"profile"` // the provider
	OriginatedBy *User   `json:"originated_by"`
	Plan         Plan    `json:"plan"`
	Subscriber   Profile `json:"subscriber"`
}

// SubscriptionRequestCreated says that a profile asks for a subscription.
type SubscriptionRequestCreated struct {
	Profile      Profile `json:"profile"` // the provider
	OriginatedBy *User   `json:"originated_by"`
	Plan         Plan    `json:"plan"`
	Detail       string  `json:"detail"`
	Subscriber   Profile `json:"subscriber"`
	RequestKey   string  `json:"-"`
}

// SubscriptionRequestAccepted says that the provider accepted.
type SubscriptionRequestAccepted struct {
	Profile      Profile `json:"profile"` // the subscriber
	OriginatedBy *User   `json:"originated_by"`
	Provider     Profile `json:"provider"`
	Plan         Plan    `json:"plan"`
}

// ExpiresSoon says that a subscription ends and is not renewed by itself.
type ExpiresSoon struct {
	Profile          Profile `json:"profile"`
	Plan             Plan    `json:"plan"`
	Provider         Profile `json:"provider"`
	NbExpirationDays int     `json:"nb_expiration_days"`
}

// OrderExecuted says that cart items became ledger lines (notifications.md 2.4). The provider is always the broker.
type OrderExecuted struct {
	Profile       Profile           `json:"profile"` // the payer
	OriginatedBy  *User             `json:"originated_by"`
	Provider      Profile           `json:"provider"`
	InvoicedItems List[Transaction] `json:"invoiced_items"`
}

// ChargeUpdated is the receipt of a charge that was paid, and again after a refund, a dispute won, or on demand.
type ChargeUpdated struct {
	Profile      Profile              `json:"profile"`
	OriginatedBy *User                `json:"originated_by"` // of a refund or a copy, when not CreatedBy
	Provider     Profile              `json:"provider"`
	ChargeItems  List[ChargeItem]     `json:"charge_items"`
	ChargeTotal  *Price               `json:"charge_total,omitempty"` // what remains, when something was refunded
	CreatedBy    *directory.UserShort `json:"created_by"`
	Charge       Charge               `json:"charge"`
}

// CardUpdated says that the card on file was replaced.
type CardUpdated struct {
	Profile      Profile `json:"profile"`
	OriginatedBy *User   `json:"originated_by"`
	Changes      Changes `json:"changes"` // last4 and exp_date
}

// CardExpiresSoon says that the card on file does not last until the next renewal.
type CardExpiresSoon struct {
	Profile          Profile `json:"profile"`
	NbExpirationDays int     `json:"nb_expiration_days"`
	Last4            string  `json:"last4"`
	ExpDate          string  `json:"exp_date"`
}

// RenewalChargeFailed says that the card on file was declined. The provider is the broker.
type RenewalChargeFailed struct {
	Profile            Profile           `json:"profile"`
	Provider           Profile           `json:"provider"`
	InvoicedItems      List[Transaction] `json:"invoiced_items"`
	ChargeTotal        Price             `json:"charge_total"`
	NbRenewalAttempts  int64             `json:"nb_renewal_attempts"`
	MaxRenewalAttempts int64             `json:"max_renewal_attempts"`
	FinalNotice        bool              `json:"final_notice"`
}

// ClaimCodeGenerated invites a profile whose subscription somebody paid for.
type ClaimCodeGenerated struct {
	Profile      Profile        `json:"profile"` // the invited one; without an ID if it is not on the site yet
	OriginatedBy *User          `json:"originated_by"`
	Provider     Profile        `json:"provider"`
	CartItems    List[CartItem] `json:"cart_items"`
	Detail       string         `json:"detail"`
	ClaimCode    string         `json:"-"`
}

// QuotaReached says that a period's free quota is used up (decision 46).
type QuotaReached struct {
	Profile   Profile   `json:"profile"`
	Plan      Plan      `json:"plan"`
	Provider  Profile   `json:"provider"`
	UseCharge UseCharge `json:"use_charge"`
	Usage     int64     `json:"usage"` // quantity invoiced just now
}

// UseChargeLimitCrossed says that use charges passed their limit (decision 46).
type UseChargeLimitCrossed struct {
	Profile   Profile   `json:"profile"`
	Plan      Plan      `json:"plan"`
	Provider  Profile   `json:"provider"`
	UseCharge UseCharge `json:"use_charge"`
	Usage     int64     `json:"usage"` // amount billed, in 1/100 of the unit
}

// ProcessorSetupError says that a checkout failed because the provider cannot be paid.
type ProcessorSetupError struct {
	Profile      Profile `json:"profile"` // the customer
	OriginatedBy *User   `json:"originated_by"`
	Provider     Profile `json:"provider"`
	Detail       string  `json:"detail"`
}

// PeriodSalesReportCreated is the broker's periodic report (metrics.md 6).
type PeriodSalesReportCreated struct {
	Profile                 Profile        `json:"profile"`
	Title                   string         `json:"title"`
	Results                 List[SalesRow] `json:"results"`
	NewProfilesSampled      List[Profile]  `json:"new_profiles_sampled"`
	NbAdditionalNewProfiles int64          `json:"nb_additional_new_profiles"`
	NewUsersSampled         List[User]     `json:"new_users_sampled"`
	NbAdditionalNewUsers    int64          `json:"nb_additional_new_users"`
	Period                  ledger.Period  `json:"-"` // its length; the mail says it
}

// UserVerification carries a secret code, or the link that replaces it, to the address it proves (notifications.md 6). It goes
// by mail only.
type UserVerification struct {
	User     *User         `json:"user"`    // whose account it is about, nil for nobody's yet
	Purpose  Purpose       `json:"purpose"` // what it does
	Code     string        `json:"code"`
	Lifetime time.Duration `json:"-"`
	Email    string        `json:"-"`
	LinkKey  string        `json:"-"` // key of the link /login/{key}/, "" to send the code
	Next     string        `json:"-"` // path to go on to after the link
}

// UserAddressChanged tells the proven addresses of a user, the one before among them, that an address of the account changed
// (decision 66): whoever took the account over cannot do it unseen. It goes by mail only, and nobody can switch it off.
type UserAddressChanged struct {
	User   User     `json:"user"`
	Kind   string   `json:"kind"`   // email or phone
	Before string   `json:"before"` // "" when it was added
	After  string   `json:"after"`
	Tell   []string `json:"-"` // the addresses that are told
}

// UserAddressLost tells the proven addresses of a user that another user has proven an address that it only told (decision 66).
type UserAddressLost struct {
	User    User     `json:"user"`
	Kind    string   `json:"kind"` // email or phone
	Address string   `json:"address"`
	Tell    []string `json:"-"` // the addresses that are told
}

// A Purpose is what proving an address does, which the mail with the code says (decision 67).
type Purpose string

// Purposes of codes and links.
const (
	ProvesLogin   Purpose = "login"       // it opens the account of the user who has proven the address
	ProvesFirst   Purpose = "first_proof" // it opens the account of a user who has proven nothing yet
	ProvesChange  Purpose = "change"      // the address becomes the user's, who asks for it while another one has it
	ProvesAddress Purpose = "address"     // it opens nobody's account: somebody registers, or adds the address to an account
)
