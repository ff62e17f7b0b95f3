package rest

// Bodies. An input is a struct; its fields say what the contract's field tables say:
//
//	type planInput struct {
//		Title    string                `json:"title" in:"required" validate:"max=50"`
//		Slug     rest.Field[string]…
//	}
//
// Tag `in`, comma-separated: "required" (absent: "This field is required."), "null" (null is taken, as the zero value),
// "blank" (the empty string is taken). Tag `validate` is go-playground/validator's; its messages are mapped to the contract's:
// max, min, gte, lte, oneof, email, url, slug (ours), username (ours), phone (ours). Field types: string, int64, bool,
// store.Time, json.RawMessage (any JSON: "extra"), structs, slices of structs or strings, enumerations (Enum), and Opt[T] of
// any of these, which also tells absent from null from given. Strings are trimmed; numbers become strings and decimal strings
// integers as conventions.md 5 says; all failing fields are reported at once in the order of the struct. Unknown fields are
// ignored. An input with a method `Check(c *Call) error` is asked last, when all fields are valid; it returns Invalid(…), or a
// whole-object error Invalid("detail", …).

// Opt is a field that may be absent or null.
type Opt[T any] struct {
	Value T
	Given bool // present in the body
	Null  bool // present and null
}

// Or returns the value given, or else.
func (o Opt[T]) Or(other T) T {
	if o.Given && !o.Null {
		return o.Value
	}
	return other
}

// Set reports whether a value other than null was given.
func (o Opt[T]) Set() bool { return o.Given && !o.Null }
