package accessrules

import (
	"errors"
	"strings"
)

// maxPattern is the length of a rule's path that the contract allows (access.md B.2).
const maxPattern = 255

// A segment of a pattern is a literal, or a parameter that takes any one segment.
type segment struct {
	text  string // the literal, or the name of the parameter
	param bool
}

// CheckPath reports what is wrong with the path of a rule: segments of letters, digits, "-", "_", ".", ":", with parameters
// written "{name}" or ":name" that fill a whole segment, at most 255 bytes (access.md B.2). A leading slash may be missing.
func CheckPath(path string) error {
	_, err := parsePattern(path)
	return err
}

func parsePattern(path string) ([]segment, error) {
	if len(path) > maxPattern {
		return nil, errors.New("the path is longer than 255 bytes")
	}
	rest := strings.TrimPrefix(path, "/")
	var segments []segment
	for rest != "" {
		text, tail, more := strings.Cut(rest, "/")
		if text == "" {
			return nil, errors.New("the path has an empty segment")
		}
		rest = tail
		s, err := parseSegment(text)
		if err != nil {
			return nil, err
		}
		for _, other := range segments {
			if s.param && other == s {
				return nil, errors.New("the path has two parameters named " + s.text)
			}
		}
		segments = append(segments, s)
		if !more {
			break
		}
	}
	return segments, nil
}

func parseSegment(text string) (segment, error) {
	name, param := strings.CutPrefix(text, ":")
	if !param && text[0] == '{' && text[len(text)-1] == '}' {
		name, param = text[1:len(text)-1], true
	}
	if param && name == "" {
		return segment{}, errors.New("the path has a parameter without a name")
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; !unreserved(c) || c == '~' || param && (c == ':' || c == '.') {
			return segment{}, errors.New("the path holds characters other than letters, digits, -, _, . and parameters that fill a segment")
		}
	}
	if text == "." || text == ".." {
		return segment{}, errors.New("the path has a dot segment, which no request has")
	}
	return segment{text: name, param: param}, nil
}
