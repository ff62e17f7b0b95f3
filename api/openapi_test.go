package api

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestSchemaIsOpenAPI has the description of the API validated by somebody else's reader of OpenAPI 3.1 documents.
func TestSchemaIsOpenAPI(t *testing.T) {
	document, err := newService(t).Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableSchemaFormatValidation(), openapi3.EnableMultiError()); err != nil {
		t.Error(err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Paths.Len() < 100 {
		t.Errorf("version %s, %d paths", doc.OpenAPI, doc.Paths.Len())
	}
}

// TestSchemaYAML asks for the description as YAML, in both ways: it is the same document, and the same bytes each time.
func TestSchemaYAML(t *testing.T) {
	s := newService(t)
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ready.Store(true)
	get := func(target, accept, want string) []byte {
		t.Helper()
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if kind := w.Header().Get("Content-Type"); w.Code != 200 || kind != want {
			t.Fatalf("%s as %q: %d %s", target, accept, w.Code, kind)
		}
		return w.Body.Bytes()
	}
	var asJSON, asYAML any
	if err := json.Unmarshal(get("/api/schema", "*/*", "application/json"), &asJSON); err != nil {
		t.Fatal(err)
	}
	text := get("/api/schema", "application/yaml", "application/yaml")
	if err := yaml.Unmarshal(text, &asYAML); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(asYAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &asYAML); err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(asJSON, asYAML) {
		t.Errorf("the documents are not the same: %s", cmp.Diff(asJSON, asYAML))
	}
	if !bytes.HasPrefix(text, []byte("openapi: 3.1.0\ninfo:\n  title: ")) {
		t.Errorf("the text begins with %s", text[:min(len(text), 100)])
	}
	other, err := newService(t).openAPI()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := other.YAML()
	if !bytes.Equal(text, again) || !bytes.Equal(text, get("/api/schema?format=yaml", "", "application/yaml")) {
		t.Error("the bytes are not the same each time")
	}

	r := httptest.NewRequest("GET", "/api/pricing?format=yaml", nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 404 {
		t.Errorf("a list as YAML: %d", w.Code)
	}
}
