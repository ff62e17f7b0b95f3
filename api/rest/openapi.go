package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// OpenAPI is the description of the API as an OpenAPI 3.1 document: every row of the table with its parameters, the fields of its
// body and of its answer, its statuses, the shapes of errors (conventions.md 9), how callers prove who they are (2.1) and who may
// call (access.md A.4). It is made of the table and of the types of the operations, so that it cannot say otherwise than they do.
func (s *Service) OpenAPI() Fields {
	m := newModels()
	paths := Fields{}
	for _, e := range s.endpoints {
		i := slices.IndexFunc(paths, func(f Field) bool { return f.Name == e.Path })
		if i < 0 {
			i = len(paths)
			paths = append(paths, Field{e.Path, Fields{}})
		}
		paths[i].Value = append(paths[i].Value.(Fields), Field{strings.ToLower(e.Method), m.operation(&e)})
	}
	slices.SortStableFunc(paths, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return Fields{
		{"openapi", "3.1.0"},
		{"info", Fields{
			{"title", "Profile, Billing and Access Control API"},
			{"description", "Amounts of money are integers in 1/100 of the unit beside them. Dates are ISO 8601 in UTC. HEAD is answered wherever GET is, and OPTIONS everywhere."},
			{"version", "1"},
		}},
		{"servers", []Fields{{{"url", "/"}}}},
		{"security", anyScheme},
		{"paths", paths},
		{"components", Fields{
			{"schemas", m.schemas()},
			{"responses", errorResponses()},
			{"headers", Fields{{"Location", Fields{{"description", "Where it is, of what has a place of its own."}, {"schema", Fields{{"type", "string"}}}}}}},
			{"securitySchemes", securitySchemes(s.Directory.Cookies().Session)},
		}},
	}
}

var (
	anyScheme = []Fields{{{"bearer", []string{}}}, {{"apiKey", []string{}}}, {{"session", []string{}}}}
	orNobody  = append([]Fields{{}}, anyScheme...) // anonymous callers are served as well
)

func securitySchemes(session string) Fields {
	return Fields{
		{"bearer", Fields{{"type", "http"}, {"scheme", "bearer"}, {"bearerFormat", "JWT"},
			{"description", "The token that POST /api/auth answers."}}},
		{"apiKey", Fields{{"type", "http"}, {"scheme", "basic"},
			{"description", "An API key as the user name, with an empty password. A username and a password are not accepted."}}},
		{"session", Fields{{"type", "apiKey"}, {"in", "cookie"}, {"name", session},
			{"description", "The cookie of a log-in in a browser. Unsafe methods need the header X-CSRFToken as well."}}},
	}
}

// callers says in words who the class of an endpoint lets in.
var callers = map[string]string{
	"PUBLIC":            "Anybody.",
	"AUTH":              "Any known caller.",
	"DIRECT":            "Managers of the profile and of the broker; their contributors to read.",
	"DIRECT-F":          "Managers of the profile and of the broker; their contributors to read. Also before a password is chosen or terms are signed.",
	"DIRECT broker":     "Managers of the broker.",
	"PROVIDER":          "Managers of the profile, of the broker and of providers that the profile subscribes to; their contributors to read. Providers write only while nobody manages the profile.",
	"PROVIDER sales":    "Managers of the profile, of the broker and of providers that the profile subscribes to, about their own sales; their contributors to read.",
	"PROVIDER-F":        "Managers of the profile, of the broker and of providers that the profile subscribes to; their contributors to read. Providers write only while nobody manages the profile. Also before a password is chosen or terms are signed.",
	"PROVIDER-F delete": "Managers of the profile and of the broker. Also before a password is chosen or terms are signed.",
	"PROVIDER-F plan":   "Managers of the profile, of the broker and, for plans of their own, of providers; their contributors to read. Also before a password is chosen or terms are signed.",
	"PROVIDER-ONLY":     "Managers of the broker and of providers that the profile subscribes to; their contributors to read.",
	"SELF":              "The user and managers of the broker; managers and contributors of a profile of the user, or of a provider of one, to read.",
	"SELF only":         "The user and managers of the broker.",
	"SELF-F":            "The user and managers of the broker; managers and contributors of a profile of the user, or of a provider of one, to read. Also before a password is chosen or terms are signed.",
	"SELF-F only":       "The user and managers of the broker. Also before a password is chosen or terms are signed.",
	"SELF-F wide":       "The user, managers of a profile of the user or of a provider of one, and managers of the broker. Also before a password is chosen or terms are signed.",
	"BROKER":            "Managers of the broker; its contributors to read.",
}

// operation describes a row of the table.
func (m *models) operation(e *Endpoint) Fields {
	class := e.Condition.String()
	public := class == "PUBLIC"
	op := Fields{
		{"operationId", operationID(e)},
		{"tags", []string{strings.Split(e.Path+"/api", "/")[2]}},
	}
	if e.Doc != "" {
		op = append(op, Field{"summary", e.Doc})
	}
	op = append(op, Field{"description", callers[class]}, Field{"x-access", class})
	if public {
		op = append(op, Field{"security", orNobody})
	}
	if list := m.parameters(e); len(list) > 0 {
		op = append(op, Field{"parameters", list})
	}
	takes := e.opts.file > 0 || e.opts.raw || e.In != typeOf[None]()
	if takes {
		op = append(op, Field{"requestBody", m.requestBody(e)})
	}
	return append(op, Field{"responses", m.responses(e, public, takes)})
}

// operationID is "get_profile_plans_plan" for GET /api/profile/{profile}/plans/{plan}: unique, and a name in every language.
func operationID(e *Endpoint) string {
	id := strings.ToLower(e.Method)
	for s := range strings.SplitSeq(strings.TrimPrefix(e.Path, "/api"), "/") {
		if s == "" {
			continue
		}
		if name := strings.Trim(s, "{}"); name != s {
			s = "by_" + name
		}
		id += "_" + strings.ReplaceAll(s, "-", "_")
	}
	return id
}

func (m *models) parameters(e *Endpoint) (list []Fields) {
	segments := strings.Split(e.Path, "/")
	for i, s := range segments {
		p := parameter.FindStringSubmatch(s)
		if p == nil {
			continue
		}
		d := Fields{{"name", p[1]}, {"in", "path"}, {"required", true}}
		schema := Fields{{"type", "string"}}
		if class := classOf(e.Path, p[1], i == len(segments)-1); class != "*" {
			schema = append(schema, Field{"pattern", "^" + class + "$"})
		} else {
			d = append(d, Field{"description", "All the rest of the path: its slashes are not escaped."})
		}
		list = append(list, append(d, Field{"schema", schema}))
	}
	for _, p := range e.query() {
		list = append(list, p.describe())
	}
	if e.Keyed {
		list = append(list, Fields{{"name", keyHeader}, {"in", "header"}, {"description", "Sent again with the same request, it is answered the same and happens once."},
			{"schema", Fields{{"type", "string"}, {"minLength", 1}, {"maxLength", maxKey}}}})
	}
	return list
}

// query are the parameters of the query of an endpoint, each once: its own, and those of conventions.md 6 and 7.
func (e *Endpoint) query() []Parameter {
	list := slices.Clone(e.opts.takes)
	if e.List && isPage(e.Out) {
		list = append(list, pages...)
	}
	if len(e.opts.lists) > 0 {
		list = append(list, e.opts.lists[0].listing().parameters()...)
	}
	if e.Keyed {
		list = append(list, dryRun)
	}
	if more := e.formats(); len(more) > 0 {
		words := []string{"json"}
		for _, f := range more {
			words = append(words, f.word)
		}
		list = append(list, Choice("format", "In place of the header Accept.", words...))
	}
	named := map[string]bool{}
	return slices.DeleteFunc(list, func(p Parameter) bool {
		defer func() { named[p.name] = true }()
		return named[p.name]
	})
}

// A format is a type that an answer has besides JSON.
type format struct{ word, kind string }

func (e *Endpoint) formats() (list []format) {
	if e.List {
		list = append(list, format{"csv", typeCSV})
	}
	if e.Out.Implements(yamlerType) {
		list = append(list, format{"yaml", typeYAML})
	}
	return list
}

func (m *models) requestBody(e *Endpoint) Fields {
	if e.opts.file > 0 {
		return Fields{{"required", true}, {"content", Fields{{typeMultipart, Fields{{"schema", Fields{{"type", "object"},
			{"properties", Fields{{"file", Fields{{"type", "string"}, {"contentMediaType", "application/octet-stream"}}}}}}}}}}}}
	}
	if e.opts.raw {
		return Fields{{"required", true}, {"content", Fields{{"*/*", Fields{}}}}}
	}
	schema := m.input(e.In, e.Method)
	var content Fields
	for _, kind := range []string{typeJSON, typeForm, typeMultipart} {
		content = append(content, Field{kind, Fields{{"schema", schema}}})
	}
	return Fields{{"required", needsBody(schema)}, {"content", content}}
}

// needsBody reports whether something of a body must be given.
func needsBody(schema Fields) bool {
	return slices.ContainsFunc(schema, func(f Field) bool { return f.Name == "required" || f.Name == "oneOf" || f.Name == "items" })
}

// successes are the answers of an endpoint that are no failures.
func (e *Endpoint) successes() []success {
	switch {
	case e.opts.answers != nil:
		return e.opts.answers
	case e.Out == typeOf[None]():
		return []success{{status: http.StatusNoContent}}
	}
	return []success{{status: http.StatusOK}}
}

// success are the answers to what was done.
func (m *models) success(e *Endpoint) (out Fields) {
	for _, s := range e.successes() {
		status := s.status
		response := Fields{{"description", http.StatusText(status)}}
		if status == http.StatusCreated {
			response = append(response, Field{"headers", Fields{{"Location", Fields{{"$ref", "#/components/headers/Location"}}}}})
		}
		if status != http.StatusNoContent {
			content := Fields{{typeJSON, Fields{{"schema", m.answer(e, s.shapes)}}}}
			for _, f := range e.formats() {
				content = append(content, Field{f.kind, Fields{{"schema", Fields{{"type", "string"}}}}})
			}
			response = append(response, Field{"content", content})
		}
		out = append(out, Field{strconv.Itoa(status), response})
	}
	return out
}

// responses are the answers to success, and to everything that may go wrong (conventions.md 9.2).
func (m *models) responses(e *Endpoint, public, takes bool) Fields {
	out := m.success(e)
	add := func(statuses ...int) {
		for _, n := range statuses {
			out = append(out, Field{strconv.Itoa(n), Fields{{"$ref", "#/components/responses/" + strconv.Itoa(n)}}})
		}
	}
	writes := e.Method != http.MethodGet
	if !public {
		add(302)
	}
	if takesList(e.In) {
		out = append(out, Field{"400", Fields{{"$ref", "#/components/responses/400list"}}})
	} else if takes || writes || e.List || len(e.opts.takes) > 0 {
		add(400)
	}
	add(401)
	if !public || writes {
		add(403)
	}
	add(404, 405, 406)
	if writes {
		add(409)
	}
	if takes {
		add(408, 413, 415)
	}
	add(429, 500)
	add(e.opts.fails...)
	add(503)
	return out
}

func errorResponses() Fields {
	ref := func(name string) Fields { return Fields{{"$ref", "#/components/schemas/" + name}} }
	var out Fields
	for _, r := range []struct {
		status      int
		description string
		schema      string
		header      string
	}{
		{302, "A browser (Accept: text/html) is sent to the page where its user can change that it is refused.", "", "Location"},
		{400, "What is wrong, by field; or in \"detail\".", errorsName, ""},
		{401, "Who calls is not known, or a credential is bad.", errorsName, "WWW-Authenticate"},
		{403, "The caller may not.", errorsName, "Retry-After"},
		{404, "There is none.", detailName, ""},
		{405, "The method is none of the path's, or what is there now does not allow the action.", detailName, "Allow"},
		{406, "None of the accepted types can be answered.", detailName, ""},
		{408, "The body did not arrive in time.", detailName, ""},
		{409, "It clashes with the state of a payment or a document, or with another request under way.", detailName, "Retry-After"},
		{413, "The body is too large.", detailName, ""},
		{415, "The type of the body is not read.", detailName, ""},
		{429, "Too many of these; later.", detailName, "Retry-After"},
		{500, "A failure of the server.", detailName, ""},
		{501, "The payment processor of the site does not do that.", detailName, ""},
		{503, "The server is starting or busy; later.", detailName, "Retry-After"},
	} {
		response := Fields{{"description", r.description}}
		if r.header != "" {
			response = append(response, Field{"headers", Fields{{r.header, Fields{{"schema", Fields{{"type", "string"}}}}}}})
		}
		if r.schema != "" {
			response = append(response, Field{"content", Fields{{typeJSON, Fields{{"schema", ref(r.schema)}}}}})
		}
		out = append(out, Field{strconv.Itoa(r.status), response})
	}
	one := ref(errorsName)
	return append(out, Field{"400list", Fields{{"description", "What is wrong, of the items of a list one by one."},
		{"content", Fields{{typeJSON, Fields{{"schema", Fields{{"anyOf", []Fields{one, {{"type", "array"}, {"items", one}}}}}}}}}}}})
}
