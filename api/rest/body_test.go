package rest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
)

// everything is an input with a field of each sort.
type everything struct {
	Title    string            `json:"title" in:"required" validate:"min=2,max=5"`
	Note     string            `json:"note" in:"blank,null"`
	Amount   int64             `json:"amount" validate:"gte=0,lte=100"`
	Active   bool              `json:"is_active"`
	Maybe    rest.Opt[bool]    `json:"maybe" in:"null"`
	Nick     rest.Opt[string]  `json:"nick" in:"blank"`
	EndsAt   store.Time        `json:"ends_at" in:"null"`
	Extra    json.RawMessage   `json:"extra" in:"null"`
	Period   period            `json:"period_type"`
	Shape    shape             `json:"shape"`
	Color    string            `json:"color" validate:"oneof=red green"`
	Email    rest.Opt[string]  `json:"email" in:"null" validate:"email,max=254"`
	Site     string            `json:"site" validate:"url"`
	Slug     string            `json:"slug" validate:"slug"`
	Username string            `json:"username" validate:"username"`
	Phone    string            `json:"phone" in:"blank" validate:"phone"`
	Country  string            `json:"country" in:"blank" validate:"country"`
	Zone     string            `json:"default_timezone" validate:"timezone"`
	Owner    rest.Opt[owner]   `json:"owner"`
	Owners   []owner           `json:"owners" validate:"max=3"`
	Tags     []string          `json:"tags" validate:"min=1"`
	Ranks    rest.Opt[[]int64] `json:"ranks"`
	embedded
	Ignored string `json:"-"`
	private string
}

type embedded struct {
	Inner string `json:"inner" validate:"max=3"`
}

type owner struct {
	Slug  string `json:"slug" in:"required" validate:"slug"`
	Email string `json:"email" validate:"email"`
}

// shape is an enumeration that is no string.
type shape int

func (shape) Choices() []string { return []string{"round", "square"} }

func (s *shape) UnmarshalText(text []byte) error {
	for i, name := range s.Choices() {
		if name == string(text) {
			*s = shape(i + 1)
			return nil
		}
	}
	return fmt.Errorf("no shape")
}

// echo answers what it understood, the zero values left out.
func echo(c *rest.Call, tx *store.Tx, in *everything) (rest.Fields, error) {
	_ = in.private
	var f rest.Fields
	add := func(name string, given bool, value any) {
		if given {
			f = append(f, rest.Field{Name: name, Value: value})
		}
	}
	add("title", in.Title != "", in.Title)
	add("note", in.Note != "", in.Note)
	add("amount", in.Amount != 0, in.Amount)
	add("active", in.Active, in.Active)
	add("maybe", in.Maybe.Given, fmt.Sprint(in.Maybe.Value, in.Maybe.Null, in.Maybe.Set(), in.Maybe.Or(true)))
	add("nick", in.Nick.Given, in.Nick.Value)
	add("ends_at", !in.EndsAt.IsZero(), in.EndsAt)
	add("extra", in.Extra != nil, in.Extra)
	add("period", in.Period != "", in.Period)
	add("shape", in.Shape != 0, int(in.Shape))
	add("email", in.Email.Given, in.Email.Value)
	add("phone", in.Phone != "", in.Phone)
	add("country", in.Country != "", in.Country)
	add("zone", in.Zone != "", in.Zone)
	add("owner", in.Owner.Given, in.Owner.Value)
	add("owners", in.Owners != nil, in.Owners)
	add("tags", in.Tags != nil, in.Tags)
	add("ranks", in.Ranks.Given, in.Ranks.Value)
	add("inner", in.Inner != "", in.Inner)
	return f, nil
}

