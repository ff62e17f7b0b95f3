package caddymodule

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

func clockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clock <profile> [+<n><hour|day|week|month|year> | <time> | reset]",
		Short: "Shows the clock of a profile, or, in the sandbox, moves it forward: what is renewed, charged and told until then happens now",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			do := reads
			if len(args) == 2 {
				do = writes
			}
			return run(do, func(_ caddycmd.Flags, args []string, app *App) error {
				return runClock(context.Background(), args, app, os.Stdout)
			})(cmd, args)
		},
	}
}

// runClock shows a clock, and what happened when it was moved.
func runClock(ctx context.Context, args []string, app *App, out io.Writer) error {
	billing, slug := app.service.Billing(), args[0]
	if len(args) == 2 && args[1] == "reset" {
		was, err := billing.ResetClock(ctx, slug)
		if err == nil && !was {
			err = fmt.Errorf("%s has no clock of its own", slug)
		}
		if err == nil {
			err = app.service.NoteClock(ctx, slug, "reset")
		}
		return err
	}
	now, ahead, err := billing.ClockOf(ctx, slug)
	if err != nil {
		return err
	}
	if len(args) == 2 {
		to, err := laterTime(now, args[1])
		if err != nil {
			return err
		}
		happened, err := billing.MoveClock(ctx, slug, to)
		for _, h := range happened {
			amount := ""
			if h.Amount.Unit != "" {
				amount = h.Amount.String()
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", h.At.Format(time.RFC3339), h.What, amount, h.Text)
		}
		if err == nil {
			err = app.service.NoteClock(ctx, slug, to.UTC().Format(time.RFC3339))
		}
		if err != nil {
			return err
		}
		if now, ahead, err = billing.ClockOf(ctx, slug); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%s\t%s", now.Truncate(time.Second).Format(time.RFC3339), slug)
	if days := int(ahead.Round(time.Hour).Hours()) / 24; ahead > 0 {
		fmt.Fprintf(out, "\t%d days ahead", days)
	}
	fmt.Fprintln(out)
	return nil
}

var stepPattern = regexp.MustCompile(`^\+([0-9]{1,5})\s?(hour|day|week|month|year)s?$`)

// laterTime is "+1month" after now, or a time as it is written.
func laterTime(now store.Time, text string) (store.Time, error) {
	if m := stepPattern.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		for p := ledger.Hourly; p <= ledger.Yearly; p++ {
			if p.Noun() == m[2] {
				return p.Add(now, n), err
			}
		}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return store.Time{}, fmt.Errorf("%q is neither a step, as in +1month, nor a time, as in 2026-03-31T12:00:00Z, nor reset", text)
	}
	return store.At(t), nil
}
