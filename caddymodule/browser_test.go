package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A browser is Chromium without a window, with a profile of its own. Its tabs are used one after the other.
type browser struct {
	t   testing.TB
	ctx context.Context
}

// newBrowser starts Chromium. A test without it is skipped.
func newBrowser(t testing.TB) *browser {
	t.Helper()
	program(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")) // nothing leaves this machine
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	t.Cleanup(func() { // the profile's folder goes after the browser has let go of it
		end, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_ = chromedp.Cancel(end)
	})
	return &browser{t, ctx}
}

// A tab shows one page after the other to somebody. What goes wrong there is kept: errors in the console, what the policy of the page
// forbids, requests that fail or go elsewhere, dialogs.
type tab struct {
	t     testing.TB
	ctx   context.Context
	where *url.URL // the site, which all requests go to

	mu     sync.Mutex
	faults []string
	loaded []string // addresses of what was asked for
	status int64    // of the page
}

// open opens a tab with cookies of its own, as that of somebody else.
func (b *browser) open(t testing.TB, site string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	where, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	p := &tab{t: t, ctx: ctx, where: where}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	tell(p, audits.Enable, cdp.Empty{})
	return p
}

// tell has the browser do something to a tab.
func tell[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// do does something in a tab.
func do[T any](p *tab, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, p.faulty())
	}
	return result
}

func (p *tab) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// hear notes what goes wrong.
func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.fault("an exception: %s %s", e.ExceptionDetails.Text, consoleText([]*runtime.RemoteObject{e.ExceptionDetails.Exception}))
	case *runtime.EventConsoleAPICalled:
		if kind := string(e.Type); kind == "error" || kind == "warning" || kind == "assert" {
			p.fault("console.%s: %s", kind, consoleText(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork { // what fails to load is heard of below
			p.fault("the browser logs: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			text, _ := json.Marshal(e.Issue.Details)
			p.fault("against the policy of the page: %s", text)
		}
	case *network.EventRequestWillBeSent:
		p.loaded = append(p.loaded, e.Request.URL)
		if to, err := url.Parse(e.Request.URL); err != nil || to.Host != p.where.Host || to.Scheme != p.where.Scheme {
			p.fault("loads from elsewhere: %s", e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			p.status = e.Response.Status
		} else if e.Response.Status >= 400 {
			p.fault("%d for %s", e.Response.Status, e.Response.URL)
		}
	case *network.EventLoadingFailed:
		if !e.Canceled {
			p.fault("failed to load a %s: %s %s", e.Type, e.ErrorText, e.BlockedReason)
		}
	case *page.EventJavascriptDialogOpening:
		p.fault("a dialog opens: %s", e.Message)
		go func() { _, _ = chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{}) }()
	}
}

func consoleText(args []*runtime.RemoteObject) string {
	var all []string
	for _, a := range args {
		if a == nil {
			continue
		}
		all = append(all, fmt.Sprint(a.Value), a.Description)
	}
	return strings.Join(all, " ")
}

// faulty returns what went wrong since it was asked last.
func (p *tab) faulty() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Compact(p.faults)
	p.faults = nil
	return all
}

// sound requires that nothing went wrong.
func (p *tab) sound() {
	p.t.Helper()
	for _, fault := range p.faulty() {
		p.t.Errorf("%s: %s", p.address(), fault)
	}
}

// visit goes to an address, and returns its status.
func (p *tab) visit(address string) int {
	p.t.Helper()
	to, err := p.where.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	do(p, "GET "+address, chromedp.Navigate(to.String()))
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.status)
}

// back goes to the page before, by the button of the browser, and reports whether there is one. The browser may have kept that page, and
// load nothing.
func (p *tab) back() bool {
	p.t.Helper()
	history := p.history()
	if history.CurrentIndex == 0 {
		return false
	}
	before := history.CurrentIndex - 1
	tell(p, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[before].ID})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		state, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.readyState"))
		if err == nil && state == "complete" && p.history().CurrentIndex == before {
			return true
		}
	}
	p.t.Fatalf("the browser does not go back from %s", history.Entries[history.CurrentIndex].URL)
	return false
}

// history are the pages that the tab has shown. While one page takes the place of another, the browser does not know.
func (p *tab) history() page.GetNavigationHistoryResult {
	p.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var history page.GetNavigationHistoryResult
		if history, err = chromedp.Call(p.ctx, page.GetNavigationHistory, cdp.Empty{}); err == nil {
			return history
		}
	}
	p.t.Fatalf("the history: %v", err)
	return page.GetNavigationHistoryResult{}
}

// address is where the tab is: path and query.
func (p *tab) address() string {
	at, err := url.Parse(do(p, "address", chromedp.Location()))
	if err != nil {
		p.t.Fatal(err)
	}
	return at.RequestURI()
}

// text is what the page says, "" while it has no body yet.
func (p *tab) text() string { return evaluate[string](p, "document.body?.innerText ?? ''") }

// says requires that the page says something.
func (p *tab) says(words ...string) {
	p.t.Helper()
	text := p.text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			p.t.Fatalf("%s does not say %q, but:\n%s", p.address(), w, text)
		}
	}
}

