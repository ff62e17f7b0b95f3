package accessrules

import (
	"fmt"
	"strings"
)

// Scripts are the endings of files that servers run with the rest of the path as its information: behind "/index.php" stands a path of
// its own, which many front controllers act on.
type Scripts []string

// DefaultScripts are the endings of PHP.
var DefaultScripts = Scripts{".php", ".phtml", ".phar"}

// maxScripts is how many scripts a path may lead through.
const maxScripts = 4

// NewScripts are the default endings and more of them, each with or without its dot.
func NewScripts(more []string) (Scripts, error) {
	list := append(Scripts(nil), DefaultScripts...)
	for _, word := range more {
		ending := "." + strings.ToLower(strings.TrimPrefix(word, "."))
		for _, c := range ending[1:] {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
				ending = "."
			}
		}
		if ending == "." {
			return nil, fmt.Errorf("%q is no ending of a script: write letters and digits, as in cgi", word)
		}
		list = append(list, ending)
	}
	return list, nil
}

// next is where the first script from a place in a path on ends, and the path behind it; 0 for none. stuck says that its name goes on, as
// in "/index.phpadmin/x": FastCGI and many front controllers cut the script's name off what they are asked for, wherever it ends, and act
// on "admin/x". What goes on with another dot is a file of another kind, as "file.php.txt" is.
func (s Scripts) next(path string, from int) (end int, behind string, stuck bool) {
	for i := from; i < len(path); i++ {
		dot := strings.IndexByte(path[i:], '.')
		if dot < 0 {
			break
		}
		i += dot
		for _, ending := range s {
			if !hasPrefixFold(path[i:], ending) {
				continue
			}
			at := i + len(ending)
			switch rest := path[at:]; {
			case rest == "" || rest == "/":
				return 0, "", false
			case rest[0] == '/':
				return at, rest, false
			case rest[0] != '.':
				end, behind, stuck = at, "/"+rest, true
			default:
				if name, more, ok := strings.Cut(rest, "/"); ok && more != "" && (name == "." || name == "..") { // that some drop
					end, behind, stuck = at, "/"+more, true
				}
			}
		}
		if end > 0 {
			return end, behind, stuck
		}
	}
	return 0, "", false
}

// In reports whether some path stands behind a script in a path.
func (s Scripts) In(path string) bool {
	end, _, _ := s.next(path, 0)
	return end > 0
}

// hasPrefixFold reports whether text begins with a prefix in small letters, in any case of its own.
func hasPrefixFold(text, prefix string) bool {
	if len(text) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}