func bodies(t testing.TB) *resttest.Site {
	return resttest.New(t, resttest.Cowork(), []rest.Endpoint{
		rest.Post("/api/things", accessrules.Public, echo),
		rest.Put("/api/things", accessrules.Public, echo),
		rest.Patch("/api/things", accessrules.Public, echo),
		rest.Post("/api/list", accessrules.Public, func(c *rest.Call, tx *store.Tx, in *[]owner) ([]owner, error) { return *in, nil }),
		rest.Post("/api/pictures", accessrules.Public, func(c *rest.Call, tx *store.Tx, in *struct {
			Title string `json:"title"`
		}) ([]string, error) {
			header, r, err := c.File("file")
			if err != nil {
				return nil, err
			}
			defer r.Close()
			content, err := io.ReadAll(r)
			return []string{in.Title, header.Filename, string(content)}, err
		}, rest.File(2<<20)),
		rest.Act("POST", "/api/hook", accessrules.Public, func(c *rest.Call, in *rest.None) (string, error) {
			raw, err := c.BodyBytes()
			return string(raw) + c.RequestHeader("Signature"), err
		}),
		rest.Post("/api/checked", accessrules.Public, func(c *rest.Call, tx *store.Tx, in *checked) (int64, error) { return in.A, nil }),
	})
}

type checked struct {
	A int64 `json:"a" in:"required"`
	B int64 `json:"b"`
}

func (in *checked) Check(c *rest.Call) error {
	if in.A < in.B {
		return rest.Invalid("detail", "a is less than b.")
	}
	return nil
}

