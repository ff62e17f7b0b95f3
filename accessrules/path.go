package accessrules

import (
	"unicode"
	"unicode/utf8"
)

// MaxPath is the longest request path that is read, in bytes: a name of 240 characters of nine bytes each, as Chinese ones are when they
// are encoded, in some folders.
const MaxPath = 8192

// A PathError is why a request path is refused: it could mean one thing to the gate and another to the upstream.
type PathError string

func (e PathError) Error() string { return "path: " + string(e) }

// Reasons why a path is refused. Those after PathQueryDelimiter are refused by Clean; Read takes them for paths that upstreams may read
// in several ways.
const (
	PathNotAbsolute    PathError = "does not begin with a slash"
	PathTooLong        PathError = "too long"
	PathBadEscape      PathError = "malformed percent-encoding"
	PathControl        PathError = "control character"
	PathNotUTF8        PathError = "not UTF-8"
	PathAboveRoot      PathError = "climbs above the root"
	PathQueryDelimiter PathError = "question mark or number sign"
	PathDoubleEscape   PathError = "encoded twice"
	PathSeparator      PathError = "encoded slash, or a backslash"
	PathParameter      PathError = "semicolon"
	PathEncodedDots    PathError = "encoded dot segment"
)

// A Path is a path of a request in the two forms that count, which differ in spelling alone: the one that is handed on and the one that
// rules are matched against. access.md B.4, decision 75.
type Path struct {
	form   string    // as it is handed on: what servers read in several ways stays as it came
	match  string    // one spelling of that too
	unsure PathError // why upstreams may read it in several ways, "" when they may not
}

// String is the path as rules are matched against it.
func (p *Path) String() string { return p.match }

// Form is the path as it is handed on, byte for byte.
func (p *Path) Form() string { return p.form }

// Unsure is why upstreams may read the path in several ways, "" when they may not.
func (p *Path) Unsure() PathError { return p.unsure }

// Read brings the path of a request, as it came over the wire (url.URL.EscapedPath, or the request target without its query), into its
// forms.
//
//   - Doubled slashes are merged and dot segments resolved; a trailing slash stays. A path that climbs above the root is refused.
//   - Encoded letters, digits, "-", ".", "_", "~" and ":" are decoded, so that a literal of a rule has one spelling, whether an upstream
//     decodes or not. Other encodings stay, in upper case; what may not stand in a path as it is gets encoded.
//   - Encoded slashes, backslashes, semicolons, encoded dot segments and what decodes to another escape stay as they came: Judge decides
//     whether all ways to read them come to one.
//   - Refused: control characters, malformed escapes, text that is not UTF-8, more than MaxPath bytes.
//
// Two differences it cannot see. An upstream that ignores the case of letters, trailing dots or trailing blanks of a segment
// (Windows), or that folds Unicode lookalikes, needs rules that deny by default: no open rule above or beside a guarded one that
// such a spelling could fall into. And a rule for part of such an upstream's files must be written as what is open, not as what
// is closed.
//
// A path that is in that form already comes back as it is, without allocation.
func Read(raw string) (Path, error) {
	if raw == "" || raw[0] != '/' {
		return Path{}, PathNotAbsolute
	}
	if len(raw) > MaxPath {
		return Path{}, PathTooLong
	}
	if plain(raw) {
		return Path{form: raw, match: raw}, nil
	}
	return readRaw(raw)
}

