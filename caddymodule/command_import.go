package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// importCommand takes over a site from the database of the other system that serves the contract.
func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import --from <file> [--dry-run]",
		Short: "Takes over a site from the SQLite database of the system that Tollgate replaces, into an empty store",
		Long: `
Takes over users with their passwords, profiles, plans, subscriptions, carts, charges, the ledger and the rules of the gate, with their
ids and dates, in one transaction. The broker is the one that the configuration names. What is left out, and why, is printed at the end.
--dry-run does the same and keeps nothing.`,
		Args: cobra.NoArgs,
		RunE: run(creates, func(flags caddycmd.Flags, _ []string, app *App) error {
			if flags.String("from") == "" {
				return errors.New("name the file to import: --from <file>")
			}
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			return runImport(ctx, app, flags.String("from"), flags.Bool("dry-run"), os.Stdout, os.Stderr)
		}),
	}
	cmd.Flags().String("from", "", "The database to take over")
	cmd.Flags().Bool("dry-run", false, "Try it out: report, and change nothing")
	return cmd
}

func runImport(ctx context.Context, app *App, file string, dryRun bool, out, progress io.Writer) error {
	report, err := app.service.Import(ctx, file, dryRun, showProgress(progress))
	if err != nil {
		return err
	}
	if _, err := report.WriteTo(out); err != nil {
		return err
	}
	if dryRun {
		fmt.Fprintln(out, "\nA dry run: nothing was changed.")
		return nil
	}
	fmt.Fprintf(out, "\nImported. Keep the chain's head, %s: it proves later that nothing was cut off these books.\n", report.Books.Head)
	return nil
}

// showProgress tells how far the import is: on one line of a terminal, or a line for each table.
func showProgress(w io.Writer) func(table string, done, of int64) {
	f, ok := w.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	return func(table string, done, of int64) {
		switch {
		case terminal && done < of:
			fmt.Fprintf(w, "\r\x1b[K%s: %d of %d", table, done, of)
		case terminal:
			fmt.Fprintf(w, "\r\x1b[K%s: %d\n", table, of)
		case done == of:
			fmt.Fprintf(w, "%s: %d\n", table, of)
		}
	}
}
