package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-tollgate/tollgate/store"
)

// exitUsage is the status of a command whose words are not understood, so that a script does not go on as if it had done something.
const exitUsage = 2

// usage is an error with the status of one.
func usage(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return exitUsage, err })(cmd, nil)
}

// strict refuses unknown words, flags and a wrong number of arguments, of a command and those below it. Cobra prints the help for an
// unknown word, and ends with 0.
func strict(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(usage)
	if count := cmd.Args; count != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := count(cmd, args); err != nil {
				return usage(cmd, fmt.Errorf("%w: write `%s`", err, cmd.UseLine()))
			}
			return nil
		}
	}
	if cmd.HasSubCommands() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = unknownCommand
	}
	for _, c := range cmd.Commands() {
		strict(c)
	}
}

// unknownCommand is the body of a command that only has others.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var words []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			words = append(words, c.Name())
		}
	}
	if guess := closest(args[0], words); guess != "" {
		return usage(cmd, fmt.Errorf("unknown command %q for %q: did you mean %q?", args[0], cmd.CommandPath(), guess))
	}
	return usage(cmd, fmt.Errorf("unknown command %q for %q: write one of %s", args[0], cmd.CommandPath(), strings.Join(words, ", ")))
}

// printList prints rows as JSON, one array, or as lines.
func printList[T any](out io.Writer, flags caddycmd.Flags, rows []T, line func(T) string) error {
	if flags.Bool("json") {
		if rows == nil {
			rows = []T{}
		}
		return printJSON(out, rows)
	}
	for _, r := range rows {
		if _, err := fmt.Fprintln(out, line(r)); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	return e.Encode(v)
}

// cells are the columns of a line.
func cells(columns ...string) string { return strings.Join(columns, "\t") }

// when prints a time, "-" for none.
func when(t *store.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("json", false, "Print JSON")
	return cmd
}
