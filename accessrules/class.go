package accessrules

// The classes of access.md A.3 and A.4: who may call an endpoint. A printed table of endpoints is the access matrix of the
// contract: the first word that String prints is the class there; a second word, if any, is what a decision narrows or widens.
//
// Classes of the PROVIDER family limit what a provider may write to the profile itself, as provider writes of access.md A.1 has
// it. An endpoint that writes something else says so by its class:
//
//	what is written                                             class
//	the profile, its picture, roles, card; checkout, pay later  ProviderStrict, ProviderFrictionless
//	DELETE /api/profile/{profile}                               ProviderDeleteFrictionless
//	…/subscriptions/{subscribed_plan}                           ProviderPlanFrictionless
//	use charges, balances, receipts by e-mail                   ProviderSalesStrict, and the operation checks whose sale it is
//	refunds, activities, about the customer                     ProviderOnlyStrict, and the operation checks whose sale it is
var (
	// Public is PUBLIC: anybody.
	Public = class("PUBLIC")

	// AuthenticatedOnly is AUTH: any known caller.
	AuthenticatedOnly = class("AUTH", Authenticated())

	// DirectStrict is DIRECT: managers of {profile}; its contributors to read.
	DirectStrict = class("DIRECT", strict(Direct())...)

	// DirectFrictionless is DIRECT-F: DIRECT for callers without a password or unsigned terms too.
	DirectFrictionless = class("DIRECT-F", Authenticated(), Direct())

	// ProviderStrict is PROVIDER: as DIRECT, and the providers of {profile}, who write the profile itself only while it is a shadow
	// with a current subscription of theirs (decisions 3, 30).
	ProviderStrict = class("PROVIDER", strict(Provider(), ProviderWrites())...)

	// ProviderFrictionless is PROVIDER-F: PROVIDER for callers without a password or unsigned terms too.
	ProviderFrictionless = class("PROVIDER-F", Authenticated(), Provider(), ProviderWrites())

	// ProviderDeleteFrictionless is PROVIDER-F where {profile} is deleted: no provider does that (decision 30).
	ProviderDeleteFrictionless = class("PROVIDER-F delete", Authenticated(), Provider(), ProfileDeletes())

	// ProviderPlanFrictionless is PROVIDER-F where the subscription of {profile} to {subscribed_plan} is written: providers write
	// subscriptions to their own plans.
	ProviderPlanFrictionless = class("PROVIDER-F plan", Authenticated(), Provider(), PlanWrites())

	// ProviderSalesStrict is PROVIDER where the provider writes about plans and sales of its own: the operation asks Query.MaySell or
	// Query.SellsTo which ones those are.
	ProviderSalesStrict = class("PROVIDER sales", strict(Provider())...)

	// ProviderOnlyStrict is PROVIDER-ONLY: the providers of {profile}, not its own people. Without {profile}, the broker's people.
	ProviderOnlyStrict = class("PROVIDER-ONLY", strict(ProviderOnly())...)

	// SelfStrict is SELF: {user} itself and the broker; to read, also managers and contributors of a profile of {user} or of a
	// provider of such a profile (decision 29).
	SelfStrict = class("SELF", activeAgreed(SelfWrite())...)

	// SelfFrictionless is SELF-F: SELF for callers without a password or unsigned terms too.
	SelfFrictionless = class("SELF-F", Authenticated(), SelfWrite())

	// SelfOnlyStrict is SELF where reading is for {user} itself and the broker too: API keys (decision 29).
	SelfOnlyStrict = class("SELF only", activeAgreed(SelfOnly())...)

	// SelfOnlyFrictionless is SELF-F where reading is for {user} itself and the broker too: notifications (decision 29).
	SelfOnlyFrictionless = class("SELF-F only", Authenticated(), SelfOnly())

	// SelfWideFrictionless is SELF-F where managers of a profile of {user} may write too: POST …/activate (decision 29).
	SelfWideFrictionless = class("SELF-F wide", Authenticated(), Self())

	// BrokerStrict is BROKER: managers of the broker; its contributors to read. No parameter of the path changes that.
	BrokerStrict = class("BROKER", strict(BrokerStaff())...)

	// BrokerManagerStrict is DIRECT for the managers of the broker only, with any method (decision 15).
	BrokerManagerStrict = class("DIRECT broker", strict(BrokerManager())...)
)

// activeAgreed is how SELF begins.
func activeAgreed(last ...Condition) []Condition {
	return append([]Condition{Authenticated(), Active(), Agreement("")}, last...)
}

// strict is how the classes that are not frictionless begin.
func strict(last ...Condition) []Condition {
	return activeAgreed(append([]Condition{NoPendingGrant()}, last...)...)
}

// classCondition is a chain of conditions that the contract has a name for.
type classCondition struct {
	all
	name string
}

func class(name string, conditions ...Condition) Condition {
	return &classCondition{all: conditions, name: name}
}

func (c *classCondition) String() string { return c.name }
