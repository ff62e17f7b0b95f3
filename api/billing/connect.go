package billing

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// How a provider connects its account at the processor (ledger.md 8.3): it is sent there with a state, and comes back with the state and
// a code. The state is "<profile>.<sealed>": a page at a fixed address learns from it whose bank it is to show, and what is sealed
// binds it to the user and the profile.

// BankConnection is where a provider connects its account.
type BankConnection struct {
	URL string `json:"url"`
}

const (
	// stateLife is how long a provider may take to come back.
	stateLife = time.Hour
	stateTime = "20060102T150405 " // UTC
)

// connectBank tells where a provider connects its account at the processor.
func (s *Service) connectBank(c *rest.Call, r store.Reader) (BankConnection, error) {
	id, err := s.pathProfile(c, r)
	if err != nil {
		return BankConnection{}, err
	}
	people, err := s.processorProfiles(r, id)
	if err != nil {
		return BankConnection{}, err
	}
	banker, ok := s.processor.(processor.Banker)
	if !ok {
		return BankConnection{}, errNoPayouts
	}
	slug := people[id].Slug
	state, err := s.dir.Seal([]byte(c.Now.UTC().Format(stateTime)+c.User.Username+" "+slug), "bank")
	if err != nil {
		return BankConnection{}, err
	}
	url := banker.AuthorizeURL(people[id], slug+"."+base64.RawURLEncoding.EncodeToString(state))
	if url == "" {
		return BankConnection{}, rest.Fail(http.StatusNotImplemented, "The payment processor of this site needs no connection.")
	}
	return BankConnection{url}, nil
}

// connected takes the account that a provider has connected, in place of the one before, which is forgotten whatever comes of it. The
// processor's secrets of the account are not kept. Errors: 403 for who does not manage the provider, 400, 501.
func (s *Service) connected(c *rest.Call, code string) error {
	id, provider, _, err := s.provider(c)
	if err != nil {
		return err
	}
	if !c.Query.MaySell(provider.Slug) {
		return rest.Forbidden("")
	}
	connector, ok := s.processor.(processor.Connector)
	if !ok {
		return errNoPayouts
	}
	if !s.knows(c, c.QueryString("state"), provider.Slug) {
		return rest.Invalid("state", "The connection was not begun here, or too long ago. Please begin again.")
	}
	var account processor.Account
	cause := outside(c.Context(), func(ctx context.Context) (err error) {
		account, err = connector.Connect(ctx, code)
		return err
	})
	err = c.Write(func(tx *store.Tx) error {
		if err := disconnect(tx, id); err != nil || cause != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE profile SET processor_deposit_key = ?, processor_pub_key = ? WHERE id = ?`, account.DepositKey, account.PubKey, id)
		return err
	})
	if err == nil && cause != nil {
		err = failure(cause)
	}
	return err
}

// knows reports whether a state was given to this caller for this provider, not long ago.
func (s *Service) knows(c *rest.Call, state, provider string) bool {
	_, sealed, _ := strings.Cut(state, ".")
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return false
	}
	text, err := s.dir.Open(raw, "bank")
	if err != nil || len(text) < len(stateTime) {
		return false
	}
	at, err := time.Parse(stateTime, string(text[:len(stateTime)]))
	age := c.Now.Sub(at)
	return err == nil && age > -time.Minute && age < stateLife && string(text[len(stateTime):]) == c.User.Username+" "+provider
}

// disconnectBank forgets the account of a provider.
func (s *Service) disconnectBank(c *rest.Call, tx *store.Tx, _ *rest.None) (rest.None, error) {
	id, err := s.pathProfile(c, tx)
	if err != nil {
		return rest.None{}, err
	}
	return rest.None{}, disconnect(tx, id)
}

// disconnect forgets the account of a provider.
func disconnect(tx *store.Tx, provider int64) error {
	_, err := tx.Exec(`UPDATE profile SET processor_deposit_key = NULL, processor_priv_key = NULL, processor_pub_key = NULL,
		processor_refresh_token = NULL WHERE id = ?`, provider)
	return err
}
