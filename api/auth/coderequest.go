package auth

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A codeRequest is what somebody asked at a door of a site that does not tell who has an account (decision 78). The door writes it down,
// the same for everybody. Whether a message goes out, and to whom, turns out when nobody waits for it.
type codeRequest struct {
	Door       door
	ID         identifier
	Either     bool
	CheckEmail bool
	CheckPhone bool
	Person     person
	// Reason is why an attempt failed, "" when none did; Actor made it, and From says whence, for the audit.
	Reason      rest.Reason
	Actor, From string
	// Counts are where a message counts that nobody asked for.
	Counts []rest.Bucket
}

const (
	requestsEvery = 5 * time.Second // when another process may have written some
	requestsBatch = 100             // are looked at in one go
	requestsFor   = time.Hour       // after which nobody waits for the message any more
)

// asking is what an entry asks for.
func (s *Service) asking(e *entry) codeRequest {
	return codeRequest{
		Door: e.door, ID: e.id, Either: e.either, CheckEmail: e.checkEmail, CheckPhone: e.checkPhone, Person: e.person,
	}
}

// ask writes down what an entry asks, in the transaction that counts the message. Errors: 429.
func (s *Service) ask(c *rest.Call, e *entry, place *attempt) error {
	q := s.asking(e)
	return place.sent(c.Context(), func(tx *store.Tx) error {
		if err := c.Count(tx, rest.LimitInvitations); err != nil {
			return err
		}
		return s.request(tx, &q)
	})
}

func (s *Service) request(tx *store.Tx, q *codeRequest) error {
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO code_request (created_at, request) VALUES (?, ?)`, tx.Now(), string(text))
	tx.AfterCommit(s.wakeRequests)
	return err
}

func (s *Service) wakeRequests() {
	select {
	case s.requested <- struct{}{}:
	default:
	}
}

// AnswerRequests sends the codes that were asked for, until ctx ends.
func (s *Service) AnswerRequests(ctx context.Context) error {
	for ctx.Err() == nil {
		more, err := s.answerRequests(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("codes that were asked for cannot be sent", zap.Error(err))
		}
		if more && err == nil {
			continue
		}
		timer := time.NewTimer(requestsEvery)
		select {
		case <-ctx.Done():
		case <-s.requested:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// answerRequests looks at the oldest requests; more says that there may be others.
func (s *Service) answerRequests(ctx context.Context) (more bool, err error) {
	type row struct {
		id   int64
		at   store.Time
		text string
	}
	var rows []row
	var now store.Time
	err = s.store.Read(ctx, func(r store.Reader) error {
		now = r.Now()
		return store.Each(r, func(scan *sql.Rows) error {
			var one row
			err := scan.Scan(&one.id, &one.at, &one.text)
			rows = append(rows, one)
			return err
		}, `SELECT id, created_at, request FROM code_request ORDER BY id LIMIT ?`, requestsBatch)
	})
	for _, one := range rows {
		var q codeRequest
		if json.Unmarshal([]byte(one.text), &q) != nil || now.Sub(one.at.Time) >= requestsFor {
			err = errors.Join(err, s.forgetRequest(ctx, one.id))
			continue
		}
		err = errors.Join(err, s.answerRequest(ctx, one.id, &q))
	}
	return len(rows) == requestsBatch, err
}

// answerRequest does what a request asks for, and forgets it; once, whoever else looks at it.
func (s *Service) answerRequest(ctx context.Context, id int64, q *codeRequest) error {
	text, err := s.serveRequest(ctx, id, q, true)
	if refused := new(rest.Error); errors.As(err, &refused) { // too many messages went there, say: nobody is told
		_, err = s.serveRequest(ctx, id, q, false)
	}
	if err != nil || text == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, textTimeout)
	defer cancel()
	if err := s.texts.Send(ctx, text.address, text.code); err != nil {
		s.log.Warn("a text message could not be sent", zap.Error(err))
	}
	return nil
}

func (s *Service) forgetRequest(ctx context.Context, id int64) error {
	return s.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(`DELETE FROM code_request WHERE id = ?`, id)
		return err
	})
}

// serveRequest deletes a request, notes the failure that it tells of, and with send writes its message, if there is one; text is what goes
// to a phone now. Errors: those of the doors, which nobody is told.
func (s *Service) serveRequest(ctx context.Context, id int64, q *codeRequest, send bool) (text *proof, err error) {
	e := &entry{
		door: q.Door, id: q.ID, either: q.Either, checkEmail: q.CheckEmail, checkPhone: q.CheckPhone, person: q.Person,
	}
	err = s.store.Write(ctx, func(tx *store.Tx) error {
		text = nil
		n, err := tx.Exec(`DELETE FROM code_request WHERE id = ?`, id)
		if err != nil || n == 0 {
			return err
		}
		var v view
		if err := v.identify(tx, e); err != nil {
			return err
		}
		if q.Reason != "" {
			if err := s.noteFailure(tx, q, &v); err != nil || q.Reason != rest.ReasonPassword {
				return err
			}
		}
		if send {
			text, err = s.sendRequested(tx, q, e, &v)
		}
		return err
	})
	return text, err
}

// sendRequested writes the message of a request.
func (s *Service) sendRequested(tx *store.Tx, q *codeRequest, e *entry, v *view) (text *proof, err error) {
	if err := s.admits(tx, v.candidate, e.door); err != nil {
		return nil, err
	}
	if provider, err := delegateOf(tx, v.email); err != nil || provider != "" {
		return nil, err
	}
	demands := s.demands(e, v)
	if len(demands) == 0 || v.candidate == nil && !demands[0].forced ||
		q.Reason != "" && usable(v.candidate.Password) { // the right password comes first
		return nil, nil
	}
	if err := rest.CountIn(tx, rest.LimitInvitations, q.Counts); err != nil {
		return nil, err
	}
	first := demands[0]
	p, err := s.prepare(tx, first.ch, first.address, v.candidate, q.Person)
	if err != nil || first.ch == byPhone {
		return p, err
	}
	return nil, s.mail(tx, p, s.set.UseVerificationLinks)
}

// noteFailure writes a failure into the audit of the account, and tells its user.
func (s *Service) noteFailure(tx *store.Tx, q *codeRequest, v *view) error {
	if v.candidate == nil {
		if v.disabled == nil {
			return nil
		}
		return auditFailure(tx, q.Actor, v.disabled, q.From)
	}
	if err := auditFailure(tx, q.Actor, v.candidate, q.From); err != nil || !s.notices.TellsLogins() {
		return err
	}
	return s.tellFailure(tx, v.candidate)
}
