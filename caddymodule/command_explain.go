package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-tollgate/tollgate/store"
)

// explainCommand says what becomes of a request, by the server that runs or, with --config, by a configuration and its database.
func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain [--as <user>] [--config <file>] [--json] <method> <url>",
		Short: "Says whether a request would pass, by which rule, and what the application would receive",
		Long: `
Says which gate and which rule a request comes to, how each condition of the rule comes out and what it
read, and what the application would receive; secrets and tokens are left out. Nothing is sent, and
nothing is changed.

The server that runs is asked, through its admin endpoint. With --config, a configuration and its
database are read instead, whether it runs or not.`,
		Example: "  caddy tollgate explain --as joe1 GET https://app.example.com/app/joe1/",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			flags := caddycmd.Flags{FlagSet: cmd.Flags()}
			q := question{As: flags.String("as"), Method: args[0], URL: args[1]}
			ask := askServer
			if flags.String("config") != "" || flags.String("store") != "" {
				ask = askConfig
			}
			e, err := ask(flags, q)
			if err != nil {
				return err
			}
			if flags.Bool("json") {
				return printJSON(cmd.OutOrStdout(), e)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), e.String())
			return err
		},
	}
	cmd.Flags().String("as", "", "Username of who sends the request (default: nobody)")
	cmd.Flags().String("address", "", "Address of the admin endpoint of the server, if it is not the default")
	return jsonFlag(cmd)
}

// askServer asks the server that runs.
func askServer(flags caddycmd.Flags, q question) (*explanation, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, "", "")
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	res, err := caddycmd.AdminAPIRequest(address, http.MethodPost, explainPath, nil, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking the server at %s: %w; with --config <file>, no server is asked", address, err)
	}
	defer res.Body.Close()
	e := new(explanation)
	return e, json.NewDecoder(res.Body).Decode(e)
}

// askConfig reads a configuration and its database.
func askConfig(flags caddycmd.Flags, q question) (*explanation, error) {
	raw, _, _, err := caddycmd.LoadConfig(flags.String("config"), flags.String("adapter"))
	if err != nil {
		return nil, err
	}
	config, err := skeleton(raw, flags.String("store"))
	if err != nil {
		return nil, err
	}
	ctx, err := caddy.ProvisionContext(config)
	if err != nil {
		return nil, err
	}
	app, site, err := appsOf(ctx)
	if err != nil {
		return nil, err
	}
	defer app.Cleanup()
	err = app.service.Attach(context.Background(), true)
	if errors.Is(err, store.ErrNone) {
		err = fmt.Errorf("%w: start Caddy once, or name another with --store", err)
	}
	if err != nil {
		return nil, err
	}
	return app.explain(site, q)
}

var (
	// keptHandlers decide which gate a request comes to; of those in answering, no more is kept than that they answer.
	keptHandlers = []string{"subroute", "tollgate", "tollgate_api", "rewrite", "vars", "invoke"}
	// keptWords are the settings that an explanation depends on.
	keptWords = []string{"url", "store", "secrets", "broker", "pages", "disable_updates"}
)

