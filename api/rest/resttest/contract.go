package resttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A Contract is the description of an API as an OpenAPI document, which requests and answers are held against. It is read here as any
// program would read it, and knows nothing of package rest.
type Contract struct {
	paths    map[string]any
	root     map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	schemas  map[string]*jsonschema.Schema // by JSON pointer, compiled when first asked for
}

var contracts sync.Map // hash of a document, and where its bytes are → *Contract

// ContractOf reads an OpenAPI document; one that was read before comes back.
func ContractOf(document []byte) (*Contract, error) {
	if len(document) == 0 {
		return nil, fmt.Errorf("an empty document")
	}
	if c, ok := contracts.Load(&document[0]); ok {
		return c.(*Contract), nil
	}
	c, err := contractOf(document)
	if err == nil {
		contracts.Store(&document[0], c)
	}
	return c, err
}

func contractOf(document []byte) (*Contract, error) {
	key := sha256.Sum256(document)
	if c, ok := contracts.Load(key); ok {
		return c.(*Contract), nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	root, _ := v.(map[string]any)
	c := &Contract{root: root, schemas: map[string]*jsonschema.Schema{}, compiler: jsonschema.NewCompiler()}
	c.paths, _ = root["paths"].(map[string]any)
	if c.paths == nil {
		return nil, fmt.Errorf("a document without paths")
	}
	c.strict()
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(documentURL, v); err != nil {
		return nil, err
	}
	kept, _ := contracts.LoadOrStore(key, c)
	return kept.(*Contract), nil
}

const documentURL = "https://app.example.com/api/schema"

// strict makes answers with fields that the document does not name an error. In requests such fields are ignored, as the API does.
func (c *Contract) strict() {
	schemas, _ := at(c.root, "components", "schemas").(map[string]any)
	for _, s := range schemas {
		closeObjects(s)
	}
	for _, path := range c.paths {
		for _, operation := range path.(map[string]any) {
			responses, _ := at(operation, "responses").(map[string]any)
			for _, r := range responses {
				content, _ := at(r, "content").(map[string]any)
				for _, media := range content {
					closeObjects(at(media, "schema"))
				}
			}
		}
	}
}

// closeObjects forbids further properties wherever a schema lists some.
func closeObjects(schema any) {
	s, ok := schema.(map[string]any)
	if !ok {
		return
	}
	if properties, ok := s["properties"].(map[string]any); ok {
		if _, said := s["additionalProperties"]; !said {
			s["additionalProperties"] = false
		}
		for _, p := range properties {
			closeObjects(p)
		}
	}
	closeObjects(s["items"])
	closeObjects(s["additionalProperties"])
	for _, key := range []string{"oneOf", "anyOf", "allOf", "prefixItems"} {
		list, _ := s[key].([]any)
		for _, one := range list {
			closeObjects(one)
		}
	}
}

// at follows keys.
func at(v any, keys ...string) any {
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// An Exchange is a request and the answer to it.
type Exchange struct {
	Request *http.Request
	Body    []byte // of the request
	Answer  *httptest.ResponseRecorder
}

// Serve has a request answered, and returns what of the exchange is not as the contract says. What it says nothing about passes:
// requests of paths that are none of the API's, OPTIONS, refusals that are HTML.
func (c *Contract) Serve(handler http.Handler, w http.ResponseWriter, r *http.Request) error {
	var body []byte
	if r.Body != nil && r.Body != http.NoBody {
		var err error
		if body, err = io.ReadAll(r.Body); err == nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
		} else { // a body that breaks off
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
		}
	}
	query := r.URL.RawQuery
	answer := httptest.NewRecorder()
	maps := w.Header()
	for name, values := range maps {
		answer.Header()[name] = values
	}
	handler.ServeHTTP(answer, r)
	for name, values := range answer.Header() {
		maps[name] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
	return c.Check(Exchange{r, body, answer}, query)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Check returns what of an exchange is not as the contract says.
func (c *Contract) Check(x Exchange, query string) error {
	r, w := x.Request, x.Answer
	if r.Method == http.MethodOptions {
		return nil
	}
	template, params := c.match(r.URL.Path)
	if template == "" {
		if w.Code == http.StatusNotFound || w.Code == http.StatusServiceUnavailable {
			return nil
		}
		return fmt.Errorf("%s %s answers %d and is no path of the contract", r.Method, r.URL.Path, w.Code)
	}
	method := strings.ToLower(r.Method)
	if method == "head" {
		method = "get"
	}
	operation, _ := at(c.paths, template, method).(map[string]any)
	if operation == nil {
		if w.Code >= 400 || w.Code == http.StatusFound {
			return nil
		}
		return fmt.Errorf("%s %s answers %d and is no operation of the contract", r.Method, template, w.Code)
	}
	where := pointer("paths", template, method)
	name := r.Method + " " + template
	if err := c.answer(x, operation, where); err != nil {
		return fmt.Errorf("the answer to %s is not as the contract says: %w\n%d %s", name, err, w.Code, w.Body)
	}
	if w.Code >= 300 {
		return nil
	}
	if err := c.parameters(operation, where, params, r, query); err != nil {
		return fmt.Errorf("a request that succeeds is not as the contract says: %s?%s: %w", name, query, err)
	}
	if err := c.body(x, operation, where); err != nil {
		return fmt.Errorf("a request that succeeds is not as the contract says: %s: %w\n%s", name, err, x.Body)
	}
	return nil
}

// match finds the path of a request: the one that is literal for longest.
func (c *Contract) match(path string) (template string, params map[string]string) {
	segments := strings.Split(path, "/")
	best := ""
	for candidate := range c.paths {
		want := strings.Split(candidate, "/")
		rest := strings.HasSuffix(candidate, "/{path}") // slashes and all
		if len(want) != len(segments) && !(rest && len(want) < len(segments)) {
			continue
		}
		found, shape := map[string]string{}, ""
		for i, w := range want {
			s := segments[i]
			if rest && i == len(want)-1 {
				s = strings.Join(segments[i:], "/")
			}
			if w != s && (!strings.HasPrefix(w, "{") || s == "" && w != "{path}") {
				found = nil
				break
			}
			if w == s {
				shape += "1"
			} else {
				shape += "0"
				found[strings.Trim(w, "{}")] = s
			}
		}
		if found != nil && (template == "" || shape > best) && c.fits(candidate, found) {
			template, params, best = candidate, found, shape
		}
	}
	return template, params
}

// fits reports whether the parameters of a path have the characters that they may have.
func (c *Contract) fits(template string, values map[string]string) bool {
	for method := range c.paths[template].(map[string]any) {
		for i, p := range c.list(template, method) {
			value, ok := values[fmt.Sprint(p["name"])]
			if p["in"] == "path" && ok && c.validate(pointer("paths", template, method, "parameters", fmt.Sprint(i), "schema"), value) != nil {
				return false
			}
		}
		break
	}
	return true
}

func (c *Contract) list(template, method string) (list []map[string]any) {
	all, _ := at(c.paths, template, method, "parameters").([]any)
	for _, p := range all {
		list = append(list, p.(map[string]any))
	}
	return list
}

// answer holds an answer against the contract: its status, its type, what it holds.
func (c *Contract) answer(x Exchange, operation map[string]any, where string) error {
	status, kind := fmt.Sprint(x.Answer.Code), x.Answer.Header().Get("Content-Type")
	kind, _, _ = mime.ParseMediaType(kind)
	response, _ := at(operation, "responses", status).(map[string]any)
	if response == nil {
		return fmt.Errorf("it has no status %s", status)
	}
	where += pointer("responses", status)[1:]
	if ref, ok := response["$ref"].(string); ok {
		where = ref
		response, _ = at(c.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(map[string]any)
	}
	content, _ := response["content"].(map[string]any)
	body := x.Answer.Body.Bytes()
	switch {
	case len(content) == 0 && len(body) > 0 && kind != "text/html":
		return fmt.Errorf("%s has no body", status)
	case kind == "text/html" && x.Answer.Code >= 300, x.Request.Method == http.MethodHead, len(body) == 0 && len(content) == 0:
		return nil
	case len(body) == 0 && x.Answer.Code >= 400: // who is told nothing
		return nil
	case content[kind] == nil:
		return fmt.Errorf("%s is not a type of %s", kind, status)
	case kind != "application/json":
		return nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return c.validate(where+pointer("content", kind, "schema")[1:], v)
}

// parameters holds those of the query and the headers against the contract.
func (c *Contract) parameters(operation map[string]any, where string, path map[string]string, r *http.Request, query string) error {
	values, _ := url.ParseQuery(query)
	list, _ := operation["parameters"].([]any)
	for i, p := range list {
		name, schema := fmt.Sprint(at(p, "name")), where+pointer("parameters", fmt.Sprint(i), "schema")[1:]
		var given []string
		switch at(p, "in") {
		case "query":
			given = values[name]
			delete(values, name)
		case "header":
			given = r.Header.Values(name)
		case "path":
			given = []string{path[name]}
		}
		if given == nil || at(p, "in") != "path" && len(given) == 1 && given[0] == "" { // an empty one is as good as none
			if at(p, "required") == true {
				return fmt.Errorf("%s is missing", name)
			}
			continue
		}
		var v any
		switch kind := at(p, "schema", "type"); kind {
		case "array":
			all := make([]any, len(given))
			for i := range given {
				all[i] = given[i]
			}
			v = all
		case "integer", "boolean":
			v = lax(given[len(given)-1], kind)
		default:
			v = given[len(given)-1]
		}
		if err := c.validate(schema, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name := range values {
		if !slices.Contains(ignored, name) {
			return fmt.Errorf("the parameter %s is not known", name)
		}
	}
	return nil
}

// ignored are parameters that some operations read, and others ignore as the contract says (conventions.md 6.1, 7.3, 7.6, 7.7).
var ignored = []string{"format", "page", "page_size", "q", "ot", "start_at", "unit", "scale", "include_personal_profile"}

// body holds the body of a request against the contract. Forms hold nothing but text: what they are is the API's to find out.
func (c *Contract) body(x Exchange, operation map[string]any, where string) error {
	kind, _, _ := mime.ParseMediaType(x.Request.Header.Get("Content-Type"))
	content, _ := at(operation, "requestBody", "content").(map[string]any)
	switch {
	case content == nil: // what is sent is not read
		return nil
	case len(bytes.TrimSpace(x.Body)) == 0:
		if at(operation, "requestBody", "required") == true && content["multipart/form-data"] == nil {
			return fmt.Errorf("the body is missing")
		}
		return nil
	case content["*/*"] != nil:
		return nil
	case len(content) == 1 && content["multipart/form-data"] != nil && kind == "application/json": // no file (subscriptions.md 9.4)
		return nil
	case content[kind] == nil:
		return fmt.Errorf("%s is not a type of the body", kind)
	case kind != "application/json":
		return nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.Body))
	if err != nil {
		return err
	}
	schema := at(content[kind], "schema")
	return c.validate(where+pointer("requestBody", "content", kind, "schema")[1:], convert(schema, v))
}

// convert does to a body what the API does before it looks at it (conventions.md 5): numbers become strings, strings integers, words
// booleans.
func convert(schema, v any) any {
	s, _ := schema.(map[string]any)
	switch v := v.(type) {
	case map[string]any:
		for name, p := range v {
			v[name] = convert(at(s, "properties", name), p)
		}
	case []any:
		for i := range v {
			v[i] = convert(s["items"], v[i])
		}
	case string, json.Number, bool:
		kind := s["type"]
		if list, ok := kind.([]any); ok {
			kind = list[0]
		}
		text := strings.TrimSpace(fmt.Sprint(v))
		if _, number := v.(json.Number); number && kind == "string" {
			return text
		}
		if t, ok := v.(string); ok && kind == "string" {
			if s["format"] == "date-time" {
				return moment(t)
			}
			return text
		}
		if kind == "integer" || kind == "boolean" {
			return lax(text, kind)
		}
	}
	return v
}

// moment is a date as JSON schemas want it: a time of day without seconds or a zone is one to the API.
func moment(text string) any {
	text = strings.Replace(text, " ", "T", 1)
	date, clock, timed := strings.Cut(text, "T")
	if !timed {
		return date + "T00:00:00Z"
	}
	zone := "Z"
	if i := strings.IndexAny(clock, "Z+-"); i >= 0 {
		clock, zone = clock[:i], clock[i:]
	}
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	return date + "T" + clock + zone
}

// lax reads an integer or a boolean from text.
func lax(text string, kind any) any {
	if kind == "boolean" {
		switch strings.ToLower(text) {
		case "t", "y", "yes", "true", "on", "1":
			return true
		case "f", "n", "no", "false", "off", "0":
			return false
		}
		return text
	}
	if strings.Trim(text, "0123456789-+.") != "" {
		return text
	}
	return json.Number(strings.TrimPrefix(text, "+"))
}

// pointer is a JSON pointer, as a fragment.
func pointer(keys ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	b.WriteByte('#')
	for _, key := range keys {
		b.WriteByte('/')
		b.WriteString(escape.Replace(key))
	}
	return b.String()
}

// validate holds a value against the schema at a place of the document.
func (c *Contract) validate(where string, v any) error {
	c.mu.Lock()
	schema := c.schemas[where]
	if schema == nil {
		fragment := strings.NewReplacer("{", "%7B", "}", "%7D").Replace(where)
		var err error
		if schema, err = c.compiler.Compile(documentURL + fragment); err != nil {
			c.mu.Unlock()
			return err
		}
		c.schemas[where] = schema
	}
	c.mu.Unlock()
	return schema.Validate(v)
}
