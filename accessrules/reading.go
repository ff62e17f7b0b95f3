package accessrules

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A reading is one way in which an upstream may take the bytes of a path that servers disagree about. There are twelve (decision 75).
type reading struct {
	split bool    // an encoded slash parts segments
	cut   cutting // what a semicolon does
	back  bool    // a backslash is a slash
}

type cutting uint8

const (
	keepSemi  cutting = iota // part of a name
	cutSlash                 // the rest of the segment is a parameter
	cutEnding                // the rest of the path is a parameter
)

var allReadings = func() (list []reading) {
	for _, split := range []bool{false, true} {
		for cut := keepSemi; cut <= cutEnding; cut++ {
			list = append(list, reading{split, cut, false}, reading{split, cut, true})
		}
	}
	return list
}()

// keptSlash stands for an encoded slash that stays part of a name. No path holds a NUL.
const keptSlash = 0

// Readings are the paths that upstreams may act on, in the form that is matched, each once. ok is false when they are too many to list:
// a way to read the path finds a dot segment that is not written out, or a third encoding.
func (p *Path) Readings() (list []string, ok bool) {
	list = append(list, p.match)
	for _, r := range allReadings {
		text := p.match
		for range 2 { // decoded once, and once more
			if text, ok = r.tidy(r.decode(text)); !ok {
				return nil, false
			}
			list = appendOnce(list, encodeText(text))
		}
		if again := r.decode(text); again != text {
			return nil, false
		}
	}
	return list, true
}

func appendOnce(list []string, text string) []string {
	for _, other := range list {
		if other == text {
			return list
		}
	}
	return append(list, text)
}

// decode decodes text once. "%u" begins an escape for some servers.
func (r reading) decode(text string) string {
	if strings.IndexByte(text, '%') < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '%' && i+2 < len(text) && hexadecimal(text[i+1]) && hexadecimal(text[i+2]):
			c = nibble(text[i+1])<<4 | nibble(text[i+2])
			i += 2
		case c == '%' && i+5 < len(text) && (text[i+1] == 'u' || text[i+1] == 'U') && hexadecimals(text[i+2:i+6]):
			var wide rune
			for _, digit := range []byte(text[i+2 : i+6]) {
				wide = wide<<4 | rune(nibble(digit))
			}
			i += 5
			if wide >= utf8.RuneSelf || wide == keptSlash {
				out = utf8.AppendRune(out, max(wide, 1)) // a control character, which is refused
				continue
			}
			c = byte(wide)
		default:
			out = append(out, c)
			continue
		}
		if c == keptSlash {
			c = 1
		}
		if c == '/' && !r.split {
			c = keptSlash
		}
		out = append(out, c)
	}
	return string(out)
}

func hexadecimals(text string) bool {
	for i := range len(text) {
		if !hexadecimal(text[i]) {
			return false
		}
	}
	return true
}

// tidy cuts parameters off decoded text and empty segments out of it. ok is false where it finds a dot segment, or what is no text.
func (r reading) tidy(text string) (tidied string, ok bool) {
	if r.back {
		text = strings.ReplaceAll(text, `\`, "/")
	}
	if r.cut == cutEnding {
		text, _, _ = strings.Cut(text, ";")
	}
	if !utf8.ValidString(text) {
		return "", false
	}
	out := make([]byte, 0, len(text))
	for rest := text; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		if r.cut == cutSlash {
			segment, _, _ = strings.Cut(segment, ";")
		}
		if segment == "." || segment == ".." {
			return "", false
		}
		for _, c := range segment {
			if c != keptSlash && (unicode.IsControl(c) || c == '\u2028' || c == '\u2029') {
				return "", false
			}
		}
		if segment != "" {
			out = append(append(out, '/'), segment...)
		}
	}
	if len(out) == 0 || strings.HasSuffix(text, "/") {
		out = append(out, '/')
	}
	return string(out), true
}

// encodeText is decoded text as a path that is matched.
func encodeText(text string) string {
	out := make([]byte, 0, len(text)+16)
	for i := range len(text) {
		switch c := text[i]; {
		case c == keptSlash:
			out = escape(out, '/')
		case c == '/' || octets[c] == octetPlain:
			out = append(out, c)
		default:
			out = escape(out, c)
		}
	}
	return string(out)
}
