package billing

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
)

// webhookEndpoint is where the processor posts what became of charges (ledger.md 8.4, 9.18).
func (s *Service) webhookEndpoint() rest.Endpoint {
	return rest.Act("POST", "/api/stripe/postevent", accessrules.Public, s.postEvent, rest.Raw(), rest.Unaudited(), rest.Doc("Takes in an event of the payment processor"))
}

// postEvent takes in what the processor posts, once its signature holds: 200 "OK" when the effects are durable, or were before.
// Errors: 400 for what is not the processor's; 404 for a charge that is not known here, or not yet, so that it is posted again.
func (s *Service) postEvent(c *rest.Call, _ *rest.None) (string, error) {
	body, err := c.BodyBytes()
	if err != nil {
		return "", err
	}
	if s.processor == nil {
		return "", errEvent
	}
	event, err := s.processor.ParseWebhook(c.RequestHeaders(), body, c.Now.Time)
	if err != nil {
		s.log.Warn("an event of the processor was refused", zap.String("client", c.Client), zap.Error(err))
		return "", errEvent
	}
	return "OK", s.TakeEvent(c.Context(), event)
}

// errEvent answers who is not the processor: it learns nothing.
var errEvent = &rest.Error{Status: http.StatusBadRequest}
