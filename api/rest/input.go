package rest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/caddy-tollgate/tollgate/store"
)

// Bodies. An input is a struct; its fields say what the contract's field tables say:
//
//	type planInput struct {
//		Title  string           `json:"title" in:"required" validate:"max=50"`
//		Active rest.Opt[bool]   `json:"is_active"`
//		Extra  json.RawMessage  `json:"extra" in:"null"`
//		Renews RenewalType      `json:"renewal_type"` // an Enum
//	}
//
// Tag `in`, comma-separated: "required" (absent: "This field is required."; PATCH does not ask for it), "posted" (required by
// POST only), "null" (null is taken, as the zero value), "blank" (the empty string is taken), "verbatim" (not trimmed: a password,
// decision 90). Tag `validate` is
// go-playground/validator's, with the messages of the contract: max, min, gte, lte, oneof, and ours: email (which puts its
// domain into ASCII; idn does so with an address among other things), plain (no characters that do not show), url, slug, username,
// timezone, phone (which makes it E.164), country (which makes it alpha-2).
//
// Field types: string, int, int64, bool, store.Time, json.RawMessage (any JSON: "extra"), structs (embedded ones lend their
// fields), slices of structs, strings or integers, enumerations (Enum), and Opt[T] of any of these, which also tells absent from
// null from given. Strings are trimmed; numbers become strings and decimal strings integers as conventions.md 5 says; all failing
// fields are reported at once in the order of the struct. Unknown fields are ignored. In a form an absent bool is false (not for
// PATCH).
//
// An input with a method `Check(c *Call) error` is asked last, when all fields are valid; it returns Invalid(…), or a whole-object
// error Invalid("detail", …).

// What is taken in bytes where the contract tells no greatest length: anybody may leave such texts in the database (decision 77).
const (
	maxText  = 64 << 10
	maxExtra = 16 << 10 // of any JSON
)

// Enum is an enumeration of conventions.md 8.4: a string type whose values are Choices, or a type that also reads itself from text
// (encoding.TextUnmarshaler). It has its own messages.
type Enum interface{ Choices() []string }

// A Patterned type is a text of one form, which the description of the API tells as a regular expression.
type Patterned interface{ Pattern() string }

// checker is an input that has a say of its own.
type checker interface{ Check(c *Call) error }

// plan is how the fields of a type of input are read.
type plan []*field

type kind uint8

const (
	kindString kind = iota
	kindInt
	kindBool
	kindTime
	kindJSON
	kindText // encoding.TextUnmarshaler
	kindStruct
	kindList
)

// field is a field of an input.
type field struct {
	name             string
	index            []int
	required, posted bool
	null, blank      bool
	verbatim         bool
	opt              bool
	kind             kind
	typ              reflect.Type // without Opt
	rules            string       // of the validator
	converts         []string     // rules of ours that also convert: phone, country
	choices          []string     // of an Enum
	unbounded        bool         // a text whose rules tell no greatest length: maxText is
	members          plan         // of a struct
	item             *field       // of a list
}

var plans sync.Map // reflect.Type → plan

func planOf(t reflect.Type) plan {
	if p, ok := plans.Load(t); ok {
		return p.(plan)
	}
	p := newPlan(t, nil)
	plans.Store(t, p)
	return p
}

func newPlan(t reflect.Type, index []int) plan {
	var p plan
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(append([]int{}, index...), i)
		if sf.Anonymous && sf.Type.Kind() == reflect.Struct {
			p = append(p, newPlan(sf.Type, at)...)
			continue
		}
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if name == "" || name == "-" || !sf.IsExported() {
			continue
		}
		f := newField(sf.Type)
		f.name, f.index = name, at
		for word := range strings.SplitSeq(sf.Tag.Get("in"), ",") {
			switch word {
			case "":
			case "required":
				f.required = true
			case "posted":
				f.posted = true
			case "null":
				f.null = true
			case "blank":
				f.blank = true
			case "verbatim":
				f.verbatim = true
			default:
				panic(fmt.Sprintf("rest: %s.%s: the tag in:%q is not known", t, sf.Name, word))
			}
		}
		f.setRules(sf.Tag.Get("validate"))
		p = append(p, f)
	}
	return p
}

