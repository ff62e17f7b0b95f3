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

// next is the path behind the first script of a path, "" for none.
func (s Scripts) next(path string) string {
	for i := 1; i < len(path)-1; i++ {
		if path[i] == '/' && s.ends(path[:i]) {
			return path[i:]
		}
	}
	return ""
}

// ends reports whether text ends as scripts do, in any case of letters.
func (s Scripts) ends(text string) bool {
next:
	for _, ending := range s {
		if len(text) < len(ending) {
			continue
		}
		tail := text[len(text)-len(ending):]
		for i := range len(ending) {
			c := tail[i]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != ending[i] {
				continue next
			}
		}
		return true
	}
	return false
}
