package caddymodule

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/store"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "tollgate",
		Usage: "<command>",
		Short: "Works on a Tollgate database",
		Long: `
Works on the database of a Tollgate site, while Caddy runs or not. The site is found through the
Caddyfile (--config), or by the path of its database (--store).`,
		CobraFunc: commands,
	})
}

func commands(cmd *cobra.Command) {
	cmd.PersistentFlags().StringP("config", "c", "", "Configuration file (default: Caddyfile in the current directory, if there is one)")
	cmd.PersistentFlags().StringP("adapter", "a", "", "Name of the config adapter to apply")
	cmd.PersistentFlags().String("store", "", "Path of the database, in place of the configuration's")
	cmd.AddCommand(userCommand(), roleCommand(), planCommand(), brokerCommand(), storeCommand(), keyCommand(),
		auditCommand(), renewCommand(), clockCommand(), verifyCommand(), exportCommand(), importCommand(),
		noticeCommand(), pageCommand(), explainCommand())
	strict(cmd)
}

// configured is the app of the configuration that the flags name, an empty one when there is none.
func configured(flags caddycmd.Flags) (*App, error) {
	app := new(App)
	raw, _, _, err := caddycmd.LoadConfig(flags.String("config"), flags.String("adapter"))
	if err != nil || len(raw) == 0 {
		return app, err
	}
	var config struct {
		Apps struct {
			Tollgate json.RawMessage `json:"tollgate"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, err
	}
	if config.Apps.Tollgate == nil {
		if flags.String("store") == "" {
			return nil, errors.New("the configuration has no global option `tollgate`")
		}
		return app, nil
	}
	return app, json.Unmarshal(config.Apps.Tollgate, app)
}

// access is what a command does to the database that it works on.
type access int

const (
	reads   access = iota // opened to be read; nothing is made or changed
	writes                // changed; it must be there
	creates               // made, if it is not there
	renames               // changed, whatever broker the configuration names
	repairs               // opened without its secrets
)

// openSite opens the site that the flags name, and says which database that is. The caller closes it.
func openSite(flags caddycmd.Flags, do access) (*App, func(), error) {
	app, err := configured(flags)
	if err != nil {
		return nil, nil, err
	}
	if path := flags.String("store"); path != "" {
		app.Store = path
	}
	app.Demo = false // users are made by the server, not by a command
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	app.logger = zap.NewNop()
	app.command = true
	app.adopt = app.Broker.Slug == "" && do != creates || do == renames
	if err := app.Provision(ctx); err != nil {
		cancel()
		return nil, nil, err
	}
	switch do {
	case creates:
		err = app.service.Prepare(context.Background())
	case repairs:
	default:
		err = app.service.Attach(context.Background(), do == reads)
	}
	if errors.Is(err, store.ErrNone) {
		err = fmt.Errorf("%w: name another with --config or --store, start Caddy once, or make one with `caddy tollgate store create`", err)
	}
	if err != nil {
		_ = app.Cleanup()
		cancel()
		return nil, nil, err
	}
	return app, func() { _ = app.Cleanup(); cancel() }, nil
}

// run makes the body of a command that works on a site. Which database it was goes to standard error, where it is in nobody's way.
func run(do access, body func(flags caddycmd.Flags, args []string, app *App) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cmd.SilenceUsage = true
		flags := caddycmd.Flags{FlagSet: cmd.Flags()}
		app, done, err := openSite(flags, do)
		if err != nil {
			return err
		}
		defer done()
		fmt.Fprintf(cmd.ErrOrStderr(), "database: %s\n", app.key)
		return body(flags, args, app)
	}
}

func userCommand() *cobra.Command {
	user := &cobra.Command{Use: "user", Short: "Manages logins"}
	create := &cobra.Command{
		Use:   "create <username> --email <address> [--full-name <name>] [--personal] [--manager] [--password-file <file>|-]",
		Short: "Creates a login; the password is asked for, or read from a file or the standard input",
		Args:  cobra.ExactArgs(1),
		RunE: run(writes, func(flags caddycmd.Flags, args []string, app *App) error {
			password, err := readPassword(flags.String("password-file"), os.Stdin, os.Stderr)
			if err != nil {
				return err
			}
			name, err := app.service.CreateUser(context.Background(), api.NewUser{
				Username: args[0], Email: flags.String("email"), FullName: flags.String("full-name"), Password: password,
				Personal: flags.Bool("personal"), Manager: flags.Bool("manager"),
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stdout, "created %s\n", name)
			return nil
		}),
	}
	create.Flags().String("email", "", "E-mail address")
	create.Flags().String("full-name", "", "Full name")
	create.Flags().Bool("personal", false, "With a personal profile")
	create.Flags().Bool("manager", false, "As a manager of the broker")
	create.Flags().String("password-file", "", "File that holds the password, - for the standard input")
	user.AddCommand(create, listUsersCommand(), showUserCommand(), passwordCommand(),
		onUser("confirm", "Takes the addresses of a user for proven", func(app *App, ctx context.Context, name string) error {
			return app.service.Users().ConfirmAddresses(ctx, name)
		}),
		onUser("unlock", "Forgets the failed log-ins of a user", func(app *App, ctx context.Context, name string) error {
			return app.service.Users().Unlock(ctx, name)
		}),
		onUser("delete", "Deletes a user, with the personal profile: what is on the books stays", func(app *App, ctx context.Context, name string) error {
			return app.service.Users().Remove(ctx, name)
		}),
		onUser("disable", "Refuses a user, and ends the sessions", func(app *App, ctx context.Context, name string) error {
			return app.service.Users().Disable(ctx, name)
		}),
		onUser("enable", "Takes a user in again", func(app *App, ctx context.Context, name string) error {
			return app.service.Users().Enable(ctx, name)
		}),
	)
	return user
}

// readPassword takes a password from a file, from the standard input, or from who sits at the terminal; never from an argument,
// which other users of the machine can see.
func readPassword(file string, in *os.File, prompt io.Writer) (string, error) {
	switch {
	case file == "-":
		return firstLine(in)
	case file != "":
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		return firstLine(f)
	case !term.IsTerminal(int(in.Fd())):
		return "", errors.New("there is no terminal to ask for the password: use --password-file <file>, or --password-file - for the standard input")
	}
	ask := func(text string) (string, error) {
		fmt.Fprint(prompt, text)
		defer fmt.Fprintln(prompt)
		b, err := term.ReadPassword(int(in.Fd()))
		return string(b), err
	}
	password, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask("Again: ")
	if err != nil {
		return "", err
	}
	if password != again {
		return "", errors.New("the passwords differ")
	}
	return password, nil
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// now is the clock of the product. Tests set it.
var now = time.Now
