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
			{"parameters", listParameters()},
			{"securitySchemes", securitySchemes()},
		}},
	}
}

var (
	anyScheme = []Fields{{{"bearer", []string{}}}, {{"apiKey", []string{}}}, {{"session", []string{}}}}
	orNobody  = append([]Fields{{}}, anyScheme...) // anonymous callers are served as well
)

func securitySchemes() Fields {
	return Fields{
		{"bearer", Fields{{"type", "http"}, {"scheme", "bearer"}, {"bearerFormat", "JWT"},
			{"description", "The token that POST /api/auth answers."}}},
		{"apiKey", Fields{{"type", "http"}, {"scheme", "basic"},
			{"description", "An API key as the user name, with an empty password. A username and a password are not accepted."}}},
		{"session", Fields{{"type", "apiKey"}, {"in", "cookie"}, {"name", "sessionid"},
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
	takes := e.opts.file > 0 || e.In != typeOf[None]()
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
		schema := Fields{{"type", "string"}}
		if class := classOf(e.Path, p[1], i == len(segments)-1); class != "*" {
			schema = append(schema, Field{"pattern", "^" + class + "$"})
		}
		list = append(list, Fields{{"name", p[1]}, {"in", "path"}, {"required", true}, {"schema", schema}})
	}
	refer := func(names ...string) {
		for _, name := range names {
			list = append(list, Fields{{"$ref", "#/components/parameters/" + name}})
		}
	}
	switch {
	case e.List && e.Out.Implements(tabularType):
		refer("ends_at", "timezone", "format")
	case e.List && isPage(e.Out):
		refer("page", "page_size", "q", "q_f", "o", "start_at", "ends_at", "timezone", "format")
	case e.List:
		refer("q", "q_f", "o", "format")
	}
	if e.Keyed {
		refer("Idempotency-Key", "dry_run")
	}
	return list
}

// listParameters are those of conventions.md 7, and of writes that may be sent again.
func listParameters() Fields {
	text, moment := Fields{{"type", "string"}}, Fields{{"type", "string"}, {"examples", []string{"2024-03-05", "2024-03-05T10:11:12Z"}}}
	query := func(name, description string, schema Fields) Field {
		return Field{name, Fields{{"name", name}, {"in", "query"}, {"description", description}, {"schema", schema}}}
	}
	return Fields{
		query("page", "Page, from 1; \"last\" is the last one.", text),
		query("page_size", "Rows of a page.", Fields{{"type", "integer"}, {"minimum", 1}, {"maximum", 100}, {"default", 25}}),
		query("q", "Keeps rows that hold one of these terms, which commas separate.", text),
		query("q_f", "Field to search; may be repeated.", Fields{{"type", "array"}, {"items", text}}),
		query("o", "Field to sort by, \"-\" in front for the other direction; may be repeated.", Fields{{"type", "array"}, {"items", text}}),
		query("start_at", "Keeps rows dated then or later.", moment),
		query("ends_at", "Keeps rows dated earlier.", moment),
		query("timezone", "Zone of dates that name none, as in \"Europe/Paris\".", text),
		query("format", "\"csv\" answers all rows as CSV.", Fields{{"type", "string"}, {"enum", []string{"json", "csv"}}}),
		query("dry_run", "Does everything, and keeps nothing.", Fields{{"type", "boolean"}}),
		{"Idempotency-Key", Fields{{"name", keyHeader}, {"in", "header"}, {"description", "Sent again with the same request, it is answered the same and happens once."},
			{"schema", Fields{{"type", "string"}, {"minLength", 1}, {"maxLength", maxKey}}}}},
	}
}

func (m *models) requestBody(e *Endpoint) Fields {
	if e.opts.file > 0 {
		return Fields{{"required", true}, {"content", Fields{{typeMultipart, Fields{{"schema", Fields{{"type", "object"},
			{"properties", Fields{{"file", Fields{{"type", "string"}, {"contentMediaType", "application/octet-stream"}}}}}}}}}}}}
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

// responses are the answers to success, and to everything that may go wrong (conventions.md 9.2).
func (m *models) responses(e *Endpoint, public, takes bool) Fields {
	success := func(description string) Fields {
		content := Fields{{typeJSON, Fields{{"schema", m.output(e.Out)}}}}
		if e.List {
			content = append(content, Field{typeCSV, Fields{{"schema", Fields{{"type", "string"}}}}})
		}
		return Fields{{"description", description}, {"content", content}}
	}
	var out Fields
	switch {
	case e.Out == typeOf[None]():
		out = Fields{{"204", Fields{{"description", "Done."}}}}
	case e.Method == http.MethodPost || e.Method == http.MethodPut:
		created := success("Something was created.")
		created = append(created, Field{"headers", Fields{{"Location", Fields{{"description", "Where it is, where it has a place of its own."}, {"schema", Fields{{"type", "string"}}}}}}})
		out = Fields{{"200", success("Done.")}, {"201", created}}
	default:
		out = Fields{{"200", success("The answer.")}}
	}
	add := func(statuses ...int) {
		for _, n := range statuses {
			out = append(out, Field{strconv.Itoa(n), Fields{{"$ref", "#/components/responses/" + strconv.Itoa(n)}}})
		}
	}
	writes := e.Method != http.MethodGet
	if takes || e.List || writes {
		add(400)
	}
	add(401)
	if !public || writes {
		add(403)
	}
	if strings.Contains(e.Path, "{") || e.List {
		add(404)
	}
	add(405, 406)
	if writes {
		add(409)
	}
	if takes {
		add(413, 415)
	}
	add(429, 500, 503)
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
		{400, "What is wrong, by field; or in \"detail\".", errorsName, ""},
		{401, "Who calls is not known, or a credential is bad.", errorsName, "WWW-Authenticate"},
		{403, "The caller may not.", errorsName, "Retry-After"},
		{404, "There is none.", detailName, ""},
		{405, "The method is none of the path's, or what is there now does not allow the action.", detailName, "Allow"},
		{406, "None of the accepted types can be answered.", detailName, ""},
		{409, "It clashes with the state of a payment or a document, or with another request under way.", detailName, "Retry-After"},
		{413, "The body is too large.", detailName, ""},
		{415, "The type of the body is not read.", detailName, ""},
		{429, "Too many of these; later.", detailName, "Retry-After"},
		{500, "A failure of the server.", detailName, ""},
		{503, "The server is starting or busy; later.", detailName, "Retry-After"},
	} {
		response := Fields{{"description", r.description}}
		if r.header != "" {
			response = append(response, Field{"headers", Fields{{r.header, Fields{{"schema", Fields{{"type", "string"}}}}}}})
		}
		response = append(response, Field{"content", Fields{{typeJSON, Fields{{"schema", ref(r.schema)}}}}})
		out = append(out, Field{strconv.Itoa(r.status), response})
	}
	return out
}
