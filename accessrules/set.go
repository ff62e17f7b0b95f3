package accessrules

import (
	"errors"
	"fmt"
	"net/http"
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
	all    *tree            // rules that name no method
	by     map[string]*tree // by each method that a rule names: rules for it, those that name none among them
}

// placed is a parameter and which segment of the path it takes.
type placed struct {
	name string
	at   int
}

// A Shadow is a rule that never decides, since an earlier one matches every path that it matches.
type Shadow struct{ Rule, By int }

// Compile makes a set of rules, given in the order in which they are tried. It refuses invalid paths, and two rules of one path
// and method unless one is the Caddyfile's and the other the API's (decision 58): the Caddyfile's then comes first and the other
// is among Shadowed. Errors are *RuleError.
func Compile(rules []Rule) (*Set, error) { return CompileUnder("", rules) }

// CompileUnder is Compile for a site that lives under a path: prefix is put before the path of each rule (access.md B.1
// path_prefix).
func CompileUnder(prefix string, rules []Rule) (*Set, error) {
	site, err := parsePattern(prefix)
	if err != nil {
		return nil, err
	}
	s := &Set{rules: slices.Clone(rules), params: make([][]placed, len(rules)), all: newTree()}
	for _, r := range s.rules {
		for _, method := range r.Methods {
			if s.by[method] == nil {
				if s.by == nil {
					s.by = map[string]*tree{}
				}
				s.by[method] = newTree()
			}
		}
	}
	type origin struct {
		path, method string
		api          bool
	}
	seen := make(map[origin]bool, len(rules))
	for i, r := range s.rules {
		fail := func(err error) (*Set, error) { return nil, &RuleError{Index: i, Rule: r, Err: err} }
		pattern, err := parsePattern(r.Path)
		if err != nil {
			return fail(err)
		}
		if slices.Contains(r.Conditions, nil) {
			return fail(errors.New("a condition is missing"))
		}
		methods := r.Methods
		if len(methods) == 0 {
			methods = []string{""}
		}
		for _, method := range methods {
			if err := checkMethod(method); err != nil {
				return fail(err)
			}
			o := origin{"/" + strings.TrimPrefix(r.Path, "/"), method, r.Source == SourceAPI}
			if seen[o] {
				return fail(errors.New("a rule with this path already exists"))
			}
			seen[o] = true
		}
		s.add(i, slices.Concat(site, pattern))
	}
	return s, nil
}

// checkMethod refuses what is no method, and HEAD, which goes with GET. "" stands for every method.
func checkMethod(method string) error {
	if method == http.MethodHead {
		return errors.New("HEAD goes with GET: write GET")
	}
	for i := range len(method) {
		if c := method[i]; c < 'A' || c > 'Z' {
			return fmt.Errorf("%q is no method: methods are in capitals", method)
		}
	}
	return nil
}

// add puts a rule behind those that are in the set.
func (s *Set) add(i int, pattern []segment) {
	by := int32(-1)
	for _, t := range s.trees(s.rules[i].Methods) {
		if by = max(by, t.covering(0, pattern, noRank)); by == noRank {
			break
		}
	}
	if by != noRank {
		s.shadow = append(s.shadow, Shadow{Rule: i, By: int(by)})
	}
	for n, seg := range pattern {
		if seg.param {
			s.params[i] = append(s.params[i], placed{seg.text, n})
		}
	}
	for _, t := range s.trees(s.rules[i].Methods) {
		t.add(int32(i), pattern)
	}
}

// trees are those that a rule for some methods, none for every method, is in.
func (s *Set) trees(methods []string) []*tree {
	var list []*tree
	for _, method := range methods {
		list = append(list, s.by[method])
	}
	if len(methods) == 0 {
		list = append(list, s.all)
		for _, t := range s.by {
			list = append(list, t)
		}
	}
	return list
}

