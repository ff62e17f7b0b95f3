package rest

// Terms are the terms of q of a list (conventions.md 7.5), for what a list does besides searching them.
func (c *Call) Terms() []string { return splitTerms(c.QueryString("q"), false) }

// Searches reports whether q looks into the field of that name: q_f names it, or none of n.
func (c *Call) Searches(n Names, field string) bool {
	for _, column := range n.columns(c.QueryStrings("q_f")) {
		for _, name := range n[field] {
			if column.name == name {
				return true
			}
		}
	}
	return false
}
