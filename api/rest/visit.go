package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/directory"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Visit is a request for a page. The page calls operations of the API in the process, as the one who sent the request (pages.md 1).
// What every request to the API passes, it passes once, when it is opened: its turn, its credentials, and, where it sends a form, the
// reading of the body and the protection against forged requests. What an operation asks is asked of each operation.
type Visit struct {
	call    *Call
	cookies []*http.Cookie // that operations sent
	form    bool           // a form of ours was sent: for nothing else does an operation change anything
}

// Visit opens a visit; files is how many bytes of files its form may have. Close it in any case. Errors: *Error, as over HTTP; 403 for a
// form that is not ours or whose token has ended.
func (s *Service) Visit(w http.ResponseWriter, r *http.Request, files int64) (*Visit, error) {
	c := &Call{service: s, w: w, r: r, Now: store.At(s.Now()), Client: s.Client(r)}
	c.endpoint = &Endpoint{Method: r.Method, Path: r.URL.Path, opts: options{file: files}}
	v := &Visit{call: c}
	if !s.Store.Ready() {
		return v, unavailable(store.ErrUnavailable)
	}
	if err := c.enter(); err != nil {
		return v, errorOf(err)
	}
	identity, err := s.Directory.Identify(r)
	var bad *directory.CredentialError
	switch {
	case errors.As(err, &bad): // who is not known may still look at pages
		failedLogin{DoorCredentials, ReasonInvalid}.count()
	case err != nil:
		return v, unavailable(err)
	case identity.Foreign == nil:
		c.Identity = identity
	}
	c.Query = s.ask(c, nil)
	if safe(r.Method) {
		return v, nil
	}
	if _, err := c.source(); err != nil {
		return v, errorOf(err)
	}
	if reason := c.forgedReason(); reason != "" {
		return v, forged(reason)
	}
	v.form = true
	return v, nil
}

// forgedReason is why the form of a page is refused, "" when it is one of ours. A page that tells nobody its address, because that
// holds a key, makes browsers send the origin "null": the token has to do, unless the browser says that another site sent the form.
func (c *Call) forgedReason() string {
	if sent := c.r.Header["Origin"]; len(sent) == 1 && sent[0] == "null" && FetchedByOthers(c.r.Header) == "" {
		c.r.Header.Set("Origin", c.service.Origin(c.r))
	}
	if reason := c.foreignReason(); reason != "" {
		return reason
	}
	return c.csrfReason()
}

// Close gives back what the visit holds.
func (v *Visit) Close() {
	v.call.leave()
	v.call.release()
}

// Caller is who visits, nil for somebody unknown.
func (v *Visit) Caller() *accessrules.User { return v.call.User }

// Now is the time of the visit.
func (v *Visit) Now() time.Time { return v.call.Now.Time }

// Session is the row of the session that the caller is known by, 0 for none.
func (v *Visit) Session() int64 { return v.call.Session }

// Log is the logger of the service with what is asked.
func (v *Visit) Log() *zap.Logger { return v.call.Log() }

// Discard reads what is left of a body that nobody wanted, so that the answer arrives.
func (v *Visit) Discard() { v.call.discardBody() }

// Form are the fields of the form that was sent; they may not be changed.
func (v *Visit) Form() url.Values {
	if f := v.call.body.form; f != nil {
		return f.fields
	}
	return nil
}

// File is a file of the form, nil when none was chosen.
func (v *Visit) File(name string) *multipart.FileHeader {
	for _, f := range v.call.body.files[name] {
		if f.Size > 0 {
			return f
		}
	}
	return nil
}

// Token is what the forms of the page have to send back (CSRFField). The cookie that goes with it is sent with the page.
func (v *Visit) Token() string {
	before := len(v.call.cookies)
	v.call.SendCSRF("")
	token := v.call.cookies[before].Value
	if present := v.call.cookie(v.call.cookieNames().CSRF); present == token {
		v.call.cookies = v.call.cookies[:before] // it has it
	}
	return token
}

// CSRFField is the field of a form that holds Visit.Token.
const CSRFField = csrfField

// SendCookies puts the cookies of the visit and of its operations on the answer.
func (v *Visit) SendCookies() {
	v.call.cookies = append(v.call.cookies, v.cookies...)
	v.call.sendCookies(true)
	v.call.cookies, v.cookies = nil, nil
}

// SetCookie sends a cookie of the page's own, of this host and path.
func (v *Visit) SetCookie(cookie *http.Cookie) { v.call.SetCookie(cookie) }

// A kept value is what a page keeps in a browser between the steps of a form.
type keptValue struct {
	Until store.Time      `json:"until"`
	Token string          `json:"token"` // of the forms of this browser
	Value json.RawMessage `json:"value"`
}

