package accessrules

import "time"

// Until is the next instant at which the decision on a query may change by itself: the first end, after the query's now, of a role,
// of a subscription or of its grace, of the caller or of one of the other profiles given. Zero: none is known. It may come to
// the same when it is made again then.
func (d *Decision) Until(q *Query, others ...*Profile) time.Time {
	next := ValidUntil(q.Caller, q.Now, others...)
	if d.Rule == nil || q.Caller == nil {
		return next
	}
	for _, grace := range graces(nil, d.Rule.Conditions) {
		for i := range q.Caller.Roles {
			for _, s := range q.Caller.Roles[i].Profile.Subscriptions {
				if end := s.EndsAt.Add(grace); end.After(q.Now) && (next.IsZero() || end.Before(next)) {
					next = end
				}
			}
		}
	}
	return next
}

// graces adds to list how long subscriptions may have ended, by what conditions say.
func graces(list []time.Duration, conditions []Condition) []time.Duration {
	for _, c := range conditions {
		switch c := c.(type) {
		case *subscriptionTest:
			if c.grace != 0 {
				list = append(list, c.grace)
			}
		case all:
			list = graces(list, c)
		}
	}
	return list
}
