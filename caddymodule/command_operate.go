package caddymodule

import (
	"context"
	"fmt"
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-tollgate/tollgate/api"
)

// passwordCommand sets a password, which ends the sessions of the user.
func passwordCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "password <username> [--password-file <file>|-]",
		Short: "Sets a password; the sessions of the user end",
		Args:  cobra.ExactArgs(1),
		RunE: run(writes, func(flags caddycmd.Flags, args []string, app *App) error {
			password, err := readPassword(flags.String("password-file"), os.Stdin, os.Stderr)
			if err != nil {
				return err
			}
			return app.service.Users().SetPassword(context.Background(), args[0], password)
		}),
	}
	cmd.Flags().String("password-file", "", "File that holds the password, - for the standard input")
	return cmd
}

// onUser makes a command that does one thing to a user.
func onUser(name, short string, do func(app *App, ctx context.Context, username string) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " <username>", Short: short, Args: cobra.ExactArgs(1),
		RunE: run(writes, func(_ caddycmd.Flags, args []string, app *App) error { return do(app, context.Background(), args[0]) }),
	}
}

func keyCommand() *cobra.Command {
	key := &cobra.Command{Use: "key", Short: "Manages the keys of login tokens and assertions"}
	rotate := &cobra.Command{
		Use:   "rotate [--keep <n>]",
		Short: "Makes new keys that sign; the last ones still verify. Then run caddy reload --force",
		Args:  cobra.NoArgs,
	}
	rotate.RunE = run(writes, func(flags caddycmd.Flags, _ []string, app *App) error {
		keep := flags.Int("keep")
		if keep < 1 {
			return usage(rotate, fmt.Errorf("--keep %d: at least 1 key is kept, the new one", keep))
		}
		id, keys, err := app.service.RotateKeys(context.Background(), keep)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(rotate.OutOrStdout(), "the key %s signs, in %s; %d verify; now run `caddy reload --force`\n", id, app.Secrets, keys)
		return err
	})
	rotate.Flags().Int("keep", 2, "How many keys verify, the new one included; 1 ends all logins")
	create := &cobra.Command{
		Use:   "create",
		Short: "Makes a file of secrets in place of one that is lost; everybody logs in anew, and sets one-time passwords up again",
		Args:  cobra.NoArgs,
	}
	create.RunE = run(repairs, func(_ caddycmd.Flags, _ []string, app *App) error {
		lost, err := app.service.CreateKeys(context.Background())
		if err != nil {
			return err
		}
		out := create.OutOrStdout()
		fmt.Fprintf(out, "made %s; all logins have ended; one-time passwords of %d users are off\n", app.Secrets, lost.OneTimePasswords)
		if lost.SessionKey {
			fmt.Fprintln(out, "the key of sessions that the API made is gone: POST /api/proxy/key makes another")
		}
		return nil
	})
	key.AddCommand(rotate, create)
	return key
}

func auditCommand() *cobra.Command {
	audit := &cobra.Command{
		Use:   "audit [--last <n>] [--json]",
		Short: "Prints who did what, the latest last",
		Args:  cobra.NoArgs,
	}
	audit.RunE = run(reads, func(flags caddycmd.Flags, _ []string, app *App) error {
		rows, err := app.service.Audit(context.Background(), flags.Int("last"))
		if err != nil {
			return err
		}
		return printList(audit.OutOrStdout(), flags, rows, func(r api.AuditRow) string {
			if r.Times > 1 {
				r.Detail = fmt.Sprintf("%d times, %s", r.Times, r.Detail)
			}
			return cells(when(&r.At), r.Actor, r.Action, r.Subject, r.Detail)
		})
	})
	audit.Flags().Int("last", 50, "How many rows")
	return jsonFlag(audit)
}

// brokerCommand manages the profile that the database belongs to.
func brokerCommand() *cobra.Command {
	broker := &cobra.Command{Use: "broker", Short: "Manages the profile that runs the site"}
	rename := &cobra.Command{
		Use:   "rename <slug>",
		Short: "Gives the broker another name in the database; then write it into the Caddyfile, and run caddy reload",
		Args:  cobra.ExactArgs(1),
	}
	rename.RunE = run(renames, func(_ caddycmd.Flags, args []string, app *App) error {
		if !slug.MatchString(args[0]) || len(args[0]) > 50 {
			return fmt.Errorf("%q is not a slug: use at most 50 letters, digits, - and _", args[0])
		}
		was, err := app.service.RenameBroker(context.Background(), args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(rename.OutOrStdout(), "the broker %s is called %s now: write `broker %s` into the Caddyfile, and run `caddy reload`; "+
			"until then a server that runs knows no broker\n", was, args[0], args[0])
		return err
	})
	broker.AddCommand(rename)
	return broker
}

// storeCommand manages the database as a whole.
func storeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Manages the database"}
	create := &cobra.Command{
		Use:   "create",
		Short: "Makes the database and its keys, with the broker that the configuration names, before Caddy starts for the first time",
		Args:  cobra.NoArgs,
	}
	create.RunE = run(creates, func(_ caddycmd.Flags, _ []string, app *App) error {
		_, err := fmt.Fprintf(create.OutOrStdout(), "%s is ready, and belongs to the broker %s\n", app.key, app.Broker.Slug)
		return err
	})
	cmd.AddCommand(create)
	return cmd
}
