package proxy

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/store"
)

// Changes of the rules (access.md B.6). They are in force on the next request (decision 47).

var (
	errNoRule = rest.NotFound("Rule")
	// errWritten answers who changes a rule of the Caddyfile (decision 58).
	errWritten = rest.Conflict("This rule is written in the Caddyfile: change it there.")
	// errSealed answers who makes a rule where the Caddyfile's are all there are.
	errSealed = rest.Conflict("The rules of this site are written in the Caddyfile alone.")
)

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

// most is how many rules the API takes: compiling them is part of each change.
const most = 10_000

// RuleFields are what a rule says but for its path.
type RuleFields struct {
	Allow   rest.Opt[string] `json:"allow"`
	Forward rest.Opt[bool]   `json:"is_forward"`
	Engaged rest.Opt[string] `json:"engaged" in:"blank" validate:"max=50"`
}

// NewRule is a rule to make. Its rank is not asked for: it comes before the others.
type NewRule struct {
	Path rest.Opt[string] `json:"path" validate:"max=255"`
	RuleFields
}

// RuleChange is a rule as it is to be. A rank moves it.
type RuleChange struct {
	Rank rest.Opt[int64] `json:"rank" in:"required"`
	RuleFields
}

var tag = regexp.MustCompile(`^[-a-zA-Z0-9_]+$`)

// set takes the fields over. Errors: 400.
func (in *RuleFields) set(r *record) error {
	if in.Allow.Set() {
		c, err := accessrules.ParseAllow(in.Allow.Value)
		var unknown *accessrules.UnknownRuleError
		switch {
		case errors.As(err, &unknown):
			return rest.Invalid("detail", unknown.Error())
		case err != nil:
			return rest.Invalid("allow", "Enter a valid rule: "+err.Error()+".")
		}
		r.op, r.kwargs = accessrules.SplitAllow(accessrules.FormatAllow(c))
	}
	r.forward = in.Forward.Or(r.forward)
	if in.Engaged.Set() {
		list := tags(in.Engaged.Value)
		for _, t := range list {
			if !tag.MatchString(t) {
				return rest.Invalid("engaged", "Enter tags of letters, digits, - and _, separated by commas.")
			}
		}
		r.engaged = strings.Join(list, ",")
	}
	return nil
}

func (s *Service) showRule(c *rest.Call, r store.Reader) (Rule, error) {
	found, fixed, err := s.ruleOf(r, rulePath(c))
	if err != nil || fixed != nil {
		return deref(fixed), err
	}
	return found.show(len(s.gate().Fixed())), nil
}

func deref(r *Rule) Rule {
	if r == nil {
		return Rule{}
	}
	return *r
}

func (s *Service) lookForRule(c *rest.Call, r store.Reader) error {
	_, _, err := s.ruleOf(r, rulePath(c))
	return err
}

// changed is the rule of the API that a call names. Errors: 404, 409 for one of the Caddyfile.
func (s *Service) changed(c *rest.Call, tx *store.Tx) (*record, error) {
	found, fixed, err := s.ruleOf(tx, rulePath(c))
	if err == nil && fixed != nil {
		err = errWritten
	}
	return found, err
}