// skeleton is what of a configuration an explanation needs: its routes, gates and matchers, and where the database is. It asks for no
// secret and no certificate, opens no log and makes no user.
func skeleton(raw []byte, store string) (*caddy.Config, error) {
	var from struct {
		Apps struct {
			HTTP struct {
				HTTPPort  int                `json:"http_port,omitempty"`
				HTTPSPort int                `json:"https_port,omitempty"`
				Servers   map[string]*server `json:"servers,omitempty"`
			} `json:"http"`
			Tollgate object `json:"tollgate"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(raw, &from); err != nil {
		return nil, err
	}
	if from.Apps.Tollgate == nil {
		return nil, errors.New("the configuration has no global option `tollgate`")
	}
	for _, s := range from.Apps.HTTP.Servers {
		s.AutoHTTPS = json.RawMessage(`{"disable": true}`)
		if err := s.Routes.strip(); err != nil {
			return nil, err
		}
		for _, route := range s.NamedRoutes {
			if err := (routes{route}).strip(); err != nil {
				return nil, err
			}
		}
	}
	maps.DeleteFunc(from.Apps.Tollgate, func(word string, _ json.RawMessage) bool { return !slices.Contains(keptWords, word) })
	if broker := from.Apps.Tollgate["broker"]; broker != nil {
		var b object
		if err := json.Unmarshal(broker, &b); err != nil {
			return nil, err
		}
		delete(b, "manager")
		from.Apps.Tollgate["broker"], _ = json.Marshal(b)
	}
	if store != "" {
		from.Apps.Tollgate["store"], _ = json.Marshal(store)
	}
	apps, err := json.Marshal(from)
	if err != nil {
		return nil, err
	}
	config := new(caddy.Config)
	if err := json.Unmarshal(apps, config); err != nil {
		return nil, err
	}
	config.Admin = &caddy.AdminConfig{Disabled: true}
	config.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "ERROR"}}}}
	return config, nil
}

type object map[string]json.RawMessage

type server struct {
	Listen      []string          `json:"listen,omitempty"`
	Routes      routes            `json:"routes,omitempty"`
	NamedRoutes map[string]*route `json:"named_routes,omitempty"`
	AutoHTTPS   json.RawMessage   `json:"automatic_https,omitempty"`
}

type route struct {
	Group    string          `json:"group,omitempty"`
	Match    json.RawMessage `json:"match,omitempty"`
	Handle   []object        `json:"handle,omitempty"`
	Terminal bool            `json:"terminal,omitempty"`
}

type routes []*route

// strip leaves the handlers that decide where a request comes to.
func (list routes) strip() error {
	for _, r := range list {
		var handle []object
		for _, h := range r.Handle {
			var name string
			if err := json.Unmarshal(h["handler"], &name); err != nil {
				return fmt.Errorf("handler: %w", err)
			}
			switch {
			case name == "subroute":
				var inner routes
				if err := json.Unmarshal(h["routes"], &inner); err != nil && h["routes"] != nil {
					return err
				}
				if err := inner.strip(); err != nil {
					return err
				}
				h = object{"handler": h["handler"]}
				h["routes"], _ = json.Marshal(inner)
			case name == "tollgate":
				delete(h, "session_key")
			case slices.Contains(answering, caddy.ModuleID("http.handlers."+name)):
				h = object{"handler": json.RawMessage(`"static_response"`)}
			case !slices.Contains(keptHandlers, name):
				continue
			}
			handle = append(handle, h)
		}
		r.Handle = handle
	}
	return nil
}

// String is the explanation for people, in lines.
func (e *explanation) String() string {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	who := "nobody who is known"
	if e.As != "" {
		who = e.As
	}
	line("%s %s from %s: %s", e.Method, e.URL, who, e.Result)
	if e.Reason != "" {
		line("  reason    %s", e.Reason)
	}
	switch {
	case e.Gate != "":
		line("  gate      %s", e.Gate)
	case e.Endpoint != "":
		line("  endpoint  %s", e.Endpoint)
	case e.Result == resultUngated:
		line("  No gate stands on its way: it is answered, or passed on, by the routes of Caddy alone.")
	}
	if e.Path != "" {
		line("  path      %s", e.Path)
	}
	for _, p := range e.Paths {
		rule := "none matches"
		if p.Rule != nil {
			rule = p.Rule.String()
		}
		line("  %s %s: %s %s, rule %s", p.Kind, p.Path, p.Result, p.Reason, rule)
	}
	switch {
	case e.Rule != nil:
		line("  rule      %s", e.Rule)
		if len(e.Origin) > 0 {
			line("  origin    %s", strings.Join(e.Origin, " "))
		}
	case e.Path != "":
		line("  rule      none matches")
	}
	for _, r := range e.Skipped {
		line("  not for %s: %s", e.Method, r)
	}
	if e.Note != "" {
		line("  note      %s", e.Note)
	}
	for _, o := range e.Conditions {
		verdict := "holds"
		if !o.Holds {
			verdict = "does not hold: " + o.Reason
		}
		line("\n%s — %s", o.Condition, verdict)
		for _, f := range o.Facts {
			line("  %s: %s", f.Question, f.Answer)
		}
	}
	if a := e.Answer; a != nil {
		line("\nA program is answered %d.", a.Program)
		switch {
		case a.Page != "":
			line("A browser is sent to %s", a.Page)
		default:
			line("A browser is answered %d.", a.Browser)
		}
	}
	if u := e.Upstream; u != nil {
		line("\nThe application receives")
		if u.Address != "" {
			line("  at %s", u.Address)
		}
		for _, name := range slices.Sorted(maps.Keys(u.Headers)) {
			line("  %s: %s", name, u.Headers[name])
		}
		if len(u.Headers) == 0 {
			line("  nothing about the sender")
		}
		if len(u.Session) > 0 {
			var indented bytes.Buffer
			if json.Indent(&indented, u.Session, "  ", "  ") == nil {
				line("  session %s", &indented)
			}
		}
	}
	return b.String()
}

func (r *explainedRule) String() string {
	if r.Source == "" {
		return fmt.Sprintf("%d, %s", r.Number, r.Text)
	}
	return fmt.Sprintf("%d, %s (%s)", r.Number, r.Text, r.Source)
}