// Clean is the form in which a path is matched, for those who decode once and act on what they get: it refuses what upstreams may read
// in several ways.
func Clean(raw string) (string, error) {
	p, err := Read(raw)
	if err == nil && p.unsure != "" {
		err = p.unsure
	}
	if err != nil {
		return "", err
	}
	return p.match, nil
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

// A reader writes the two forms of a path, which have the same segments. Most paths have one form: form is nil until they differ.
type reader struct {
	match, form []byte
	unsure      PathError
	dots        bool // the segment holds an encoded dot
	twice       bool // there is an encoded percent sign
	high        bool // there are characters beyond ASCII
}

// readRaw is Read for paths that are not plain.
func readRaw(raw string) (Path, error) {
	w := reader{match: append(make([]byte, 0, len(raw)+16), '/')}
	start := 1       // of the segment in match
	from := len("/") // of the segment in raw
	for i := 1; i < len(raw); i++ {
		c := raw[i]
		if c == '/' {
			if err := w.endSegment(start, raw[from:i], true); err != nil {
				return Path{}, err
			}
			start, from = len(w.match), i+1
			continue
		}
		if c != '%' {
			if err := w.octet(c, raw[i:i+1]); err != nil {
				return Path{}, err
			}
			continue
		}
		if i+2 >= len(raw) || !hexadecimal(raw[i+1]) || !hexadecimal(raw[i+2]) {
			return Path{}, PathBadEscape
		}
		if err := w.escaped(nibble(raw[i+1])<<4|nibble(raw[i+2]), raw[i:i+3]); err != nil {
			return Path{}, err
		}
		i += 2
	}
	if err := w.endSegment(start, raw[from:], false); err != nil {
		return Path{}, err
	}
	if w.twice && escapesTwice(w.match) {
		w.doubt(PathDoubleEscape)
	}
	if w.high {
		if err := checkText(w.match); err != nil {
			return Path{}, err
		}
	}
	p := Path{match: string(w.match), unsure: w.unsure}
	if p.form = p.match; w.form != nil {
		p.form = string(w.form)
	}
	return p, nil
}

// differ begins a form of its own.
func (w *reader) differ() {
	if w.form == nil {
		w.form = append(make([]byte, 0, cap(w.match)), w.match...)
	}
}

// put writes a byte as it is.
func (w *reader) put(c byte) {
	if w.match = append(w.match, c); w.form != nil {
		w.form = append(w.form, c)
	}
}

// encode writes a byte in percent-encoding.
func (w *reader) encode(c byte) {
	if w.match = escape(w.match, c); w.form != nil {
		w.form = escape(w.form, c)
	}
}

// leave writes a byte as it came, which is matched in percent-encoding.
func (w *reader) leave(c byte, as string) {
	if len(as) == 3 && as[1] == upperHex[c>>4] && as[2] == upperHex[c&15] {
		w.encode(c)
		return
	}
	w.differ()
	w.form, w.match = append(w.form, as...), escape(w.match, c)
}

func (w *reader) doubt(why PathError) {
	if w.unsure == "" {
		w.unsure = why
	}
}

// octet takes a byte that stands in the path as it is.
func (w *reader) octet(c byte, as string) error {
	switch octets[c] {
	case octetPlain:
		w.put(c)
		return nil
	case octetControl:
		return PathControl
	case octetDelimits:
		return PathQueryDelimiter
	case octetSemi:
		w.doubt(PathParameter)
		w.leave(c, as)
		return nil
	case octetBack:
		w.doubt(PathSeparator)
	case octetHigh:
		w.high = true
	}
	if c == '[' || c == ']' { // browsers leave them, and so does net/url
		w.leave(c, as)
	} else {
		w.encode(c)
	}
	return nil
}

// escaped takes a byte that was encoded, and how.
func (w *reader) escaped(c byte, as string) error {
	switch octets[c] {
	case octetControl:
		return PathControl
	case octetSemi:
		w.doubt(PathParameter)
		w.leave(c, as)
		return nil
	case octetBack, octetSlash:
		w.doubt(PathSeparator)
		w.leave(c, as)
		return nil
	case octetHigh:
		w.high = true
	case octetEscape:
		w.twice = true
	}
	if unreserved(c) {
		w.dots = w.dots || c == '.'
		w.put(c)
		return nil
	}
	w.encode(c)
	return nil
}

// endSegment finishes the segment that begins at start: an empty one is dropped, a dot segment resolved, any other one gets its
// slash when one follows. A dot segment that is not written out stays, encoded, since only some resolve it.
func (w *reader) endSegment(start int, raw string, slash bool) error {
	seg, dots := w.match[start:], w.dots
	w.dots = false
	dotted := string(seg) == "." || string(seg) == ".."
	switch {
	case len(seg) == 0:
		return nil
	case dotted && dots:
		w.doubt(PathEncodedDots)
		w.differ()
		w.form = append(lastSegment(w.form), raw...)
		w.match = w.match[:start]
		for range len(seg) {
			w.match = escape(w.match, '.')
		}
	case dotted:
		w.match, w.form = w.match[:start], lastSegment(w.form)
		if len(seg) == 1 {
			return nil
		}
		if start == 1 {
			return PathAboveRoot
		}
		w.match = lastSegment(w.match[:start-1])
		if w.form != nil {
			w.form = lastSegment(w.form[:len(w.form)-1])
		}
		return nil
	}
	if slash {
		w.put('/')
	}
	return nil
}

// lastSegment cuts off what is behind the last slash; nil stays nil.
func lastSegment(path []byte) []byte {
	for len(path) > 0 && path[len(path)-1] != '/' {
		path = path[:len(path)-1]
	}
	return path
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
