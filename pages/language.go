package pages

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	xlanguage "golang.org/x/text/language"

	"github.com/caddy-tollgate/tollgate/locale"
)

// A language is one that the pages are shown in: its messages, and the templates with these bound to them.
type language struct {
	tag, name, dir string
	theme          *theme
	localizer      *i18n.Localizer
	locale         *locale.Locale
	templates      map[string]*template.Template // by page
}

// languageCookie keeps the language that somebody chose.
const languageCookie = "tollgate_lang"

// choose finds the language of a request: the one switched to, the user's, or what the browser asks for.
func (t *theme) choose(q *Request) *language {
	if tag := q.Query("lang"); tag != "" {
		if l := t.language(tag); l != nil {
			if q.Visit != nil {
				q.SetCookie(&http.Cookie{Name: languageCookie, Value: l.tag, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true,
					SameSite: http.SameSiteLaxMode})
			}
			return l
		}
	}
	if c, err := q.HTTP.Cookie(languageCookie); err == nil {
		if l := t.language(c.Value); l != nil {
			return l
		}
	}
	if q.Visit != nil && q.Caller() != nil {
		if l := t.language(q.Caller().Lang); l != nil {
			return l
		}
	}
	accepted, _, err := xlanguage.ParseAcceptLanguage(strings.Join(q.HTTP.Header["Accept-Language"], ","))
	if err != nil || len(accepted) == 0 {
		return t.languages[0]
	}
	_, index, confidence := t.matcher.Match(accepted...)
	if confidence == xlanguage.No {
		return t.languages[0]
	}
	return t.languages[index]
}

// language is the language of a tag, nil for none. A tag of a region is its language.
func (t *theme) language(tag string) *language {
	if i := locale.Find(t.tags, tag); i >= 0 {
		return t.languages[i]
	}
	return nil
}

// Languages are those that the pages speak, with the address that switches to each; none when there is one alone.
func (q *Request) Languages() []Language { return q.site.theme.languagesAt(q) }

// ForgetLanguage lets what the account says about the language count again, in this browser.
func (q *Request) ForgetLanguage() {
	q.SetCookie(&http.Cookie{Name: languageCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// languagesAt are the links that switch the language of a page.
func (t *theme) languagesAt(q *Request) (all []Language) {
	if len(t.languages) < 2 {
		return nil
	}
	for _, l := range t.languages {
		query := q.HTTP.URL.Query()
		query.Set("lang", l.tag)
		address := "?" + query.Encode()
		all = append(all, Language{Tag: l.tag, Name: l.name, Address: address, Current: l == q.lang})
	}
	return all
}

// translate is a message with its arguments, as in {{t "login.sent" "to" .D.Email}}; "count" chooses the plural form.
func (l *language) translate(id string, pairs ...any) (string, error) {
	return l.message(id, arguments(pairs, func(v any) any { return v }))
}

// translateHTML is a message whose arguments are emphasized.
func (l *language) translateHTML(id string, pairs ...any) (template.HTML, error) {
	const open, shut = "\x02", "\x03" // are in no message, and none of HTML
	text, err := l.message(id, arguments(pairs, func(v any) any {
		return open + strings.NewReplacer(open, "", shut, "").Replace(fmt.Sprint(v)) + shut
	}))
	text = template.HTMLEscapeString(text)
	return template.HTML(strings.NewReplacer(open, "<strong>", shut, "</strong>").Replace(text)), err
}

func arguments(pairs []any, each func(any) any) map[string]any {
	args := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		if name == "count" {
			args[name] = pairs[i+1]
		} else {
			args[name] = each(pairs[i+1])
		}
	}
	return args
}

func (l *language) message(id string, args map[string]any) (string, error) {
	c := &i18n.LocalizeConfig{MessageID: id, TemplateData: args}
	if count, ok := args["count"]; ok {
		c.PluralCount = count
	}
	return l.localize(c)
}

// localize is a message. What the language has no words for is said in English.
func (l *language) localize(c *i18n.LocalizeConfig) (string, error) {
	text, err := l.localizer.Localize(c)
	if text != "" && errors.As(err, new(*i18n.MessageNotFoundErr)) {
		return text, nil
	}
	return text, err
}

// text is a message without arguments, its name when there is none.
func (l *language) text(id string) string {
	text, err := l.translate(id)
	if err != nil {
		return id
	}
	return text
}

// date is a day, as people write it.
func (l *language) date(v any) (string, error) {
	t, err := timeOf(v)
	if err != nil || t.IsZero() {
		return "", err
	}
	return l.locale.Date(t), nil
}

// datetime is a time for people and programs: in UTC, until a script shows it in the visitor's zone.
func (l *language) datetime(v any) (template.HTML, error) {
	t, err := timeOf(v)
	if err != nil || t.IsZero() {
		return "", err
	}
	text := template.HTMLEscapeString(l.locale.DateTime(t))
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `">` + text + `</time>`), nil
}

// timeOf reads a time as the API writes it.
func timeOf(v any) (time.Time, error) {
	switch v := v.(type) {
	case nil:
		return time.Time{}, nil
	case time.Time:
		return v, nil
	case *time.Time:
		if v == nil {
			return time.Time{}, nil
		}
		return *v, nil
	case string:
		if v == "" {
			return time.Time{}, nil
		}
		return time.Parse(time.RFC3339Nano, v)
	}
	return time.Time{}, fmt.Errorf("a %T is no time", v)
}

// money is an amount in 1/100 of a unit, as people write it: "$90.00", without the fraction where it is nothing.
func (l *language) money(amount int64, unit string) string { return l.locale.ShortMoney(amount, unit) }
