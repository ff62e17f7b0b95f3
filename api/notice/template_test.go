package notice

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-tollgate/tollgate/api/directory"
)

// What users write is text in HTML too, links to nowhere, and no header; the page that the mail is about is a link.
func TestHTML(t *testing.T) {
	w := newWorld(t)
	evil := `<a href="https://evil.example/">Acme</a> https://evil.example/ "`
	w.exec(`UPDATE profile SET full_name = ? WHERE id = ?`, evil, w.acme)
	for _, e := range []Event{
		&RoleRequestCreated{Profile: Profile{ID: w.acme}, User: User{ID: w.kim}, Detail: "<script>\n\n" + evil},
		&OrderExecuted{Profile: Profile{ID: w.acme}, InvoicedItems: List[Transaction]{{Description: evil + "<script>"}}},
	} {
		w.emit(e)
		w.deliver()
		m := w.mails.Sent()[0]
		if strings.Contains(m.HTML, "<script>") || strings.Contains(m.HTML, `href="https://evil`) || !strings.Contains(m.HTML, "&lt;script&gt;") {
			t.Errorf("%s:\n%s", e.Name(), m.HTML)
		}
		if !strings.Contains(m.HTML, `<a href="https://site.example/`) || !strings.HasPrefix(m.HTML, "<!DOCTYPE html>") ||
			!strings.Contains(m.Text, evil) || strings.Contains(m.Text, "&lt;") {
			t.Errorf("%s:\n%s\n%s", e.Name(), m.Text, m.HTML)
		}
	}
}

// A request to an address that is not told to be anybody's goes there alone, and says how it is answered.
func TestRequestToAddress(t *testing.T) {
	w := newWorld(t)
	w.emit(&RoleRequestCreated{Profile: Profile{ProfileDetail: directory.TypedProfile("acme@firm.example", "")},
		OriginatedBy: ByUser(w.kim), User: User{ID: w.kim}})
	w.deliver()
	sent := w.mails.Sent()
	if len(sent) != 1 {
		t.Fatal(sent)
	}
	m := sent[0]
	if !slices.Equal(m.To, []string{"acme@firm.example"}) || len(m.Bcc) > 0 ||
		!strings.Contains(m.Text, "give the user kim a role on your profile") {
		t.Errorf("%+v", m)
	}
}

// A site replaces texts, HTML and the layout file by file; a text of its own takes our HTML away, which says something else.
func TestOwnHTML(t *testing.T) {
	const layout = `<html><title>{{.subject}}</title>{{.content}}<i>{{names .broker}}</i></html>`
	own := fstest.MapFS{
		"layout.html":                     {Data: []byte(layout)},
		"card_updated.html":               {Data: []byte("<b>{{names .profile}}</b>")},
		"order_executed.txt":              {Data: []byte("Thanks\n\nFor {{names .profile}} & <co>")},
		"support_role_grant_created.txt":  {Data: []byte("Help\n\nUs")},
		"support_role_grant_created.html": {Data: []byte("<u>{{.user.username}}</u>")},
		"logo.png":                        {Data: []byte{1}},
	}
	core, logs := observer.New(zapcore.ErrorLevel)
	w := newWorld(t, func(o *Options) { o.Templates, o.Logger = own, zap.New(core) })
	send := func(e Event) Message {
		t.Helper()
		w.emit(e)
		w.deliver()
		return w.mails.Sent()[0]
	}
	card := &CardUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"last4", "1", "2"}}}
	for _, c := range []struct {
		event Event
		html  string
	}{
		{card, "<html><title>Credit card updated</title><b>The acme</b><i>The hub</i></html>"},
		{&OrderExecuted{Profile: Profile{ID: w.acme}}, "<html><title>Thanks</title><p>For The acme &amp; &lt;co&gt;</p>\n<i>The hub</i></html>"},
		{&RoleGrantCreated{Profile: Profile{ID: w.acme}, User: User{ID: w.kim}, RoleDescription: RoleDescription{Slug: "support"}},
			"<html><title>Help</title><u>kim</u><i>The hub</i></html>"},
	} {
		if m := send(c.event); m.HTML != c.html {
			t.Errorf("%s: %s\nwant %s", c.event.Name(), m.HTML, c.html)
		}
	}
	if logs.Len() > 0 {
		t.Errorf("%v", logs.All())
	}
	own["card_updated.html"] = &fstest.MapFile{Data: []byte("{{money .nothing.there.is}}")}
	w = newWorld(t, func(o *Options) { o.Templates, o.Logger = own, zap.New(core) })
	if m := send(card); m.Subject != "Credit card updated" || !strings.HasPrefix(m.HTML, "<!DOCTYPE") || logs.Len() != 1 {
		t.Errorf("in place of a template that fails: %s; %d lines in the log", m.HTML, logs.Len())
	}
	for name, text := range map[string]string{"card_updatd.txt": "a\n\nb", "card_updatd.html": "a", "x_role_grant_created.html": "no text beside it",
		"layout.html": "{{", "layout.txt": "a\n\nb"} {
		if _, err := parseTemplates(fstest.MapFS{name: {Data: []byte(text)}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each mail can be seen without a database; a template of the site's own that fails says so.
func TestPreview(t *testing.T) {
	site := Site{BaseURL: "https://site.example", Broker: "The hub", Email: "hub@firm.example"}
	for name := range samples {
		m, err := Preview(name, site)
		if err != nil || m.Subject == "" || strings.Contains(m.Subject+m.Text+m.HTML, "no value") || !strings.Contains(m.HTML, "The hub") {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	if m, err := Preview("user_verification", site); err != nil || !strings.Contains(m.Text, "012345") {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := Preview("no_event", site); err == nil || !strings.Contains(err.Error(), "no_event") {
		t.Errorf("%v", err)
	}
	site.Templates = fstest.MapFS{"card_updated.txt": {Data: []byte("{{money .nothing.there}}\n\nx")}}
	if _, err := Preview("card_updated", site); err == nil || !strings.Contains(err.Error(), "card_updated.txt") {
		t.Errorf("%v", err)
	}
}
