package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-tollgate/tollgate/pages"
)

func pageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "page", Short: "Lists the pages, and shows and checks what they look like"}
	cmd.AddCommand(pageListCommand(), pagePreviewCommand(), pageCheckCommand())
	return cmd
}

// A pageRow is a page as an operator lists it.
type pageRow struct {
	Address  string   `json:"address"`
	Group    string   `json:"group"`
	Who      string   `json:"who"`
	Template string   `json:"template"`
	Uses     []string `json:"uses"` // operations of the API
}

func pageListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--json]",
		Short: "Lists the pages of a site: address, group, who may see it, template, and the operations that it calls",
		Long: `
Lists the pages that tollgate_pages shows on the site of the configuration, all of them without one:
address, group, who may see it, template, and the operations of the API that it calls.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			flags := caddycmd.Flags{FlagSet: cmd.Flags()}
			site, err := previewSite(flags)
			if err != nil {
				return err
			}
			var rows []pageRow
			for _, p := range site.Table() {
				rows = append(rows, pageRow{site.Prefix + p.Path, p.Group, p.Who, p.Name + ".html", append([]string{}, p.Uses...)})
			}
			return printList(cmd.OutOrStdout(), flags, rows, func(r pageRow) string {
				return cells(r.Address, r.Group, r.Who, r.Template, strings.Join(r.Uses, ", "))
			})
		},
	}
	return jsonFlag(cmd)
}

func pagePreviewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "preview <template> [--state <state>] [--lang <language>] [--theme <folder>]",
		Short: "Prints a page with made-up data, as a file to be opened in a browser",
		Long: `
Prints a page with made-up data, as a file to be opened in a browser: in a state, a language and a theme,
without a server and a database. The name is that of its template, as page list has it.`,
		Example: "  caddy tollgate page preview login --state code --lang fr --theme ./theme > login.html",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			flags := caddycmd.Flags{FlagSet: cmd.Flags()}
			site, err := previewSite(flags)
			if err != nil {
				return err
			}
			p, sample, err := findSample(site, strings.TrimSuffix(args[0], ".html"), flags.String("state"))
			if err != nil {
				return err
			}
			text, err := site.Write(p, sample, cmp.Or(flags.String("lang"), site.LanguageTags()[0]))
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().String("state", "", "State of the page, as in long (default: the first)")
	cmd.Flags().String("lang", "", "Language, as in fr (default: the site's)")
	cmd.Flags().String("theme", "", "Folder of a theme, in place of the configuration's")
	return cmd
}

// findSample finds a page by its template, and its sample by the state.
func findSample(site *pages.Site, name, state string) (*pages.Page, *pages.Sample, error) {
	var templates, states []string
	all := site.Samples()
	for i := range all {
		p := &all[i]
		templates = append(templates, p.Name)
		if p.Name != name {
			continue
		}
		for j := range p.Samples {
			if states = append(states, p.Samples[j].State); state == "" || state == p.Samples[j].State {
				return p, &p.Samples[j], nil
			}
		}
	}
	if len(states) > 0 {
		return nil, nil, fmt.Errorf("the page %s has no state %q: it has %s", name, state, strings.Join(states, ", "))
	}
	return nil, nil, fmt.Errorf("there is no page %q: there are %s", name, strings.Join(slices.Compact(templates), ", "))
}

func pageCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [--theme <folder>]",
		Short: "Writes every page in every state and language, and says what of a theme fails",
		Long: `
Writes every page in every state and language with made-up data, and says by file and line what of a
theme fails: files that no page has, templates that cannot be read, fields and messages that there are
not. A configuration with such a theme is not loaded.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			site, err := previewSite(caddycmd.Flags{FlagSet: cmd.Flags()})
			if err != nil {
				return err
			}
			if err := site.Check(); err != nil {
				return err
			}
			n := 0
			for _, p := range site.Samples() {
				n += len(p.Samples)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d pages in %s: nothing is wrong with them\n", n, strings.Join(site.LanguageTags(), ", "))
			return err
		},
	}
	cmd.Flags().String("theme", "", "Folder of a theme, in place of the configuration's")
	return cmd
}

// previewSite is the site of pages that a configuration has, all pages without one, as a preview.
func previewSite(flags caddycmd.Flags) (*pages.Site, error) {
	p := new(Pages)
	raw, _, _, err := caddycmd.LoadConfig(flags.String("config"), flags.String("adapter"))
	if err != nil {
		return nil, err
	}
	app := new(App)
	if len(raw) > 0 {
		var config any
		if err := json.Unmarshal(raw, &config); err != nil {
			return nil, err
		}
		if found := handlerIn(config, "tollgate_pages"); found != nil {
			b, err := json.Marshal(found)
			if err == nil {
				err = json.Unmarshal(b, p)
			}
			if err != nil {
				return nil, err
			}
		}
		if app, err = configured(flags); err != nil {
			return nil, err
		}
	}
	if f := flags.Lookup("theme"); f != nil && f.Changed {
		p.Theme = f.Value.String()
	}
	p.app = app
	o, err := p.options()
	if err != nil {
		return nil, err
	}
	if p.title() == "" {
		o.Title = nil
	}
	return pages.NewPreview(o)
}

// handlerIn is the first handler of a name in a configuration, nil for none.
func handlerIn(config any, name string) map[string]any {
	switch config := config.(type) {
	case []any:
		for _, v := range config {
			if found := handlerIn(v, name); found != nil {
				return found
			}
		}
	case map[string]any:
		if config["handler"] == name {
			return config
		}
		for _, key := range slices.Sorted(maps.Keys(config)) {
			if found := handlerIn(config[key], name); found != nil {
				return found
			}
		}
	}
	return nil
}
