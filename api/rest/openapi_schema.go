package rest

import (
	"encoding"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// JSON schemas of inputs, from how they are read, and of answers, from how they are encoded.

// Names of the two shapes of errors (conventions.md 9.1).
const (
	detailName = "Problem"
	errorsName = "Errors"
)

// models are the types that answers are made of, each described once, by name.
type models struct {
	names map[reflect.Type]string
	taken map[string]bool
	made  map[string]Fields
}

func newModels() *models {
	text := Fields{{"type", "string"}}
	problem := Fields{{"oneOf", []Fields{text, {{"type", "array"}, {"items", Fields{}}}, {{"type", "object"}}}}}
	return &models{
		names: map[reflect.Type]string{},
		taken: map[string]bool{detailName: true, errorsName: true},
		made: map[string]Fields{
			detailName: {{"type", "object"}, {"properties", Fields{{"detail", text}}}, {"required", []string{"detail"}}},
			errorsName: {{"type", "object"}, {"description", "By the name of the field, or \"detail\": a message, a list of messages, or what nests them."},
				{"additionalProperties", problem}},
		},
	}
}

// schemas are all that were referred to, by name.
func (m *models) schemas() Fields {
	out := make(Fields, 0, len(m.made))
	for name, schema := range m.made {
		out = append(out, Field{name, schema})
	}
	slices.SortFunc(out, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// elements is an input that is an object or a list of objects.
type elements interface{ element() reflect.Type }

func (OneOrMany[T]) element() reflect.Type { return reflect.TypeFor[T]() }

// takesList reports whether a body may be a list.
func takesList(t reflect.Type) bool {
	_, many := reflect.Zero(t).Interface().(elements)
	return many || t.Kind() == reflect.Slice
}

// input is the schema of a body.
func (m *models) input(t reflect.Type, method string) Fields {
	if many, ok := reflect.Zero(t).Interface().(elements); ok {
		one := planOf(many.element()).schema(method)
		return Fields{{"oneOf", []Fields{one, {{"type", "array"}, {"items", one}, {"minItems", 1}}}}}
	}
	if t.Kind() == reflect.Slice {
		return newField(t).schema(method)
	}
	return planOf(t).schema(method)
}

func (p plan) schema(method string) Fields {
	properties := make(Fields, 0, len(p))
	var required []string
	for _, f := range p {
		properties = append(properties, Field{f.name, f.schema(method)})
		if f.required && method != http.MethodPatch || f.posted && method == http.MethodPost {
			required = append(required, f.name)
		}
	}
	s := Fields{{"type", "object"}, {"properties", properties}}
	if required != nil {
		s = append(s, Field{"required", required})
	}
	return s
}

func (f *field) schema(method string) Fields {
	var s Fields
	switch f.kind {
	case kindInt:
		s = Fields{{"type", "integer"}, {"format", "int64"}}
	case kindBool:
		s = Fields{{"type", "boolean"}}
	case kindTime:
		s = Fields{{"type", "string"}, {"format", "date-time"}}
	case kindJSON:
		return Fields{{"description", "Any JSON."}}
	case kindStruct:
		s = f.members.schema(method)
	case kindList:
		s = Fields{{"type", "array"}, {"items", f.item.schema(method)}}
	default:
		s = Fields{{"type", "string"}}
	}
	for rule := range strings.SplitSeq(f.rules, ",") {
		name, n, _ := strings.Cut(rule, "=")
		switch name {
		case "email":
			s = append(s, Field{"format", "idn-email"})
		case "url":
			s = append(s, Field{"format", "uri"})
		case "slug":
			s = append(s, Field{"pattern", "^" + slugClass + "$"})
		case "username":
			s = append(s, Field{"pattern", "^" + nameClass + "$"})
		case "oneof":
			s = append(s, Field{"enum", strings.Fields(n)})
		case "max", "lte", "min", "gte":
			s = append(s, Field{f.keyword(name), json.Number(n)})
		}
	}
	if f.choices != nil {
		s = append(s, Field{"enum", f.choices})
	}
	if f.null {
		return orNone(s)
	}
	return s
}

// keyword is what JSON Schema calls the bound of a rule.
func (f *field) keyword(rule string) string {
	most := rule == "max" || rule == "lte"
	switch {
	case f.kind == kindInt && most:
		return "maximum"
	case f.kind == kindInt:
		return "minimum"
	case f.kind == kindList && most:
		return "maxItems"
	case f.kind == kindList:
		return "minItems"
	case most:
		return "maxLength"
	}
	return "minLength"
}

// orNone is a schema that null satisfies too.
func orNone(s Fields) Fields {
	if len(s) == 0 || s[0].Name == "description" || s[0].Name == "oneOf" {
		return s
	}
	kind, simple := s[0].Value.(string)
	if s[0].Name != "type" || !simple {
		return Fields{{"oneOf", []Fields{s, {{"type", "null"}}}}}
	}
	s = append(Fields{{"type", []string{kind, "null"}}}, s[1:]...)
	for i, f := range s {
		if choices, ok := f.Value.([]string); ok && f.Name == "enum" {
			all := make([]any, 0, len(choices)+1)
			for _, c := range choices {
				all = append(all, c)
			}
			s[i].Value = append(all, nil)
		}
	}
	return s
}

var (
	fieldsType    = reflect.TypeFor[Fields]()
	numberType    = reflect.TypeFor[json.Number]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	textOutType   = reflect.TypeFor[encoding.TextMarshaler]()
)

// answer is the schema of what an endpoint answers: a value of its type, or of the type of one of the shapes.
func (m *models) answer(e *Endpoint, shapes []any) Fields {
	if len(shapes) == 0 {
		out := e.Out
		if out.Kind() == reflect.Pointer {
			out = out.Elem() // an answer is never null
		}
		return m.output(out)
	}
	var schemas []Fields
	for _, s := range shapes {
		schemas = append(schemas, m.output(reflect.TypeOf(s)))
	}
	if len(schemas) == 1 {
		return schemas[0]
	}
	return Fields{{"anyOf", schemas}}
}

// output is the schema of an answer, or of a part of it. What a type encodes by itself may be anything.
func (m *models) output(t reflect.Type) Fields {
	switch {
	case t == timeType:
		return orNone(Fields{{"type", "string"}, {"format", "date-time"}})
	case t == numberType:
		return Fields{{"type", "number"}}
	case t == rawType:
		return Fields{}
	case t == fieldsType:
		return Fields{{"type", "object"}}
	case t.Kind() == reflect.Pointer:
		return orNone(m.output(t.Elem()))
	case t.Implements(marshalerType), reflect.PointerTo(t).Implements(marshalerType):
		return Fields{}
	case t.Implements(textOutType):
		s := Fields{{"type", "string"}}
		if t.Implements(enumType) {
			s = append(s, Field{"enum", reflect.Zero(t).Interface().(Enum).Choices()})
		}
		return s
	}
	switch t.Kind() {
	case reflect.Bool:
		return Fields{{"type", "boolean"}}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Fields{{"type", "integer"}}
	case reflect.Float32, reflect.Float64:
		return Fields{{"type", "number"}}
	case reflect.String:
		s := Fields{{"type", "string"}}
		if t.Implements(enumType) {
			s = append(s, Field{"enum", reflect.Zero(t).Interface().(Enum).Choices()})
		}
		if p, ok := reflect.Zero(t).Interface().(Patterned); ok {
			s = append(s, Field{"pattern", p.Pattern()})
		}
		return s
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return Fields{{"type", "string"}, {"contentEncoding", "base64"}}
		}
		return Fields{{"type", "array"}, {"items", m.output(t.Elem())}}
	case reflect.Map:
		return Fields{{"type", "object"}, {"additionalProperties", m.output(t.Elem())}}
	case reflect.Struct:
		return m.object(t)
	}
	return Fields{}
}

// object describes a struct: by name, once, or in place when it has none of its own.
func (m *models) object(t reflect.Type) Fields {
	if t.Name() == "" || strings.Contains(t.Name(), "[") {
		return m.properties(t)
	}
	name, ok := m.names[t]
	if !ok {
		name = strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		if m.taken[name] {
			pkg := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
			name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
		}
		for m.taken[name] {
			name += "2"
		}
		m.names[t], m.taken[name] = name, true
		m.made[name] = m.properties(t)
	}
	return Fields{{"$ref", "#/components/schemas/" + name}}
}

func (m *models) properties(t reflect.Type) Fields {
	var properties Fields
	var required []string
	var walk func(t reflect.Type, always bool)
	walk = func(t reflect.Type, always bool) {
		for i := range t.NumField() {
			sf := t.Field(i)
			name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
			in := sf.Type
			if in.Kind() == reflect.Pointer {
				in = in.Elem()
			}
			switch {
			case name == "-":
			case sf.Anonymous && name == "" && in.Kind() == reflect.Struct:
				walk(in, always && in == sf.Type)
			case sf.IsExported():
				if name == "" {
					name = sf.Name
				}
				at := slices.IndexFunc(properties, func(f Field) bool { return f.Name == name })
				if at >= 0 {
					continue // the one before, which is less deep, hides it
				}
				properties = append(properties, Field{name, m.output(sf.Type)})
				if always && !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
					required = append(required, name)
				}
			}
		}
	}
	walk(t, true)
	s := Fields{{"type", "object"}}
	if properties != nil {
		s = append(s, Field{"properties", properties})
	}
	if required != nil {
		s = append(s, Field{"required", required})
	}
	return s
}

// isPage reports whether an answer is a page of rows, not a type-ahead list.
func isPage(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	_, ok := t.FieldByName("Next")
	return ok
}
