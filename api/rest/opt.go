package rest

import "reflect"

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

// optional marks Opt for the decoder; elem is the type of the value.
type optional interface{ elem() reflect.Type }

func (o Opt[T]) elem() reflect.Type { return reflect.TypeFor[T]() }
