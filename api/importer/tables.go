package importer

// The tables of the other system. Columns bear the contract's names, with organization for profile.

type refs = map[string]string

var (
	users = &table{name: "auth_user", columns: []string{
		"username", "password", "email", "first_name", "last_name", "is_active", "is_superuser", "date_joined", "last_login",
	}}
	contacts = &table{name: "signup_contact", columns: []string{
		"slug", "created_at", "email", "full_name", "nick_name", "extra", "user_id", "picture", "phone", "lang", "email_verified_at", "phone_verified_at",
		"email_verification_key", "phone_verification_key", "email_verification_required", "phone_verification_required",
	}, refs: refs{"user_id": "auth_user"}}
	otps = &table{name: "signup_otpgenerator", columns: []string{"user_id", "priv_key"}, refs: refs{"user_id": "auth_user"}, optional: true}

	notifications = &table{name: "signup_notification", columns: []string{"slug", "title", "description", "extra"}, optional: true}
	unwanted      = &table{name: "signup_notification_users", columns: []string{"notification_id", "user_id"},
		refs: refs{"notification_id": "signup_notification", "user_id": "auth_user"}, optional: true}
	delegates  = &table{name: "signup_delegateauth", columns: []string{"domain", "provider", "created_at"}, optional: true}
	activities = &table{name: "signup_activity", columns: []string{"created_at", "text", "extra", "contact_id", "created_by_id"},
		refs: refs{"contact_id": "signup_contact", "created_by_id": "auth_user"}, optional: true}

	profiles = &table{name: "saas_organization", columns: []string{
		"slug", "created_at", "default_timezone", "is_active", "is_bulk_buyer", "is_provider", "full_name", "email", "phone", "street_address", "locality",
		"region", "postal_code", "country", "billing_start", "funds_balance", "processor_card_key", "processor_deposit_key", "processor_priv_key",
		"processor_pub_key", "processor_refresh_token", "extra", "picture", "nb_renewal_attempts", "no_implicit_role", "processor_id",
	}, refs: refs{"processor_id": "saas_organization"}}
	descriptions = &table{name: "saas_roledescription", columns: []string{
		"created_at", "slug", "extra", "organization_id", "title", "skip_optin_on_grant", "implicit_create_on_none", "otp_required",
	}, refs: refs{"organization_id": "saas_organization"}}
	roles = &table{name: "saas_role", columns: []string{
		"created_at", "request_key", "grant_key", "organization_id", "role_description_id", "user_id", "extra", "ends_at",
	}, refs: refs{"organization_id": "saas_organization", "role_description_id": "saas_roledescription", "user_id": "auth_user"}}
	agreements = &table{name: "saas_agreement", columns: []string{"slug", "title", "updated_at"}}
	signatures = &table{name: "saas_signature", columns: []string{"last_signed", "agreement_id", "user_id"},
		refs: refs{"agreement_id": "saas_agreement", "user_id": "auth_user"}}

	plans = &table{name: "saas_plan", columns: []string{
		"slug", "title", "description", "is_active", "is_not_priced", "created_at", "discontinued_at", "unit", "setup_amount", "period_amount",
		"period_length", "unlock_event", "length", "extra", "organization_id", "optin_on_request", "skip_optin_on_grant", "renewal_type", "period_type",
		"broker_fee_percent", "is_personal", "next_plan_id",
	}, refs: refs{"organization_id": "saas_organization", "next_plan_id": "saas_plan"}}
	discounts  = &table{name: "saas_advancediscount", columns: []string{"discount_type", "discount_value", "length", "plan_id"}, refs: refs{"plan_id": "saas_plan"}}
	useCharges = &table{name: "saas_usecharge", columns: []string{
		"slug", "title", "description", "created_at", "use_amount", "extra", "plan_id", "quota", "maximum_limit",
	}, refs: refs{"plan_id": "saas_plan"}}
	coupons = &table{name: "saas_coupon", columns: []string{
		"created_at", "code", "description", "ends_at", "nb_attempts", "extra", "organization_id", "plan_id", "discount_type", "discount_value",
	}, refs: refs{"organization_id": "saas_organization", "plan_id": "saas_plan"}}
	subscriptions = &table{name: "saas_subscription", columns: []string{
		"auto_renew", "created_at", "ends_at", "description", "extra", "organization_id", "plan_id", "grant_key", "request_key",
	}, refs: refs{"organization_id": "saas_organization", "plan_id": "saas_plan"}}
	uses = &table{name: "saas_subscriptionuse", columns: []string{"expiring_quota", "rollover_quota", "used_quantity", "extra", "subscription_id", "use_id"},
		refs: refs{"subscription_id": "saas_subscription", "use_id": "saas_usecharge"}}
	cartItems = &table{name: "saas_cartitem", columns: []string{
		"created_at", "recorded", "claim_code", "coupon_id", "plan_id", "user_id", "quantity", "sync_on", "use_id", "option", "email", "full_name",
	}, refs: refs{"coupon_id": "saas_coupon", "plan_id": "saas_plan", "user_id": "auth_user", "use_id": "saas_usecharge"}}

	entries = &table{name: "saas_transaction", columns: []string{
		"created_at", "orig_account", "orig_amount", "orig_unit", "dest_account", "dest_amount", "dest_unit", "descr", "event_id",
		"dest_organization_id", "orig_organization_id",
	}, refs: refs{"dest_organization_id": "saas_organization", "orig_organization_id": "saas_organization"}}
	charges = &table{name: "saas_charge", columns: []string{
		"created_at", "amount", "unit", "description", "last4", "exp_date", "state", "extra", "customer_id", "processor_id", "card_name", "user_id",
		"claim_code", "processor_key",
	}, refs: refs{"customer_id": "saas_organization", "processor_id": "saas_organization", "user_id": "auth_user"}}
	chargeItems = &table{name: "saas_chargeitem", columns: []string{
		"charge_id", "invoiced_id", "invoiced_distribute_id", "invoice_key", "sync_on", "invoiced_processor_fee_id", "invoiced_broker_fee_id",
	}, refs: refs{"charge_id": "saas_charge", "invoiced_id": "saas_transaction", "invoiced_distribute_id": "saas_transaction",
		"invoiced_processor_fee_id": "saas_transaction", "invoiced_broker_fee_id": "saas_transaction"}}
	balanceLines = &table{name: "saas_balanceline", columns: []string{"report", "title", "selector", "rank", "moved", "is_positive"}}

	apps = &table{name: "rules_app", columns: []string{
		"slug", "account_id", "path_prefix", "entry_point", "enc_key", "session_backend", "cors_restricted", "welcome_email",
	}, refs: refs{"account_id": "saas_organization"}}
	rules = &table{name: "rules_rule", columns: []string{"app_id", "path", "rule_op", "kwargs", "is_forward", "engaged", "rank", "moved"},
		refs: refs{"app_id": "rules_app"}}
	engagements = &table{name: "rules_engagement", columns: []string{"slug", "user_id", "last_visited"}, refs: refs{"user_id": "auth_user"}}
)

// tables are all that are read, those that others name before them.
var tables = []*table{
	users, contacts, otps, notifications, unwanted, delegates, activities,
	profiles, descriptions, roles, agreements, signatures,
	plans, discounts, useCharges, coupons, subscriptions, uses, cartItems,
	entries, charges, chargeItems, balanceLines,
	apps, rules, engagements,
}

// leftOut are the tables that hold what cannot be imported, and why.
var leftOut = []struct{ table, why string }{
	{"signup_credentials", "API keys: their secrets are hashed in another way; their users make new ones"},
	{"social_auth_usersocialauth", "logins of other sites: not known here; their users ask for a password"},
	{"django_session", "sessions: their users log in again"},
	{"auth_user_groups", "groups of users: not known here; roles say who may do what"},
}
