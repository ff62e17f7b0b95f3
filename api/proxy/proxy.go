// Package proxy is what the API knows of the gates: the record of the site's application, the rules that are made through the API,
// and what users have visited (docs/contract/access.md B.1, B.6, B.8).
package proxy

import (
	"net/http"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Options of a Service. All are required.
type Options struct {
	Store     *store.Store
	Directory *directory.Directory
	Visits    *Visits
	Logger    *zap.Logger
	// SessionKey is the process-wide key of sessions, asked when it is needed.
	SessionKey func() string
	// Authentication is how people may log in: "enabled", "login-only" or "disabled".
	Authentication string
}

// Service carries out the operations of /api/proxy, and knows the gates of a configuration.
type Service struct {
	Options
	gates map[string]*accessrules.Live // by name; complete before Load
	// loading keeps what was read from overtaking what was written meanwhile.
	loading sync.Mutex
	version int // of the record and the rules in force: counts writes
	// unrestricted is the contrary of cors_restricted, which holds by default.
	unrestricted atomic.Bool
}

// New makes a service.
func New(o Options) *Service {
	return &Service{Options: o, gates: map[string]*accessrules.Live{}}
}

// Endpoints are the rows of the table.
func (s *Service) Endpoints() []rest.Endpoint {
	const app, all, rule, engagement = "/api/proxy", "/api/proxy/rules", "/api/proxy/rules/{path}", "/api/proxy/engagement"
	c := accessrules.BrokerStrict
	return []rest.Endpoint{
		rest.Get(app, c, s.showApp, rest.Doc("Shows how the application behind the gate is reached")),
		rest.Put(app, c, s.updateApp, rest.Doc("Changes how the application behind the gate is reached")),
		rest.Patch(app, c, s.updateApp, rest.Doc("Changes how the application behind the gate is reached")),
		rest.Post("/api/proxy/key", c, s.makeKey, rest.Doc("Makes a new key of sessions, and shows it this once")),
		rest.Act(http.MethodGet, "/api/proxy/sessions/{user}", c, s.showSession, rest.Doc("Shows the session that the application would receive")),
		rest.Get(all, c, s.listRules, rest.Lists(&rules), rest.Doc("Lists the rules of the gate, in the order in which they are tried")),
		rest.Post(all, c, s.createRule, rest.Answers(201), rest.Doc("Makes a rule, before the others")),
		rest.Patch(all, c, s.moveRules, rest.Lists(&rules), rest.Doc("Changes the order of rules")),
		rest.Get(rule, c, s.showRule, rest.Doc("Shows a rule")),
		rest.Put(rule, c, s.replaceRule, rest.Find(s.lookForRule), rest.Doc("Changes a rule")),
		rest.Patch(rule, c, s.updateRule, rest.Find(s.lookForRule), rest.Doc("Changes a rule")),
		rest.Delete(rule, c, s.deleteRule, rest.Doc("Removes a rule")),
		rest.Get(engagement, c, s.showEngagement, rest.Takes(rest.Timezone), rest.Doc("Counts who has visited what")),
		rest.Get(engagement+"/users", c, s.listVisitors, rest.Lists(&visitors), rest.Doc("Lists users with what they have visited")),
	}
}
