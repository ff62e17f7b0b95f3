package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/caddy-tollgate/tollgate/api"
	billingapi "github.com/caddy-tollgate/tollgate/api/billing"
	"github.com/caddy-tollgate/tollgate/ledger"
	"github.com/caddy-tollgate/tollgate/store"
)

// The commands about money.

func renewCommand() *cobra.Command {
	renew := &cobra.Command{
		Use:   "renew [--dry-run] [--at <time>] | --parked | --unpark <profile> [--json]",
		Short: "Renews subscriptions and charges what is due now, as the server does every hour; or tells what that would do",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags, do := caddycmd.Flags{FlagSet: cmd.Flags()}, writes
			if flags.Bool("dry-run") || flags.Bool("parked") {
				do = reads
			}
			return run(do, func(flags caddycmd.Flags, _ []string, app *App) error {
				return runRenew(context.Background(), flags, app, cmd.OutOrStdout())
			})(cmd, args)
		},
	}
	renew.Flags().Bool("dry-run", false, "Print what would be ordered, earned and charged; change nothing")
	renew.Flags().String("at", "", "With --dry-run: as of this time, as in 2026-03-31T12:00:00Z")
	renew.Flags().Bool("parked", false, "List the profiles that are not charged until somebody has looked at them")
	renew.Flags().String("unpark", "", "Let this profile be charged again")
	return jsonFlag(renew)
}

func runRenew(ctx context.Context, flags caddycmd.Flags, app *App, out io.Writer) error {
	billing := app.service.Billing()
	if slug := flags.String("unpark"); slug != "" {
		was, err := app.service.Unpark(ctx, slug)
		if err == nil && !was {
			err = fmt.Errorf("%s is not parked", slug)
		}
		return err
	}
	if flags.Bool("parked") {
		list, err := billing.ListParked(ctx)
		if err != nil {
			return err
		}
		return printList(out, flags, list, func(p billingapi.Parked) string { return cells(when(&p.At), p.Slug, p.Reason) })
	}
	at := flags.String("at")
	if !flags.Bool("dry-run") {
		if at != "" {
			return errors.New("--at goes with --dry-run: money moves at the present only")
		}
		return app.service.RenewNow(ctx)
	}
	when := time.Now()
	if at != "" {
		var err error
		if when, err = time.Parse(time.RFC3339, at); err != nil {
			return fmt.Errorf("--at: %q is no time, as in 2026-03-31T12:00:00Z", at)
		}
	}
	plan, err := app.service.PlanRenewals(ctx, when)
	if err != nil {
		return err
	}
	if flags.Bool("json") {
		plan.Orders, plan.Earned = append([]api.PlannedLine{}, plan.Orders...), append([]ledger.Amount{}, plan.Earned...)
		plan.Charge, plan.Ended = append([]api.PlannedLine{}, plan.Charge...), append([]api.PlannedLine{}, plan.Ended...)
		return printJSON(out, plan)
	}
	printPlan(out, plan)
	return nil
}

func printPlan(out io.Writer, plan *api.RenewalPlan) {
	fmt.Fprintf(out, "at %s:\n", plan.At.UTC().Format(time.RFC3339))
	for _, l := range plan.Orders {
		fmt.Fprintf(out, "order\t%s\t%s\t%s\n", l.Profile, l.Amount, l.What)
	}
	for _, a := range plan.Earned {
		fmt.Fprintf(out, "earn\t\t%s\t%s\n", a, strings.ToUpper(a.Unit))
	}
	for _, l := range plan.Charge {
		fmt.Fprintf(out, "charge\t%s\t%s\tfor %s, unless the card is declined\n", l.Profile, l.Amount, l.What)
	}
	for _, l := range plan.Ended {
		fmt.Fprintf(out, "end\t%s\t\t%s\n", l.Profile, l.What)
	}
	for _, event := range slices.Sorted(maps.Keys(plan.Told)) {
		fmt.Fprintf(out, "tell\t\t%d\t%s\n", plan.Told[event], event)
	}
	if len(plan.Orders)+len(plan.Earned)+len(plan.Charge)+len(plan.Ended)+len(plan.Told) == 0 {
		fmt.Fprintln(out, "nothing to do")
	}
}