func TestBodies(t *testing.T) {
	site := bodies(t)
	things := func(name, body string, status int, want string) resttest.Step {
		return resttest.Case(name, "", "POST /api/things", body, status, want)
	}
	// one is a body with a good title and one more member.
	one := func(name, member string, want string) resttest.Step {
		if strings.HasPrefix(want, "!") {
			field, _, _ := strings.Cut(member, ":")
			return things(name, `{"title":"abc",`+member+`}`, 400, "{"+field+":["+want[1:]+"]}")
		}
		if want != "" {
			want = "," + want
		}
		return things(name, `{"title":"abc",`+member+`}`, 200, `{"title":"abc"`+want+`}`)
	}
	message := func(s string) string {
		b, _ := json.Marshal(s)
		return "!" + string(b)
	}
	required := `{"title":["This field is required."]}`
	dictionary := func(kind string) string {
		return `{"detail":["Invalid data. Expected a dictionary, but got ` + kind + `."]}`
	}
	format := message("Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].")
	site.Run(t,
		things("nothing", "", 400, required),
		resttest.Case("nothing of any type", "", "POST /api/things", "", 400, required).With("Content-Type: text/plain"),
		resttest.Case("other type", "", "POST /api/things", "x", 415, `{"detail":"Unsupported media type \"text/plain\" in request."}`).With("Content-Type: text/plain"),
		resttest.Case("no type", "", "POST /api/things", "x", 415, `{"detail":"Unsupported media type \"\" in request."}`).With("Content-Type:"),
		resttest.Case("type with parameter", "", "POST /api/things", `{"title":"abc"}`, 200, "*").With("Content-Type: application/json; charset=utf-8"),
		things("malformed", `{not json`, 400, `~{"detail":"JSON parse error - `),
		things("cut", `{"title":"abc"`, 400, `~{"detail":"JSON parse error - `),
		things("two values", `{}{}`, 400, `~{"detail":"JSON parse error - `),
		things("NaN", `{"title":NaN}`, 400, `~{"detail":"JSON parse error - `),
		things("Infinity", `{"title":-Infinity}`, 400, `~{"detail":"JSON parse error - `),
		things("not UTF-8", "{\"title\":\"a\xff\"}", 400, `{"detail":"JSON parse error - not valid UTF-8"}`),
		things("list", `[]`, 400, dictionary("list")),
		things("string", `"x"`, 400, dictionary("str")),
		things("int", `-5`, 400, dictionary("int")),
		things("float", `5.5`, 400, dictionary("float")),
		things("bool", `true`, 400, dictionary("bool")),
		things("null", ` null `, 400, `{"detail":["No data provided"]}`),
		things("too deep", `{"extra":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`, 400, `{"detail":"JSON parse error - nested deeper than 32"}`),
		things("brackets in a string", `{"title":"abc","note":"`+strings.Repeat("[{", 40)+`\""}`, 200, "*"),
		things("too wide", `{"tags":[`+strings.Repeat("1,", 10001)+`1]}`, 400, `{"detail":"JSON parse error - more than 10000 values"}`),
		things("too large", `{"title":"`+strings.Repeat("a", 1<<20)+`"}`, 413, `{"detail":"The request body is larger than 1048576 bytes."}`),
		things("unknown fields", `{"title":"abc","nope":1,"Ignored":"x","private":"y","Title":"z"}`, 200, `{"title":"abc"}`),
		things("last of two counts", `{"title":"x","title":"abc"}`, 200, `{"title":"abc"}`),
		things("all at once, in order", `{"tags":1,"is_active":"maybe","amount":"x","note":[],"title":""}`, 400,
			`{"title":["This field may not be blank."],"note":["Not a valid string."],"amount":["A valid integer is required."],`+
				`"is_active":["Must be a valid boolean."],"tags":["Expected a list of items but got type \"int\"."]}`),

		things("missing", `{}`, 400, required),
		things("null field", `{"title":null}`, 400, `{"title":["This field may not be null."]}`),
		things("blank", `{"title":" \t "}`, 400, `{"title":["This field may not be blank."]}`),
		things("trimmed", `{"title":"  abc\n"}`, 200, `{"title":"abc"}`),
		things("number for a string", `{"title":555}`, 200, `{"title":"555"}`),
		things("decimal number for a string", `{"title":5.50}`, 200, `{"title":"5.50"}`),
		things("boolean for a string", `{"title":true}`, 400, `{"title":["Not a valid string."]}`),
		things("object for a string", `{"title":{}}`, 400, `{"title":["Not a valid string."]}`),
		things("NUL", `{"title":"a\u0000b"}`, 400, `{"title":["Null characters are not allowed."]}`),
		things("too long", `{"title":"äöüäöü"}`, 400, `{"title":["Ensure this field has no more than 5 characters."]}`),
		things("just fits", `{"title":"äöüäö"}`, 200, `{"title":"äöüäö"}`),
		things("too short", `{"title":"a"}`, 400, `{"title":["Ensure this field has at least 2 characters."]}`),
		one("blank allowed", `"note":""`, ``),
		one("null allowed", `"note":null`, ``),

		one("integer", `"amount":12`, `"amount":12`),
		one("integer as text", `"amount":" 12 "`, `"amount":12`),
		one("integer with zeros", `"amount":"12.0"`, `"amount":12`),
		one("fraction", `"amount":1.5`, message("A valid integer is required.")),
		one("fraction as text", `"amount":"1.5"`, message("A valid integer is required.")),
		one("true is no integer", `"amount":true`, message("A valid integer is required.")),
		one("text is no integer", `"amount":"x"`, message("A valid integer is required.")),
		one("nothing is no integer", `"amount":""`, message("A valid integer is required.")),
		one("list is no integer", `"amount":[1]`, message("A valid integer is required.")),
		one("too little", `"amount":-1`, message("Ensure this value is greater than or equal to 0.")),
		one("too much", `"amount":101`, message("Ensure this value is less than or equal to 100.")),
		one("beyond 64 bits", `"amount":99999999999999999999999`, message("Ensure this value is less than or equal to 100.")),

		one("boolean", `"is_active":true`, `"active":true`),
		one("boolean word", `"is_active":"YES"`, `"active":true`),
		one("boolean number", `"is_active":1`, `"active":true`),
		one("boolean off", `"is_active":"Off"`, ``),
		one("no boolean", `"is_active":2`, message("Must be a valid boolean.")),
		one("object is no boolean", `"is_active":{}`, message("Must be a valid boolean.")),
		one("optional given", `"maybe":false`, `"maybe":"false false true false"`),
		one("optional null", `"maybe":null`, `"maybe":"false true false true"`),
		one("optional that may not be null", `"nick":null`, message("This field may not be null.")),

		one("time", `"ends_at":"2024-03-05T10:11:12.34+02:00"`, `"ends_at":"2024-03-05T08:11:12.340000Z"`),
		one("time without zone", `"ends_at":"2024-03-05 10:11"`, `"ends_at":"2024-03-05T10:11:00Z"`),
		one("day", `"ends_at":"2024-03-05"`, `"ends_at":"2024-03-05T00:00:00Z"`),
		one("no time", `"ends_at":"tomorrow"`, format),
		one("impossible day", `"ends_at":"2023-02-29"`, format),
		one("number is no time", `"ends_at":20240305`, format),
		one("no day", `"ends_at":null`, ``),

		one("extra object", `"extra":{ "b": [1, 2], "a" : "<&>" }`, `"extra":{"b":[1,2],"a":"<&>"}`),
		one("extra text", `"extra":"hello"`, `"extra":"hello"`),
		one("extra text that is JSON", `"extra":"{\"a\": 1}"`, `"extra":{"a":1}`),
		one("extra null", `"extra":null`, ``),

		one("enumeration", `"period_type":"yearly"`, `"period":"yearly"`),
		one("unknown value", `"period_type":"foo"`, message("'foo' is not a valid choice. Expected one of ['monthly', 'yearly'].")),
		one("no value", `"period_type":""`, message("This field cannot be blank.")),
		one("number for an enumeration", `"period_type":5`, message("'5' is not a valid choice. Expected one of ['monthly', 'yearly'].")),
		one("enumeration by number", `"shape":"square"`, `"shape":2`),
		one("unknown shape", `"shape":"flat"`, message("'flat' is not a valid choice. Expected one of ['round', 'square'].")),
		one("choice", `"color":"red"`, ``),
		one("no choice", `"color":"blue"`, message(`"blue" is not a valid choice.`)),

		one("e-mail", `"email":"Ann@example.com"`, `"email":"Ann@example.com"`),
		one("no e-mail", `"email":"ann"`, message("Enter a valid email address.")),
		one("no e-mail at all", `"email":null`, `"email":""`),
		one("url", `"site":"https://example.com/x"`, ``),
		one("no url", `"site":"javascript:alert(1)"`, message("Enter a valid URL.")),
		one("no slug", `"slug":"a b"`, message(`Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.`)),
		one("username", `"username":"ann+x@example.com"`, ``),
		one("no username", `"username":"ann lee"`, message("Enter a valid username.")),
		one("national phone", `"phone":"415-555-0100"`, `"phone":"+14155550100"`),
		one("international phone", `"phone":"+33 1 42 68 53 00"`, `"phone":"+33142685300"`),
		one("no phone", `"phone":"call me"`, message("Enter a valid phone number.")),
		one("impossible phone", `"phone":"+1 415"`, message("Enter a valid phone number.")),
		one("blank phone", `"phone":""`, ``),
		one("country", `"country":"us"`, `"country":"US"`),
		one("country by name", `"country":"France"`, `"country":"FR"`),
		one("no country", `"country":"Atlantis"`, message(`"Atlantis" is not a valid choice.`)),
		one("zone", `"default_timezone":"Europe/Paris"`, `"zone":"Europe/Paris"`),
		one("no zone", `"default_timezone":"Mars/Olympus"`, message(`"Mars/Olympus" is not a valid timezone.`)),

		one("object", `"owner":{"slug":"ann","email":"a@b.co"}`, `"owner":{"slug":"ann","email":"a@b.co"}`),
		things("object with faults", `{"title":"abc","owner":{"email":"x"}}`, 400,
			`{"owner":{"slug":["This field is required."],"email":["Enter a valid email address."]}}`),
		things("no object", `{"title":"abc","owner":[]}`, 400, `{"owner":{"detail":["Invalid data. Expected a dictionary, but got list."]}}`),
		one("list of objects", `"owners":[{"slug":"a"}]`, `"owners":[{"slug":"a","email":""}]`),
		things("list of objects with faults", `{"title":"abc","owners":[{"slug":"a"},{},5,null]}`, 400,
			`{"owners":[{},{"slug":["This field is required."]},{"detail":["Invalid data. Expected a dictionary, but got int."]},["This field may not be null."]]}`),
		one("list of too many", `"owners":[{"slug":"a"},{"slug":"a"},{"slug":"a"},{"slug":"a"}]`, message("Ensure this field has no more than 3 elements.")),
		one("list of strings", `"tags":["a",5]`, `"tags":["a","5"]`),
		one("empty list", `"tags":[]`, message("This list may not be empty.")),
		one("no list", `"tags":{}`, message(`Expected a list of items but got type "dict".`)),
		one("list of integers", `"ranks":[1,"2"]`, `"ranks":[1,2]`),
		things("list of integers with faults", `{"title":"abc","ranks":[1,"x"]}`, 400, `{"ranks":[{},["A valid integer is required."]]}`),
		one("field of an embedded struct", `"inner":"abcd"`, message("Ensure this field has no more than 3 characters.")),

		resttest.Case("full update", "", "PUT /api/things", `{}`, 400, required),
		resttest.Case("partial update", "", "PATCH /api/things", `{}`, 200, `{}`),
		resttest.Case("partial update of a wrong value", "", "PATCH /api/things", `{"title":""}`, 400, `{"title":["This field may not be blank."]}`),

		resttest.Case("list wanted", "", "POST /api/list", `[{"slug":"a"}]`, 200, `[{"slug":"a","email":""}]`),
		resttest.Case("list wanted, object", "", "POST /api/list", `{}`, 400, `{"detail":["Expected a list of items but got type \"dict\"."]}`),
		resttest.Case("list wanted, faults", "", "POST /api/list", `[{"slug":"a"},{}]`, 400, `[{},{"slug":["This field is required."]}]`),

		resttest.Case("checked", "", "POST /api/checked", `{"a":2,"b":1}`, 200, `2`),
		resttest.Case("check refuses", "", "POST /api/checked", `{"a":1,"b":2}`, 400, `{"detail":["a is less than b."]}`),
		resttest.Case("fields before the check", "", "POST /api/checked", `{"b":2}`, 400, `{"a":["This field is required."]}`),

		resttest.Case("raw body", "", "POST /api/hook", `{not json`, 200, `"{not jsonsig"`).With("Content-Type: what/ever", "Signature: sig"),
	)
}

