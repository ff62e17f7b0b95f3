package caddymodule

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// hostPage is a page of a site's own, with a policy as strict as can be.
const hostPage = `handle /public/host {
		header Content-Type "text/html; charset=utf-8"
		header Content-Security-Policy "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'"
		respond <<HTML
			<!doctype html><html lang="en"><head><title>Host</title><link rel="icon" href="/-/tollgate/x/favicon.svg">
			<script type="module" src="/-/tollgate/embed.js"></script></head>
			<body><h1>Our shop</h1><p><a data-tollgate="login" href="/login/">Log in</a></p>
			<div data-tollgate="logout">Nothing yet</div></body></html>
			HTML
	}`

// inDialog is a script that waits until the dialog is open and something holds in it, and returns what it says. Of it, d is the dialog.
func inDialog(holds string) string {
	return fmt.Sprintf(`new Promise((done, fail) => {
		const start = Date.now(), look = setInterval(() => {
			const d = document.body.lastElementChild.shadowRoot?.querySelector('dialog[open]')
			if (d && (%s)) { clearInterval(look); done(d.innerText) }
			if (Date.now() - start > 10000) { clearInterval(look); done('waited in vain: ' + (d ? d.innerText : 'there is no dialog')) }
		}, 20)
	})`, holds)
}

// TestEmbed opens the page of log-in in a dialog of a page of the site's own: a wrong password is told in it, a right one leads back to
// the page, and the policy of that page forbids nothing of it. Where scripts do not run, the link leads to the page.
func TestEmbed(t *testing.T) {
	b := newBrowser(t)
	newSite(t, func(s *site) { s.more = "tollgate_pages\n\t" + hostPage })
	p := b.open(t, base)
	p.visit("/public/host?x=1")
	evaluate[bool](p, `document.querySelector('a').click() || true`)
	says := func(script string, words ...string) {
		t.Helper()
		text := evaluate[string](p, script)
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Fatalf("the dialog does not say %q, but: %s", w, text)
			}
		}
	}
	says(inDialog(`d.querySelector('[name=password]')`), "Log in", "Password")
	if name := evaluate[string](p, `document.body.lastElementChild.shadowRoot.activeElement.name`); name != "username" {
		t.Errorf("the field %q has the focus", name)
	}
	if label := evaluate[string](p, `document.body.lastElementChild.shadowRoot.querySelector('.close').ariaLabel`); label != "Close" {
		t.Errorf("the button that closes is called %q", label)
	}
	p.sound()
	send := func(password string) {
		t.Helper()
		evaluate[string](p, fmt.Sprintf(`(d => { d.querySelector('[name=username]').value = 'xia'; d.querySelector('[name=password]').value = '%s'
			d.querySelector('button[value=password]').click(); return '' })(document.body.lastElementChild.shadowRoot)`, password))
	}
	send("wrong")
	says(inDialog(`d.querySelector('[aria-invalid=true], [role=alert]')`), "Log in")
	p.faulty() // the answer to a wrong form is 400
	send("yoyo")
	back := func() bool {
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`!!document.body?.innerText.includes('Our shop') &&
			!document.querySelector('dialog') && document.readyState === 'complete' &&
			(document.querySelector('[data-tollgate=logout]').shadowRoot?.textContent ?? '').includes('Xia')`))
		return ok && err == nil // a script ends with an error when its page is left meanwhile
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if back() {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after the log-in: %s: %s", p.address(), p.text())
		}
	}
	if p.address() != "/public/host?x=1" {
		t.Errorf("after the log-in, the visitor is at %s", p.address())
	}
	p.sound()

	p = b.open(t, base)
	p.script(false)
	p.visit("/public/host")
	if text := p.text(); !strings.Contains(text, "Nothing yet") {
		t.Errorf("without scripts: %s", text)
	}
}
