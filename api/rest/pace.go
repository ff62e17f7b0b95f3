package rest

import (
	"math"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// How fast one client is served (decision 77): a few of its requests at a time, and the slower the more of them were refused lately. A
// refusal that is answered at once is asked for again at once, and takes the processors from everybody else.

// Pace bounds how fast one client is served. 0 turns a bound off.
type Pace struct {
	AtOnce int           // requests that are worked on at a time; others wait for their turn. Default: 32
	Long   int           // reads of them that may be long. Default: one processor less than there are, so that one is left to others
	Delay  time.Duration // of the answer to a refusal, for each one that the client had lately. Default: 20 ms
}

// DefaultPace is what sites have.
func DefaultPace() Pace {
	return Pace{AtOnce: 32, Long: max(1, runtime.GOMAXPROCS(0)-1), Delay: 20 * time.Millisecond}
}

const (
	turnWait      = 10 * time.Second // for a turn, before the answer is 503
	waitPerClient = 1024             // requests that wait, for a turn or for the answer to a refusal
	waitInAll     = 16384
	freeRefusals  = 20              // are answered at once
	refusalsHalve = 5 * time.Second // in which half of the refusals are forgotten
	longestDelay  = 5 * time.Second
)

// pacer keeps the pace of clients, and of their /48s.
type pacer struct {
	Pace
	now func() time.Time

	mu      sync.Mutex
	clients map[pacedName]*paced
	waiting int // of all clients
	sweep   int // how many clients there are when it is worth to look for those that can be forgotten
}

// A pacedName is a client or a /48, of which many may not be told apart.
type pacedName struct {
	name  string
	share int  // how many clients it counts as
	long  bool // its long reads
}

type paced struct {
	pacedName
	turns   *Fair
	inTurns int // have a turn, or wait for one
	delayed int // wait for the answer to a refusal
	refused float64
	at      time.Time // when refused was right
}

func newPacer(pace Pace, now func() time.Time) pacer {
	return pacer{Pace: pace, now: now, clients: map[pacedName]*paced{}}
}

// names are whom the pace of the call is that of: its client, and the /48 of that.
func (c *Call) names() (names [2]pacedName, n int) {
	client, crowd := ClientOf(c.Client), int(c.crowd())
	names[0] = pacedName{name: client.Name, share: crowd}
	if client.Site == "" {
		return names, 1
	}
	names[1] = pacedName{name: client.Site, share: crowd * siteShare}
	return names, 2
}

// enter waits until it is the turn of the call. Error: 503.
func (c *Call) enter() error { return c.enterFor(LimitRequests, c.service.pacer.AtOnce) }

// enterLong waits until it is the turn of the call to read what may be long, in place of the turn that it has. Error: 503.
func (c *Call) enterLong() error {
	c.leave()
	return c.enterFor(LimitReads, c.service.pacer.Long)
}

func (c *Call) enterFor(l Limit, most int) error {
	if most <= 0 {
		return nil
	}
	p := &c.service.pacer
	names, n := c.names()
	for i, name := range names[:n] {
		name.long = l == LimitReads
		client, err := p.enter(c, name, most*name.share)
		if err != nil {
			c.leave()
			if c.r.Context().Err() != nil {
				return err
			}
			return Busy(l, err)
		}
		c.turns[i] = client
	}
	return nil
}

// leave gives the turn of the call to the next of its client: the work is done, or waits for something that is bounded otherwise.
func (c *Call) leave() {
	p := &c.service.pacer
	for i, client := range c.turns {
		if client == nil {
			continue
		}
		c.turns[i] = nil
		client.turns.release()
		p.mu.Lock()
		client.inTurns--
		p.forget(client)
		p.mu.Unlock()
	}
}

// Aside does work that has a bound of its own while the call has no turn: what waits for long would keep its client from all else. The
// call has none afterwards either. It would wait for one with what it holds, behind those who have a turn and wait for just that.
func (c *Call) Aside(work func() error) error {
	c.leave()
	return work()
}

// everyone is whom turns are given to where all are those of one client.
var everyone = Client{Name: "everyone"}

func (p *pacer) enter(c *Call, name pacedName, most int) (*paced, error) {
	p.mu.Lock()
	client := p.of(name)
	if client.turns == nil {
		client.turns = NewFair(most, waitPerClient*name.share, turnWait)
	}
	waits := client.inTurns >= most
	if waits && p.waiting >= waitInAll {
		p.mu.Unlock()
		return nil, errQueueFull
	}
	client.inTurns++
	if waits {
		p.waiting++
	}
	p.mu.Unlock()
	_, err := client.turns.Acquire(c.r.Context(), everyone)
	if !waits && err == nil {
		return client, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if waits {
		p.waiting--
	}
	if err != nil {
		client.inTurns--
		p.forget(client)
		return nil, err
	}
	return client, nil
}

// linger makes the answer to a refusal wait the longer the more of them the client had lately. Meanwhile the call has no turn and no body.
// A client that has too many wait is answered at once, and its connection closed.
func (c *Call) linger(e *Error) {
	p := &c.service.pacer
	if p.Delay <= 0 || e.limit == "" && e.Status != http.StatusTooManyRequests {
		return
	}
	c.leave()
	c.release()
	c.body = requestBody{read: c.body.read}
	names, n := c.names()
	delay, clients, ok := p.refuse(names[:n])
	if !ok {
		c.hangUp()
	}
	if delay <= 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.r.Context().Done():
	}
	p.answered(clients)
}

// refuse counts a refusal and says how long its answer waits, for those whose answers wait with it; ok is false when too many do.
func (p *pacer) refuse(names []pacedName) (delay time.Duration, clients [2]*paced, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	ok = p.waiting < waitInAll
	for i, name := range names {
		client := p.of(name)
		client.refused, client.at = client.lately(now)+1, now
		over := client.refused/float64(name.share) - freeRefusals
		delay = max(delay, min(time.Duration(over*float64(p.Delay)), longestDelay))
		ok = ok && client.delayed < waitPerClient*name.share
		clients[i] = client
	}
	if delay <= 0 || !ok {
		return 0, clients, ok
	}
	p.waiting++
	for i := range names {
		clients[i].delayed++
	}
	return delay, clients, true
}

func (p *pacer) answered(clients [2]*paced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
	for _, client := range clients {
		if client != nil {
			client.delayed--
		}
	}
}

// lately is how many refusals are not forgotten.
func (client *paced) lately(now time.Time) float64 {
	if client.refused == 0 {
		return 0
	}
	return client.refused * math.Exp2(-max(0, now.Sub(client.at).Seconds())/refusalsHalve.Seconds())
}

// of is what is known of a client. Those whose refusals are forgotten are looked for when there are twice as many clients as last time.
func (p *pacer) of(name pacedName) *paced {
	client := p.clients[name]
	if client != nil {
		return client
	}
	if len(p.clients) >= max(p.sweep, 1024) {
		now := p.now()
		for _, other := range p.clients {
			if other.lately(now) < 0.5 {
				other.refused = 0
				p.forget(other)
			}
		}
		p.sweep = 2 * len(p.clients)
	}
	client = &paced{pacedName: name}
	p.clients[name] = client
	return client
}

// forget drops a client of whom there is nothing to know.
func (p *pacer) forget(client *paced) {
	if client.inTurns == 0 && client.delayed == 0 && client.refused == 0 {
		delete(p.clients, client.pacedName)
	}
}
