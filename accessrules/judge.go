package accessrules

import (
	"cmp"
	"slices"
)

// Asked is all that a request asks for: every path that something behind the gate may act on, and every method (decision 75).
type Asked struct {
	Path        Path     // the one at hand
	Rewritten   bool     // a handler before the gate made it of the one that was sent
	Sent        Path     // the one that was sent, when Rewritten
	Behind      *Path    // what a handler before the gate found behind a script, nil for nothing
	Destination *Path    // of a copy or a move, nil for none
	Methods     []string // other ones that upstreams may take in place of the request's
	Deep        bool     // what is asked for is done to everything below, too
	Scripts     Scripts  // behind which a path of its own may stand
	Note        func(Judged)
}

// Judged is one of the paths of a request, and what became of it.
type Judged struct {
	Kind     string // "sent", "at hand", "behind a script", "destination", "below"
	Path     string
	Decision Decision
}

// Kinds of paths.
const (
	PathSent        = "sent"
	PathAtHand      = "at hand"
	PathBehind      = "behind a script"
	PathDestination = "destination"
	PathBelow       = "below"
)

// Judge answers a request that asks for several paths or methods: each of them must be admitted. For a path that a rewrite made, no rule
// is no refusal, since a rule admits the one that was sent; a rule that refuses refuses. Of several rules that admit, the first in the
// order of the set counts for what the upstream is told; the others are in Beside. It sets q.Params to the parameters of that rule.
func (s *Set) Judge(q *Query, a *Asked) (d Decision) {
	if a.single() {
		s.decide(q, a.Path.match, q.own[:0], &d)
		return d
	}
	d = s.judge(q, a)
	for _, method := range a.Methods {
		if !d.Verdict.OK() {
			break
		}
		other := *q
		other.Method = method
		switch o := s.judge(&other, a); {
		case !o.Verdict.OK():
			d = o
		case o.Rule != d.Rule && !slices.Contains(d.Beside, o.Rule):
			d.Beside = append(d.Beside, o.Rule)
		}
	}
	q.Params = d.Params
	return d
}

// single reports whether a request asks for one path with one method, as nearly all do: there is nothing to compare.
func (a *Asked) single() bool {
	return !a.Rewritten && !a.Deep && a.Behind == nil && a.Destination == nil && len(a.Methods) == 0 && a.Note == nil &&
		a.Path.unsure == "" && !a.Scripts.In(a.Path.match)
}

func (s *Set) judge(q *Query, a *Asked) Decision {
	j := judging{s: s, q: q}
	if !a.Rewritten {
		j.path(a, PathSent, &a.Path, false)
	} else {
		j.path(a, PathSent, &a.Sent, false)
		j.path(a, PathAtHand, &a.Path, true)
	}
	if a.Behind != nil {
		j.path(a, PathBehind, a.Behind, true)
	}
	if a.Destination != nil {
		j.path(a, PathDestination, a.Destination, false)
	}
	if j.unruled != "" {
		j.take(a, PathBehind, j.unruled, Decision{Index: -1, Verdict: Verdict{Reason: NoRule}, Failed: -1}, false)
	}
	return j.Decision
}

// judging is what came of the paths so far. What was asked is none of its fields, but handed on: conditions get hold of the query, and the
// compiler would take both for something that outlives the call.
type judging struct {
	s *Set
	q *Query
	Decision
	any, refused bool
	unruled      string // stuck to a script's name, and no rule is for it: that refuses where nothing else does
}

// path judges a path in all its readings, and those that stand behind a script or below.
func (j *judging) path(a *Asked, kind string, p *Path, made bool) {
	if j.refused {
		return
	}
	if p.unsure == "" || j.s.oneRule(j.q.Method) {
		j.take(a, kind, p.match, j.s.Decide(j.q, p.match), made)
		j.further(a, p.match, made)
		return
	}
	list, ok := p.Readings()
	if !ok {
		j.take(a, kind, p.match, ambiguous(), made)
		return
	}
	first := j.s.Decide(j.q, p.match)
	for _, other := range list[1:] {
		if d := j.s.Decide(j.q, other); !alike(&first, &d) {
			first = ambiguous()
			break
		}
	}
	j.take(a, kind, p.match, first, made)
	for _, one := range list {
		j.further(a, one, made)
	}
}

func ambiguous() Decision {
	return Decision{Index: -1, Failed: -1, Verdict: Verdict{Reason: AmbiguousPath}}
}

// alike reports whether two readings of a path come to the same.
func alike(a, b *Decision) bool {
	if a.Index == b.Index && slices.Equal(a.Params, b.Params) {
		return true
	}
	return !a.Verdict.OK() && a.Verdict.Reason == b.Verdict.Reason
}

// further judges what stands behind the scripts of a path, and what is below it.
func (j *judging) further(a *Asked, path string, made bool) {
	if j.refused || j.s.oneRule(j.q.Method) {
		return
	}
	j.below(a, path)
	end, behind, stuck := a.Scripts.next(path, 0)
	for n := 0; end > 0 && !j.refused; n++ {
		if n == maxScripts {
			j.take(a, PathBehind, behind, ambiguous(), made)
			return
		}
		switch d := j.s.Decide(j.q, behind); {
		case !stuck:
			j.take(a, PathBehind, behind, d, made)
			j.below(a, behind)
		case d.Verdict.OK() || len(behind) <= len("/5"): // "x.php5" is another file
		case d.Rule == nil:
			if !made {
				j.unruled = cmp.Or(j.unruled, behind)
			}
		case !j.s.forAll(j.q.Method, d.Index):
			j.take(a, PathBehind, behind, d, made)
		}
		end, behind, stuck = a.Scripts.next(path, end)
	}
}

// below judges the rules for what is below a path.
func (j *judging) below(a *Asked, path string) {
	if j.refused || !a.Deep {
		return
	}
	for _, rank := range j.s.below(j.q.Method, path) {
		d := Decision{Rule: &j.s.rules[rank], Index: int(rank), Params: j.s.paramsOf(rank, path, nil)}
		if j.s.check(j.q, &d); !d.Verdict.OK() {
			j.take(a, PathBelow, d.Rule.Path, d, false)
			return
		}
	}
}

// take adds what became of a path.
func (j *judging) take(a *Asked, kind, path string, d Decision, made bool) {
	if a.Note != nil {
		a.Note(Judged{kind, path, d})
	}
	switch {
	case j.refused:
	case !d.Verdict.OK():
		if made && d.Verdict.Reason == NoRule {
			return
		}
		j.Decision, j.refused = d, true
	case !j.any:
		j.Decision, j.any = d, true
	case d.Index < j.Index:
		d.Beside = append(j.Beside, j.Rule)
		j.Decision = d
	case d.Index > j.Index && !slices.Contains(j.Beside, d.Rule):
		j.Beside = append(j.Beside, d.Rule)
	}
}
