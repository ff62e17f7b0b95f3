package notice

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

var (
	// ErrNoSample says that there is no event of that name, or that what was sent with it does not fit.
	ErrNoSample = errors.New("notice: there is no such template")
	// ErrNoAddress says that the user has no e-mail address to send a test to.
	ErrNoAddress = errors.New("notice: no address to send a test to")
)

// EmitTest emits a sample of the event of that name, to the user's own address alone, and to the other sinks, which are told
// the address (notifications.md 7). over, a JSON object or nothing, is merged over the sample. It returns the address. Errors:
// ErrNoSample, ErrNoAddress.
func (n *Notices) EmitTest(tx *store.Tx, name string, user int64, over json.RawMessage) (to string, err error) {
	sample := samples[name]
	if sample == nil {
		return "", ErrNoSample
	}
	caller, err := n.o.Directory.UserDetail(tx, user)
	if err != nil {
		return "", err
	}
	if caller.Email != nil {
		to = address(*caller.Email)
	}
	if to == "" {
		return "", ErrNoAddress
	}
	broker, err := n.fill(tx, nil)
	if err != nil {
		return "", err
	}
	by := User{user, caller}
	e := sample(*broker, by, tx.Now())
	if len(over) > 0 {
		if err := json.Unmarshal(over, e); err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoSample, err)
		}
	}
	return to, n.post(tx, e, broker, e.route(broker), []envelope{{To: []string{to}, ReplyTo: to, Lang: n.langTag(caller.Lang)}}, []string{to})
}

