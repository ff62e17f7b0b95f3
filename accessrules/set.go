package accessrules

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"net/url"
	"slices"
	"strings"
)

// A Set is rules in the order in which they are tried, compiled: the time to find the one that decides does not depend on how many
// there are. Immutable and safe for concurrent use; a change of rules makes another Set (decision 47).
type Set struct {
	rules  []Rule
	params [][]placed // of each rule: its parameters
	shadow []Shadow
	nodes  []node
	edges  []edge // open addressing; a power of two, at most half full
	used   int
	seed   maphash.Seed
}

// A node is where some patterns stand after their first segments.
type node struct {
	rank  int32 // of the rule whose pattern ends here
	best  int32 // the least rank here and below
	param int32 // where a parameter leads; 0: nowhere
}

// An edge leads from a node by a literal.
type edge struct {
	label    string
	from, to int32 // to 0: no edge
}

// placed is a parameter and which segment of the path it takes.
type placed struct {
	name string
	at   int
}

const noRank = math.MaxInt32

// A Shadow is a rule that never decides, since an earlier one matches every path that it matches.
type Shadow struct{ Rule, By int }

// Compile makes a set of rules, given in the order in which they are tried. It refuses invalid paths, and two rules of one path
// unless one is the Caddyfile's and the other the API's (decision 58): the Caddyfile's then comes first and the other is among
// Shadowed. Errors are *RuleError.
func Compile(rules []Rule) (*Set, error) { return CompileUnder("", rules) }

// CompileUnder is Compile for a site that lives under a path: prefix is put before the path of each rule (access.md B.1
// path_prefix).
func CompileUnder(prefix string, rules []Rule) (*Set, error) {
	site, err := parsePattern(prefix)
	if err != nil {
		return nil, err
	}
	s := &Set{
		rules:  slices.Clone(rules),
		params: make([][]placed, len(rules)),
		nodes:  []node{{rank: noRank, best: noRank}},
		edges:  make([]edge, 16),
		seed:   maphash.MakeSeed(),
	}
	type origin struct {
		path string
		api  bool
	}
	seen := make(map[origin]bool, len(rules))
	for i, r := range s.rules {
		pattern, err := parsePattern(r.Path)
		if err != nil {
			return nil, &RuleError{Index: i, Rule: r, Err: err}
		}
		o := origin{"/" + strings.TrimPrefix(r.Path, "/"), r.Source == SourceAPI}
		if seen[o] {
			return nil, &RuleError{Index: i, Rule: r, Err: errors.New("a rule with this path already exists")}
		}
		seen[o] = true
		if slices.Contains(r.Conditions, nil) {
			return nil, &RuleError{Index: i, Rule: r, Err: errors.New("a condition is missing")}
		}
		s.add(i, slices.Concat(site, pattern))
	}
	return s, nil
}

// add puts a rule behind those that are in the set.
func (s *Set) add(i int, pattern []segment) {
	if by := s.covering(0, pattern, noRank); by != noRank {
		s.shadow = append(s.shadow, Shadow{Rule: i, By: int(by)})
	}
	rank := int32(i)
	at := int32(0)
	s.nodes[at].best = min(s.nodes[at].best, rank)
	for n, seg := range pattern {
		if seg.param {
			s.params[i] = append(s.params[i], placed{seg.text, n})
			if s.nodes[at].param == 0 {
				s.nodes[at].param = s.grow()
			}
			at = s.nodes[at].param
		} else {
			at = s.literal(at, seg.text)
		}
		s.nodes[at].best = min(s.nodes[at].best, rank)
	}
	s.nodes[at].rank = min(s.nodes[at].rank, rank)
}

func (s *Set) grow() int32 {
	s.nodes = append(s.nodes, node{rank: noRank, best: noRank})
	return int32(len(s.nodes) - 1)
}

// literal is the node that a literal leads to, made if need be.
func (s *Set) literal(from int32, label string) int32 {
	if to := s.follow(from, label); to != 0 {
		return to
	}
	if s.used++; 2*s.used > len(s.edges) {
		old := s.edges
		s.edges = make([]edge, 2*len(old))
		for _, e := range old {
			if e.to != 0 {
				s.put(e)
			}
		}
	}
	e := edge{label: label, from: from, to: s.grow()}
	s.put(e)
	return e.to
}

func (s *Set) put(e edge) {
	at := s.slot(e.from, e.label)
	for s.edges[at].to != 0 {
		at = (at + 1) & (len(s.edges) - 1)
	}
	s.edges[at] = e
}

