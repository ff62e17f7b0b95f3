package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// periodWords are the types of period, as minimum_amount names them.
var periodWords = []string{"hourly", "daily", "weekly", "monthly", "yearly"}

// ranges are the values that a setting takes, as its row has them and as errors and the documentation show them:
// `1m..36500d or 0`. Both ends count.
type ranges string

// includes reports whether v is in one of the ranges. Their ends are read as the values are.
func (rs ranges) includes(v int64, parse func(string) (int64, error)) (bool, error) {
	for r := range strings.SplitSeq(string(rs), " or ") {
		from, to, ok := strings.Cut(r, "..")
		if !ok {
			to = from
		}
		least, err := parse(from)
		if err != nil {
			return false, err
		}
		most, err := parse(to)
		if err != nil {
			return false, err
		}
		if least <= v && v <= most {
			return true, nil
		}
	}
	return false, nil
}

// String says the ranges in words: "from 1m to 36500d, or 0".
func (rs ranges) String() string {
	var words []string
	for r := range strings.SplitSeq(string(rs), " or ") {
		if from, to, ok := strings.Cut(r, ".."); ok {
			r = "from " + from + " to " + to
		}
		words = append(words, r)
	}
	return strings.Join(words, ", or ")
}

func parseNumber(v string) (int64, error) {
	n, err := strconv.ParseInt(v, 10, 0)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is not a number that can be meant", v)
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", v)
	}
	return n, nil
}

func parseDuration(v string) (int64, error) {
	d, err := caddy.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration, as in 90s, 15m, 1h30m or 14d", v)
	}
	return int64(d), nil
}

// inRange checks a number or a duration.
func (st setting) inRange(v int64, written string, parse func(string) (int64, error)) error {
	ok, err := st.within.includes(v, parse)
	if err == nil && !ok {
		err = fmt.Errorf("%s is out of range: it goes %s", written, st.within)
	}
	return err
}

// check holds a value against the row's range or words.
func (st setting) check(at any) error {
	switch at := at.(type) {
	case **caddy.Duration:
		return st.inRange(int64(**at), time.Duration(**at).String(), parseDuration)
	case **int:
		return st.inRange(int64(**at), strconv.Itoa(**at), parseNumber)
	case *[]int:
		for i, n := range *at {
			if err := st.inRange(int64(n), strconv.Itoa(n), parseNumber); err != nil {
				return err
			}
			if slices.Contains((*at)[:i], n) {
				return fmt.Errorf("%d is written twice: leave one out", n)
			}
		}
	case *map[string]int64:
		for _, n := range *at {
			if err := st.inRange(n, strconv.FormatInt(n, 10), parseNumber); err != nil {
				return err
			}
		}
	case *[]string:
		for _, v := range *at {
			if err := st.form(v); err != nil {
				return err
			}
		}
		return twice(*at)
	case *map[string][]string:
		for key, values := range *at {
			if err := st.form(key); err != nil {
				return err
			}
			for _, v := range values {
				if err := st.checkSecret(v); err != nil {
					return err
				}
			}
		}
	case *string:
		if err := st.checkSecret(*at); err != nil {
			return err
		}
		if choices := strings.Split(st.args, "|"); len(choices) > 1 && *at != "" && !contains(choices, *at) {
			if guess := closest(*at, choices); guess != "" {
				return fmt.Errorf("%q is none of %s; did you mean `%s`?", *at, strings.Join(choices, ", "), guess)
			}
			return fmt.Errorf("%q is none of %s", *at, strings.Join(choices, ", "))
		}
		if *at != "" {
			return st.form(*at)
		}
	}
	return nil
}

// form holds a value against what such values look like.
func (st setting) form(v string) error {
	if check := forms[st.word]; check != nil {
		return check(v)
	}
	return nil
}

