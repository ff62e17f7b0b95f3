// Package rest is the conventions of the API (conventions.md), once: endpoints and their conditions, identity, order of checks,
// bodies, parameters, paging, search, order, encodings, CSV, errors, idempotency, dry runs. Whoever adds an endpoint writes a
// row of a table and an operation.
package rest
