package billing

import (
	"context"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// The card on file (ledger.md 9.10).

// CardView is the card on file; nothing of it when there is none.
type CardView struct {
	Last4         string            `json:"last4,omitempty"` // "***-4242"
	ExpDate       string            `json:"exp_date,omitempty"`
	CardName      string            `json:"card_name,omitempty"`
	ProcessorInfo map[string]string `json:"processor_info,omitempty"`
	Detail        string            `json:"detail,omitempty"`
}

// CardChange is the body of a card that is put on file; the address that browsers send with it is not kept.
type CardChange struct {
	Token string `json:"token" validate:"max=255"`
}

func cardView(card *processor.Card) (v CardView) {
	if card != nil {
		v = CardView{Last4: card.Last4, ExpDate: card.ExpDate, CardName: card.CardName}
	}
	return v
}

// subscriber is the profile of the path, as the processor is told of it, and the broker.
func (s *Service) subscriber(c *rest.Call) (id int64, subscriber, broker processor.Profile, err error) {
	err = c.Read(func(r store.Reader) error {
		if id, err = s.pathProfile(c, r); err != nil {
			return err
		}
		people, err := s.processorProfiles(r, id)
		subscriber, broker = people[id], people[0]
		return err
	})
	if err == nil && s.processor == nil {
		err = errNoProcessor
	}
	return id, subscriber, broker, err
}

// cardOf is the card on file, nil for none or when the processor does not tell.
func (s *Service) cardOf(ctx context.Context, subscriber processor.Profile) (card *processor.Card) {
	if subscriber.CardKey == "" {
		return nil
	}
	err := outside(ctx, func(ctx context.Context) (err error) {
		card, err = s.processor.Card(ctx, subscriber)
		return err
	})
	if err != nil {
		s.log.Warn("the card on file could not be looked up", zap.String("profile", subscriber.Slug), zap.Error(err))
		return nil
	}
	return card
}

// showCard shows the card on file, and with ?update=1 what a browser needs to replace it.
func (s *Service) showCard(c *rest.Call, _ *rest.None) (v CardView, err error) {
	_, subscriber, broker, err := s.subscriber(c)
	if err != nil {
		return v, err
	}
	v = cardView(s.cardOf(c.Context(), subscriber))
	update, err := c.QueryBool("update", false)
	if err != nil || !update {
		return v, err
	}
	err = outside(c.Context(), func(ctx context.Context) (err error) {
		v.ProcessorInfo, err = s.processor.PaymentContext(ctx, processor.PaymentContext{Subscriber: subscriber, Broker: broker, Unit: s.set.Unit})
		return err
	})
	if err != nil {
		s.log.Warn("the processor tells browsers nothing", zap.Error(err))
	}
	return v, nil
}

// putCard puts a card on file, in place of the one before. Attempts to renew begin anew with it.
func (s *Service) putCard(c *rest.Call, in *CardChange) (v CardView, err error) {
	if in.Token == "" {
		return v, rest.Invalid("token", "This field is required.")
	}
	id, subscriber, _, err := s.subscriber(c)
	if err != nil {
		return v, err
	}
	before := s.cardOf(c.Context(), subscriber)
	var card processor.Card
	var key string
	err = outside(c.Context(), func(ctx context.Context) (err error) {
		card, key, err = s.processor.SaveCard(ctx, subscriber, in.Token)
		return err
	})
	if err != nil {
		return v, failure(err)
	}
	err = c.Write(func(tx *store.Tx) error {
		if _, err := tx.Exec(`UPDATE profile SET processor_card_key = ?, nb_renewal_attempts = 0 WHERE id = ?`, key, id); err != nil || before == nil {
			return err
		}
		changes := notice.Changes{}
		for _, change := range []notice.Change{{Field: "last4", Before: digitsOf(before.Last4), After: digitsOf(card.Last4)}, {Field: "exp_date", Before: before.ExpDate, After: card.ExpDate}} {
			if change.Before != change.After {
				changes = append(changes, change)
			}
		}
		return s.notices.Emit(tx, &notice.CardUpdated{Profile: notice.Profile{ID: id}, OriginatedBy: notice.ByUser(c.User.ID), Changes: changes})
	})
	v = cardView(&card)
	v.Detail = "Your credit card on file was sucessfully updated."
	return v, err
}

// digitsOf are the last digits of a card, without what hides the others.
func digitsOf(last4 string) string { return strings.TrimPrefix(last4, "***-") }

// deleteCard forgets the card on file.
func (s *Service) deleteCard(c *rest.Call, _ *rest.None) (v CardView, err error) {
	id, subscriber, _, err := s.subscriber(c)
	if err != nil {
		return v, err
	}
	if subscriber.CardKey != "" {
		err := outside(c.Context(), func(ctx context.Context) error { return s.processor.DeleteCard(ctx, subscriber) })
		if err != nil {
			return v, failure(err)
		}
	}
	err = c.Write(func(tx *store.Tx) error {
		_, err := tx.Exec(`UPDATE profile SET processor_card_key = NULL WHERE id = ?`, id)
		return err
	})
	return CardView{Detail: "Your credit card is no longer on file with us."}, err
}
