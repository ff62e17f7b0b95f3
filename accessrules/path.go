package accessrules

import (
	"unicode"
	"unicode/utf8"
)

// MaxPath is the longest request path that Clean accepts, in bytes.
const MaxPath = 2048

// A PathError is why a request path is refused: it could mean one thing to the gate and another to the upstream.
type PathError string

func (e PathError) Error() string { return "path: " + string(e) }

// Reasons why Clean refuses a path.
const (
	PathNotAbsolute    PathError = "does not begin with a slash"
	PathTooLong        PathError = "too long"
	PathBadEscape      PathError = "malformed percent-encoding"
	PathDoubleEscape   PathError = "encoded twice"
	PathSeparator      PathError = "encoded slash, or a backslash"
	PathParameter      PathError = "semicolon"
	PathControl        PathError = "control character"
	PathNotUTF8        PathError = "not UTF-8"
	PathEncodedDots    PathError = "encoded dot segment"
	PathAboveRoot      PathError = "climbs above the root"
	PathQueryDelimiter PathError = "question mark or number sign"
)

// Clean brings the path of a request, as it came over the wire (url.URL.EscapedPath, or the request target without its query),
// into the one form in which the gate matches it and in which it must be forwarded, byte for byte. What an upstream makes of
// that form is what was matched, whether it decodes once, twice or never, merges slashes, resolves dot segments before or after
// decoding, turns backslashes into slashes, or takes ";x=y" for parameters. access.md B.4.
//
//   - Doubled slashes are merged and dot segments resolved; a trailing slash stays. A path that climbs above the root is refused.
//   - Encoded letters, digits, "-", ".", "_", "~" and ":" are decoded, so that a literal of a rule has one spelling. Other
//     encodings stay, in upper case; what may not stand in a path as it is gets encoded.
//   - Refused: encoded slashes, backslashes in any form, semicolons in any form, control characters, dot segments in encoded
//     form, anything that would decode to another escape, malformed escapes, text that is not UTF-8, more than MaxPath bytes.
//
// Two differences it cannot see. An upstream that ignores the case of letters, trailing dots or trailing blanks of a segment
// (Windows), or that folds Unicode lookalikes, needs rules that deny by default: no open rule above or beside a guarded one that
// such a spelling could fall into. And a rule for part of such an upstream's files must be written as what is open, not as what
// is closed.
//
// A path that is in that form already comes back as it is, without allocation.
func Clean(raw string) (string, error) {
	if raw == "" || raw[0] != '/' {
		return "", PathNotAbsolute
	}
	if len(raw) > MaxPath {
		return "", PathTooLong
	}
	if plain(raw) {
		return raw, nil
	}
	return canonical(raw)
}

// What a byte of a path is, by itself.
const (
	octetPlain    = iota // stands in a path as it is
	octetSlash           // /
	octetEscape          // %
	octetEncode          // must be percent-encoded
	octetHigh            // part of a character beyond ASCII
	octetControl         // never
	octetSemi            // ;
	octetBack            // \
	octetDelimits        // ? #
)

var octets = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c < 0x20 || c == 0x7f:
			t[c] = octetControl
		case c >= 0x80:
			t[c] = octetHigh
		case unreserved(byte(c)):
			t[c] = octetPlain
		default:
			t[c] = octetEncode
		}
	}
	for _, c := range "!$&'()*+,=@" { // with ":", what RFC 3986 lets stand in a segment besides unreserved characters
		t[c] = octetPlain
	}
	t['/'], t['%'], t[';'], t['\\'], t['?'], t['#'] = octetSlash, octetEscape, octetSemi, octetBack, octetDelimits, octetDelimits
	return t
}()

// unreserved reports whether an encoded c is decoded: the unreserved characters of RFC 3986, and the colon, which literals of
// rules may hold.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~' || c == ':'
}

// plain reports whether a path is in canonical form beyond doubt: plain characters, no empty segment, none that begins with a
// dot.
func plain(path string) bool {
	for i := 1; i < len(path); i++ {
		c := path[i]
		if octets[c] == octetPlain && (c != '.' || path[i-1] != '/') {
			continue
		}
		if c == '/' && path[i-1] != '/' {
			continue
		}
		return false
	}
	return true
}

