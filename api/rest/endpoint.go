package rest

import (
	"net/http"
	"reflect"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/store"
)

// An Endpoint is a row of the table that is the API: method, path, who may call it, what it does, what it takes and answers.
// It is made by Get, Post, Put, Patch, Delete or Act; there is none without a condition.
type Endpoint struct {
	Method    string
	Path      string // as in the contract: "/api/profile/{profile}/plans/{plan}"
	Condition accessrules.Condition
	In, Out   reflect.Type // of the body and of the answer; None for nothing
	Keyed     bool         // honours Idempotency-Key and ?dry_run (option Keyed)
	List      bool         // answers CSV too: made of lists and tables by themselves
	Doc       string       // one line for the API's own description

	run  func(*Call) (any, error)
	read func(*Call, store.Reader) (any, error) // of Get: run without its snapshot
	find func(*Call, store.Reader) error
	opts options
}

// None is the body of a request that has none, and the answer 204.
type None struct{}

// Get is an endpoint that reads: fn runs on one snapshot. HEAD comes with it.
func Get[Out any](path string, c accessrules.Condition, fn func(c *Call, r store.Reader) (Out, error), opts ...Option) Endpoint {
	read := func(call *Call, r store.Reader) (any, error) { return fn(call, r) }
	e := endpoint(http.MethodGet, path, c, typeOf[None](), typeOf[Out](), func(call *Call) (out any, err error) {
		err = call.Read(func(r store.Reader) (err error) {
			out, err = read(call, r)
			return err
		})
		return out, err
	}, opts)
	e.read = read
	return e
}

// Post is an endpoint that writes: fn runs in one transaction of the runner (idempotency key, audit, dry run, commit). It may be
// run twice; see store.Store.Write.
func Post[In, Out any](path string, c accessrules.Condition, fn func(c *Call, tx *store.Tx, in *In) (Out, error), opts ...Option) Endpoint {
	return write(http.MethodPost, path, c, fn, opts)
}

// Put is Post with another method.
func Put[In, Out any](path string, c accessrules.Condition, fn func(c *Call, tx *store.Tx, in *In) (Out, error), opts ...Option) Endpoint {
	return write(http.MethodPut, path, c, fn, opts)
}

// Patch is Post with another method.
func Patch[In, Out any](path string, c accessrules.Condition, fn func(c *Call, tx *store.Tx, in *In) (Out, error), opts ...Option) Endpoint {
	return write(http.MethodPatch, path, c, fn, opts)
}

// Delete is Post with another method.
func Delete[In, Out any](path string, c accessrules.Condition, fn func(c *Call, tx *store.Tx, in *In) (Out, error), opts ...Option) Endpoint {
	return write(http.MethodDelete, path, c, fn, opts)
}

// Act is an endpoint with slow steps outside of a transaction (hash a password, call a processor): fn calls call.Read and
// call.Write, the same runner, for its steps.
func Act[In, Out any](method, path string, c accessrules.Condition, fn func(c *Call, in *In) (Out, error), opts ...Option) Endpoint {
	return endpoint(method, path, c, typeOf[In](), typeOf[Out](), func(call *Call) (any, error) {
		in, err := body[In](call)
		if err != nil {
			return nil, err
		}
		return call.act(func() (any, error) { return fn(call, in) })
	}, opts)
}

func write[In, Out any](method, path string, c accessrules.Condition, fn func(*Call, *store.Tx, *In) (Out, error), opts []Option) Endpoint {
	return endpoint(method, path, c, typeOf[In](), typeOf[Out](), func(call *Call) (any, error) {
		in, err := body[In](call)
		if err != nil {
			return nil, err
		}
		return call.operate(func(tx *store.Tx) (any, error) { return fn(call, tx, in) })
	}, opts)
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// An Option changes an endpoint.
type Option func(*options)

type options struct {
	door    bool
	find    func(*Call, store.Reader) error
	lists   []listing
	answers []success
	fails   []int
	takes   []Parameter
	keyed   bool
	list    bool
	file    int64
	raw     bool // BodyBytes
	long    bool
	noAudit bool
	shared  bool
	doc     string
}

// Find looks up the objects of the path when the body is bad, so that a bad body on an unknown object is a 404 (conventions.md
// 9.3). Operations look them up by themselves otherwise.
func Find(fn func(c *Call, r store.Reader) error) Option { return func(o *options) { o.find = fn } }

// Keyed honours Idempotency-Key and ?dry_run=true: same key and body, same answer; same key with another body, or still in
// flight: 409. It is not for endpoints whose answer is a secret, which would be kept with the key, nor for cookies, which are not.
func Keyed() Option { return func(o *options) { o.keyed = true } }

// Lists names the lists that an endpoint runs, for the API's own description: the first tells what may be searched and sorted by,
// others do the same in another way. Endpoints run no list that they do not name. Lists and tables are answered as CSV as well.
func Lists(lists ...listing) Option {
	return func(o *options) { o.list, o.lists = true, append(o.lists, lists...) }
}

// Answers is a status of success, for the API's own description, and what is answered with it: values of the types that an answer
// of type any is one of, none for the type that the operation returns. Without it the status is 200, or 204 for None.
func Answers(status int, shapes ...any) Option {
	return func(o *options) { o.answers = append(o.answers, success{status, shapes}) }
}

// success is one of the answers of an endpoint.
type success struct {
	status int
	shapes []any
}

// Fails are the statuses of failure that other endpoints have not, for the API's own description.
func Fails(statuses ...int) Option { return func(o *options) { o.fails = statuses } }

// Takes names the parameters of the query that an endpoint reads besides those of lists, for the API's own description.
func Takes(parameters ...Parameter) Option {
	return func(o *options) { o.takes = append(o.takes, parameters...) }
}

// File takes a multipart body with files of at most n bytes in all.
func File(n int64) Option { return func(o *options) { o.file = n } }

// Raw takes a body that the operation reads by itself, with BodyBytes, for the API's own description.
func Raw() Option { return func(o *options) { o.raw = true } }

// Long marks an endpoint whose reads may take long, though it is neither a list nor a table, which are Long by themselves.
func Long() Option { return func(o *options) { o.long = true } }

// long reports whether what the endpoint reads may take long: it counts rows, sorts them or adds them up, of which there is no end.
func (e *Endpoint) long() bool { return e.List || e.opts.long }

// Shared lets caches keep what anonymous callers are answered: it is the same for all of them.
func Shared() Option { return func(o *options) { o.shared = true } }

// Door says that an endpoint can log in: a page of another site may not make a browser call it (decision 117).
func Door() Option { return func(o *options) { o.door = true } }

// Unaudited writes no audit row: for what changes nothing that anybody answers for (a cart, a counter).
func Unaudited() Option { return func(o *options) { o.noAudit = true } }

// Doc is a line for the API's own description.
func Doc(line string) Option { return func(o *options) { o.doc = line } }

func endpoint(method, path string, c accessrules.Condition, in, out reflect.Type, run func(*Call) (any, error), opts []Option) Endpoint {
	e := Endpoint{Method: method, Path: path, Condition: c, In: in, Out: out, run: run}
	for _, opt := range opts {
		opt(&e.opts)
	}
	e.Keyed, e.List, e.Doc, e.find = e.opts.keyed, e.opts.list || isTable(out), e.opts.doc, e.opts.find
	return e
}
