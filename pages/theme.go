package pages

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	xlanguage "golang.org/x/text/language"

	"github.com/caddy-tollgate/tollgate/locale"
)

//go:embed templates assets messages
var ours embed.FS

// A theme is what pages look like: our files, and the operator's in their place (pages.md 1).
type theme struct {
	own       fs.FS // nil for none
	picture   File  // the logo, where it is none of the theme's
	languages []*language
	tags      []string // of languages
	matcher   xlanguage.Matcher
	assets    map[string]*asset
	hash      string
	inline    bool         // pages hold the files that they load
	logo      template.URL // address of the logo, "" for none
}

// Names of files of a theme that are no page: blocks that pages are made of, and files that browsers load.
var (
	blocks = []string{"layout.html", "head.html", "header.html", "footer.html", "field.html", "problems.html",
		"fragment.html", "tabs.html", "proof.html"}
	styles = []string{"theme.css", "logo.svg", "logo.png", "favicon.svg", "favicon.ico"}
)

const messageFolder = "messages"

// newTheme reads a theme. Errors say which file is wrong, and where.
func newTheme(o Options) (*theme, error) {
	t := &theme{own: o.Theme, picture: o.Logo, inline: o.inline}
	names := templateNames(o.Pages)
	if err := t.known(names); err != nil {
		return nil, err
	}
	if err := t.readAssets(); err != nil {
		return nil, err
	}
	bundle, err := t.readMessages(o)
	if err != nil {
		return nil, err
	}
	var matched []xlanguage.Tag
	for _, l := range t.languages {
		l.theme, l.localizer, l.locale = t, i18n.NewLocalizer(bundle, l.tag, "en"), locale.Of(l.tag)
		matched = append(matched, xlanguage.Make(l.tag))
		t.tags = append(t.tags, l.tag)
		if err := l.parse(names); err != nil {
			return nil, err
		}
	}
	t.matcher = xlanguage.NewMatcher(matched)
	return t, nil
}

// templateNames are the files of a table of pages, and those that every site has.
func templateNames(pages []Page) []string {
	names := []string{"error", "refused"}
	for _, p := range pages {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// known refuses a file of the operator that has no place here.
func (t *theme) known(names []string) error {
	if t.own == nil {
		return nil
	}
	var problems []error
	err := fs.WalkDir(t.own, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == "." || name == messageFolder:
		case d.IsDir():
			problems = append(problems, fmt.Errorf("theme: there is no use for a folder %s: "+
				"beside %s, all files are in the folder of the theme", name, messageFolder))
			return fs.SkipDir
		case path.Dir(name) == messageFolder:
			if _, err := xlanguage.Parse(strings.TrimSuffix(path.Base(name), ".toml")); err != nil || path.Ext(name) != ".toml" {
				problems = append(problems, fmt.Errorf("theme: %s is not called after a language, as in messages/it.toml", name))
			}
		case strings.HasPrefix(path.Base(name), "."), slices.Contains(styles, name), slices.Contains(blocks, name):
		case path.Ext(name) == ".html" && slices.Contains(names, strings.TrimSuffix(name, ".html")):
		default:
			problems = append(problems, fmt.Errorf("theme: there is no use for a file %s: "+
				"`caddy tollgate page list` names the templates of pages; the other files are %s, %s",
				name, strings.Join(blocks, ", "), strings.Join(styles, ", ")))
		}
		return nil
	})
	return errors.Join(append(problems, err)...)
}

// read is a file of the theme, the operator's before ours. own tells which it is.
func (t *theme) read(name string) (text []byte, from string, err error) {
	if name == t.picture.Name {
		return t.picture.Body, "logo", nil
	}
	if t.own != nil {
		text, err := fs.ReadFile(t.own, name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return text, "theme " + name, err
		}
	}
	folder := "templates"
	if slices.Contains(styles, name) || path.Ext(name) == ".js" || path.Ext(name) == ".css" {
		folder = "assets"
	}
	text, err = ours.ReadFile(folder + "/" + name)
	return text, name, err
}

