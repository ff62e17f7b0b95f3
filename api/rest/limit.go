package rest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Limit is a bound on what one client or one user may do (decision 77). Its name is that of its metric.
type Limit string

// The limits. Those from LimitGuesses on are not in Limits: package auth counts failures and messages, and the others bound what happens
// at the same time.
const (
	LimitRegistrations Limit = "registrations" // that succeed
	LimitInvitations   Limit = "invitations"   // and other messages to addresses that are not one's own
	LimitCarts         Limit = "carts"         // of visitors
	LimitSessions      Limit = "sessions"      // begun
	LimitUploads       Limit = "uploads"       // pictures and lists of seats
	LimitOrders        Limit = "orders"        // that nothing is paid for at once
	LimitPayments      Limit = "payments"      // by card that are begun
	LimitProfiles      Limit = "profiles"      // of one's own
	LimitWrites        Limit = "writes"        // of any kind
	LimitShadows       Limit = "shadow_profiles"
	LimitGuesses       Limit = "guesses"  // wrong passwords and codes
	LimitMessages      Limit = "messages" // codes and links
	LimitBodies        Limit = "bodies"   // bytes of bodies in memory
	LimitReads         Limit = "reads"    // that may be long
	LimitHashing       Limit = "hashing"  // of passwords
	LimitRequests      Limit = "requests" // worked on at a time
)

// A Bound is how often an hour. 0 turns it off.
type Bound struct{ PerClient, PerUser int }

// Limits are the bounds of a site.
type Limits map[Limit]Bound

// DefaultLimits are the contract's.
func DefaultLimits() Limits {
	return Limits{
		LimitRegistrations: {PerClient: 20},
		LimitInvitations:   {PerClient: 120, PerUser: 60},
		LimitCarts:         {PerClient: 60},
		LimitSessions:      {PerClient: 120},
		LimitUploads:       {PerClient: 60, PerUser: 60},
		LimitOrders:        {PerUser: 60},
		LimitPayments:      {PerClient: 3600, PerUser: 3600},
		LimitProfiles:      {PerUser: 600},
		LimitWrites:        {PerUser: 36000},
		LimitShadows:       {PerUser: 60},
	}
}

// DefaultBodies are the contract's bounds on bodies.
func DefaultBodies() BodyLimits {
	return BodyLimits{Grace: 10 * time.Second, Rate: 16 << 10, Memory: 16 << 20}
}

// limitWindow is what Limits are counted over, from the first that counts on.
const limitWindow = time.Hour

// crowdShare is how many clients' bound those share who are not told apart.
const crowdShare = 100

// crowd is how many clients the address of the call stands for.
func (c *Call) crowd() int64 {
	if c.service.Crowd(c.r) {
		return crowdShare
	}
	return 1
}

// ClientBound is what n for one client comes to at the address of this call: more where many are not told apart.
func (c *Call) ClientBound(n int) int { return n * int(c.crowd()) }

// Buckets are those that something counts in which this call does, of those that are bounded.
func (c *Call) Buckets(l Limit) (all []Bucket) {
	bound := c.service.Limits[l]
	if n := c.ClientBound(bound.PerClient); n > 0 {
		all = BucketsOf("limit:"+string(l)+":client:", c.Client, n, n*siteShare, n*wideShare)
	}
	if bound.PerUser > 0 && c.User != nil {
		all = append(all, Bucket{Name: userBucket(l, c.User.ID), Most: bound.PerUser})
	}
	return all
}

// Count counts something in the transaction that does it, so that what fails or is only tried does not count. Error: 429.
func (c *Call) Count(tx *store.Tx, l Limit) error {
	return CountIn(tx, l, c.Buckets(l))
}

// CountIn is Count for something that a call began, and that is done after its answer.
func CountIn(tx *store.Tx, l Limit, buckets []Bucket) error {
	buckets, err := Placed(tx, buckets)
	if err != nil {
		return err
	}
	for _, b := range buckets {
		n, ends, err := countIn(tx, b.Name, limitWindow)
		if err != nil {
			return err
		}
		if n > b.Most {
			return Refused(l, ends.Sub(tx.Wall().Time))
		}
	}
	return nil
}

// Room counts something that a user causes where no call is at hand, and reports whether the bound of one user leaves room for it.
func (l Limits) Room(tx *store.Tx, what Limit, user int64) (bool, error) {
	most := l[what].PerUser
	if most <= 0 {
		return true, nil
	}
	n, _, err := countIn(tx, userBucket(what, user), limitWindow)
	if err == nil && n > most {
		what.count()
	}
	return n <= most, err
}

func userBucket(l Limit, user int64) string {
	return "limit:" + string(l) + ":user:" + strconv.FormatInt(user, 10)
}

// CountNow is Count in a transaction of its own, for work that is done outside of any.
func (c *Call) CountNow(l Limit) error {
	if len(c.Buckets(l)) == 0 {
		return nil
	}
	return c.service.Store.Write(c.r.Context(), func(tx *store.Tx) error { return c.Count(tx, l) })
}

// CheckLimit refuses at once what Count would refuse, before work is done that costs something. Error: 429.
func (c *Call) CheckLimit(l Limit) error {
	all := c.Buckets(l)
	if len(all) == 0 {
		return nil
	}
	return c.service.Store.Read(c.r.Context(), func(r store.Reader) error {
		now := r.Now()
		all, err := Placed(r, all)
		if err != nil {
			return err
		}
		for _, b := range all {
			n, ends, err := ReadBucket(r, b.Name)
			if err != nil {
				return err
			}
			if n >= b.Most && ends.After(now.Time) {
				return Refused(l, ends.Sub(now.Time))
			}
		}
		return nil
	})
}

// AtMost refuses one row more than most of what a query finds, which an index has in order. Error: 400 with the detail.
func AtMost(r store.Reader, most int, detail, query string, args ...any) error {
	full, err := store.Exists(r, query+` LIMIT 1 OFFSET ?`, append(args, most-1)...)
	if err == nil && full {
		err = Fail(http.StatusBadRequest, detail)
	}
	return err
}

// Refused is the 429 of a limit that is reached, which is counted for the metrics when it is answered; wait is how long until the next
// try may succeed, zero when it is not known.
func Refused(l Limit, wait time.Duration) *Error {
	e := Throttled(wait)
	e.limit = l
	return e
}

// Busy is the 503 of a queue that is full, or in which somebody waited for too long. It counts as a refusal of the limit.
func Busy(l Limit, cause error) *Error {
	e := Fail(http.StatusServiceUnavailable, "The server is too busy. Please try again.")
	e.RetryAfter, e.Err, e.limit = 2*time.Second, cause, l
	return e
}

// rejections are the answers of limits, since the process began.
var rejections = func() map[Limit]*atomic.Uint64 {
	m := map[Limit]*atomic.Uint64{}
	for _, l := range []Limit{
		LimitRegistrations, LimitInvitations, LimitCarts, LimitSessions, LimitUploads, LimitOrders, LimitPayments,
		LimitProfiles, LimitWrites, LimitShadows, LimitGuesses, LimitMessages, LimitBodies, LimitReads, LimitHashing, LimitRequests,
	} {
		m[l] = new(atomic.Uint64)
	}
	return m
}()

func (l Limit) count() {
	if n := rejections[l]; n != nil {
		n.Add(1)
	}
}

// Rejections calls fn with how many requests each limit has refused since the process began.
func Rejections(fn func(l Limit, n uint64)) {
	for _, l := range slices.Sorted(maps.Keys(rejections)) {
		fn(l, rejections[l].Load())
	}
}