// samples make an event about the broker and the user who asks for it.
var samples = map[string]func(broker Profile, user User, now store.Time) Event{
	"user_registered":   func(_ Profile, u User, _ store.Time) Event { return &UserRegistered{User: u} },
	"user_activated":    func(_ Profile, u User, _ store.Time) Event { return &UserActivated{User: u} },
	"user_welcome":      func(_ Profile, u User, _ store.Time) Event { return &UserWelcome{User: u} },
	"user_logged_in":    func(_ Profile, u User, _ store.Time) Event { return &UserLoggedIn{User: u} },
	"user_login_failed": func(_ Profile, u User, _ store.Time) Event { return &UserLoginFailed{User: u} },
	"user_address_changed": func(_ Profile, u User, _ store.Time) Event {
		return &UserAddressChanged{User: u, Kind: "email", Before: "before@example.com", After: "after@example.com"}
	},
	"user_address_lost": func(_ Profile, u User, _ store.Time) Event {
		return &UserAddressLost{User: u, Kind: "email", Address: "lost@example.com"}
	},
	"user_contact": func(b Profile, u User, _ store.Time) Event {
		return &UserContact{OriginatedBy: &u, Provider: b, Detail: List[[2]string]{{"Message", "This is a test."}}}
	},
	"profile_updated": func(b Profile, u User, _ store.Time) Event {
		return &ProfileUpdated{Profile: b, OriginatedBy: &u, Changes: Changes{{"full_name", "Old name", b.FullName}}}
	},
	"role_grant_created": func(b Profile, u User, _ store.Time) Event {
		return &RoleGrantCreated{Profile: b, OriginatedBy: &u, User: u, RoleDescription: manager, Detail: "This is a test."}
	},
	"role_request_created": func(b Profile, u User, _ store.Time) Event {
		return &RoleRequestCreated{Profile: b, OriginatedBy: &u, User: u, Detail: "This is a test."}
	},
	"role_grant_accepted": func(b Profile, u User, _ store.Time) Event {
		return &RoleGrantAccepted{Profile: b, OriginatedBy: &u, User: u, RoleDescription: manager}
	},
	"subscription_grant_created": func(b Profile, u User, _ store.Time) Event {
		return &SubscriptionGrantCreated{Profile: b, OriginatedBy: &u, Provider: b, Plan: premium, Detail: "This is a test.", GrantKey: sampleKey}
	},
	"subscription_grant_accepted": func(b Profile, u User, _ store.Time) Event {
		return &SubscriptionGrantAccepted{Profile: b, OriginatedBy: &u, Plan: premium, Subscriber: b}
	},
	"subscription_request_created": func(b Profile, u User, _ store.Time) Event {
		return &SubscriptionRequestCreated{Profile: b, OriginatedBy: &u, Plan: premium, Subscriber: b, RequestKey: sampleKey}
	},
	"subscription_request_accepted": func(b Profile, u User, _ store.Time) Event {
		return &SubscriptionRequestAccepted{Profile: b, OriginatedBy: &u, Provider: b, Plan: premium}
	},
	"expires_soon": func(b Profile, _ User, _ store.Time) Event {
		return &ExpiresSoon{Profile: b, Plan: premium, Provider: b, NbExpirationDays: 15}
	},
	"order_executed": func(b Profile, u User, now store.Time) Event {
		return &OrderExecuted{Profile: b, OriginatedBy: &u, Provider: b, InvoicedItems: List[Transaction]{order(b, now)}}
	},
	"charge_updated": func(b Profile, u User, now store.Time) Event {
		key, last4, expires := "ch_test", "4242", now.AddDate(2, 0, 0).Format(time.DateOnly)
		return &ChargeUpdated{Profile: b, Provider: b, ChargeItems: List[ChargeItem]{{Invoiced: order(b, now)}}, CreatedBy: &u.UserShort,
			Charge: Charge{CreatedAt: now, Amount: 11900, Unit: "usd", State: "done", ReadableAmount: "$119.00", Description: "Test",
				Last4: &last4, ExpDate: &expires, ProcessorKey: &key}}
	},
	"card_updated": func(b Profile, u User, now store.Time) Event {
		return &CardUpdated{Profile: b, OriginatedBy: &u, Changes: Changes{
			{"last4", "4242", "1111"}, {"exp_date", now.Format("01/2006"), now.AddDate(3, 0, 0).Format("01/2006")}}}
	},
	"card_expires_soon": func(b Profile, _ User, now store.Time) Event {
		return &CardExpiresSoon{Profile: b, NbExpirationDays: 15, Last4: "4242", ExpDate: now.Format("01/2006")}
	},
	"renewal_charge_failed": func(b Profile, _ User, now store.Time) Event {
		return &RenewalChargeFailed{Profile: b, Provider: b, InvoicedItems: List[Transaction]{order(b, now)}, ChargeTotal: Price{Amount: 11900, Unit: "usd"},
			NbRenewalAttempts: 1, MaxRenewalAttempts: 3}
	},
	"claim_code_generated": func(b Profile, u User, now store.Time) Event {
		code := sampleKey
		return &ClaimCodeGenerated{Profile: b, OriginatedBy: &u, Provider: b, ClaimCode: code,
			CartItems: List[CartItem]{{CreatedAt: now, Plan: &premium, Option: 1, ClaimCode: &code, FullName: u.FullName, Email: u.Email}}}
	},
	"quota_reached": func(b Profile, _ User, now store.Time) Event {
		return &QuotaReached{Profile: b, Plan: premium, Provider: b, UseCharge: requests(now), Usage: 1}
	},
	"use_charge_limit_crossed": func(b Profile, _ User, now store.Time) Event {
		return &UseChargeLimitCrossed{Profile: b, Plan: premium, Provider: b, UseCharge: requests(now), Usage: 10000}
	},
	"processor_setup_error": func(b Profile, _ User, _ store.Time) Event {
		return &ProcessorSetupError{Profile: b, Provider: b, Detail: "This is a test."}
	},
	"period_sales_report_created": func(b Profile, u User, now store.Time) Event {
		return &PeriodSalesReportCreated{Profile: b, Title: now.Format("Monday Jan 02, 2006"),
			Results:            List[SalesRow]{{"payments", "Payments", List[[2]string]{{"last", "$1190.00"}, {"prev", "+12.5%"}, {"prev_year", "N/A"}}}},
			NewProfilesSampled: List[Profile]{b}, NewUsersSampled: List[User]{u}, Period: ledger.Weekly}
	},
}

const sampleKey = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

var (
	manager = RoleDescription{Slug: "manager", Title: "Profile Manager"}
	premium = Plan{"premium", "Premium"}
)

func order(b Profile, now store.Time) Transaction {
	return Transaction{CreatedAt: now, Description: "Subscription to Premium (test)", Amount: "$119.00",
		OrigAccount: "Receivable", OrigProfile: b.ProfileShort, OrigAmount: 11900, OrigUnit: "usd",
		DestAccount: "Payable", DestProfile: b.ProfileShort, DestAmount: 11900, DestUnit: "usd"}
}

func requests(now store.Time) UseCharge {
	limit := int64(10000)
	return UseCharge{Slug: "requests", Title: "Requests", CreatedAt: now, UseAmount: 100, Quota: 10, MaximumLimit: &limit}
}
