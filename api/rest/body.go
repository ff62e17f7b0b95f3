package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"unicode/utf8"

	"github.com/caddy-tollgate/tollgate/store"
)

// Limits of a body.
const (
	maxBody   = 1 << 20 // bytes, of an endpoint without files
	maxDepth  = 32      // objects and lists in each other
	maxFields = 10000   // members, items, form fields
)

const (
	typeForm      = "application/x-www-form-urlencoded"
	typeMultipart = "multipart/form-data"
)

// requestBody is the body of a request, read when it is first needed.
type requestBody struct {
	read  bool
	raw   []byte
	kind  string // media type; "" for an empty body
	form  *form  // of a form encoding
	files map[string][]*multipart.FileHeader
	err   error
}

// BodyBytes is the body as it came, of an endpoint whose input is None (a webhook). Errors: 413, 408 and 429.
func (c *Call) BodyBytes() ([]byte, error) {
	if !c.body.read {
		c.body.read = true
		limit := int64(maxBody)
		if c.endpoint != nil {
			limit = max(limit, c.endpoint.opts.file)
		}
		c.body.raw, c.body.err = c.readBody(limit)
	}
	return c.body.raw, c.body.err
}

// source reads the body in the encoding that it has (conventions.md 5): an object or list of JSON, a form, or nothing.
func (c *Call) source() (value, error) {
	raw, err := c.BodyBytes()
	if err != nil {
		return value{}, err
	}
	if len(raw) == 0 {
		return value{raw: []byte("{}")}, nil
	}
	if c.body.form != nil {
		return value{form: c.body.form}, nil
	}
	header := c.r.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(header)
	if err != nil && kind == "" {
		kind = header
	}
	c.body.kind = kind
	switch kind {
	case typeJSON:
		if err := checkJSON(raw); err != nil {
			return value{}, badJSON(err)
		}
		return value{raw: bytes.TrimSpace(raw)}, nil
	case typeForm:
		v := parseQuery(string(raw))
		if len(v) > maxFields {
			return value{}, badForm(errors.New("too many fields"))
		}
		c.body.form = newForm(v)
		return value{form: c.body.form}, nil
	case typeMultipart:
		f, err := multipart.NewReader(bytes.NewReader(raw), params["boundary"]).ReadForm(int64(len(raw)) + maxBody)
		if err != nil {
			return value{}, badForm(err)
		}
		var v values
		for name, all := range f.Value {
			for _, s := range all {
				v = append(v, parameterValue{name, s})
			}
		}
		c.body.form, c.body.files = newForm(v), f.File
		return value{form: c.body.form}, nil
	}
	return value{}, unsupported(header)
}

func unsupported(mediaType string) error {
	return Fail(http.StatusUnsupportedMediaType, fmt.Sprintf("Unsupported media type \"%s\" in request.", mediaType))
}

func badJSON(err error) error {
	return Fail(http.StatusBadRequest, "JSON parse error - "+err.Error())
}

func badForm(err error) error {
	return Fail(http.StatusBadRequest, "Form parse error - "+err.Error())
}

// checkJSON refuses what is no JSON, no UTF-8, or too deep or wide to be a body of this API.
func checkJSON(raw []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("not valid UTF-8")
	}
	depth, fields, quoted := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch b := raw[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{', b == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("nested deeper than %d", maxDepth)
			}
			fields++
		case b == '}', b == ']':
			depth--
		case b == ',':
			if fields++; fields > maxFields {
				return fmt.Errorf("more than %d values", maxFields)
			}
		}
	}
	var v json.RawMessage
	return json.Unmarshal(raw, &v)
}

// formField is a field of a form body, "" in other encodings and when it cannot be read: whoever needs the body reports that.
func (c *Call) formField(name string) string {
	kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if kind != typeForm && kind != typeMultipart {
		return ""
	}
	v, err := c.source()
	if err != nil || v.form == nil {
		return ""
	}
	text, _ := v.form.last(name)
	return text
}

// File is a file of a multipart body. Errors: 400 of the field when it is absent or empty (conventions.md 9.1).
func (c *Call) File(name string) (*multipart.FileHeader, io.ReadCloser, error) {
	if _, err := c.source(); err != nil {
		return nil, nil, err
	}
	files := c.body.files[name]
	if len(files) == 0 {
		return nil, nil, Invalid(name, msgNoFile)
	}
	f := files[len(files)-1]
	if f.Size == 0 {
		return nil, nil, Invalid(name, msgEmptyFile)
	}
	r, err := f.Open()
	if err != nil {
		return nil, nil, err
	}
	return f, r, nil
}

// body is the input of an endpoint, read, decoded and checked. On a bad body the objects of the path are looked up first
// (conventions.md 9.3).
func body[In any](c *Call) (*In, error) {
	in := new(In)
	if _, ok := any(in).(*None); ok {
		return in, nil
	}
	err := c.decode(in)
	if err != nil && c.endpoint.find != nil {
		found := c.Read(func(r store.Reader) error { return c.endpoint.find(c, r) })
		if found != nil {
			return nil, found
		}
	}
	return in, err
}