var (
	timeType     = reflect.TypeFor[store.Time]()
	rawType      = reflect.TypeFor[json.RawMessage]()
	optionalType = reflect.TypeFor[optional]()
	enumType     = reflect.TypeFor[Enum]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func newField(t reflect.Type) *field {
	f := &field{typ: t}
	if t.Implements(optionalType) {
		f.opt = true
		f.typ = reflect.Zero(t).Interface().(optional).elem()
		t = f.typ
	}
	if t.Implements(enumType) {
		f.choices = reflect.Zero(t).Interface().(Enum).Choices()
	}
	switch {
	case t == timeType:
		f.kind = kindTime
	case t == rawType:
		f.kind = kindJSON
	case reflect.PointerTo(t).Implements(textType):
		f.kind = kindText
	case t.Kind() == reflect.String:
		f.kind = kindString
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		f.kind = kindInt
	case t.Kind() == reflect.Bool:
		f.kind = kindBool
	case t.Kind() == reflect.Struct:
		f.kind, f.members = kindStruct, planOf(t)
	case t.Kind() == reflect.Slice:
		f.kind, f.item = kindList, newField(t.Elem())
	default:
		panic(fmt.Sprintf("rest: an input cannot hold a %s", t))
	}
	return f
}

// OneOrMany is the input of an endpoint that takes an object or a list of objects. A list may not be empty.
type OneOrMany[T any] struct {
	Items []T
	List  bool // a list was given
}

func (m *OneOrMany[T]) decode(d decoder, v value) any {
	if m.List = v.kind() == "list"; m.List {
		target := reflect.ValueOf(&m.Items).Elem()
		problem := d.list(newField(target.Type()), target, v)
		if problem == nil && len(m.Items) == 0 {
			problem = []string{msgEmptyList}
		}
		if messages, ok := problem.([]string); ok {
			problem = Fields{{"detail", messages}}
		}
		return problem
	}
	m.Items = make([]T, 1)
	return d.whole(reflect.ValueOf(&m.Items[0]).Elem(), v)
}

// whole decodes a body that is an object.
func (d decoder) whole(dst reflect.Value, v value) any {
	switch kind := v.kind(); kind {
	case "dict":
		return d.object(planOf(dst.Type()), dst, v)
	case "null":
		return Fields{{"detail", []string{msgNoData}}}
	default:
		return Fields{{"detail", []string{msgNotObject(kind)}}}
	}
}

// decode reads the body into in, a pointer to a struct or to a slice, and checks it.
func (c *Call) decode(in any) error {
	v, err := c.source()
	if err != nil {
		return err
	}
	dst := reflect.ValueOf(in).Elem()
	d := decoder{partial: c.r.Method == http.MethodPatch, post: c.r.Method == http.MethodPost}
	var problem any
	if m, ok := in.(interface{ decode(decoder, value) any }); ok {
		problem = m.decode(d, v)
	} else if dst.Kind() == reflect.Slice {
		problem = d.list(newField(dst.Type()), dst, v)
		if messages, ok := problem.([]string); ok {
			problem = Fields{{"detail", messages}}
		}
	} else {
		problem = d.whole(dst, v)
	}
	if problem != nil {
		return &Error{Status: http.StatusBadRequest, Body: problem}
	}
	if ch, ok := in.(checker); ok {
		return ch.Check(c)
	}
	return nil
}

// decoder fills a value and tells what is wrong: nil, a list of messages, or what nests them (conventions.md 9.1).
type decoder struct{ partial, post bool }

// requires reports whether a field must be there.
func (d decoder) requires(f *field) bool { return f.required && !d.partial || f.posted && d.post }

func (d decoder) object(p plan, dst reflect.Value, v value) any {
	members := v.members()
	var problems Fields
	for _, f := range p {
		if problem := d.field(f, dst.FieldByIndex(f.index), members); problem != nil {
			problems = append(problems, Field{f.name, problem})
		}
	}
	if problems == nil {
		return nil
	}
	return problems
}

func (d decoder) field(f *field, dst reflect.Value, members members) any {
	v, ok := members.get(f)
	if ok && v.form != nil {
		// An empty field of a form may mean several things.
		if text, _ := v.form.last(v.name); text == "" && f.kind != kindStruct && f.kind != kindList && !f.blank {
			switch {
			case f.null:
				v = value{raw: []byte("null")}
			case !f.required && !d.requires(f):
				ok = false
			}
		}
	}
	if !ok {
		switch {
		case f.kind == kindBool && members.isForm() && !d.partial:
			f.given(dst, false)
			return nil
		case d.requires(f):
			return []string{msgRequired}
		}
		return nil
	}
	if v.kind() == "null" {
		if !f.null {
			return []string{msgNull}
		}
		f.given(dst, true)
		return nil
	}
	target := dst
	if f.opt {
		target = dst.Field(0)
	}
	if problem := d.value(f, target, v); problem != nil {
		return problem
	}
	f.given(dst, false)
	return nil
}

// given marks an Opt.
func (f *field) given(dst reflect.Value, null bool) {
	if f.opt {
		dst.Field(1).SetBool(true)
		dst.Field(2).SetBool(null)
	}
}

func (d decoder) value(f *field, dst reflect.Value, v value) any {
	switch f.kind {
	case kindStruct:
		if kind := v.kind(); kind != "dict" {
			return Fields{{"detail", []string{msgNotObject(kind)}}}
		}
		return d.object(f.members, dst, v)
	case kindList:
		return d.list(f, dst, v)
	case kindJSON:
		raw := v.json()
		if len(raw) > maxExtra {
			return []string{msgLongest(strconv.Itoa(maxExtra))}
		}
		dst.SetBytes(raw)
		return nil
	}
	var message string
	switch f.kind {
	case kindString, kindText:
		message = f.setText(dst, v)
	case kindInt:
		n, ok := v.integer()
		if !ok {
			message = msgInteger
		}
		dst.SetInt(n)
	case kindBool:
		b, ok := v.boolean()
		if !ok {
			message = msgBoolean
		}
		dst.SetBool(b)
	case kindTime:
		text, ok := v.text()
		var t store.Time
		if ok {
			t, ok = parseTime(text)
		}
		if !ok {
			message = msgTime
		}
		dst.Set(reflect.ValueOf(t))
	}
	if message == "" {
		message = f.check(dst)
	}
	if message != "" {
		return []string{message}
	}
	return nil
}

// setText reads a string or what reads itself from one.
func (f *field) setText(dst reflect.Value, v value) string {
	text, ok := v.verbatim()
	if !ok {
		return msgString
	}
	if !f.verbatim {
		text = strings.TrimSpace(text)
	}
	if f.choices != nil {
		if text == "" && !f.blank {
			return msgEnumBlank
		}
		if text != "" && !slices.Contains(f.choices, text) {
			return msgEnum(text, f.choices)
		}
	}
	if text == "" && !f.blank {
		return msgBlank
	}
	if strings.ContainsRune(text, 0) {
		return msgNUL
	}
	if f.unbounded && len(text) > maxText {
		return msgLongest(strconv.Itoa(maxText))
	}
	if text != "" {
		for _, rule := range f.converts {
			var message string
			if text, message = converters[rule](text); message != "" {
				return message
			}
		}
	}
	if f.kind == kindText {
		if text == "" {
			return ""
		}
		if err := dst.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			return msgChoice(text)
		}
		return ""
	}
	dst.SetString(text)
	return ""
}

func (d decoder) list(f *field, dst reflect.Value, v value) any {
	items, kind := v.items(f.item)
	if kind != "" {
		messages := []string{msgNotList(kind)}
		if f.item.kind == kindStruct { // what is wrong with the list as a whole stands beside what is wrong with its members
			return Fields{{"detail", messages}}
		}
		return messages
	}
	s := reflect.MakeSlice(f.typ, len(items), len(items))
	problems, bad := make([]any, len(items)), false
	for i, item := range items {
		var problem any
		if item.kind() == "null" {
			problem = []string{msgNull}
		} else {
			problem = d.value(f.item, s.Index(i), item)
		}
		if problem == nil {
			problem = Fields{}
		} else {
			bad = true
		}
		problems[i] = problem
	}
	if bad {
		return problems
	}
	dst.Set(s)
	if message := f.check(dst); message != "" {
		return []string{message}
	}
	return nil
}