// tree is the one for a method.
func (s *Set) tree(method string) *tree {
	if len(s.by) == 0 {
		return s.all
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if t := s.by[method]; t != nil {
		return t
	}
	return s.all
}

// Match finds the rule that decides on a method and a path in the form that Clean gives: the first whose pattern is a prefix of the
// path, by whole segments, among those for the method. HEAD counts as GET. It returns the index of the rule, -1 for none, and
// the parameters that the path gives it, decoded.
func (s *Set) Match(method, path string) (int, Params) {
	rank := s.tree(method).find(0, path, noRank)
	if rank == noRank {
		return -1, nil
	}
	return int(rank), s.paramsOf(rank, path, nil)
}

// paramsOf are the parameters that a path gives a rule, decoded, as far as the path goes. They are put into room where they fit.
func (s *Set) paramsOf(rank int32, path string, room Params) Params {
	placed := s.params[rank]
	if len(placed) == 0 {
		return nil
	}
	params := room
	if cap(params) < len(placed) {
		params = make(Params, 0, len(placed))
	}
	for at := 0; len(params) < len(placed); at++ {
		var value string
		if value, path = cutSegment(path); value == "" {
			break
		}
		if next := placed[len(params)]; next.at == at {
			if strings.IndexByte(value, '%') >= 0 {
				value, _ = url.PathUnescape(value) // Read refused what is malformed
			}
			params = append(params, Param{next.name, value})
		}
	}
	return params
}

// oneRule reports whether all paths come to the same rule, or to none.
func (s *Set) oneRule(method string) bool {
	root := &s.tree(method).nodes[0]
	return root.rank == root.best
}

// forAll reports whether a rule is the one for all paths.
func (s *Set) forAll(method string, index int) bool {
	return s.tree(method).nodes[0].rank == int32(index)
}

// below are the rules that decide on some path below a path, in order.
func (s *Set) below(method, path string) (ranks []int32) {
	t := s.tree(method)
	t.below(0, path, t.find(0, path, noRank), &ranks)
	slices.Sort(ranks)
	return ranks
}

// skipped are the rules before the one that decides whose path matches, and that are for other methods.
func (s *Set) skipped(method, path string) []int {
	decides, _ := s.Match(method, path)
	var list []int
	for i, r := range s.rules {
		if i == decides {
			break
		}
		if len(r.Methods) == 0 {
			continue
		}
		only, err := Compile([]Rule{{Path: r.Path}})
		if err != nil {
			continue
		}
		if at, _ := only.Match(method, path); at == 0 {
			list = append(list, i)
		}
	}
	return list
}

// Over finds the condition of the rule that decides on a path under /api, with the parameters of its path (access.md B.4, "Rules
// over built-in endpoints"); ok is false for none. A path that Clean does not accept, while there are rules, is refused.
func (s *Set) Over(method, escapedPath string) (c Condition, params Params, ok bool) {
	if s == nil {
		return nil, nil, false
	}
	path, err := Clean(escapedPath)
	if err != nil {
		return nobody{}, nil, true
	}
	index, params := s.Match(method, path)
	if index < 0 {
		return nil, nil, false
	}
	return All(s.rules[index].Conditions...), params, true
}

// nobody holds for nobody.
type nobody struct{}

// Nobody holds for nobody: it stands for a condition that cannot be read.
func Nobody() Condition { return nobody{} }

func (nobody) Check(*Query) Verdict { return Verdict{Reason: NoRule} }
func (nobody) String() string       { return "nobody" }

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
	// Beside are other rules that admitted other paths of the same request: what they ask of an admitted request holds too.
	Beside []*Rule
}

// Decide answers a request for a path in the form that Clean gives. The first rule whose path matches decides, and all of its
// conditions must hold; a path that no rule matches is refused with NoRule, for everybody. It sets q.Params to the parameters
// of the path.
func (s *Set) Decide(q *Query, path string) (d Decision) {
	s.decide(q, path, nil, &d)
	return d
}

// decide is Decide with room for the parameters.
func (s *Set) decide(q *Query, path string, room Params, d *Decision) {
	rank := s.tree(q.Method).find(0, path, noRank)
	if rank == noRank {
		d.Index, d.Failed, d.Verdict.Reason = -1, -1, NoRule
		q.Params = nil
		return
	}
	d.Rule, d.Index, d.Params = &s.rules[rank], int(rank), s.paramsOf(rank, path, room)
	s.check(q, d)
}

// check checks the conditions of the rule of a decision.
func (s *Set) check(q *Query, d *Decision) {
	q.Params, d.Failed = d.Params, -1
	for i, c := range d.Rule.Conditions {
		if d.Verdict = c.Check(q); !d.Verdict.OK() {
			d.Failed = i
			break
		}
	}
}
