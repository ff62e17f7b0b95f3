package api

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-tollgate/tollgate/api/rest"
)

// TestSchema reads the description of the API as a client's program does: every operation is there, with its parameters, who may
// call it and what it answers, and every reference leads somewhere.
func TestSchema(t *testing.T) {
	s := newService(t)
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ready.Store(true)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/api/schema", nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	at := func(v any, path ...string) any {
		for _, key := range path {
			m, _ := v.(map[string]any)
			v = m[key]
		}
		return v
	}
	var refs func(v any)
	refs = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				if at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, child := range v {
				refs(child)
			}
		case []any:
			for _, child := range v {
				refs(child)
			}
		}
	}
	refs(doc)

	ids := map[string]bool{}
	for _, e := range s.Endpoints() {
		op, _ := at(doc, "paths", e.Path, strings.ToLower(e.Method)).(map[string]any)
		if op == nil {
			t.Errorf("%s %s is not described", e.Method, e.Path)
			continue
		}
		id, _ := op["operationId"].(string)
		if id == "" || ids[id] {
			t.Errorf("%s %s has the id %q", e.Method, e.Path, id)
		}
		ids[id] = true
		if op["description"] == "" || op["x-access"] != e.Condition.String() {
			t.Errorf("%s %s does not say who may call it: %v, %v", e.Method, e.Path, op["description"], op["x-access"])
		}
		if open := at(op, "security"); (open != nil) != (e.Condition.String() == "PUBLIC") {
			t.Errorf("%s %s: security is %v", e.Method, e.Path, open)
		}
		var params []string
		list, _ := op["parameters"].([]any)
		for _, p := range list {
			if at(p, "in") == "path" {
				params = append(params, "{"+at(p, "name").(string)+"}")
			}
		}
		if want := regexp.MustCompile(`\{\w+\}`).FindAllString(e.Path, -1); !cmp.Equal(params, want) {
			t.Errorf("%s %s: parameters are %v", e.Method, e.Path, params)
		}
		for _, status := range []string{"401", "405", "406", "429", "500", "503"} {
			if at(op, "responses", status) == nil {
				t.Errorf("%s %s: %s is not described", e.Method, e.Path, status)
			}
		}
		responses, _ := op["responses"].(map[string]any)
		success := false
		for status, r := range responses {
			success = success || status[0] == '2' && (at(r, "content") != nil) == (status != "204")
		}
		reads := slices.ContainsFunc([]string{"/picture", "/upload", "/postevent"}, func(s string) bool {
			return strings.HasSuffix(e.Path, s) && e.Method == "POST"
		})
		if !success || (at(op, "requestBody") == nil) != (e.In == reflectNone && !reads) {
			t.Errorf("%s %s: body %v, answers %v", e.Method, e.Path, at(op, "requestBody"), at(op, "responses"))
		}
	}

	// One operation in full: what is sent, what is answered.
	plan := at(doc, "paths", "/api/profile/{profile}/plans", "post", "requestBody", "content", "application/json", "schema")
	if got := at(plan, "properties", "period_type", "enum"); !cmp.Equal(got, []any{"hourly", "daily", "weekly", "monthly", "yearly"}) {
		t.Errorf("the periods of plans are %v", got)
	}
	if got := at(plan, "properties", "title", "maxLength"); got != 50.0 {
		t.Errorf("a title has %v characters at most", got)
	}
	charge := at(doc, "components", "schemas", "Charge", "properties")
	if at(charge, "amount", "type") != "integer" || at(charge, "state", "type") != "string" {
		t.Errorf("a charge is %v", charge)
	}
	list := at(doc, "paths", "/api/billing/charges", "get").(map[string]any)
	fields := map[any]any{}
	for _, p := range list["parameters"].([]any) {
		fields[at(p, "name")] = at(p, "x-fields")
	}
	want := map[any]any{
		"page": nil, "page_size": nil, "q": nil, "start_at": nil, "ends_at": nil, "timezone": nil, "format": nil,
		"q_f": []any{"customer__full_name", "description", "processor_key"},
		"o":   []any{"Full name", "amount", "created_at", "description", "full_name"},
	}
	if at(list, "responses", "200", "content", "text/csv") == nil || !cmp.Equal(fields, want) {
		t.Errorf("a list is %s", jsonText(list))
	}
}

var reflectNone = reflect.TypeFor[rest.None]()

func jsonText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
