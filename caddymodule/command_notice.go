package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/store"
)

func noticeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "notice", Short: "Shows mails, and manages what could not be delivered"}
	cmd.AddCommand(previewCommand(), letterCommand(), resendCommand(), replayCommand())
	return cmd
}

// previewCommand writes a mail without a database, so that templates can be tried before they are used.
func previewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "preview <event> [--html|--json] [--lang <language>] [--templates <folder>]",
		Short: "Prints the mail of an event, with a sample of its payload",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			flags := caddycmd.Flags{FlagSet: cmd.Flags()}
			app, err := configured(flags)
			if err != nil {
				return err
			}
			if dir := flags.String("templates"); dir != "" {
				app.MailTemplates = dir
				delete(app.Sources, "mail_templates")
			}
			site := notice.Site{BaseURL: strings.TrimRight(app.URL, "/"), Broker: app.Broker.FullName, Email: app.Broker.Email,
				Language: cmp.Or(flags.String("lang"), app.Language), Now: now()}
			if site.Broker == "" {
				site.Broker = "Broker"
			}
			if site.Templates, err = app.templates(caddy.NewReplacer()); err != nil {
				return err
			}
			m, err := notice.Preview(args[0], site)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if flags.Bool("json") {
				return printJSON(out, previewed{Subject: m.Subject, Text: m.Text, HTML: m.HTML})
			}
			if flags.Bool("html") {
				_, err = fmt.Fprint(out, m.HTML)
				return err
			}
			_, err = fmt.Fprintf(out, "Subject: %s\n\n%s", m.Subject, m.Text)
			return err
		},
	}
	cmd.Flags().Bool("html", false, "The HTML of the mail, in place of subject and text")
	cmd.Flags().String("lang", "", "Language of the mail, as in fr (default: the site's)")
	cmd.Flags().String("templates", "", "Folder of templates, in place of the configuration's")
	return jsonFlag(cmd)
}

// A previewed mail is what `notice preview --json` prints.
type previewed struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

func letterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--dead|--done] [--last <n>] [--json]",
		Short: "Lists the notices that wait to be delivered, or were given up, or delivered",
		Args:  cobra.NoArgs,
	}
	cmd.RunE = run(reads, func(flags caddycmd.Flags, _ []string, app *App) error {
		state := notice.Waiting
		switch {
		case flags.Bool("dead"):
			state = notice.Dead
		case flags.Bool("done"):
			state = notice.Done
		}
		list, err := app.service.Letters(context.Background(), state, flags.Int("last"))
		if err != nil {
			return err
		}
		if len(list) == 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "no notices %s\n", map[notice.LetterState]string{notice.Waiting: "are waiting", notice.Dead: "were given up",
				notice.Done: "were delivered"}[state])
		}
		rows := make([]letterRow, len(list))
		for i, l := range list {
			rows[i] = letterRowOf(l, state)
		}
		return printList(cmd.OutOrStdout(), flags, rows, func(l letterRow) string {
			at := "after others"
			if l.At != nil {
				at = when(l.At)
			}
			return cells(strconv.FormatInt(l.ID, 10), at, l.Event, l.Subject, l.Sink, strings.Join(l.To, ","), strconv.Itoa(l.Attempts), l.Error)
		})
	})
	cmd.Flags().Bool("dead", false, "Those that were given up, the last first")
	cmd.Flags().Bool("done", false, "Those that were delivered, the last first")
	cmd.Flags().Int("last", 50, "How many")
	cmd.MarkFlagsMutuallyExclusive("dead", "done")
	return jsonFlag(cmd)
}

// A letterRow is a notice as an operator lists it.
type letterRow struct {
	ID       int64       `json:"id"`
	At       *store.Time `json:"at"` // next try, or when it was given up or delivered; null while others are before it
	Event    string      `json:"event"`
	Subject  string      `json:"subject"`
	Sink     string      `json:"sink"`
	To       []string    `json:"to"`
	Attempts int         `json:"attempts"`
	Error    string      `json:"error"`
}

func letterRowOf(l notice.Letter, state notice.LetterState) letterRow {
	at := map[notice.LetterState]store.Time{notice.Waiting: l.NextAt, notice.Dead: l.DeadAt, notice.Done: l.DoneAt}[state]
	row := letterRow{ID: l.ID, Event: l.Event, Subject: l.Subject, Sink: l.Sink, To: append([]string{}, l.To...), Attempts: l.Attempts, Error: l.Error}
	if !at.IsZero() {
		row.At = &at
	}
	return row
}

func resendCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resend <id>... | --all",
		Short: "Has notices delivered again: those with these numbers, or all that were given up",
	}
	cmd.RunE = run(writes, func(flags caddycmd.Flags, args []string, app *App) error {
		if flags.Bool("all") == (len(args) > 0) {
			return errors.New("write the numbers that `notice list --dead` shows, or --all")
		}
		n := len(args)
		var err error
		if flags.Bool("all") {
			n, err = app.service.ResendDead(context.Background())
		} else {
			ids := make([]int64, n)
			for i, a := range args {
				if ids[i], err = strconv.ParseInt(a, 10, 64); err != nil {
					return fmt.Errorf("%q is no number of a notice", a)
				}
			}
			err = app.service.Resend(context.Background(), ids)
		}
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%d to be sent again\n", n)
		}
		return err
	})
	cmd.Flags().Bool("all", false, "All that were given up")
	return cmd
}

func replayCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay [--last <duration>] [<host>]",
		Short: "Has webhooks posted again what they were posted in the last while, to those of a host or all",
		Args:  cobra.MaximumNArgs(1),
	}
	cmd.RunE = run(writes, func(flags caddycmd.Flags, args []string, app *App) error {
		last, err := caddy.ParseDuration(flags.String("last"))
		if err != nil || last <= 0 {
			return fmt.Errorf("--last: %q is not a duration, as in 24h", flags.String("last"))
		}
		n, err := app.service.Replay(context.Background(), last, strings.Join(args, ""))
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%d to be posted again\n", n)
		}
		return err
	})
	cmd.Flags().String("last", "24h", "How far back")
	return cmd
}
