package ledger

import (
	"context"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Report is what Verify found.
type Report struct {
	Head     Anchor // the last batch verified; kept elsewhere, VerifyAnchor can prove later that nothing up to it was cut off
	Batches  int64
	Entries  int64
	Trial    []Trial   // the trial balance, in the order of units
	Problems []Problem // the first hundred
	Found    int64     // problems in all
}

// A Trial is the trial balance of one unit. Debits equal credits as long as no entry is between two units (I2).
type Trial struct {
	Unit            string
	Debits, Credits int64
	Exchanged       int64 // debits less credits of the entries between two units
}

// A Problem is something that does not hold.
type Problem struct {
	Where string // as in "batch 12", "entry 40", "balance of profile 3, Funds, usd"
	What  string
}

// String is the problem on one line.
func (p Problem) String() string { return p.Where + ": " + p.What }

// OK reports whether everything holds.
func (r *Report) OK() bool { return r.Found == 0 }

func (r *Report) add(where, what string) {
	const most = 100
	r.Found++
	if len(r.Problems) < most {
		r.Problems = append(r.Problems, Problem{where, what})
	}
}

// trial counts an entry in the trial balance.
func (r *Report) trial(e *Entry) {
	if !inRange(e.Dest.Amount) || !inRange(e.Orig.Amount) {
		return // reported with the entry
	}
	dest := r.unit(e.Dest.Unit)
	dest.Debits += e.Dest.Amount
	if e.Dest.Unit != e.Orig.Unit {
		dest.Exchanged += e.Dest.Amount
	}
	orig := r.unit(e.Orig.Unit)
	orig.Credits += e.Orig.Amount
	if e.Dest.Unit != e.Orig.Unit {
		orig.Exchanged -= e.Orig.Amount
	}
}

func (r *Report) unit(unit string) *Trial {
	i, ok := slices.BinarySearchFunc(r.Trial, unit, func(t Trial, unit string) int { return strings.Compare(t.Unit, unit) })
	if !ok {
		r.Trial = slices.Insert(r.Trial, i, Trial{Unit: unit})
	}
	return &r.Trial[i]
}

// Snapshots are what Verify reads: a store, or what a transaction has written so far.
type Snapshots interface {
	// Read runs fn on one snapshot.
	Read(ctx context.Context, fn func(r store.Reader) error) error
}

// Verify proves the books as they are when it starts: that the chain is whole from the first batch to the last, that every
// entry keeps the rules of Post, that the trial balance is 0, that the balances, statements, movements and prices that are kept are those
// of the entries, and that charges, their lines and their refunds add up. In the words of the contract, I1 to I7, and that no row was
// altered, added, removed or reordered. What a chain cannot see, an end that was cut off or books written anew from some point
// on, shows against an Anchor.
//
// It reads in short snapshots, so it may run beside writers, and its memory does not grow with the books. progress, which may
// be nil, is told how many of how many entries are done. What does not hold is in the Report; the error is ctx's or the
// store's.
func Verify(ctx context.Context, s Snapshots, progress func(done, of int64)) (Report, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	var report Report
	for _, pass := range []func(context.Context, Snapshots, *Report, func(done, of int64)) error{
		verifyChain, verifySums, verifyCharges,
	} {
		if err := pass(ctx, s, &report, progress); err != nil {
			return report, err
		}
	}
	for _, t := range report.Trial {
		if t.Debits-t.Credits != t.Exchanged {
			report.add("trial balance, "+t.Unit, "debits and credits differ by "+Amount{t.Debits - t.Credits - t.Exchanged, t.Unit}.String())
		}
	}
	return report, nil
}