func verifyCommand() *cobra.Command {
	verify := &cobra.Command{
		Use:   "verify [--anchor <batch>:<hash>] [--json]",
		Short: "Proves the books: the chain, the trial balance, balances, charges; exits with 1 when something does not hold",
		Args:  cobra.NoArgs,
	}
	verify.RunE = run(reads, func(flags caddycmd.Flags, _ []string, app *App) error {
		return runVerify(context.Background(), app, flags, verify.OutOrStdout(), os.Stderr)
	})
	verify.Flags().String("anchor", "", "An anchor that verify printed earlier: proves that nothing before it was changed or cut off")
	return jsonFlag(verify)
}

var errBooks = errors.New("the books are not in order")

func runVerify(ctx context.Context, app *App, flags caddycmd.Flags, out, progress io.Writer) error {
	s := app.site.Store
	if anchor := flags.String("anchor"); anchor != "" {
		a, err := ledger.ParseAnchor(anchor)
		if err != nil {
			return err
		}
		if err := s.Read(ctx, func(r store.Reader) error { return ledger.VerifyAnchor(r, a) }); err != nil {
			return err
		}
	}
	report, err := ledger.Verify(ctx, s, percent(progress, "verifying"))
	if err != nil {
		return err
	}
	if flags.Bool("json") {
		if err := printJSON(out, booksOf(report)); err != nil || report.Found == 0 {
			return err
		}
		return fmt.Errorf("%w: %d problems", errBooks, report.Found)
	}
	fmt.Fprintf(out, "%d entries in %d batches\n", report.Entries, report.Batches)
	for _, t := range report.Trial {
		fmt.Fprintf(out, "%s\tdebits %s\tcredits %s\texchanged %s\n", t.Unit, ledger.Amount{Value: t.Debits, Unit: t.Unit},
			ledger.Amount{Value: t.Credits, Unit: t.Unit}, ledger.Amount{Value: t.Exchanged, Unit: t.Unit})
	}
	for _, p := range report.Problems {
		fmt.Fprintf(out, "%s: %s\n", p.Where, p.What)
	}
	if report.Found > 0 {
		return fmt.Errorf("%w: %d problems", errBooks, report.Found)
	}
	fmt.Fprintf(out, "in order; anchor %s\n", report.Head)
	return nil
}

// books is what verify says, for programs.
type books struct {
	Entries  int64          `json:"entries"`
	Batches  int64          `json:"batches"`
	Anchor   string         `json:"anchor"`
	Trial    []trialOfUnit  `json:"trial"`
	Problems []booksProblem `json:"problems"` // the first hundred
	Found    int64          `json:"found"`
}

type trialOfUnit struct {
	Unit      string `json:"unit"`
	Debits    int64  `json:"debits"`
	Credits   int64  `json:"credits"`
	Exchanged int64  `json:"exchanged"`
}

type booksProblem struct {
	Where string `json:"where"`
	What  string `json:"what"`
}

func booksOf(r ledger.Report) books {
	b := books{Entries: r.Entries, Batches: r.Batches, Anchor: r.Head.String(), Trial: []trialOfUnit{}, Problems: []booksProblem{}, Found: r.Found}
	for _, t := range r.Trial {
		b.Trial = append(b.Trial, trialOfUnit{t.Unit, t.Debits, t.Credits, t.Exchanged})
	}
	for _, p := range r.Problems {
		b.Problems = append(b.Problems, booksProblem{p.Where, p.What})
	}
	return b
}

// percent shows on a terminal how far a command is.
func percent(w io.Writer, what string) func(done, of int64) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	last := int64(-1)
	return func(done, of int64) {
		if now := done * 100 / max(of, 1); now != last {
			last = now
			fmt.Fprintf(w, "\r\x1b[K%s: %d %%", what, now)
			if done >= of {
				fmt.Fprint(w, "\r\x1b[K")
			}
		}
	}
}

func exportCommand() *cobra.Command {
	export := &cobra.Command{
		Use:   "export [--format hledger|ledger|beancount] [--output <file>]",
		Short: "Writes the books as a journal that hledger, ledger or beancount reads",
		Args:  cobra.NoArgs,
		RunE: run(reads, func(flags caddycmd.Flags, _ []string, app *App) error {
			return runExport(context.Background(), app, flags.String("format"), flags.String("output"), os.Stdout)
		}),
	}
	export.Flags().String("format", "hledger", "hledger, ledger or beancount")
	export.Flags().StringP("output", "o", "", "File to write, which must not exist (default: standard output)")
	return export
}

func runExport(ctx context.Context, app *App, format, path string, out io.Writer) (err error) {
	f, err := ledger.ParseFormat(format)
	if err != nil {
		return err
	}
	if path == "" {
		return ledger.Export(ctx, app.site.Store, out, f)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return ledger.Export(ctx, app.site.Store, file, f)
}
