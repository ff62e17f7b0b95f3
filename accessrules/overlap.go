package accessrules

import "slices"

// An Overlap is two rules that match some paths both, though neither matches all that the other does, and of which the less exact one
// comes first: on those paths it decides, whatever the second says. "/{user}/settings" before "/app/{profile}" decides on
// "/app/settings".
type Overlap struct {
	Rule, By int    // By comes first, and decides
	Path     string // one that both match
}

// maxOverlap is how many rules are compared, each with each. So many are not written by hand.
const maxOverlap = 1000

// Overlaps lists the overlaps among rules, for whoever checks a configuration: at most one for each rule. Rules for narrow paths
// before rules for wider ones are as they should be, and are not listed: of two, the one that has a literal where the other has a
// parameter, from the left, is the narrower.
func Overlaps(rules []Rule) (list []Overlap) {
	if len(rules) > maxOverlap {
		return nil
	}
	patterns := make([][]segment, len(rules))
	for i, r := range rules {
		patterns[i], _ = parsePattern(r.Path) // what is no pattern is refused by Compile
	}
	for i := range rules {
		for by := range i {
			path, ok := crossing(patterns[by], patterns[i])
			if ok && share(rules[by].Methods, rules[i].Methods) {
				list = append(list, Overlap{i, by, path})
				break
			}
		}
	}
	return list
}

// crossing is a path that two patterns match; ok is false when there is none, and when one pattern matches all that the other does.
func crossing(a, b []segment) (path string, ok bool) {
	if covers(a, b) || covers(b, a) {
		return "", false
	}
	if !looser(a, b) {
		return "", false
	}
	for i := range max(len(a), len(b)) {
		text := ""
		for _, p := range [][]segment{a, b} {
			if i >= len(p) || p[i].param {
				continue
			}
			if text != "" && text != p[i].text {
				return "", false
			}
			text = p[i].text
		}
		if text == "" {
			text = "x"
		}
		path += "/" + text
	}
	return path, true
}

// looser reports whether a has a parameter where b has a literal, before it is the other way round.
func looser(a, b []segment) bool {
	for i := range min(len(a), len(b)) {
		if a[i].param != b[i].param {
			return a[i].param
		}
	}
	return false
}

// covers reports whether a matches whatever b matches.
func covers(a, b []segment) bool {
	if len(a) > len(b) {
		return false
	}
	for i := range a {
		if !a[i].param && a[i] != b[i] {
			return false
		}
	}
	return true
}

// share reports whether two rules are for a method in common; none stands for every method.
func share(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(method string) bool { return slices.Contains(b, method) })
}
