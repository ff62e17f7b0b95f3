package metrics

import (
	"encoding/json"
)

// What was posted in spans of time, added up: whole slots of it from the table movement, the rest from the entries themselves.

// slotBits is the length of a slot of the table movement, as a power of two, in µs.
const slotBits = 32

// spanTables are what bindPosted binds to ?1 and ?2, for the WITH of a query that reads posted: by span, the whole slots of it, and what
// is before and after them.
const spanTables = `slots AS MATERIALIZED (SELECT value ->> 0 AS i, value ->> 1 AS since, value ->> 2 AS until FROM json_each(?1)),
	rest AS MATERIALIZED (SELECT value ->> 0 AS i, value ->> 1 AS since, value ->> 2 AS until FROM json_each(?2))`

// posted selects columns of what was posted in each span, of movements and entries called t, which have the same names, and of its number
// i. Rows are to be added up: how many there are means nothing.
func posted(columns, where string) string {
	return `SELECT ` + columns + ` FROM slots CROSS JOIN movement t WHERE t.slot >= slots.since AND t.slot < slots.until AND ` + where + `
		UNION ALL SELECT ` + columns + ` FROM rest CROSS JOIN txn t WHERE t.created_at >= rest.since AND t.created_at < rest.until AND ` + where
}

// bindPosted are the arguments of spanTables.
func bindPosted(spans []span) (slots, rest string) {
	var whole, parts [][3]int64
	part := func(i int, from, to int64) {
		if from < to {
			parts = append(parts, [3]int64{int64(i), from, to})
		}
	}
	for i, s := range spans {
		first, end := (s.from+1<<slotBits-1)>>slotBits, s.to>>slotBits
		if first >= end {
			part(i, s.from, s.to)
			continue
		}
		whole = append(whole, [3]int64{int64(i), first, end})
		part(i, s.from, first<<slotBits)
		part(i, end<<slotBits, s.to)
	}
	return bindRows(whole), bindRows(parts)
}

// bindRows is a table of integers for json_each.
func bindRows[T [2]int64 | [3]int64](rows []T) string {
	if rows == nil {
		return "[]"
	}
	b, _ := json.Marshal(rows) // integers always have a JSON form
	return string(b)
}

// numbers calls fn with the integers of a JSON text, n at a time, of which it keeps nothing. The database makes one text of many rows of
// integers (json_group_array of json_array): that costs a fraction of reading them row by row.
func numbers(text string, n int, fn func(row []int64)) {
	row := make([]int64, 0, n)
	var v, sign int64 = 0, 1
	within := false
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			v, within = v*10+int64(c-'0'), true
		case c == '-':
			sign = -1
		case within:
			if row = append(row, sign*v); len(row) == n {
				fn(row)
				row = row[:0]
			}
			v, sign, within = 0, 1, false
		}
	}
}
