package caddymodule

import (
	"context"
	"fmt"
	"strconv"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/ledger"
)

// The commands that list and change users, roles and plans.

func listUsersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--after <username>] [--limit <n>] [--json]",
		Short: "Lists users by name",
		Args:  cobra.NoArgs,
	}
	cmd.RunE = run(reads, func(flags caddycmd.Flags, _ []string, app *App) error {
		list, err := app.service.ListUsers(context.Background(), flags.String("after"), flags.Int("limit"))
		if err != nil {
			return err
		}
		return printList(cmd.OutOrStdout(), flags, list, func(u api.UserRow) string {
			return cells(u.Username, u.Email, u.FullName, state(u.Active), when(&u.CreatedAt), when(u.LastLogin))
		})
	})
	cmd.Flags().String("after", "", "Begin after this one")
	cmd.Flags().Int("limit", 1000, "How many at most")
	return jsonFlag(cmd)
}

func state(active bool) string {
	if active {
		return "active"
	}
	return "disabled"
}

func showUserCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show <username> [--json]",
		Short: "Shows a user: addresses, log-ins and roles",
		Args:  cobra.ExactArgs(1),
	}
	cmd.RunE = run(reads, func(flags caddycmd.Flags, args []string, app *App) error {
		u, err := app.service.ShowUser(context.Background(), args[0])
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if flags.Bool("json") {
			return printJSON(out, u)
		}
		otp := "off"
		if u.OneTimePasswords {
			otp = "on"
		}
		fmt.Fprintf(out, "username\t%s\nemail\t%s\nfull name\t%s\nstate\t%s\ncreated\t%s\nlast login\t%s\none-time passwords\t%s\nsessions\t%d\nAPI keys\t%d\n",
			u.Username, u.Email, u.FullName, state(u.Active), when(&u.CreatedAt), when(u.LastLogin), otp, u.Sessions, u.APIKeys)
		for _, r := range u.Roles {
			fmt.Fprintf(out, "role\t%s of %s, %s\n", r.Role, r.Profile, r.State)
		}
		return nil
	})
	return jsonFlag(cmd)
}

func roleCommand() *cobra.Command {
	role := &cobra.Command{Use: "role", Short: "Manages roles"}
	grant := &cobra.Command{
		Use:   "grant <username> <role> <profile> [--replace]",
		Short: "Gives a user a role on a profile, at once",
		Args:  cobra.ExactArgs(3),
	}
	grant.RunE = run(writes, func(flags caddycmd.Flags, args []string, app *App) error {
		return app.service.GrantRole(context.Background(), args[0], args[1], args[2], flags.Bool("replace"))
	})
	grant.Flags().Bool("replace", false, "In place of another role that the user has there")
	list := &cobra.Command{
		Use:   "list <profile> [--json]",
		Short: "Lists the roles on a profile",
		Args:  cobra.ExactArgs(1),
	}
	list.RunE = run(reads, func(flags caddycmd.Flags, args []string, app *App) error {
		rows, err := app.service.ListRoles(context.Background(), args[0])
		if err != nil {
			return err
		}
		return printList(list.OutOrStdout(), flags, rows, func(r api.RoleRow) string {
			return cells(r.Username, r.Role, r.Profile, r.State, when(&r.CreatedAt), when(r.EndsAt))
		})
	})
	revoke := &cobra.Command{
		Use:   "revoke <username> <profile>",
		Short: "Takes the role of a user on a profile away, at once",
		Args:  cobra.ExactArgs(2),
		RunE: run(writes, func(_ caddycmd.Flags, args []string, app *App) error {
			return app.service.RevokeRole(context.Background(), args[0], args[1])
		}),
	}
	role.AddCommand(grant, jsonFlag(list), revoke)
	return role
}

func planCommand() *cobra.Command {
	plan := &cobra.Command{Use: "plan", Short: "Manages plans"}
	list := &cobra.Command{
		Use:   "list [<profile>] [--json]",
		Short: "Lists the plans of a profile, or of all",
		Args:  cobra.MaximumNArgs(1),
	}
	list.RunE = run(reads, func(flags caddycmd.Flags, args []string, app *App) error {
		profile := ""
		if len(args) > 0 {
			profile = args[0]
		}
		rows, err := app.service.ListPlans(context.Background(), profile)
		if err != nil {
			return err
		}
		return printList(list.OutOrStdout(), flags, rows, func(p api.PlanRow) string {
			return cells(p.Slug, p.Profile, p.Title, strconv.FormatInt(p.Amount, 10), p.Unit, p.Period, state(p.Active))
		})
	})
	create := &cobra.Command{
		Use:   "create <slug> --amount <n> [--period <period>] [--title <title>] [--profile <profile>] [--inactive]",
		Short: "Makes a plan, of the broker unless another profile is named; the amount is in 1/100 of the unit",
		Args:  cobra.ExactArgs(1),
	}
	create.RunE = run(writes, func(flags caddycmd.Flags, args []string, app *App) error {
		period, ok := ledger.ParsePeriod(flags.String("period"))
		if !ok {
			return usage(create, fmt.Errorf("--period: %q is none of hourly, daily, weekly, monthly, yearly", flags.String("period")))
		}
		if !create.Flags().Changed("amount") || flags.Int("amount") < 0 {
			return usage(create, fmt.Errorf("name the price of a period: --amount 2000 is 20.00"))
		}
		err := app.service.CreatePlan(context.Background(), api.NewPlan{Profile: flags.String("profile"), Slug: args[0], Title: flags.String("title"),
			Amount: int64(flags.Int("amount")), Period: period, Inactive: flags.Bool("inactive")})
		if err == nil {
			_, err = fmt.Fprintf(create.OutOrStdout(), "created %s\n", args[0])
		}
		return err
	})
	create.Flags().Int("amount", 0, "Price of a period, in 1/100 of the unit")
	create.Flags().String("period", "monthly", "hourly, daily, weekly, monthly or yearly")
	create.Flags().String("title", "", "Title (default: the slug)")
	create.Flags().String("profile", "", "Whose plan it is (default: the broker's)")
	create.Flags().Bool("inactive", false, "Do not sell it yet")
	plan.AddCommand(jsonFlag(list), create)
	return plan
}