// canonical is Clean for paths that are not plain.
func canonical(raw string) (string, error) {
	out := append(make([]byte, 0, len(raw)+16), '/')
	start := 1     // of the segment in out
	dots := false  // the segment holds an encoded dot
	twice := false // there is an encoded percent sign
	high := false  // there are characters beyond ASCII
	for i := 1; i < len(raw); i++ {
		c := raw[i]
		switch octets[c] {
		case octetPlain:
			out = append(out, c)
		case octetEncode:
			out = escape(out, c)
		case octetHigh:
			high = true
			out = escape(out, c)
		case octetControl:
			return "", PathControl
		case octetSemi:
			return "", PathParameter
		case octetBack:
			return "", PathSeparator
		case octetDelimits:
			return "", PathQueryDelimiter
		case octetSlash:
			var err error
			if out, err = endSegment(out, start, dots, true); err != nil {
				return "", err
			}
			start, dots = len(out), false
		case octetEscape:
			if i+2 >= len(raw) || !hexadecimal(raw[i+1]) || !hexadecimal(raw[i+2]) {
				return "", PathBadEscape
			}
			c = nibble(raw[i+1])<<4 | nibble(raw[i+2])
			i += 2
			switch octets[c] {
			case octetControl:
				return "", PathControl
			case octetSemi:
				return "", PathParameter
			case octetBack, octetSlash:
				return "", PathSeparator
			case octetHigh:
				high = true
			case octetEscape:
				twice = true
			}
			if unreserved(c) {
				dots = dots || c == '.'
				out = append(out, c)
			} else {
				out = escape(out, c)
			}
		}
	}
	out, err := endSegment(out, start, dots, false)
	switch {
	case err != nil:
		return "", err
	case twice && escapesTwice(out):
		return "", PathDoubleEscape
	case high:
		if err := checkText(out); err != nil {
			return "", err
		}
	}
	return string(out), nil
}

// endSegment finishes the segment that begins at start: an empty one is dropped, a dot segment resolved, any other one gets its
// slash when one follows.
func endSegment(out []byte, start int, dots, slash bool) ([]byte, error) {
	switch seg := out[start:]; {
	case len(seg) == 0:
		return out, nil
	case string(seg) != "." && string(seg) != "..":
		if slash {
			out = append(out, '/')
		}
		return out, nil
	case dots:
		return nil, PathEncodedDots
	case len(seg) == 1:
		return out[:start], nil
	}
	if start == 1 {
		return nil, PathAboveRoot
	}
	out = out[:start-1] // without the slash
	for out[len(out)-1] != '/' {
		out = out[:len(out)-1]
	}
	return out, nil
}

// escapesTwice reports whether a canonical path decodes to something that decodes once more. Hexadecimal digits are never
// encoded in it, so it is enough to look behind each encoded percent sign; "%u" begins an escape for some servers.
func escapesTwice(path []byte) bool {
	for i := 0; i+3 < len(path); i++ {
		if path[i] != '%' || path[i+1] != '2' || path[i+2] != '5' {
			continue
		}
		next := path[i+3]
		if next == 'u' || next == 'U' || hexadecimal(next) && i+4 < len(path) && hexadecimal(path[i+4]) {
			return true
		}
	}
	return false
}

// checkText refuses what does not decode to UTF-8 text without control characters.
func checkText(path []byte) error {
	text := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			c = nibble(path[i+1])<<4 | nibble(path[i+2])
			i += 2
		}
		text = append(text, c)
	}
	if !utf8.Valid(text) {
		return PathNotUTF8
	}
	for _, r := range string(text) {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return PathControl
		}
	}
	return nil
}

const upperHex = "0123456789ABCDEF"

func escape(out []byte, c byte) []byte { return append(out, '%', upperHex[c>>4], upperHex[c&15]) }

func hexadecimal(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func nibble(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&7 + 9
}
