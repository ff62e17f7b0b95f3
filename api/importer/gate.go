package importer

import (
	"fmt"
	"strings"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/proxy"
)

// apps imports the record of the application behind the gate (access.md B.1): the broker's, or else the first. There is one here.
func (w *work) apps() error {
	err := w.src.each(apps, func(r *row) error {
		if w.app == 0 || r.ref("account_id") == w.broker {
			w.app = r.id
		}
		return r.err
	})
	if err != nil {
		return err
	}
	return w.each(apps, func(r *row) error {
		if r.id != w.app {
			w.note(r, "another application than the broker's: left out, with its rules")
			return r.err
		}
		if r.text("entry_point", 100) != "" {
			w.note(r, "the address of the upstream is left out: the Caddyfile lists upstreams")
		}
		key, err := proxy.SealKey(w.Directory, r.text("enc_key", 1024))
		if err != nil {
			return err
		}
		return w.put(r, `INSERT INTO app (id, slug, profile_id, path_prefix, enc_key, session_backend, cors_restricted, welcome_email)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, r.text("slug", 25), orNull(w.profile(r.ref("account_id"))), r.key("path_prefix", 26), key, r.int("session_backend", 0, 2),
			r.bool("cors_restricted"), r.bool("welcome_email"))
	})
}

// rules imports the rules of the gate (access.md B.2). One that cannot be used is an error: without it, others would decide on what
// it closes.
func (w *work) rules() error {
	live, err := accessrules.NewLive(accessrules.DefaultGate, nil, nil)
	if err != nil {
		return err
	}
	return w.each(rules, func(r *row) error {
		if r.must("app_id") != w.app {
			w.note(r, "a rule of another application than the broker's: left out")
			return r.err
		}
		path, op, kwargs := r.text("path", 255), r.int("rule_op", 0, 18), r.text("kwargs", 255)
		if r.err != nil {
			return r.err
		}
		c, err := accessrules.ParseOperation(int(op), kwargs)
		if err == nil {
			err = live.Replace([]accessrules.Rule{{Path: path, Conditions: []accessrules.Condition{c}, Source: accessrules.SourceAPI}})
		}
		if err != nil {
			return fmt.Errorf("%s cannot be used: %w", r, err)
		}
		return w.put(r, `INSERT INTO rule (id, app_id, rank, path, rule_op, kwargs, is_forward, engaged) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			r.id, w.app, r.int("rank", -mostID, mostID), path, op, strings.TrimSpace(kwargs), r.bool("is_forward"), r.text("engaged", 50))
	})
}

// engagements imports what users have visited.
func (w *work) engagements() error {
	return w.each(engagements, func(r *row) error {
		return w.put(r, `INSERT INTO engagement (id, slug, user_id, last_visited) VALUES (?, ?, ?, ?)`,
			r.id, r.text("slug", 50), r.must("user_id"), r.time("last_visited"))
	})
}
