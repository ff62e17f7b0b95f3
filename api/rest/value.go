package rest

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// value is a part of a body: JSON, or what a form holds under a name.
type value struct {
	raw  []byte // JSON without blanks around it
	form *form
	name string // of the form's fields; "" is all of them
}

// kind is the name of the value's type, in the words of the contract's messages: dict, list, str, int, float, bool or null.
func (v value) kind() string {
	if v.form != nil {
		if v.name == "" || v.form.nested(v.name) {
			return "dict"
		}
		return "str"
	}
	switch b := v.raw[0]; b {
	case '{':
		return "dict"
	case '[':
		return "list"
	case '"':
		return "str"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	}
	if bytes.ContainsAny(v.raw, ".eE") {
		return "float"
	}
	return "int"
}

// text is the value as a trimmed string; see verbatim.
func (v value) text() (s string, ok bool) {
	s, ok = v.verbatim()
	return strings.TrimSpace(s), ok
}

// verbatim is the value as a string: a string, or a number as it is written. What is neither is not ok.
func (v value) verbatim() (s string, ok bool) {
	switch v.kind() {
	case "str":
		if v.form != nil {
			s, _ = v.form.last(v.name)
		} else if json.Unmarshal(v.raw, &s) != nil {
			return "", false
		}
		return s, true
	case "int", "float":
		return string(v.raw), true
	}
	return "", false
}

func (v value) integer() (int64, bool) {
	text, ok := v.text()
	if !ok {
		return 0, false
	}
	return parseInt(text)
}

// parseInt reads a decimal integer, also "12.0". One that is too large for 64 bits is the largest or the smallest there is, so
// that the range of the field refuses it.
func parseInt(s string) (int64, bool) {
	whole, fraction, dotted := strings.Cut(s, ".")
	if dotted && strings.Trim(fraction, "0") != "" {
		return 0, false
	}
	digits := strings.TrimLeft(whole, "+-")
	if digits == "" || len(whole)-len(digits) > 1 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		if whole[0] == '-' {
			return math.MinInt64, true
		}
		return math.MaxInt64, true
	}
	return n, true
}

func (v value) boolean() (value, ok bool) {
	switch v.kind() {
	case "bool":
		return v.raw[0] == 't', true
	case "str", "int", "float":
		text, _ := v.text()
		return parseBool(text)
	}
	return false, false
}

// parseBool reads the words of conventions.md 5.
func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "t", "y", "yes", "true", "on", "1":
		return true, true
	case "f", "n", "no", "false", "off", "0":
		return false, true
	}
	return false, false
}

// json is the value as JSON. Text that is JSON itself is taken as that (conventions.md 8.4, extra).
func (v value) json() []byte {
	if v.kind() == "str" {
		text, _ := v.text()
		if b := []byte(text); checkJSON(b) == nil {
			return compact(b)
		}
		b := new(bytes.Buffer)
		if appendJSON(b, text) != nil {
			return nil
		}
		return b.Bytes()
	}
	if v.form != nil {
		return nil
	}
	return compact(v.raw)
}

func compact(raw []byte) []byte {
	b := new(bytes.Buffer)
	if json.Compact(b, raw) != nil {
		return nil
	}
	return b.Bytes()
}

// members are the fields of an object.
type members struct {
	json map[string]json.RawMessage
	form *form
	name string
}

func (v value) members() members {
	if v.form != nil {
		return members{form: v.form, name: v.name}
	}
	var m map[string]json.RawMessage
	json.Unmarshal(v.raw, &m)
	return members{json: m}
}

func (m members) isForm() bool { return m.form != nil && len(m.form.fields) > 0 }

// get finds a field.
func (m members) get(f *field) (value, bool) {
	if m.form == nil {
		raw, ok := m.json[f.name]
		return value{raw: raw}, ok
	}
	name := f.name
	if m.name != "" {
		name = m.name + "." + f.name
	}
	if m.form.has(name) {
		return value{form: m.form, name: name}, true
	}
	return value{}, false
}

// items are the items of a list, or the kind of what is none.
func (v value) items(item *field) (items []value, kind string) {
	if v.form != nil {
		return v.form.items(v.name, item), ""
	}
	if kind := v.kind(); kind != "list" {
		return nil, kind
	}
	var raw []json.RawMessage
	json.Unmarshal(v.raw, &raw)
	for _, r := range raw {
		items = append(items, value{raw: r})
	}
	return items, ""
}

// form is a body of a form encoding. Objects in it are spelled "profile.email", lists by repeating a name, and lists of objects
// "items[0].name".
type form struct {
	fields   map[string][]string
	prefixes map[string]bool // of the names, up to a "." or a "["
}

// maxNesting is how many objects and lists the name of a form's field goes through.
const maxNesting = 8

func newForm(v values) *form {
	f := &form{fields: make(map[string][]string, len(v)), prefixes: make(map[string]bool)}
	for _, p := range v {
		f.fields[p.name] = append(f.fields[p.name], p.value)
		for i, n := 0, 0; i < len(p.name) && n < maxNesting; i++ {
			if p.name[i] == '.' || p.name[i] == '[' {
				f.prefixes[p.name[:i+1]] = true
				n++
			}
		}
	}
	return f
}

func (f *form) last(name string) (string, bool) {
	all := f.fields[name]
	if len(all) == 0 {
		return "", false
	}
	return all[len(all)-1], true
}

// nested reports whether fields are spelled as members of name.
func (f *form) nested(name string) bool { return f.prefixes[name+"."] }

func (f *form) has(name string) bool {
	_, ok := f.fields[name]
	return ok || f.nested(name) || f.prefixes[name+"["]
}

// items are what a form holds under a name as a list.
func (f *form) items(name string, item *field) []value {
	var items []value
	if item.kind == kindStruct {
		for i := 0; i < maxFields; i++ {
			at := name + "[" + strconv.Itoa(i) + "]"
			if !f.nested(at) {
				break
			}
			items = append(items, value{form: f, name: at})
		}
		return items
	}
	for _, s := range f.fields[name] {
		one := &form{fields: map[string][]string{name: {s}}}
		items = append(items, value{form: one, name: name})
	}
	return items
}
