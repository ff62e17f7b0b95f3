package pages

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// saidCookie names what has just been done, for the page that comes after a form, with the path of that page: what comes after a page of
// the application is not told it.
const saidCookie = "tollgate_said"

var saidForm = regexp.MustCompile(`^([a-z_]{1,64}):([-_.~%/a-zA-Z0-9]{1,512})$`)

// say names a message of the section "said" for the page at an address that comes next.
func (q *Request) say(name, to string) {
	u, err := url.Parse(to)
	if err != nil || name == "" {
		return
	}
	q.SetCookie(&http.Cookie{Name: saidCookie, Value: name + ":" + u.EscapedPath(), Path: "/", MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// taken is the message of what has just been done, which is shown once.
func (q *Request) taken() string {
	c, err := q.HTTP.Cookie(saidCookie)
	if err != nil || q.Visit == nil || q.Page == &refusedPage || q.fragment() && !q.dialog() {
		return ""
	}
	found := saidForm.FindStringSubmatch(c.Value)
	if found == nil || !strings.HasPrefix(q.HTTP.URL.EscapedPath(), found[2]) {
		return ""
	}
	q.SetCookie(&http.Cookie{Name: saidCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	text, err := q.lang.translate("said." + found[1])
	if err != nil {
		return ""
	}
	return text
}
