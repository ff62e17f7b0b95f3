package directory

import (
	"slices"
	"strings"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// Presented is a credential as it came with a request. Whoever decides on the request again asks what it is good for by then.
type Presented struct {
	key   credentialKey
	raw   string  // of all but tokens, which are long
	token *signed // nil for others
}

// IsZero reports whether there is no credential: the request is anonymous.
func (p *Presented) IsZero() bool { return p.raw == "" && p.token == nil }

// Clone is p in memory of its own: what came with a request keeps the whole of its header alive.
func (p *Presented) Clone() Presented { return Presented{p.key, strings.Clone(p.raw), p.token} }

// String tells nothing, so that no log does.
func (p Presented) String() string { return "(a credential)" }

// A Row stands for a row of the database that facts are made from. Two rows may share one.
type Row = slot

// ChangedSince lists the rows that have changed since an epoch, and the epoch of now. With all, anything may have changed: the rows
// are not told.
func (d *Directory) ChangedSince(epoch uint64) (rows []Row, all bool, now uint64) {
	if now = d.stamps.epoch.Load(); now == epoch {
		return nil, false, now
	}
	if d.stamps.floor.Load() > epoch {
		return nil, true, now
	}
	for i := range d.stamps.slots {
		if d.stamps.slots[i].Load() > epoch {
			rows = append(rows, Row(i))
		}
	}
	return rows, false, now
}

// A Basis is the facts of one decision. It takes note of what it was asked, so that whoever holds on to the decision knows what
// it rests on. It is not safe for concurrent use.
type Basis struct {
	d        *Directory
	rows     []Row
	until    int64 // µs since 1970, 0 for never
	profiles []*accessrules.Profile
}

var _ accessrules.Facts = (*Basis)(nil)

// Basis begins the facts of a decision.
func (d *Directory) Basis() *Basis { return &Basis{d: d} }

// Reset forgets what was noted.
func (b *Basis) Reset() { b.rows, b.profiles, b.until = b.rows[:0], b.profiles[:0], 0 }

// Rows are the rows that the facts were made from, each once. They are good until Reset.
func (b *Basis) Rows() []Row {
	slices.Sort(b.rows)
	b.rows = slices.Compact(b.rows)
	return b.rows
}

// Profiles are those that were asked for. They are good until Reset.
func (b *Basis) Profiles() []*accessrules.Profile { return b.profiles }

// Until is when the first of the facts ends by itself, apart from the roles and subscriptions in them, whose ends they tell
// (accessrules.Decision.Until). Zero: never.
func (b *Basis) Until() time.Time {
	if b.until == 0 {
		return time.Time{}
	}
	return time.UnixMicro(b.until)
}

// Identify says who a credential stands for now. Errors are those of Directory.Identify, also for a cookie that is good no more.
func (b *Basis) Identify(p *Presented) (Identity, error) {
	if p.IsZero() {
		return Identity{}, nil
	}
	c, err := b.d.presented(p)
	if err != nil {
		return Identity{}, err
	}
	b.note(&c.entry)
	b.ends(c.ends)
	return c.Identity, nil
}

// Broker implements accessrules.Facts.
func (b *Basis) Broker() string { return b.d.Broker() }

// Profile implements accessrules.Facts.
func (b *Basis) Profile(slug string) (*accessrules.Profile, error) {
	p, err := b.d.profileOf(slug)
	if p == nil || err != nil {
		return nil, err
	}
	b.note(&p.entry)
	b.profiles = append(b.profiles, &p.Profile)
	return &p.Profile, nil
}

// User implements accessrules.Facts.
func (b *Basis) User(username string) (*accessrules.User, error) {
	u, err := b.d.userOf(username)
	if u == nil || err != nil {
		return nil, err
	}
	b.note(&u.entry)
	for i := range u.Roles {
		b.ends(micros(u.Roles[i].EndsAt))
		b.profiles = append(b.profiles, u.Roles[i].Profile)
	}
	return u.ifActive(), nil
}

// Plan implements accessrules.Facts.
func (b *Basis) Plan(slug string) (*accessrules.Plan, error) {
	p, err := b.d.planOf(slug)
	if p == nil || err != nil {
		return nil, err
	}
	b.note(&p.entry)
	return &p.Plan, nil
}

// Agreement implements accessrules.Facts.
func (b *Basis) Agreement(slug string) (time.Time, error) {
	a, err := b.d.allAgreements()
	if err != nil {
		return time.Time{}, err
	}
	b.note(&a.entry)
	return a.updated[slug], nil
}

// note adds what an entry was made from.
func (b *Basis) note(e *entry) {
	b.rows = append(b.rows, e.slots...)
	b.ends(e.until)
	for _, part := range e.parts {
		b.note(part)
	}
}

// ends adds an end, unless it is over: what it decided is decided.
func (b *Basis) ends(at int64) {
	if at > b.d.o.Now().UnixMicro() && (b.until == 0 || at < b.until) {
		b.until = at
	}
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