// checkSecret refuses a secret that is written where a placeholder belongs.
func (st setting) checkSecret(v string) error {
	if !strings.Contains(st.args, "<placeholder>") {
		return nil
	}
	return hidden(v)
}

// unmarshal reads a setting's arguments; the dispenser stands on its word.
func (st setting) unmarshal(d *caddyfile.Dispenser, s *Settings, places *sources) error {
	at := st.at(s)
	place := sourceOf(d)
	args := d.RemainingArgs()
	if contains(readAtStart, st.word) {
		word := st.word
		if _, many := at.(*map[string][]string); many && len(args) > 0 {
			word += " " + args[0]
		}
		places.note(word, place)
	}
	usage := st.word + " " + st.args
	if contains(args, "") {
		return noValue(d, st.word, usage)
	}
	err := st.set(at, args)
	if err != nil {
		if err := errUnset(d, st.word, usage); err != nil {
			return err
		}
	}
	if err == nil {
		err = st.check(at)
	}
	if err != nil {
		return d.Errf("%s: %w; write `%s`", st.word, err, usage)
	}
	return nil
}

// set reads the arguments into the field.
func (st setting) set(at any, args []string) error {
	switch at := at.(type) {
	case *bool:
		v, err := onOff(args)
		*at = v
		return err
	case **bool:
		v, err := onOff(args)
		*at = &v
		return err
	case *map[string]int64:
		return setAmount(at, args)
	case *map[string][]string:
		needed, _, _ := strings.Cut(st.args, " [")
		if len(args) < strings.Count(needed, "<") {
			return fmt.Errorf("it takes at least %s", needed)
		}
		if _, twice := (*at)[args[0]]; twice {
			return fmt.Errorf("%s is written twice", args[0])
		}
		if *at == nil {
			*at = map[string][]string{}
		}
		(*at)[args[0]] = args[1:]
		return nil
	case *[]int:
		for _, a := range args {
			n, err := parseNumber(a)
			if err != nil {
				return err
			}
			*at = append(*at, int(n))
		}
	case *[]string:
		*at = append(*at, args...)
	default:
		if len(args) != 1 {
			return fmt.Errorf("it takes one value, not %d", len(args))
		}
		return setOne(at, args[0])
	}
	if len(args) == 0 {
		return errors.New("it takes at least one value")
	}
	return nil
}

// setOne reads a value that stands alone.
func setOne(at any, v string) error {
	switch at := at.(type) {
	case **caddy.Duration:
		d, err := parseDuration(v)
		*at = new(caddy.Duration(d))
		return err
	case **int:
		n, err := parseNumber(v)
		*at = new(int(n))
		return err
	case *string:
		*at = v
		return nil
	}
	return fmt.Errorf("no way to read %T", at)
}

func setAmount(at *map[string]int64, args []string) error {
	if len(args) != 2 {
		return errors.New("it takes a type of period and an amount")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not an amount in 1/100 of a unit, as in `monthly 500`", args[1])
	}
	if !contains(periodWords, args[0]) {
		return fmt.Errorf("%q is none of %s", args[0], strings.Join(periodWords, ", "))
	}
	if _, twice := (*at)[args[0]]; twice {
		return fmt.Errorf("%s is written twice", args[0])
	}
	if *at == nil {
		*at = map[string]int64{}
	}
	(*at)[args[0]] = n
	return nil
}

func onOff(args []string) (bool, error) {
	switch {
	case len(args) == 0, len(args) == 1 && args[0] == "on":
		return true, nil
	case len(args) == 1 && args[0] == "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on nor off", strings.Join(args, " "))
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func isZero(at any) bool {
	switch at := at.(type) {
	case **caddy.Duration:
		return *at == nil
	case **int:
		return *at == nil
	case *string:
		return *at == ""
	case *bool:
		return !*at
	case **bool:
		return *at == nil
	case *[]int:
		return len(*at) == 0
	case *[]string:
		return len(*at) == 0
	}
	return false
}
