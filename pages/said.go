package pages

import (
	"net/http"
	"regexp"
)

// saidCookie names what has just been done, for the page that comes after a form.
const saidCookie = "tollgate_said"

var saidForm = regexp.MustCompile(`^[a-z_]{1,64}$`)

// say names a message of the section "said" for the page that comes next.
func (q *Request) say(name string) {
	if name != "" {
		q.SetCookie(&http.Cookie{Name: saidCookie, Value: name, Path: "/", MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
}

// taken is the message of what has just been done, which is shown once. The page of a refusal, which may come after one of the
// application, does not show it.
func (q *Request) taken() string {
	c, err := q.HTTP.Cookie(saidCookie)
	if err != nil || q.Visit == nil || q.Page == &refusedPage || !saidForm.MatchString(c.Value) || q.fragment() && !q.dialog() {
		return ""
	}
	q.unsay()
	text, err := q.lang.translate("said." + c.Value)
	if err != nil {
		return ""
	}
	return text
}

// unsay forgets what has just been done.
func (q *Request) unsay() {
	q.SetCookie(&http.Cookie{Name: saidCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
