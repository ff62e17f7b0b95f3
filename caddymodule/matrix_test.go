package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A setup is how somebody looks at pages.
type setup struct {
	script bool
	width  int64
	scheme string
	lang   string
}

func (s setup) String() string {
	script := "script"
	if !s.script {
		script = "noscript"
	}
	return fmt.Sprintf("%s %s %d %s", s.lang, script, s.width, s.scheme)
}

// everyWay reports whether all ways of looking at pages are wanted.
func everyWay() bool { return os.Getenv("TOLLGATE_BROWSER") == "full" }

// setups are those of a run, so that those of one load follow each other. TOLLGATE_BROWSER=full looks at all of them.
func setups() (all []setup) {
	if !everyWay() {
		return []setup{
			{true, 320, "light", "en"}, {true, 1280, "dark", "en"},
			{false, 320, "dark", "en-XA"}, {false, 320, "light", "ar"},
		}
	}
	for _, lang := range []string{"en", "en-XA", "ar"} {
		for _, script := range []bool{true, false} {
			for _, width := range []int64{320, 1280} {
				for _, scheme := range []string{"light", "dark"} {
					all = append(all, setup{script, width, scheme, lang})
				}
			}
		}
	}
	return all
}

// TestPagesInBrowser looks at each sample in Chromium, in each way: nothing is wrong with how accessible it is, its policy, its scripts
// and what it loads; it does not scroll sideways, and no text is cut (pages.md 1).
func TestPagesInBrowser(t *testing.T) {
	source := axe(t)
	b := newBrowser(t)
	w := newWorld(pagesSite(t, func(s *site) { s.more = "tollgate_pages {\n\t\ttheme " + testTheme(t) + "\n\t}" }))
	tabs := map[string]*tab{}
	for _, s := range samples {
		p := b.as(tabs, s.who)
		p.look(w, s, source)
	}
}

// as is the tab of the visitor of a sample.
func (b *browser) as(tabs map[string]*tab, who string) *tab {
	b.t.Helper()
	if tabs[who] == nil {
		p := b.open(b.t, base)
		if tabs[who] = p; who != "" {
			p.logIn(who, "yoyo")
		}
		p.visit("/login/")
		p.faulty() // the application behind has no icon
	}
	return tabs[who]
}

// look looks at a sample in each way.
func (p *tab) look(w *world, s sample, axe string) {
	p.t.Helper()
	if s.answers()/100 == 3 {
		return // the page that it leads to has a sample of its own
	}
	var before setup
	for i, how := range setups() {
		if i == 0 || how.script != before.script || how.lang != before.lang {
			p.script(how.script)
			p.language(how.lang)
			p.size(how.width)
			if status := p.visit(w.address(s)); status != s.answers() {
				p.t.Errorf("%s (%s): %d, want %d: %s", s.name(), how, status, s.answers(), p.text())
				return
			}
			p.script(true)
			if lang := evaluate[string](p, "document.documentElement.lang"); lang != how.lang {
				p.t.Errorf("%s is in %q, want %q", s.name(), lang, how.lang)
			}
			evaluate[any](p, "for (const d of document.querySelectorAll('details')) d.open = true")
			if everyWay() || how.lang == "en" { // the checks of accessibility take as long as all the rest
				evaluate[any](p, axe+"; 0")
			}
		}
		before = how
		p.size(how.width)
		p.scheme(how.scheme)
		found := slices.Concat(p.faulty(), evaluate[[]string](p, layoutScript), evaluate[[]string](p, "self.axe ? "+axeScript+" : []"))
		for _, fault := range found {
			p.t.Errorf("%s (%s): %s", s.name(), how, fault)
		}
		p.picture(s.name() + " " + how.String())
	}
}

// axeScript runs the checks of accessibility. The words that make texts of the test language longer stand at their ends: there what is
// read on a button is never a part of the longer name that it has.
const axeScript = `axe.run(document, {
	runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
	resultTypes: ['violations'], preload: false,
	rules: {'label-content-name-mismatch': {enabled: document.documentElement.lang !== 'en-XA'}},
}).then(r => r.violations.flatMap(v => v.nodes.map(n =>
	v.id + ' at ' + n.target + ': ' + n.failureSummary.replace(/\s+/g, ' ') + ' ' + n.html.slice(0, 200))))`

// layoutScript finds what does not fit: a page that scrolls sideways, text that is cut or hangs out of its box. Boxes that scroll by
// themselves may, and the name of the user in the header is shortened, as it is whole on the user's own page.
const layoutScript = `(() => {
	const found = [], root = document.documentElement
	const named = e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + ' "' + e.textContent.trim().slice(0, 60) + '"'
	if (root.scrollWidth > root.clientWidth) found.push('scrolls sideways: ' + root.scrollWidth + ' > ' + root.clientWidth)
	const scrolls = e => e && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement))
	for (const e of document.body.querySelectorAll('*')) {
		const style = getComputedStyle(e)
		if (style.visibility !== 'visible' || !e.getClientRects().length || e.closest('.skip, .sr, svg, select')) continue
		if (e.matches('.bar a[href*="/users/"]')) continue
		if (/hidden|clip/.test(style.overflow) && e.innerText && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1))
			found.push('text is cut: ' + named(e))
		if (e.matches('button, .button') && e.scrollWidth > e.clientWidth + 1) found.push('text hangs out: ' + named(e))
		for (const n of e.childNodes) {
			if (n.nodeType !== 3 || !n.data.trim()) continue
			const range = document.createRange()
			range.selectNodeContents(n)
			let box = e
			while (getComputedStyle(box).display.startsWith('inline') && box.parentElement) box = box.parentElement
			const outer = box.getBoundingClientRect()
			for (const r of range.getClientRects()) {
				if (!r.width || scrolls(e)) continue
				if (r.left < -1 || r.right > root.clientWidth + 1) { found.push('text is off the screen: ' + named(e)); break }
				if (r.left < outer.left - 1.5 || r.right > outer.right + 1.5) { found.push('text hangs out: ' + named(e)); break }
			}
		}
	}
	return found
})()`

// TestLayoutScript finds what it is there for.
func TestLayoutScript(t *testing.T) {
	source := axe(t)
	p := newBrowser(t).open(t, "file:///")
	for _, c := range []struct{ html, want string }{
		{"<p>fine</p>", ""},
		{"<p style='width: 5000px'>wide</p>", "scrolls sideways"},
		{"<p style='white-space: nowrap; overflow: hidden; width: 3rem'>these words are cut</p>", "text is cut"},
		{"<p style='white-space: nowrap; width: 3rem'>these words hang out</p>", "text hangs out"},
		{"<div style='overflow-x: auto'><p style='width: 5000px'>scrolls by itself</p></div>", ""},
		{"<input>", "label at input"},
		{"<p style='color: #ccc; background: #fff'>pale</p>", "color-contrast at p"},
	} {
		file := filepath.Join(t.TempDir(), "page.html")
		text := "<!doctype html><html lang=en><title>t</title><main><h1>t</h1>" + c.html + "</main>"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		p.visit("file://" + file)
		evaluate[any](p, source+"; 0")
		found := strings.Join(slices.Concat(evaluate[[]string](p, layoutScript), evaluate[[]string](p, axeScript)), "\n")
		if (c.want == "") != (found == "") || !strings.Contains(found, c.want) {
			t.Errorf("%s: found %q, want %q", c.html, found, c.want)
		}
	}
}
