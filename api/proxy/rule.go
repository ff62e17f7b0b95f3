package proxy

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// A Rule of the gate (access.md B.2, B.6). The Caddyfile's come first; they can be read here, and changed there (decision 58).
type Rule struct {
	Rank    int64  `json:"rank"`
	Path    string `json:"path"`
	Allow   string `json:"allow"`
	Forward bool   `json:"is_forward"`
	Engaged string `json:"engaged"`
	// Conditions, of a rule of the Caddyfile, must all hold; Allow is the first alone. Methods are those it is for, none for all.
	Conditions []string `json:"conditions,omitempty"`
	Methods    []string `json:"methods,omitempty"`
}

// record is a row of the table rule.
type record struct {
	id, rank int64
	Path     string
	op       int
	kwargs   string
	forward  bool
	engaged  string
}

const ruleColumns = `id, rank, path, rule_op, kwargs, is_forward, engaged`

func scanRecord(row interface{ Scan(...any) error }, r *record) error {
	return row.Scan(&r.id, &r.rank, &r.Path, &r.op, &r.kwargs, &r.forward, &r.engaged)
}

// readRules reads the rules of the API in the order of their ranks.
func readRules(r store.Reader) (list []record, err error) {
	err = store.Each(r, func(rows *sql.Rows) error {
		var rule record
		err := scanRecord(rows, &rule)
		list = append(list, rule)
		return err
	}, `SELECT `+ruleColumns+` FROM rule WHERE app_id = (SELECT min(id) FROM app) ORDER BY rank, id`)
	return list, err
}

// compile makes the rule usable. One whose operation cannot be read admits nobody, and comes with the reason.
func (r *record) compile() (accessrules.Rule, error) {
	c, err := accessrules.ParseOperation(r.op, r.kwargs)
	if err != nil {
		c = accessrules.Nobody()
	}
	return accessrules.Rule{Path: r.Path, Conditions: []accessrules.Condition{c}, Forward: r.forward, Engaged: tags(r.engaged),
		Allow: allowText(r.op, r.kwargs), Source: accessrules.SourceAPI}, err
}

// tags are the tags of engagement tracking of a rule.
func tags(text string) (list []string) {
	for tag := range strings.SplitSeq(text, ",") {
		if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(list, tag) {
			list = append(list, tag)
		}
	}
	return list
}

// allowText is the operation and its arguments as the API shows them.
func allowText(op int, kwargs string) string {
	if kwargs == "" {
		return fmt.Sprint(op)
	}
	return fmt.Sprintf("%d/%s", op, kwargs)
}

// show is the rule as the API shows it, behind some rules of the Caddyfile.
func (r *record) show(before int) Rule {
	return Rule{Rank: int64(before) + r.rank, Path: r.Path, Allow: allowText(r.op, r.kwargs), Forward: r.forward, Engaged: r.engaged}
}

// written is a rule of the Caddyfile as the API shows it.
func written(i int, r *accessrules.Rule) Rule {
	shown := Rule{Rank: int64(i + 1), Path: r.Path, Allow: r.Allow, Forward: r.Forward, Engaged: strings.Join(r.Engaged, ","), Methods: r.Methods}
	for _, c := range r.Conditions {
		shown.Conditions = append(shown.Conditions, c.String())
	}
	return shown
}

// rules are all of a gate, those of the Caddyfile given as JSON.
var rules = rest.List[Rule]{
	Select: "x.rank, x.path, x.allow, x.is_forward, x.engaged, x.conditions, x.methods",
	From: `(SELECT key + 1 AS rank, value ->> 'path' AS path, value ->> 'allow' AS allow, value ->> 'is_forward' AS is_forward,
				value ->> 'engaged' AS engaged, value -> 'conditions' AS conditions, value -> 'methods' AS methods FROM json_each(?)
			UNION ALL
			SELECT rank + ?, path, rule_op || CASE kwargs WHEN '' THEN '' ELSE '/' || kwargs END, is_forward, engaged, NULL, NULL FROM rule
				WHERE app_id = (SELECT min(id) FROM app)) x`,
	Key:     "x.rank",
	Default: []string{"x.rank"},
	Scan: func(rows *sql.Rows, r *Rule) error {
		var conditions, methods *string
		if err := rows.Scan(&r.Rank, &r.Path, &r.Allow, &r.Forward, &r.Engaged, &conditions, &methods); err != nil {
			return err
		}
		for text, list := range map[*string]*[]string{conditions: &r.Conditions, methods: &r.Methods} {
			if text != nil {
				if err := json.Unmarshal([]byte(*text), list); err != nil {
					return err
				}
			}
		}
		return nil
	},
}

// listRules lists the rules of the gate.
func (s *Service) listRules(c *rest.Call, r store.Reader) (rest.Page[Rule], error) {
	fixed := s.gate().Fixed()
	shown := make([]Rule, len(fixed))
	for i := range fixed {
		shown[i] = written(i, &fixed[i])
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return rest.Page[Rule]{}, err
	}
	return rules.Page(c, r, string(text), len(fixed))
}

// ruleOf finds the rule of a path: one of the API, or else one of the Caddyfile as it is shown. Errors: 404.
func (s *Service) ruleOf(r store.Reader, path string) (found *record, fixed *Rule, err error) {
	var rule record
	err = scanRecord(r.QueryRow(`SELECT `+ruleColumns+` FROM rule WHERE app_id = (SELECT min(id) FROM app) AND path = ?`, path), &rule)
	if err == nil {
		return &rule, nil, nil
	}
	if !isNotFound(err) {
		return nil, nil, err
	}
	for i, f := range s.gate().Fixed() {
		if slashed(f.Path) == path {
			shown := written(i, &f)
			return nil, &shown, nil
		}
	}
	return nil, nil, errNoRule
}

// slashed is a path with its leading slash.
func slashed(path string) string { return "/" + strings.TrimPrefix(path, "/") }

// rulePath is the path that a call names a rule by: without the leading slash, and with the one at the end if it has one.
func rulePath(c *rest.Call) string { return slashed(c.Param("path")) }
