package caddymodule

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

func clockCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clock <profile> [+<n><hour|day|week|month|year> | <time> | reset] [--json]",
		Short: "Shows the clock of a profile, or, in the sandbox, moves it forward: what is renewed, charged and told until then happens now",
		Args:  cobra.RangeArgs(1, 2),
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		do := reads
		if len(args) == 2 {
			do = writes
		}
		return run(do, func(flags caddycmd.Flags, args []string, app *App) error {
			return runClock(context.Background(), flags, args, app, cmd.OutOrStdout())
		})(cmd, args)
	}
	return jsonFlag(cmd)
}

// A clockSheet is a clock, with what happened when it was moved.
type clockSheet struct {
	Profile  string       `json:"profile"`
	Now      store.Time   `json:"now"`
	Ahead    int64        `json:"ahead_seconds"`
	Happened []happenedAt `json:"happened"`
}

type happenedAt struct {
	At     store.Time `json:"at"`
	What   string     `json:"what"`
	Amount string     `json:"amount"` // "" for none
	Text   string     `json:"text"`
}

// runClock shows a clock, and what happened when it was moved.
func runClock(ctx context.Context, flags caddycmd.Flags, args []string, app *App, out io.Writer) error {
	sheet := clockSheet{Profile: args[0], Happened: []happenedAt{}}
	if len(args) == 2 {
		if err := sheet.move(ctx, app, args[1]); err != nil {
			sheet.print(out, flags, false) // what has happened, has
			return err
		}
	}
	now, ahead, err := app.service.Billing().ClockOf(ctx, args[0])
	if err != nil {
		return err
	}
	sheet.Now, sheet.Ahead = now, int64(ahead.Round(time.Second).Seconds())
	return sheet.print(out, flags, true)
}

// move moves the clock to a time or by a step, or resets it.
func (c *clockSheet) move(ctx context.Context, app *App, to string) error {
	if to == "reset" {
		was, err := app.service.ResetClock(ctx, c.Profile)
		if err == nil && !was {
			err = fmt.Errorf("%s has no clock of its own", c.Profile)
		}
		return err
	}
	now, _, err := app.service.Billing().ClockOf(ctx, c.Profile)
	if err != nil {
		return err
	}
	until, err := laterTime(now, to)
	if err != nil {
		return err
	}
	list, err := app.service.MoveClock(ctx, c.Profile, until)
	for _, h := range list {
		amount := ""
		if h.Amount.Unit != "" {
			amount = h.Amount.String()
		}
		c.Happened = append(c.Happened, happenedAt{h.At, h.What, amount, h.Text})
	}
	return err
}

func (c *clockSheet) print(out io.Writer, flags caddycmd.Flags, known bool) error {
	if flags.Bool("json") {
		if !known {
			return nil
		}
		return printJSON(out, c)
	}
	for _, h := range c.Happened {
		fmt.Fprintln(out, cells(h.At.Format(time.RFC3339), h.What, h.Amount, h.Text))
	}
	if !known {
		return nil
	}
	fmt.Fprintf(out, "%s\t%s", c.Now.Truncate(time.Second).Format(time.RFC3339), c.Profile)
	if days := (c.Ahead + 1800) / 3600 / 24; c.Ahead > 0 {
		fmt.Fprintf(out, "\t%d days ahead", days)
	}
	_, err := fmt.Fprintln(out)
	return err
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