// follow is the node that a literal leads to, 0 for none.
func (s *Set) follow(from int32, label string) int32 {
	for at := s.slot(from, label); ; at = (at + 1) & (len(s.edges) - 1) {
		e := &s.edges[at]
		if e.to == 0 || e.from == from && e.label == label {
			return e.to
		}
	}
}

func (s *Set) slot(from int32, label string) int {
	h := maphash.String(s.seed, label) ^ uint64(from)*0x9E3779B97F4A7C15
	return int(h^h>>32) & (len(s.edges) - 1)
}

// covering is the least rank of the rules so far that match whatever pattern matches.
func (s *Set) covering(at int32, pattern []segment, best int32) int32 {
	n := s.nodes[at]
	best = min(best, n.rank)
	if len(pattern) == 0 {
		return best
	}
	if !pattern[0].param {
		if to := s.follow(at, pattern[0].text); to != 0 && s.nodes[to].best < best {
			best = s.covering(to, pattern[1:], best)
		}
	}
	if n.param != 0 && s.nodes[n.param].best < best {
		best = s.covering(n.param, pattern[1:], best)
	}
	return best
}

// find is the least rank, below best, of the rules that match path from a node on.
func (s *Set) find(at int32, path string, best int32) int32 {
	n := s.nodes[at]
	best = min(best, n.rank)
	label, rest := cutSegment(path)
	if label == "" {
		return best
	}
	if to := s.follow(at, label); to != 0 && s.nodes[to].best < best {
		best = s.find(to, rest, best)
	}
	if n.param != 0 && s.nodes[n.param].best < best {
		best = s.find(n.param, rest, best)
	}
	return best
}

// cutSegment cuts the first segment off a path, "" at its end.
func cutSegment(path string) (segment, rest string) {
	for path != "" && path[0] == '/' {
		path = path[1:]
	}
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// Match finds the rule that decides on a path in the form that Clean gives: the first whose pattern is a prefix of it, by whole
// segments. It returns the index of the rule, -1 for none, and the parameters that the path gives it, decoded.
func (s *Set) Match(path string) (int, Params) {
	rank := s.find(0, path, noRank)
	if rank == noRank {
		return -1, nil
	}
	placed := s.params[rank]
	if len(placed) == 0 {
		return int(rank), nil
	}
	params := make(Params, 0, len(placed))
	for at := 0; len(params) < len(placed); at++ {
		var value string
		value, path = cutSegment(path)
		if next := placed[len(params)]; next.at == at {
			if strings.IndexByte(value, '%') >= 0 {
				value, _ = url.PathUnescape(value) // Clean refused what is malformed
			}
			params = append(params, Param{next.name, value})
		}
	}
	return int(rank), params
}

// Rules are the rules of the set, in order. They must not be changed.
func (s *Set) Rules() []Rule { return s.rules }

// Shadowed lists the rules that never decide, in order.
func (s *Set) Shadowed() []Shadow { return s.shadow }

// Warnings says in a sentence each which rules never decide, for whoever checks a configuration.
func (s *Set) Warnings() []string {
	var lines []string
	for _, sh := range s.shadow {
		lines = append(lines, fmt.Sprintf("%s never decides: %s comes first and matches every path that it matches", s.label(sh.Rule), s.label(sh.By)))
	}
	return lines
}

func (s *Set) label(i int) string { return ruleLabel(i, &s.rules[i]) }

// A Decision is what a set of rules says about a request.
type Decision struct {
	Rule    *Rule // the rule that decided, nil when none matched; must not be changed
	Index   int   // of Rule in the set, -1 for none
	Params  Params
	Verdict Verdict
	Failed  int // which condition of Rule did not hold, -1 when all did or there is no rule
}

// Decide answers a request for a path in the form that Clean gives. The first rule whose path matches decides, and all of its
// conditions must hold; a path that no rule matches is refused with NoRule, for everybody. It sets q.Params to the parameters
// of the path.
func (s *Set) Decide(q *Query, path string) Decision {
	index, params := s.Match(path)
	q.Params = params
	if index < 0 {
		return Decision{Index: -1, Verdict: Verdict{Reason: NoRule}, Failed: -1}
	}
	d := Decision{Rule: &s.rules[index], Index: index, Params: params, Failed: -1}
	for i, c := range d.Rule.Conditions {
		if d.Verdict = c.Check(q); !d.Verdict.OK() {
			d.Failed = i
			break
		}
	}
	return d
}