// evaluate is the value of an expression on the page; of a promise, what it brings.
func evaluate[T any](p *tab, expression string) T {
	p.t.Helper()
	return do(p, "script", chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// follow follows the first link with some words, and returns the status of the page that comes.
func (p *tab) follow(words string) int {
	p.t.Helper()
	return p.leave("following "+words, chromedp.Search("(//a[normalize-space()="+xpathString(words)+"])[1]"))
}

// leave clicks on something that leads to another page, and returns that page's status.
func (p *tab) leave(what string, target chromedp.Search) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, tabPatience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, chromedp.Click(target))
	if err != nil {
		p.t.Fatalf("%s: %s: %v; the page says:\n%s", p.address(), what, err, p.text())
	}
	return int(response.Status)
}

func xpathString(text string) string {
	return "concat('', '" + strings.ReplaceAll(text, "'", `', "'", '`) + "')"
}

// A browserForm is a form on the page of a tab, by its name.
type browserForm struct {
	p    *tab
	name string
}

// form is a form of the page.
func (p *tab) form(name string) browserForm { return browserForm{p, name} }

// inside is the XPath of what is inside of the form.
func (f browserForm) inside(path string) chromedp.Search {
	return chromedp.Search("//form[.//input[@name='form'][@value='" + f.name + "']]" + path)
}

// fill types into fields with labels, in place of what is there.
func (f browserForm) fill(pairs ...string) browserForm {
	f.p.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		label := xpathString(pairs[i])
		field := f.inside("//*[@id=//label[normalize-space()=" + label + "]/@for]")
		f.try("typing into "+pairs[i], chromedp.Clear(field), chromedp.SendKeys(field, pairs[i+1]))
	}
	return f
}

// press presses a button of the form, and returns the status of the page that comes.
func (f browserForm) press(name string) int {
	f.p.t.Helper()
	return f.p.leave("pressing "+name, f.inside("//button[normalize-space()="+xpathString(name)+"]"))
}

func (f browserForm) try(what string, steps ...chromedp.Action[chromedp.Void]) {
	f.p.t.Helper()
	ctx, cancel := context.WithTimeout(f.p.ctx, tabPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		f.p.t.Fatalf("%s: %s in the form %s: %v; the page says:\n%s", f.p.address(), what, f.name, err, f.p.text())
	}
}

// unfold opens or closes what is folded away below a headline.
func (p *tab) unfold(name string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, tabPatience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.Search("//summary[normalize-space()="+xpathString(name)+"]"))); err != nil {
		p.t.Fatalf("%s: unfolding %q: %v; the page says:\n%s", p.address(), name, err, p.text())
	}
}

// tabPatience is how long a test waits for a page.
const tabPatience = 20 * time.Second

// script switches the scripts of pages on or off.
func (p *tab) script(on bool) {
	tell(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// size makes the tab as wide as a screen.
func (p *tab) size(width int64) {
	tell(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1})
}

// scheme chooses "light" or "dark".
func (p *tab) scheme(name string) {
	tell(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// language has the browser ask for a language, before that of the user.
func (p *tab) language(tag string) {
	tell(p, network.SetCookie, network.SetCookieParams{Name: "tollgate_lang", Value: tag, URL: p.where.String()})
}

// logIn logs somebody in by the page.
func (p *tab) logIn(username, password string) {
	p.t.Helper()
	p.visit("/login/")
	p.form("login").fill(say("login.username"), username, say("login.password"), password).press(say("login.submit"))
	if now := p.address(); strings.HasPrefix(now, "/login/") {
		p.t.Fatalf("%s is not let in: %s", username, p.text())
	}
}

// picture keeps a picture of the page in the folder that TOLLGATE_SCREENSHOTS names.
func (p *tab) picture(name string) {
	folder := os.Getenv("TOLLGATE_SCREENSHOTS")
	if folder == "" {
		return
	}
	whole := evaluate[[]int64](p, "[innerWidth, Math.min(document.documentElement.scrollHeight, 8000)]")
	size := emulation.SetDeviceMetricsOverrideParams{Width: whole[0], Height: whole[1], DeviceScaleFactor: 1}
	tell(p, emulation.SetDeviceMetricsOverride, size)
	fast := true
	shot := tell(p, page.CaptureScreenshot, page.CaptureScreenshotParams{OptimizeForSpeed: &fast})
	name = strings.Trim(strings.NewReplacer("/", "-", "?", "-", "&", "-", " ", "-").Replace(name), "-") + ".png"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), shot.Data, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// axe is the source of the checks of accessibility.
func axe(t testing.TB) string {
	t.Helper()
	file := filepath.Join("testdata", "browser", "node_modules", "axe-core", "axe.min.js")
	text, err := os.ReadFile(file)
	if err != nil {
		if os.Getenv("TOLLGATE_NO_SKIP") != "" {
			t.Fatalf("run npm ci in caddymodule/testdata/browser: %v", err)
		}
		t.Skip("axe-core is not installed: run npm ci in caddymodule/testdata/browser first")
	}
	return string(text)
}
