package metrics

import (
	"database/sql"

	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Dunning: what became of debts that a card was refused for: ours (docs/metrics.md).

// selectDunning finds, for each refusal of a card for what a customer owes ?2 up to the end of the last span, what the customer owed at that
// time, by event; how often the event had been settled, in part at least; and what was paid and written off after it. Of refusals
// between two settlements the first counts: the others are retries. What is settled later settles the oldest debt first.
const selectDunning = `WITH ` + spanTable + `,
	refusal AS (
		SELECT customer_id AS customer, created_at AS at FROM card_refusal
		WHERE provider_id = ?2 AND created_at < (SELECT MAX(until) FROM span)
		UNION
		SELECT customer_id, created_at FROM charge
		WHERE provider_id = ?2 AND state = 2 AND disputed_at IS NULL AND created_at < (SELECT MAX(until) FROM span)),
	debt AS (
		SELECT refusal.customer, refusal.at, t.event_id,
			coalesce(SUM(t.dest_amount) FILTER (WHERE t.dest_account = 'Payable' AND t.created_at <= refusal.at), 0)
				- coalesce(SUM(t.dest_amount) FILTER (WHERE t.dest_account <> 'Payable' AND t.created_at < refusal.at), 0) AS due,
			COUNT(*) FILTER (WHERE t.dest_account <> 'Payable' AND t.created_at < refusal.at) AS settled,
			coalesce(SUM(t.dest_amount) FILTER (WHERE t.dest_account = 'Receivable' AND t.created_at >= refusal.at), 0) AS paid,
			coalesce(SUM(t.dest_amount) FILTER (WHERE t.dest_account = 'Canceled' AND t.created_at >= refusal.at), 0) AS written_off
		FROM refusal CROSS JOIN statement s INDEXED BY statement_customer CROSS JOIN txn t
		WHERE s.provider_id = ?2 AND s.payer_id = refusal.customer AND s.due > 0 AND s.unit = ?3
			AND t.payer_id = s.payer_id AND t.event_id = s.event_id AND t.dest_unit = s.unit
		GROUP BY refusal.customer, refusal.at, t.event_id),
	opened AS (
		SELECT *, LAG(settled, 1, -1) OVER (PARTITION BY customer, event_id ORDER BY at) AS settled_before FROM debt WHERE due > 0),
	outcome AS (
		SELECT customer, at, due, MIN(due, paid) AS recovered, MIN(due - MIN(due, paid), written_off) AS written_off,
			EXISTS (SELECT 1 FROM subscription s WHERE s.provider_id = ?2 AND s.profile_id = customer AND s.ends_at > ?4
				AND s.grant_key IS NULL AND s.request_key IS NULL) AS subscribed
		FROM opened WHERE settled <> settled_before)
	SELECT span.i, COUNT(*), SUM(due), SUM(recovered), SUM(written_off),
		coalesce(SUM(due - recovered - written_off) FILTER (WHERE NOT subscribed), 0),
		coalesce(SUM(due - recovered - written_off) FILTER (WHERE subscribed), 0)
	FROM span CROSS JOIN outcome WHERE outcome.at >= span.since AND outcome.at < span.until GROUP BY span.i`

// dunned are the debts that a card was first refused for in a period, and what became of them up to now, in 1/100 of the unit:
//
//	failed = recovered + writtenOff + lost + open
type dunned struct {
	debts, failed, recovered, writtenOff int64
	lost, open                           int64 // still due, by whether any subscription of the customer to the provider runs now
}

// dunning shows the debts that a card was refused for, in the period of the first refusal, with what became of them up to now.
func (s *Service) dunning(c *rest.Call, r store.Reader) (Table, error) {
	p, t, unit, err := s.table(c, r)
	if err != nil {
		return Table{}, err
	}
	all := make([]dunned, len(t.bounds)-1)
	err = store.Each(r, func(rows *sql.Rows) error {
		var i int
		var d dunned
		err := rows.Scan(&i, &d.debts, &d.failed, &d.recovered, &d.writtenOff, &d.lost, &d.open)
		all[i] = d
		return err
	}, selectDunning, bindSpans(t.spans(t.of)), p.id, unit, c.Now)
	return Table{Title: "Dunning", Unit: unit, Scale: hundredths, Results: []Series{
		series("failed", "Refused", t, all, func(d dunned) int64 { return d.failed }),
		series("recovered", "Recovered", t, all, func(d dunned) int64 { return d.recovered }),
		series("written-off", "Written off", t, all, func(d dunned) int64 { return d.writtenOff }),
		series("lost", "Lost", t, all, func(d dunned) int64 { return d.lost }),
		series("open", "Open", t, all, func(d dunned) int64 { return d.open }),
	}, Extra: []Series{series("debts", "# of debts", t, all, func(d dunned) int64 { return d.debts })}}, err
}
