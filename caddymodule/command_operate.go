package caddymodule

import (
	"context"
	"fmt"
	"os"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// passwordCommand sets a password, which ends the sessions of the user.
func passwordCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "password <username> [--password-file <file>|-]",
		Short: "Sets a password; the sessions of the user end",
		Args:  cobra.ExactArgs(1),
		RunE: run(func(flags caddycmd.Flags, args []string, app *App) error {
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
		RunE: run(func(_ caddycmd.Flags, args []string, app *App) error { return do(app, context.Background(), args[0]) }),
	}
}

func roleCommand() *cobra.Command {
	role := &cobra.Command{Use: "role", Short: "Manages roles"}
	role.AddCommand(&cobra.Command{
		Use:   "grant <username> <role> <profile>",
		Short: "Gives a user a role on a profile, at once",
		Args:  cobra.ExactArgs(3),
		RunE: run(func(_ caddycmd.Flags, args []string, app *App) error {
			return app.service.GrantRole(context.Background(), args[0], args[1], args[2])
		}),
	})
	return role
}

func keyCommand() *cobra.Command {
	key := &cobra.Command{Use: "key", Short: "Manages the keys of login tokens and assertions"}
	rotate := &cobra.Command{
		Use:   "rotate [--keep <n>]",
		Short: "Makes new keys that sign; the last ones still verify. Then run caddy reload --force",
		Args:  cobra.NoArgs,
		RunE: run(func(flags caddycmd.Flags, _ []string, app *App) error {
			return app.service.RotateKeys(flags.Int("keep"))
		}),
	}
	rotate.Flags().Int("keep", 2, "How many keys verify, the new one included; 1 ends all logins")
	key.AddCommand(rotate)
	return key
}

func auditCommand() *cobra.Command {
	audit := &cobra.Command{
		Use:   "audit [--last <n>]",
		Short: "Prints who did what, the latest last",
		Args:  cobra.NoArgs,
		RunE: run(func(flags caddycmd.Flags, _ []string, app *App) error {
			rows, err := app.service.Audit(context.Background(), flags.Int("last"))
			for _, r := range rows {
				fmt.Printf("%s\t%s\t%s\t%s\t%s\n", r.At.Format(time.RFC3339), r.Actor, r.Action, r.Subject, r.Detail)
			}
			return err
		}),
	}
	audit.Flags().Int("last", 50, "How many rows")
	return audit
}