// createRule makes a rule at the first rank of the API's. Errors: 400, 409 where the API may not.
func (s *Service) createRule(c *rest.Call, tx *store.Tx, in *NewRule) (out Rule, err error) {
	if s.gate().Sealed {
		return out, errSealed
	}
	a, err := s.readApp(tx)
	if err != nil {
		return out, err
	}
	r := record{rank: 1, Path: slashed(in.Path.Or("/")), op: 1, forward: true}
	if err := accessrules.CheckPath(r.Path); err != nil {
		return out, rest.Invalid("path", "Enter a valid path of segments of letters, digits, - and parameters: "+err.Error()+".")
	}
	if err := in.set(&r); err != nil {
		return out, err
	}
	switch _, _, err := s.ruleOf(tx, r.Path); {
	case err == nil:
		return out, rest.Fail(http.StatusBadRequest, "Rule with path prefix '"+r.Path+"' already exists.")
	case !errors.Is(err, errNoRule):
		return out, err
	}
	n, err := tx.Exec(`UPDATE rule SET rank = rank + 1 WHERE app_id = ?`, a.id)
	if err == nil && n >= most {
		err = rest.Fail(http.StatusBadRequest, "There are too many rules.")
	}
	if err != nil {
		return out, err
	}
	_, err = tx.Insert(`INSERT INTO rule (app_id, rank, path, rule_op, kwargs, is_forward, engaged) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		a.id, r.rank, r.Path, r.op, r.kwargs, r.forward, r.engaged)
	if err != nil {
		return out, err
	}
	c.Created("")
	return r.show(len(s.gate().Fixed())), s.apply(tx)
}

// replaceRule changes a rule; fields that are not given are as in a new one.
func (s *Service) replaceRule(c *rest.Call, tx *store.Tx, in *RuleChange) (Rule, error) {
	return s.change(c, tx, in, func(r *record) { r.op, r.kwargs, r.forward, r.engaged = 1, "", true, "" })
}

// updateRule changes what is given of a rule.
func (s *Service) updateRule(c *rest.Call, tx *store.Tx, in *RuleChange) (Rule, error) {
	return s.change(c, tx, in, func(*record) {})
}

func (s *Service) change(c *rest.Call, tx *store.Tx, in *RuleChange, prepare func(r *record)) (out Rule, err error) {
	r, err := s.changed(c, tx)
	if err != nil {
		return out, err
	}
	prepare(r)
	if err := in.set(r); err != nil {
		return out, err
	}
	_, err = tx.Exec(`UPDATE rule SET rule_op = ?, kwargs = ?, is_forward = ?, engaged = ? WHERE id = ?`, r.op, r.kwargs, r.forward, r.engaged, r.id)
	if err != nil {
		return out, err
	}
	before := int64(len(s.gate().Fixed()))
	if in.Rank.Set() {
		if r.rank, err = move(tx, r.rank, in.Rank.Value-before); err != nil {
			return out, err
		}
	}
	return r.show(int(before)), s.apply(tx)
}

// deleteRule removes a rule; those behind it move up.
func (s *Service) deleteRule(c *rest.Call, tx *store.Tx, _ *rest.None) (out rest.None, err error) {
	r, err := s.changed(c, tx)
	if err != nil {
		return out, err
	}
	if _, err := tx.Exec(`DELETE FROM rule WHERE id = ?`, r.id); err != nil {
		return out, err
	}
	if _, err := tx.Exec(`UPDATE rule SET rank = rank - 1 WHERE app_id = (SELECT min(id) FROM app) AND rank > ?`, r.rank); err != nil {
		return out, err
	}
	return out, s.apply(tx)
}

// Moves are changes of the order, carried out one after the other.
type Moves struct {
	Updates rest.Opt[[]Move] `json:"updates" in:"required"`
}

// A Move takes the rule at a rank to another.
type Move struct {
	From rest.Opt[int64] `json:"oldpos" in:"required"`
	To   rest.Opt[int64] `json:"newpos" in:"required"`
}

// Check wants both ranks of each move: PATCH by itself would not.
func (in *Moves) Check(*rest.Call) error {
	for _, m := range in.Updates.Value {
		if !m.From.Set() {
			return rest.Invalid("oldpos", "This field is required.")
		}
		if !m.To.Set() {
			return rest.Invalid("newpos", "This field is required.")
		}
	}
	return nil
}

// moveRules changes the order of rules and answers with the list. A rank without a rule is skipped. Errors: 409 for a rule of the
// Caddyfile.
func (s *Service) moveRules(c *rest.Call, tx *store.Tx, in *Moves) (page rest.Page[Rule], err error) {
	before := int64(len(s.gate().Fixed()))
	for _, m := range in.Updates.Value {
		if m.From.Value >= 1 && m.From.Value <= before {
			return page, errWritten
		}
		if _, err := move(tx, m.From.Value-before, m.To.Value-before); err != nil {
			return page, err
		}
	}
	if err := s.apply(tx); err != nil {
		return page, err
	}
	return s.listRules(c, tx)
}

// move takes the rule of the API at a rank to another one, as near as there are ranks, and returns where it is now.
func move(tx *store.Tx, from, to int64) (int64, error) {
	var n int64
	if err := tx.QueryRow(`SELECT count(*) FROM rule WHERE app_id = (SELECT min(id) FROM app)`).Scan(&n); err != nil {
		return from, err
	}
	to = max(1, min(to, n))
	if from < 1 || from > n || from == to {
		return from, nil
	}
	_, err := tx.Exec(`UPDATE rule SET rank = CASE WHEN rank = ?1 THEN ?2 WHEN ?1 < ?2 THEN rank - 1 ELSE rank + 1 END
		WHERE app_id = (SELECT min(id) FROM app) AND rank BETWEEN min(?1, ?2) AND max(?1, ?2)`, from, to)
	return to, err
}
