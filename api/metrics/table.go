package metrics

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/caddy-tollgate/tollgate/store"
)

// A Table is a table of aggregated values (conventions.md 6.2).
type Table struct {
	Title   string      `json:"title"`
	Unit    string      `json:"unit,omitempty"`  // absent on counts
	Scale   json.Number `json:"scale,omitempty"` // a value times this is in Unit; absent with it
	Results []Series    `json:"results"`
	Extra   []Series    `json:"extra,omitempty"`
	// ProcessorHint is "connect_provider" while the profile cannot receive money (metrics.md 2.2).
	ProcessorHint string `json:"processor_hint,omitempty"`
}

// hundredths is the scale of amounts of money, and of percents in 1/100.
const hundredths json.Number = "0.01"

// A Series is a row of a table.
type Series struct {
	Slug     string  `json:"slug"`
	Title    string  `json:"title,omitempty"`
	Location string  `json:"location,omitempty"`  // path of the page of a plan
	IsActive *bool   `json:"is_active,omitempty"` // of a plan: it can be subscribed to
	Selector *string `json:"selector,omitempty"`  // of a line of a balance sheet
	Values   []Value `json:"values"`
}

// A Value is what belongs to a key: the end of a period (excluded), or a label. It prints as a pair.
type Value struct {
	Key   any // store.Time, string or int64
	Value any // int64, or json.Number for a percentage
}

// MarshalJSON prints the pair.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{v.Key, v.Value}) }

// Tabulate implements rest.Tabular: of CSV the columns are the keys of the first series.
func (t Table) Tabulate() (headings []any, rows [][]any) { return tabulate(t.Results) }

func tabulate(results []Series) (headings []any, rows [][]any) {
	headings = []any{"title"}
	for i, s := range results {
		row := []any{s.Title}
		for _, v := range s.Values {
			if i == 0 {
				headings = append(headings, v.Key)
			}
			row = append(row, v.Value)
		}
		rows = append(rows, row)
	}
	return headings, rows
}

// dated pairs values with the ends of their periods: as many of the last boundaries as there are values.
func dated(bounds []store.Time, values []int64) []Value {
	pairs := make([]Value, len(values))
	for i, v := range values {
		pairs[i] = Value{bounds[len(bounds)-len(values)+i], v}
	}
	return pairs
}

// percent is part × 100 / whole with two decimals, as the contract prints it (metrics.md 2.3, decision 19): the integer 0 when whole is
// 0, else a number with a decimal point, rounded half to even on the binary value.
func percent(part, whole int64) any {
	if whole == 0 {
		return int64(0)
	}
	text := strconv.FormatFloat(float64(part)*100/float64(whole), 'f', 2, 64)
	if text = strings.TrimRight(text, "0"); strings.HasSuffix(text, ".") {
		text += "0"
	}
	return json.Number(text)
}
