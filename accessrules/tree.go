package accessrules

import (
	"hash/maphash"
	"math"
	"strings"
)

// A tree is patterns of rules by their segments: the time to find the first rule that matches a path does not depend on how many
// there are.
type tree struct {
	nodes []node
	edges []edge // open addressing; a power of two, at most half full
	used  int
	seed  maphash.Seed
}

func newTree() *tree {
	return &tree{nodes: []node{{rank: noRank, best: noRank}}, edges: make([]edge, 16), seed: maphash.MakeSeed()}
}

// A node is where some patterns stand after their first segments.
type node struct {
	rank  int32   // of the rule whose pattern ends here
	best  int32   // the least rank here and below
	param int32   // where a parameter leads; 0: nowhere
	kids  []int32 // where literals lead
}

// An edge leads from a node by a literal.
type edge struct {
	label    string
	from, to int32 // to 0: no edge
}

const noRank = math.MaxInt32

// add puts a pattern behind those that are in the tree.
func (t *tree) add(rank int32, pattern []segment) {
	at := int32(0)
	t.nodes[at].best = min(t.nodes[at].best, rank)
	for _, seg := range pattern {
		if seg.param {
			if t.nodes[at].param == 0 {
				to := t.grow()
				t.nodes[at].param = to
			}
			at = t.nodes[at].param
		} else {
			at = t.literal(at, seg.text)
		}
		t.nodes[at].best = min(t.nodes[at].best, rank)
	}
	t.nodes[at].rank = min(t.nodes[at].rank, rank)
}

func (t *tree) grow() int32 {
	t.nodes = append(t.nodes, node{rank: noRank, best: noRank})
	return int32(len(t.nodes) - 1)
}

// literal is the node that a literal leads to, made if need be.
func (t *tree) literal(from int32, label string) int32 {
	if to := t.follow(from, label); to != 0 {
		return to
	}
	if t.used++; 2*t.used > len(t.edges) {
		old := t.edges
		t.edges = make([]edge, 2*len(old))
		for _, e := range old {
			if e.to != 0 {
				t.put(e)
			}
		}
	}
	e := edge{label: label, from: from, to: t.grow()}
	t.put(e)
	t.nodes[from].kids = append(t.nodes[from].kids, e.to)
	return e.to
}

func (t *tree) put(e edge) {
	at := t.slot(e.from, e.label)
	for t.edges[at].to != 0 {
		at = (at + 1) & (len(t.edges) - 1)
	}
	t.edges[at] = e
}

// follow is the node that a literal leads to, 0 for none.
func (t *tree) follow(from int32, label string) int32 {
	for at := t.slot(from, label); ; at = (at + 1) & (len(t.edges) - 1) {
		e := &t.edges[at]
		if e.to == 0 || e.from == from && e.label == label {
			return e.to
		}
	}
}

func (t *tree) slot(from int32, label string) int {
	h := maphash.String(t.seed, label) ^ uint64(from)*0x9E3779B97F4A7C15
	return int(h^h>>32) & (len(t.edges) - 1)
}

// covering is the least rank of the rules so far that match whatever pattern matches.
func (t *tree) covering(at int32, pattern []segment, best int32) int32 {
	n := t.nodes[at]
	best = min(best, n.rank)
	if len(pattern) == 0 {
		return best
	}
	if !pattern[0].param {
		if to := t.follow(at, pattern[0].text); to != 0 && t.nodes[to].best < best {
			best = t.covering(to, pattern[1:], best)
		}
	}
	if n.param != 0 && t.nodes[n.param].best < best {
		best = t.covering(n.param, pattern[1:], best)
	}
	return best
}

// find is the least rank, below best, of the rules that match path from a node on.
func (t *tree) find(at int32, path string, best int32) int32 {
	n := t.nodes[at]
	best = min(best, n.rank)
	label, rest := cutSegment(path)
	if label == "" {
		return best
	}
	if to := t.follow(at, label); to != 0 && t.nodes[to].best < best {
		best = t.find(to, rest, best)
	}
	if n.param != 0 && t.nodes[n.param].best < best {
		best = t.find(n.param, rest, best)
	}
	return best
}

// below adds the ranks, less than best, of rules for paths below the one that leads on from a node.
func (t *tree) below(at int32, path string, best int32, ranks *[]int32) {
	n := &t.nodes[at]
	if n.best >= best {
		return
	}
	if label, rest := cutSegment(path); label != "" {
		if to := t.follow(at, label); to != 0 {
			t.below(to, rest, best, ranks)
		}
		if n.param != 0 {
			t.below(n.param, rest, best, ranks)
		}
		return
	}
	if n.rank < best {
		*ranks = append(*ranks, n.rank)
		best = n.rank
	}
	for _, to := range n.kids {
		t.below(to, "", best, ranks)
	}
	if n.param != 0 {
		t.below(n.param, "", best, ranks)
	}
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
