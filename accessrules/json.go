package accessrules

import (
	"time"
	"unicode/utf8"
)

// appendString appends a JSON string in ASCII, as the contract's readers write it: what is not ASCII as \uXXXX, in surrogate pairs
// beyond the first plane, and nothing escaped that need not be (access.md B.7).
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			i += size
			if r > 0xFFFF {
				r -= 0x10000
				b = appendUnit(appendUnit(b, 0xD800+r>>10), 0xDC00+r&0x3FF)
			} else {
				b = appendUnit(b, r)
			}
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ':
			b = append(b, c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\f':
			b = append(b, '\\', 'f')
		default:
			b = appendUnit(b, rune(c))
		}
	}
	return append(b, '"')
}

const lowerHex = "0123456789abcdef"

// appendUnit appends a UTF-16 code unit.
func appendUnit(b []byte, u rune) []byte {
	return append(b, '\\', 'u', lowerHex[u>>12&15], lowerHex[u>>8&15], lowerHex[u>>4&15], lowerHex[u&15])
}

// appendTime appends an instant in UTC as a JSON string, with microseconds when they are not zero (conventions.md 8.1); zone is
// "Z" or "+00:00". The zero instant is null.
func appendTime(b []byte, t time.Time, zone string) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	t = t.UTC()
	b = append(b, '"')
	if t.Nanosecond()/1000 != 0 {
		b = t.AppendFormat(b, "2006-01-02T15:04:05.000000")
	} else {
		b = t.AppendFormat(b, "2006-01-02T15:04:05")
	}
	b = append(b, zone...)
	return append(b, '"')
}
