package rest

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/accessrules"
)

// describe is the answer to OPTIONS (conventions.md 4): what the path is, which types it speaks and, for a known caller who may
// send one, the fields of a POST or PUT.
func (s *Service) describe(c *Call, rt *route, params accessrules.Params) answer {
	renders := []string{typeJSON}
	description := ""
	for _, e := range rt.endpoints {
		for _, f := range e.formats() {
			if !slices.Contains(renders, f.kind) {
				renders = append(renders, f.kind)
			}
		}
		if description == "" {
			description = e.Doc
		}
	}
	body := Fields{
		{"name", title(lastWord(rt.path))},
		{"description", description},
		{"renders", renders},
		{"parses", []string{typeJSON, typeForm, typeMultipart}},
	}
	if actions := s.actions(c, rt, params); len(actions) > 0 {
		body = append(body, Field{"actions", actions})
	}
	a, err := c.encode(http.StatusOK, body)
	if err != nil {
		return c.failed(errServer)
	}
	return a
}

// actions are the fields of what the caller may POST or PUT. A preflight carries no credentials and gets none.
func (s *Service) actions(c *Call, rt *route, params accessrules.Params) Fields {
	if !s.Store.Ready() {
		return nil
	}
	identity, err := s.Directory.Identify(c.r)
	if err != nil || identity.User == nil || identity.Foreign != nil {
		return nil
	}
	var actions Fields
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		e := rt.endpoint(method)
		if e == nil || e.In == typeOf[None]() {
			continue
		}
		q := s.ask(c, params)
		q.Caller, q.Method = identity.User, method
		if s.condition(c, rt, e, q).Check(q).OK() {
			actions = append(actions, Field{method, describeInput(e.In)})
		}
	}
	return actions
}

func describeInput(t reflect.Type) Fields {
	if t.Kind() == reflect.Slice {
		return newField(t).describe()
	}
	return planOf(t).describe()
}

func (p plan) describe() Fields {
	fields := make(Fields, 0, len(p))
	for _, f := range p {
		fields = append(fields, Field{f.name, f.describe()})
	}
	return fields
}

var typeNames = map[kind]string{
	kindString: "string", kindInt: "integer", kindBool: "boolean", kindTime: "datetime", kindJSON: "field", kindText: "string",
	kindStruct: "nested object", kindList: "list",
}

func (f *field) describe() Fields {
	kind := typeNames[f.kind]
	if f.choices != nil {
		kind = "choice"
	}
	var bounds Fields
	for rule := range strings.SplitSeq(f.rules, ",") {
		name, n, _ := strings.Cut(rule, "=")
		switch name {
		case "email", "url", "slug":
			kind = name
		case "max", "lte", "min", "gte":
			bounds = append(bounds, Field{f.boundName(name), json.Number(n)})
		}
	}
	d := Fields{{"type", kind}, {"required", f.required}, {"read_only", false}}
	if f.name != "" {
		d = append(d, Field{"label", title(f.name)})
	}
	d = append(d, bounds...)
	if f.choices != nil {
		choices := make([]Fields, len(f.choices))
		for i, c := range f.choices {
			choices[i] = Fields{{"value", c}, {"display_name", c}}
		}
		d = append(d, Field{"choices", choices})
	}
	switch {
	case f.kind == kindStruct:
		d = append(d, Field{"children", f.members.describe()})
	case f.kind == kindList:
		d = append(d, Field{"child", f.item.describe()})
	}
	return d
}

// boundName is how the bound of a rule is called.
func (f *field) boundName(rule string) string {
	name := "max_"
	if rule == "min" || rule == "gte" {
		name = "min_"
	}
	if f.kind == kindInt {
		return name + "value"
	}
	return name + "length"
}

// lastWord is the last segment of a path that is no parameter.
func lastWord(path string) string {
	for {
		i := strings.LastIndexByte(path, '/')
		if s := path[i+1:]; i <= 0 || s[0] != '{' {
			return s
		}
		path = path[:i]
	}
}

// title is a name for people: "is_active" is "Is active".
func title(name string) string {
	name = strings.NewReplacer("_", " ", "-", " ").Replace(name)
	return strings.ToUpper(name[:1]) + name[1:]
}
