package billing

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/api/processor"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// How a payment ends that the processor refuses.

// refused ends a payment that the processor refused: nothing of it stays, and charges of it that went through are given back. When
// nobody knows whether it was refused, it stays for the sweeper.
func (s *Service) refused(ctx context.Context, write writer, p *payment, receipts []processor.Receipt, cause error) error {
	if errors.As(cause, new(*processor.UnknownError)) {
		s.log.Warn("the processor did not answer: the payment will be looked into", zap.Int64("attempt", p.id), zap.Error(cause))
		return failure(cause)
	}
	return s.undo(ctx, write, p, receipts, cause)
}

// undo gives back what was charged and ends the payment as declined.
func (s *Service) undo(ctx context.Context, write writer, p *payment, receipts []processor.Receipt, cause error) error {
	for i, r := range receipts {
		b := &p.Bills[i]
		fee, err := b.brokerFee()
		if err != nil {
			return err
		}
		err = outside(ctx, func(ctx context.Context) error {
			return s.processor.Refund(ctx, r.Key, b.amount(), fee, p.key+"/"+strconv.Itoa(i)+"/refund")
		})
		if err != nil {
			s.log.Error("a charge could not be given back: the payment stays open", zap.String("charge", r.Key), zap.Error(err))
			return failure(&processor.UnknownError{Err: err})
		}
		s.log.Warn("a charge was given back, since what it paid could not be ordered", zap.String("charge", r.Key), zap.Error(cause))
		if err := s.at("pay:undone"); err != nil {
			return err
		}
	}
	answer := failure(cause)
	err := write(func(tx *store.Tx) error {
		open, err := p.pending(tx)
		if err != nil || !open {
			return err
		}
		if err := p.end(tx, "declined", cause.Error()); err != nil {
			return err
		}
		return s.noteRefusal(tx, p, cause)
	})
	if err != nil {
		return err
	}
	return answer
}

// noteRefusal records a refusal where it counts: a provider that cannot be paid is told, and the purpose is.
func (s *Service) noteRefusal(tx *store.Tx, p *payment, cause error) error {
	var card *processor.CardError
	var setup *processor.SetupError
	if errors.As(cause, &setup) && len(p.Bills) > 0 {
		provider := p.Bills[0].Provider
		if setup.Provider != "" {
			if err := tx.QueryRow(`SELECT id FROM profile WHERE slug = ?`, setup.Provider).Scan(&provider); err != nil {
				return err
			}
		}
		if setup.Revoked {
			if err := disconnect(tx, provider); err != nil {
				return err
			}
		}
		err := s.notices.Emit(tx, &notice.ProcessorSetupError{Profile: notice.Profile{ID: p.Customer}, OriginatedBy: notice.ByUser(p.User),
			Provider: notice.Profile{ID: provider}, Detail: setup.Detail})
		if err != nil {
			return err
		}
	}
	if !errors.As(cause, &card) {
		return nil
	}
	if card.Code != expired && card.ClientSecret == "" { // else nobody asked the card, or it may pay yet
		frozen, err := json.Marshal(p.Bills)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO card_refusal (created_at, provider_id, customer_id) SELECT DISTINCT ?, value ->> 'provider', ? FROM json_each(?)`,
			tx.Now(), p.Customer, string(frozen))
		if err != nil {
			return err
		}
	}
	if refused := s.purposes()[p.Purpose].refused; refused != nil {
		return refused(tx, p, card)
	}
	return nil
}

// declinedAdvice is what a payer reads when the card was declined without a reason.
const declinedAdvice = "Your card was declined. We are taking your security seriously. When we submit a charge to your bank, they have automated systems that " +
	"determine whether or not to accept the charge. Check that the card number, its expiration date and the security code are right, or try another card. " +
	"If the problem persists, call your bank: it can tell why the charge was refused."

// failure is the answer to an error of the processor (ledger.md 7): texts for people are shown, others are not.
func failure(err error) error {
	if errors.As(err, new(*rest.Error)) {
		return err
	}
	detail := "The payment processor refused the payment. Please try again later."
	var more rest.Fields
	var card *processor.CardError
	var setup *processor.SetupError
	switch {
	case errors.As(err, &card):
		if detail = card.Detail; card.Code == "card_declined" {
			detail = declinedAdvice
		}
		if card.ClientSecret != "" {
			more = rest.Fields{{Name: "code", Value: card.Code}, {Name: "client_secret", Value: card.ClientSecret}}
		}
	case errors.As(err, &setup):
		detail = setup.Detail
	case errors.As(err, new(*processor.UnknownError)):
		detail = "The payment processor did not answer in time. The payment may still go through; it is looked into."
	}
	return &rest.Error{Status: http.StatusBadRequest, Body: append(rest.Fields{{Name: "detail", Value: detail}}, more...), Err: err}
}