func TestForms(t *testing.T) {
	site := bodies(t)
	form := func(name, method, body string, status int, want string) resttest.Step {
		return resttest.Case(name, "", method+" /api/things", body, status, want).With("Content-Type: application/x-www-form-urlencoded")
	}
	site.Run(t,
		form("fields", "POST", "title=abc&amount=12&note=a+b%26c", 200, `{"title":"abc","note":"a b&c","amount":12,"maybe":"false false true false"}`),
		form("missing", "POST", "amount=1", 400, `{"title":["This field is required."]}`),
		form("blank", "POST", "title=", 400, `{"title":["This field may not be blank."]}`),
		form("last of two counts", "POST", "title=x&title=abc", 200, `{"title":"abc","maybe":"false false true false"}`),
		form("boolean", "POST", "title=abc&is_active=on&maybe=0", 200, `{"title":"abc","active":true,"maybe":"false false true false"}`),
		form("absent boolean", "PUT", "title=abc", 200, `{"title":"abc","maybe":"false false true false"}`),
		form("absent boolean of a partial update", "PATCH", "title=abc", 200, `{"title":"abc"}`),
		form("empty optional", "PATCH", "nick=&email=&amount=&ends_at=&period_type=", 200, `{"nick":"","email":""}`),
		form("list", "PATCH", "tags=a&tags=b", 200, `{"tags":["a","b"]}`),
		form("object", "PATCH", "owner.slug=ann&owner.email=x", 400, `{"owner":{"email":["Enter a valid email address."]}}`),
		form("list of objects", "PATCH", "owners[0].slug=ann&owners[1].slug=bob&owners[1].email=b@b.co", 200,
			`{"owners":[{"slug":"ann","email":""},{"slug":"bob","email":"b@b.co"}]}`),
		form("extra JSON", "PATCH", `extra={"a":+1}`, 200, `{"extra":{"a":1}}`),
		form("extra text", "PATCH", `extra=hello`, 200, `{"extra":"hello"}`),
		form("bad escapes are taken as they are", "PATCH", "note=100%", 200, `{"note":"100%"}`),
		form("not UTF-8", "PATCH", "note=a%ff", 200, "{\"note\":\"a\uFFFD\"}"),
		form("too many", "PATCH", strings.Repeat("a=1&", 10001), 400, `{"detail":"Form parse error - too many fields"}`),
		form("empty form", "POST", "", 400, `{"title":["This field is required."]}`),
	)
	for name, tc := range map[string]struct {
		fields map[string]string
		files  map[string]string
		path   string
		status int
		want   string
	}{
		"multipart":      {fields: map[string]string{"title": "abc", "amount": "5"}, path: "/api/things", status: 200, want: `{"title":"abc","amount":5,"maybe":"false false true false"}`},
		"file":           {fields: map[string]string{"title": "abc"}, files: map[string]string{"file": "content"}, path: "/api/pictures", status: 200, want: `["abc","f.txt","content"]`},
		"missing file":   {fields: map[string]string{"title": "abc"}, path: "/api/pictures", status: 400, want: `{"file":["No file was submitted."]}`},
		"empty file":     {files: map[string]string{"file": ""}, path: "/api/pictures", status: 400, want: `{"file":["The submitted file is empty."]}`},
		"large file":     {files: map[string]string{"file": strings.Repeat("x", 3<<20)}, path: "/api/pictures", status: 413, want: `{"detail":"The request body is larger than 2097152 bytes."}`},
		"more elsewhere": {files: map[string]string{"file": strings.Repeat("x", 2<<20)}, path: "/api/things", status: 413, want: `{"detail":"The request body is larger than 1048576 bytes."}`},
	} {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for k, v := range tc.fields {
			w.WriteField(k, v)
		}
		for k, v := range tc.files {
			f, _ := w.CreateFormFile(k, "f.txt")
			io.WriteString(f, v)
		}
		w.Close()
		site.Run(t, resttest.Case(name, "", "POST "+tc.path, b.String(), tc.status, tc.want).With("Content-Type: "+w.FormDataContentType()))
	}
	site.Run(t,
		resttest.Case("multipart cut", "", "POST /api/things", "--x\r\nContent-Disposition", 400, `~{"detail":"Form parse error - `).
			With("Content-Type: multipart/form-data; boundary=x"),
		resttest.Case("multipart without boundary", "", "POST /api/things", "--x", 400, `~{"detail":"Form parse error - `).With("Content-Type: multipart/form-data"),
		resttest.Case("file by JSON", "", "POST /api/pictures", `{"title":"abc"}`, 400, `{"file":["No file was submitted."]}`),
	)
}

// A failing body leaves no trace.
func TestInvalidBodyWritesNothing(t *testing.T) {
	site := bodies(t)
	site.Do("", "POST /api/things", `{"title":""}`)
	if n := audited(t, site); n != 0 {
		t.Errorf("%d audit rows after a refused body, want none", n)
	}
	site.Do("", "POST /api/things", `{"title":"abc"}`)
	if n := audited(t, site); n != 1 {
		t.Errorf("%d audit rows after a write, want 1", n)
	}
}

func audited(t *testing.T, site *resttest.Site) (n int) {
	t.Helper()
	if err := site.Store.Read(t.Context(), func(r store.Reader) error {
		return r.QueryRow(`SELECT COUNT(*) FROM audit`).Scan(&n)
	}); err != nil {
		t.Fatal(err)
	}
	return n
}
