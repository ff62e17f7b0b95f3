package notice

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// speaks has a user's contact tell a language.
func (w *world) speaks(user int64, email, lang string) {
	w.t.Helper()
	w.insert(`INSERT INTO contact (slug, created_at, email, full_name, nick_name, user_id, lang) VALUES (?, 0, ?, '', '', ?, ?)`,
		"c-"+email, email, user, lang)
}

// Each is written to in a language of their own, by one mail a language; who never said which, in the site's.
func TestLanguages(t *testing.T) {
	w := newWorld(t)
	w.speaks(w.xia, "xia@example.com", "fr-ca")
	w.speaks(w.yan, "yan@example.com", "tlh")
	w.role(w.kim, w.acme, "")
	w.speaks(w.kim, "kim@example.com", "fr")
	w.emit(&OrderExecuted{Profile: Profile{ID: w.acme}})
	w.deliver()
	var got []string
	for _, m := range w.mails.Sent() {
		got = append(got, m.Subject+" | "+strings.Join(m.To, " ")+" | "+strings.Join(m.Bcc, " "))
	}
	want := []string{
		"Order Confirmation from The hub | acme@firm.example | alice@example.com amy@example.com yan@example.com",
		"Confirmation de commande de The hub |  | xia@example.com kim@example.com",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	// An address that is nobody's yet is written to in the language that was told with it.
	w.insert(`INSERT INTO contact (slug, created_at, email, full_name, nick_name, lang) VALUES ('new', 0, 'new@example.com', '', '', 'de')`)
	w.emit(&UserVerification{Purpose: ProvesAddress, Email: "new@example.com", Code: "012345", Lifetime: time.Hour})
	w.deliver()
	m := w.mails.Sent()[0]
	if m.Subject != "Bestätigung Ihrer E-Mail-Adresse" || !strings.Contains(m.Text, "012345") ||
		!strings.Contains(m.HTML, `<html lang="de">`) {
		t.Errorf("%+v", m)
	}

	// What does not go to one language goes to the site's.
	w = newWorld(t, func(o *Options) { o.Language = "es" })
	w.emit(&UserWelcome{User: User{ID: w.kim}})
	w.speaks(w.yan, "yan@example.com", "en")
	w.emit(&UserWelcome{User: User{ID: w.yan}})
	w.deliver()
	welcomes := map[string]string{"kim@example.com": "Bienvenido a The hub", "yan@example.com": "Welcome to The hub"}
	for _, m := range w.mails.Sent() {
		if want := welcomes[m.To[0]]; m.Subject != want {
			t.Errorf("%s: %q, want %q", m.To[0], m.Subject, want)
		}
	}
}

// A file of the site's own is of one language in the folder of that, and of all beside the folders.
func TestOwnLanguages(t *testing.T) {
	own := fstest.MapFS{
		"user_welcome.txt":                  {Data: []byte("All {{.lang}}\n\nx")},
		"fr/user_welcome.txt":               {Data: []byte("Fr\n\nx")},
		"it/user_registered.txt":            {Data: []byte("It\n\nx")},
		"en/card_updated.txt":               {Data: []byte("En\n\nx")},
		"de/support_role_grant_created.txt": {Data: []byte("Hilfe\n\nx")},
	}
	templates, err := parseTemplates(own)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ language, event, payload, subject string }{
		{"fr", "user_welcome", `{}`, "Fr"},
		{"de", "user_welcome", `{}`, "All de"},
		{"it", "user_welcome", `{}`, "All it"},
		{"it", "user_registered", `{}`, "It"},
		{"it", "card_updated", `{}`, "En"},
		{"fr", "card_updated", `{"changes":{}}`, "Carte bancaire modifiée"},
		{"it", "quota_reached", `{"broker":{"full_name":"B"},"use_charge":{},"plan":{}}`, "[B] Free Tier Quota Reached"},
		{"de", "role_grant_created", `{"role_description":{"slug":"support"}}`, "Hilfe"},
	} {
		p, err := templates.compose(c.event, []byte(c.payload), envelope{Lang: c.language})
		if err != nil || p.subject != c.subject {
			t.Errorf("%s in %s: %q, %v", c.event, c.language, p.subject, err)
		}
	}
	for name, want := range map[string]string{
		"notes/x.txt":          "notice: there is no use for a folder notes: folders of mails are called after languages, as in fr",
		"fr/nope.txt":          "notice: fr/nope.txt: there is no mail of that name",
		"fr/user_welcome.html": "notice: fr/template: user_welcome.html:3: function \"wrong\" not defined",
	} {
		text := "x\n\n"
		if strings.HasSuffix(name, ".html") {
			text += "{{wrong}}"
		}
		_, err := parseTemplates(fstest.MapFS{name: {Data: []byte(text)}})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var fieldOf = regexp.MustCompile(`\.[a-z_0-9.]+|"[a-z_]+"`)

// Every language has every mail, about the same.
func TestMailsOfLanguages(t *testing.T) {
	all, err := ours()
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, []string{"de", "en", "es", "fr"}) {
		t.Errorf("languages %q", got)
	}
	fields := func(text string) []string {
		return slices.Compact(slices.Sorted(slices.Values(fieldOf.FindAllString(text, -1))))
	}
	texts := func(language string) map[string]string {
		all := map[string]string{}
		entries, _ := builtin.ReadDir("templates/" + language)
		for _, e := range entries {
			b, err := builtin.ReadFile("templates/" + language + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			all[e.Name()] = string(b)
		}
		return all
	}
	for language := range all {
		theirs, english := texts(language), texts("en")
		if !slices.Equal(slices.Sorted(maps.Keys(theirs)), slices.Sorted(maps.Keys(english))) {
			t.Errorf("%s has the mails %q", language, slices.Sorted(maps.Keys(theirs)))
		}
		for name, text := range english {
			if diff := cmp.Diff(fields(text), fields(theirs[name])); diff != "" && name != "period_sales_report_created.txt" {
				t.Errorf("%s/%s is about something else than the English one: %s", language, name, diff)
			}
			if language != "en" && strings.HasSuffix(name, ".txt") && theirs[name] == text {
				t.Errorf("%s/%s is English", language, name)
			}
		}
		for name := range samples {
			m, err := Preview(name, Site{BaseURL: "https://site.example", Broker: "Hub", Email: "hub@example.com",
				Language: language, Now: time.Unix(1e9, 0)})
			if err != nil {
				t.Errorf("%s in %s: %v", name, language, err)
			} else if m.Subject == "" || strings.Contains(m.Subject+m.Text, "<no value>") || strings.Contains(m.Text, "\n\n\n\n") {
				t.Errorf("%s in %s: %q\n%s", name, language, m.Subject, m.Text)
			}
		}
	}
	if _, err := Preview("user_welcome", Site{Language: "xx"}); err == nil {
		t.Error("a mail in no language")
	}
}
