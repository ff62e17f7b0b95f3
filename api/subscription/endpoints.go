package subscription

import (
	"net/http"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// Endpoints is the part of the API that this package is: plans, coupons, subscriptions of both sides.
func (s *Service) Endpoints() []rest.Endpoint {
	const (
		couponsPath = "/api/billing/{profile}/coupons"
		couponPath  = couponsPath + "/{coupon}"
		plansPath   = "/api/profile/{profile}/plans"
		planPath    = plansPath + "/{plan}"
		salesPath   = planPath + "/subscriptions"
		salePath    = salesPath + "/{subscriber}"
		buyersPath  = "/api/profile/{profile}/subscribers"
		ownPath     = "/api/profile/{profile}/subscriptions"
		ownPlanPath = ownPath + "/{subscribed_plan}"
	)
	plan, sale, own, coupon, owner := rest.Find(s.findPlan), rest.Find(s.findSale), rest.Find(s.findOwn), rest.Find(s.findCoupon), rest.Find(s.findProfile)
	created, window := rest.Answers(http.StatusCreated), rest.Takes(rest.StartAt, rest.EndsAt, rest.Timezone)
	return []rest.Endpoint{
		rest.Get(couponsPath, accessrules.DirectStrict, s.listCoupons, rest.Lists(&coupons)),
		rest.Post(couponsPath, accessrules.DirectStrict, s.createCoupon, created, rest.Keyed(), owner),
		rest.Get(couponPath, accessrules.DirectStrict, s.pathCoupon),
		rest.Put(couponPath, accessrules.DirectStrict, s.replaceCoupon, coupon),
		rest.Patch(couponPath, accessrules.DirectStrict, s.changeCoupon, coupon),
		rest.Delete(couponPath, accessrules.DirectStrict, s.deleteCoupon),

		rest.Post("/api/cart/redeem", accessrules.Public, s.redeem, rest.Unaudited()),
		rest.Get("/api/pricing", accessrules.Public, s.listPricing, rest.Lists(activePlans), rest.Shared()),

		rest.Get(plansPath, accessrules.DirectFrictionless, s.listPlans, rest.Lists(plansOfProfile), rest.Takes(rest.Flag("active", "Keeps plans that can be subscribed to, or those that cannot."))),
		rest.Post(plansPath, accessrules.DirectFrictionless, s.createPlan, created, rest.Keyed(), owner),
		rest.Get(planPath, accessrules.DirectFrictionless, s.pathPlan),
		rest.Put(planPath, accessrules.DirectFrictionless, s.updatePlan, plan),
		rest.Patch(planPath, accessrules.DirectFrictionless, s.updatePlan, plan),
		rest.Delete(planPath, accessrules.DirectFrictionless, s.deletePlan),

		rest.Get(salesPath, accessrules.DirectStrict, s.listPlanContacts, rest.Lists(byPlan), window),
		rest.Post(salesPath, accessrules.DirectStrict, s.grant, rest.Answers(200), rest.Answers(201), rest.Takes(rest.Flag("force", "Makes a profile when there is none.")), rest.Keyed(), plan),
		rest.Get(salesPath+"/all", accessrules.DirectStrict, s.listPlanSales(all), rest.Lists(byPlan), window),
		rest.Get(salesPath+"/churned", accessrules.DirectStrict, s.listPlanSales(churned), rest.Lists(byPlan), window),
		rest.Get(salePath, accessrules.DirectStrict, s.getSale),
		rest.Put(salePath, accessrules.DirectStrict, s.updateSale, sale),
		rest.Patch(salePath, accessrules.DirectStrict, s.updateSale, sale),
		rest.Delete(salePath, accessrules.DirectStrict, s.deleteSale),

		rest.Get(buyersPath, accessrules.DirectStrict, s.listSubscribers, rest.Lists(currentSubscribers, currentSubscribersDated), window),
		rest.Act("POST", buyersPath+"/accept/{request_key}", accessrules.DirectStrict, s.acceptRequest, rest.Fails(http.StatusNotImplemented), rest.Keyed()),
		rest.Get(buyersPath+"/all", accessrules.DirectStrict, s.listAllSubscribers, rest.Lists(allSubscribers, allSubscribersDated), window),
		rest.Get(buyersPath+"/engaged", accessrules.DirectStrict, s.listEngaged, rest.Lists(engaged), window),
		rest.Get(buyersPath+"/subscriptions", accessrules.DirectStrict, s.listContacts, rest.Lists(byProvider), window),
		rest.Get(buyersPath+"/subscriptions/all", accessrules.DirectStrict, s.listSales(all), rest.Lists(byProvider), window),
		rest.Get(buyersPath+"/subscriptions/churned", accessrules.DirectStrict, s.listSales(churned), rest.Lists(byProvider), window),
		rest.Get(buyersPath+"/unengaged", accessrules.DirectStrict, s.listUnengaged, rest.Lists(unengaged), window),

		rest.Get(ownPath, accessrules.ProviderFrictionless, s.listOwn(active), rest.Lists(bySubscriber), window),
		rest.Post(ownPath+"/accept/{grant_key}", accessrules.DirectStrict, s.acceptGrant),
		rest.Get(ownPath+"/expired", accessrules.ProviderFrictionless, s.listOwn(churned), rest.Lists(bySubscriber), window),
		rest.Get(ownPlanPath, accessrules.ProviderPlanFrictionless, s.getOwn),
		rest.Put(ownPlanPath, accessrules.ProviderPlanFrictionless, s.updateOwn, own),
		rest.Patch(ownPlanPath, accessrules.ProviderPlanFrictionless, s.updateOwn, own),
		rest.Delete(ownPlanPath, accessrules.ProviderPlanFrictionless, s.deleteOwn),
	}
}