// Keep has the browser keep a value for the next step of a form on the page at a path, for as long as age: nobody can read it, there or on
// the way, nor give it to another browser.
func (v *Visit) Keep(name, path string, value any, age time.Duration) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(keptValue{store.At(v.call.Now.Add(age)), v.Token(), raw})
	if err != nil {
		return err
	}
	sealed, err := v.call.service.Directory.Seal(plain, keptPurpose+name+" of "+path)
	if err != nil {
		return err
	}
	v.SetCookie(&http.Cookie{Name: name, Value: base64.RawURLEncoding.EncodeToString(sealed), Path: path, MaxAge: int(age / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return nil
}

const keptPurpose = "steps of a form, in the cookie "

// Kept decodes what the browser keeps for the page at a path, and reports whether there is something that is not too old.
func (v *Visit) Kept(name, path string, value any) bool {
	sealed, err := base64.RawURLEncoding.DecodeString(v.call.cookie(name))
	if err != nil || len(sealed) == 0 {
		return false
	}
	plain, err := v.call.service.Directory.Open(sealed, keptPurpose+name+" of "+path)
	if err != nil {
		return false
	}
	var kept keptValue
	if json.Unmarshal(plain, &kept) != nil || !v.call.Now.Before(kept.Until.Time) || kept.Token != v.Token() {
		return false
	}
	return json.Unmarshal(kept.Value, value) == nil
}

// Forget has the browser forget what it keeps.
func (v *Visit) Forget(name, path string) {
	v.SetCookie(&http.Cookie{Name: name, Path: path, MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// An Operation is a call of an operation of the API.
type Operation struct {
	Method string
	Path   string // as in the contract, with its parameters filled in; see Path
	Query  url.Values
	Form   url.Values // the body as a form, or
	Body   any        // as JSON; neither: none
	Files  bool       // the body is the form of the visit, with its files
	Key    string     // of the form: with one and the same body the operation is carried out once (Idempotency-Key)
}

// Path fills values into a path of the contract, in the order of its parameters: Path("/api/users/{user}/otp", "joe").
func Path(pattern string, values ...string) string {
	path := ""
	for _, value := range values {
		before, rest, _ := strings.Cut(pattern, "{")
		_, after, found := strings.Cut(rest, "}")
		if !found {
			panic("rest.Path: more values than parameters in " + pattern)
		}
		path += before + url.PathEscape(value)
		pattern = after
	}
	return path + pattern
}

// A Result is what an operation answered.
type Result struct {
	Status   int
	Location string // of what was made
	body     []byte
}

// Into decodes the answer: a page names the fields of the contract that it shows.
func (r *Result) Into(v any) error {
	if len(r.body) == 0 {
		return nil
	}
	return json.Unmarshal(r.body, v)
}

// A Refusal is the error of an operation that the caller may not call: why, and the page that cures it.
type Refusal struct {
	Verdict accessrules.Verdict
	Answer  *Error // over HTTP
}

func (r *Refusal) Error() string { return r.Answer.Error() }

// Unwrap returns the answer over HTTP.
func (r *Refusal) Unwrap() error { return r.Answer }

// Do calls an operation, through the same checks as over HTTP. Errors: *Refusal, else *Error; 403 for an operation that changes something
// where no form of ours asks for it.
func (v *Visit) Do(o Operation) (*Result, error) {
	if !v.form && !safe(o.Method) {
		return nil, forged("no form was sent.")
	}
	c, err := v.sub(o)
	if err != nil {
		return nil, err
	}
	c.turns, v.call.turns = v.call.turns, c.turns
	defer func() { c.turns, v.call.turns = v.call.turns, c.turns }()
	result, err := c.do()
	if err != nil {
		return nil, v.failure(c, err)
	}
	v.cookies = append(v.cookies, c.cookies...)
	return result, nil
}

// sub is the call of an operation, with a request as it would have come over HTTP.
func (v *Visit) sub(o Operation) (*Call, error) {
	u, err := url.Parse(o.Path)
	if err != nil {
		return nil, errNotFound
	}
	u.RawQuery = o.Query.Encode()
	r := v.call.r.WithContext(v.call.r.Context())
	r.Method, r.URL, r.RequestURI, r.Body, r.ContentLength = o.Method, u, u.RequestURI(), http.NoBody, 0
	r.Header = v.call.r.Header.Clone()
	for _, name := range []string{"Content-Type", "Content-Length", keyHeader, "Accept"} {
		r.Header.Del(name)
	}
	c := &Call{
		service: v.call.service, w: &headers{http.Header{}}, r: r, Now: store.At(v.call.service.Now()),
		Client: v.call.Client, Identity: v.call.Identity,
	}
	c.body.read = true
	switch {
	case o.Files:
		c.body = v.call.body
		r.Header.Set("Content-Type", v.call.r.Header.Get("Content-Type"))
	case o.Form != nil:
		c.body.raw = []byte(o.Form.Encode())
		r.Header.Set("Content-Type", typeForm)
	case o.Body != nil:
		if c.body.raw, err = json.Marshal(o.Body); err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", typeJSON)
	}
	if o.Key != "" { // a form that was corrected asks for something else than before
		sum := sha256.Sum256(c.body.raw)
		r.Header.Set(keyHeader, o.Key+"-"+hex.EncodeToString(sum[:8]))
	}
	return c, nil
}

// headers take the place of the answer of an operation, which a page does not send.
type headers struct{ h http.Header }

func (w *headers) Header() http.Header         { return w.h }
func (w *headers) Write(b []byte) (int, error) { return len(b), nil }
func (w *headers) WriteHeader(int)             {}

// do goes through the checks of Service.serve that a visit has not passed yet, in their order.
func (c *Call) do() (*Result, error) {
	s := c.service
	rt, params := s.routes.find(c.r)
	if rt == nil {
		return nil, errNotFound
	}
	c.route = rt
	if c.endpoint = rt.endpoint(c.r.Method); c.endpoint == nil {
		return nil, Fail(http.StatusMethodNotAllowed, fmt.Sprintf("Method %q not allowed.", c.r.Method))
	}
	if c.turns[0] == nil {
		if err := c.enter(); err != nil {
			return nil, err
		}
	}
	c.Query = s.ask(c, params)
	q := *c.Query
	if v := s.condition(c, rt, c.endpoint, &q).Check(&q); !v.OK() {
		var answer *Error
		errors.As(s.refuse(c, v, nil), &answer)
		return nil, &Refusal{v, answer}
	}
	out, err := c.endpoint.run(c)
	if err != nil {
		return nil, err
	}
	a, err := c.answer(out)
	if err != nil {
		return nil, err
	}
	result := &Result{Status: a.status, Location: a.location, body: a.body}
	if a.buffer != nil {
		result.body = bytes.Clone(a.body)
		buffers.Put(a.buffer)
	}
	return result, nil
}

// Then is how a visitor goes on after a form: at an address, with a message.
type Then struct{ To, Said string }

// Once does what a form asks once, however often it is sent with its key: who sends it again goes on as the first time. Who has gone back
// and typed something else asks for something else. A failure is not kept: nothing happened. Errors: those of fn; 409 while the first is
// being processed.
func (v *Visit) Once(key string, fn func() (Then, error)) (then Then, err error) {
	c := v.call
	sent := &requestKey{name: c.keeper() + " " + key + " " + v.typed(), digest: []byte("page")}
	ctx := context.WithoutCancel(c.r.Context())
	var kept *answer
	err = c.service.Store.Write(c.r.Context(), func(tx *store.Tx) (err error) {
		kept, err = sent.reserve(tx)
		return err
	})
	if err != nil {
		return then, errorOf(err)
	}
	if kept != nil {
		return Then{To: kept.location, Said: string(kept.body)}, nil
	}
	done := false
	defer func() {
		if !done {
			if err := c.service.Store.Write(ctx, sent.release); err != nil {
				c.Log().Warn("the key of a form stays in flight", zap.Error(err))
			}
		}
	}()
	if then, err = fn(); err != nil {
		return then, err
	}
	done = true
	a := answer{status: http.StatusSeeOther, location: then.To, body: []byte(then.Said)}
	if err := c.service.Store.Write(ctx, func(tx *store.Tx) error { return sent.keep(tx, a) }); err != nil {
		c.Log().Warn("the key of a form stays in flight", zap.Error(err))
	}
	return then, nil
}

// typed stands for all that the form of the visit holds but its token, files as well.
func (v *Visit) typed() string {
	sum := sha256.New()
	form := v.Form()
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if name != csrfField {
			fmt.Fprintf(sum, "%q%q", name, form[name])
		}
	}
	files := v.call.body.files
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for _, file := range files[name] {
			fmt.Fprintf(sum, "%q%q%d:", name, file.Filename, file.Size)
			if in, err := file.Open(); err == nil {
				io.Copy(sum, in)
				in.Close()
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// failure is the error of an operation as its answer, logged and delayed as over HTTP.
func (v *Visit) failure(c *Call, err error) error {
	var refused *Refusal
	if errors.As(err, &refused) {
		return refused
	}
	e := errorOf(err)
	e.limit.count()
	c.linger(e)
	c.logFailure(e, err)
	return e
}

// Fields are the messages of a refused body, by the field that each is about; "detail" for all of it.
func (e *Error) Fields() map[string][]string {
	raw, err := json.Marshal(e.Body)
	if err != nil {
		return nil
	}
	var body any
	if json.Unmarshal(raw, &body) != nil {
		return nil
	}
	fields := map[string][]string{}
	flatten(fields, "", body)
	return fields
}

// flatten lists the messages of an object in objects and lists: {"users": [{"email": ["…"]}]} is users[0].email.
func flatten(fields map[string][]string, name string, v any) {
	switch v := v.(type) {
	case string:
		fields[name] = append(fields[name], v)
	case []any:
		for i, item := range v {
			if text, ok := item.(string); ok {
				fields[name] = append(fields[name], text)
				continue
			}
			flatten(fields, name+"["+strconv.Itoa(i)+"]", item)
		}
	case map[string]any:
		for key, item := range v {
			if name != "" {
				key = name + "." + key
			}
			flatten(fields, key, item)
		}
	}
}
