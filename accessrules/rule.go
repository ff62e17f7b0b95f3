package accessrules

// A Rule of the gate is a path and conditions, all of which must hold (decision 58). access.md B.2.
type Rule struct {
	Path       string      // pattern: segments, "{name}" or ":name" for any one; a prefix by whole segments
	Conditions []Condition // none, or only Any: anybody, even anonymous
	Forward    bool        // pass on to the upstream (true) or serve locally
	Engaged    []string    // tags of engagement tracking
	Allow      string      // the rules API's text of the first condition: "0", "15/{\"plan\": \"premium\"}"
	Source     string      // where it was written: "Caddyfile:12" or "api"
}