// parse reads the templates of all pages, bound to the messages of a language.
func (l *language) parse(names []string) error {
	base := template.New("").Funcs(l.funcs()).Option("missingkey=error")
	for _, name := range blocks {
		text, from, err := l.theme.read(name)
		if err != nil {
			return err
		}
		if _, err := base.New(from).Parse(string(text)); err != nil {
			return err
		}
		if err := l.checkMessages(from, text); err != nil {
			return err
		}
	}
	l.templates = map[string]*template.Template{}
	for _, name := range names {
		set, err := base.Clone()
		if err != nil {
			return err
		}
		text, from, err := l.theme.read(name + ".html")
		if err != nil {
			return err
		}
		if _, err := set.New(from).Parse(string(text)); err != nil {
			return err
		}
		if err := l.checkMessages(from, text); err != nil {
			return err
		}
		for _, part := range []string{"layout", "title", "main"} {
			if set.Lookup(part) == nil {
				return fmt.Errorf("%s defines no template %q", from, part)
			}
		}
		l.templates[name] = set
	}
	return nil
}

// names reports whether a template of the operator names a message, or its section.
func (t *theme) names(id string) bool {
	section, _, _ := strings.Cut(id, ".")
	templates, _ := fs.Glob(t.own, "*.html")
	return slices.ContainsFunc(templates, func(name string) bool {
		text, err := fs.ReadFile(t.own, name)
		return err == nil && (strings.Contains(string(text), `"`+id+`"`) || strings.Contains(string(text), `"`+section+`."`))
	})
}

// readMessages reads the messages of all languages, the operator's over ours.
func (t *theme) readMessages(o Options) (*i18n.Bundle, error) {
	bundle := i18n.NewBundle(xlanguage.English)
	bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	var found []string
	known := map[string]bool{} // names of our messages
	for _, source := range []struct {
		files fs.FS
		from  string
	}{{ours, ""}, {t.own, "theme "}} {
		if source.files == nil {
			continue
		}
		entries, err := fs.ReadDir(source.files, messageFolder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := messageFolder + "/" + e.Name()
			text, err := fs.ReadFile(source.files, name)
			if err != nil {
				return nil, err
			}
			file, err := bundle.ParseMessageFileBytes(text, e.Name())
			if err != nil {
				return nil, fmt.Errorf("%s%s: %w", source.from, name, err)
			}
			for _, m := range file.Messages {
				if source.from == "" {
					known[m.ID] = true
				} else if !known[m.ID] && !t.names(m.ID) {
					return nil, fmt.Errorf("theme %s: we have no message %q, and no template of the theme names it: "+
						"messages/en.toml has those that there are", name, m.ID)
				}
			}
			if tag := strings.TrimSuffix(e.Name(), ".toml"); !slices.Contains(found, tag) {
				found = append(found, tag)
			}
		}
	}
	wanted := o.Languages
	if len(wanted) == 0 {
		first := "en"
		if i := locale.Find(found, o.Language); i >= 0 {
			first = found[i]
		}
		wanted = append([]string{first}, slices.DeleteFunc(slices.Clone(found), func(tag string) bool { return tag == first })...)
	}
	for _, tag := range wanted {
		if !slices.Contains(found, tag) {
			return nil, fmt.Errorf("languages: there are no messages of %q: there are %s, "+
				"and those of the files messages/<language>.toml of the theme", tag, strings.Join(found, ", "))
		}
		localizer := i18n.NewLocalizer(bundle, tag)
		name, err := localizer.Localize(&i18n.LocalizeConfig{MessageID: "language.name"})
		if err != nil {
			return nil, fmt.Errorf("messages of %q: %w", tag, err)
		}
		dir, _ := localizer.Localize(&i18n.LocalizeConfig{MessageID: "language.direction"})
		t.languages = append(t.languages, &language{tag: tag, name: name, dir: dir})
	}
	return bundle, nil
}
