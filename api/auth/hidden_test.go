package auth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/store"
)

// tries is how often the answers of a door are compared, as TOLLGATE_ENUMERATION says, and how many times as long one may take as
// another. The few tries of a short run prove less, beside all else that the machine does.
func tries() (n int, band float64) {
	if n, err := strconv.Atoi(os.Getenv("TOLLGATE_ENUMERATION")); err == nil {
		return n, 1.6
	}
	return 11, 3
}

// hiding is a site that does not tell who has an account, with a phone back-end and somebody who has everything: one-time passwords
// aside, all that an answer could depend on. ola's addresses are proven and asked for at every log-in, dan's domain logs in elsewhere.
func hiding(t *testing.T, change ...func(*Options)) *site {
	s := newSite(t, append([]func(*Options){func(o *Options) {
		o.Settings.HideAccountExistence = true
		o.Settings.Throttle.PerAccount, o.Settings.Throttle.PerClient = 1_000_000, 1_000_000
		o.Texts = new(texts)
	}}, change...)...)
	s.write(t, func(tx *store.Tx) error {
		hash, err := s.Hash(t.Context(), "yoyo")
		if err != nil {
			return err
		}
		for _, n := range []NewUser{
			{Username: "ola", Email: "ola@example.com", Phone: "+14155555560", FullName: "Ola", Password: hash, Proven: true},
			{Username: "dan", Email: "dan@elsewhere.example", FullName: "Dan", Password: hash},
		} {
			if _, _, err := s.AddUser(tx, n); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`UPDATE contact SET email_verification_required = 1, phone_verification_required = 1 WHERE slug = 'ola'`); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO delegate_auth (domain, provider, created_at) VALUES ('elsewhere.example', 'github', 1)`)
		return err
	})
	return s
}

// A hiddenDoor is a request that names somebody, known or unknown.
type hiddenDoor struct {
	name, request  string // of anybody, but for the pages of one's own
	as             string // whose session
	known, unknown []string
}

var (
	knownNames     = []string{"xia", "nina", "ola", "rob", "dan"}
	unknownNames   = []string{"ghost"}
	knownEmails    = []string{"xia@example.com", "nina@example.com", "ola@example.com", "rob@example.com"}
	unknownEmails  = []string{"ghost@example.com"}
	knownPhones    = []string{"+14155555556", "+14155555560"}
	unknownPhones  = []string{"+14155555599"}
	hiddenRequests = []struct{ name, path, rest string }{
		{"log-in", "/api/auth", `,"password":"wrong word"`},
		{"log-in without a password", "/api/auth", ``},
		{"log-in with a new password", "/api/auth", `,"new_password":"another word"`},
		{"log-in with both", "/api/auth", `,"password":"wrong word","new_password":"another word"`},
		{"log-in by a code of mail", "/api/auth", `,"email_code":"123456"`},
		{"log-in by a code of text", "/api/auth", `,"phone_code":"123456"`},
		{"log-in by a code and a password", "/api/auth", `,"email_code":"123456","password":"yoyo"`},
		{"log-in with a one-time password", "/api/auth", `,"password":"wrong word","otp_code":"123456"`},
		{"log-in that asks for a code", "/api/auth", `,"check_email":true`},
		{"log-in that asks for a text", "/api/auth", `,"check_phone":true,"password":"wrong word"`},
		{"recovery", "/api/auth/recover", ``},
	}
)

// hiddenDoors are the doors that lead to an account.
func hiddenDoors() (all []hiddenDoor) {
	for _, r := range hiddenRequests {
		for _, by := range []struct {
			name           string
			known, unknown []string
		}{{"name", knownNames, unknownNames}, {"e-mail", knownEmails, unknownEmails}, {"phone", knownPhones, unknownPhones}} {
			all = append(all, hiddenDoor{
				name: r.name + " by " + by.name, request: "POST " + r.path + ` {"username":"WHO"` + r.rest + `}`, known: by.known, unknown: by.unknown,
			})
		}
	}
	for name, rest := range map[string]string{
		"registration": `"new_password":"another word"`, "registration without a password": `"new_password":null`,
		"registration with a password": `"password":"wrong word"`, "registration under a name": `"username":"fresh","password":"wrong word"`,
		"registration that asks for a code": `"new_password":"another word","check_email":true`,
		"registration with a code":          `"new_password":"another word","email_code":"123456"`,
	} {
		all = append(all, hiddenDoor{
			name: name, request: `POST /api/auth/register {"full_name":"Any One","email":"WHO",` + rest + `}`, known: knownEmails, unknown: unknownEmails,
		})
	}
	return append(all,
		hiddenDoor{
			name: "registration by phone", request: `POST /api/auth/register {"full_name":"Any One","phone":"WHO","username":"fresh","password":"wrong word"}`,
			known: knownPhones, unknown: unknownPhones,
		},
		hiddenDoor{
			name: "registration by phone that asks for a code", known: knownPhones, unknown: unknownPhones,
			request: `POST /api/auth/register {"full_name":"Any One","phone":"WHO","new_password":"wrong word","check_phone":true}`,
		},
		hiddenDoor{
			name: "the right name with an address", request: `POST /api/auth/register {"full_name":"Xia Lee","username":"xia","email":"WHO","password":"wrong word"}`,
			known: knownEmails, unknown: unknownEmails,
		},
		hiddenDoor{name: "another address", as: "yan", request: `PATCH /api/users/yan {"email":"WHO"}`, known: knownEmails, unknown: unknownEmails},
		hiddenDoor{name: "another phone", as: "yan", request: `PATCH /api/users/yan {"phone":"WHO"}`, known: knownPhones, unknown: unknownPhones},
		hiddenDoor{
			name: "another address by a code", as: "yan", request: `PATCH /api/users/yan {"email":"WHO","email_code":"123456"}`,
			known: knownEmails, unknown: unknownEmails,
		},
		hiddenDoor{
			name: "another address of one's profile", as: "xia", request: `PATCH /api/profile/xia {"email":"WHO","locality":"Oakland"}`,
			known: []string{"nina@example.com", "ola@example.com", "rob@example.com"}, unknown: unknownEmails,
		},
		hiddenDoor{
			name: "an organization with an address", as: "yan", request: `POST /api/users/yan/accessibles {"email":"WHO"}`,
			known: []string{"hello@acme.example.com", "hello@cowork.example.com", "ola@example.com"}, unknown: unknownEmails,
		},
		hiddenDoor{name: "somebody's account", as: "yan", request: `GET /api/users/WHO`, known: []string{"dan", "ola"}, unknown: unknownNames},
		hiddenDoor{
			name: "somebody's password", as: "yan", request: `PUT /api/users/WHO/password {"password":"wrong word","new_password":"another word"}`,
			known: []string{"xia", "ola"}, unknown: unknownNames,
		},
		hiddenDoor{name: "an activation", request: `POST /api/users/WHO/activate`, as: "yan", known: []string{"dan", "nina"}, unknown: unknownNames},
		hiddenDoor{
			name: "a message to the site", request: `POST /api/contact {"full_name":"Any One","email":"WHO","message":"Hello"}`,
			known: knownEmails, unknown: unknownEmails,
		},
	)
}

// open asks at a door, and returns the answer with what was typed taken out.
func (d *hiddenDoor) open(s *site, who string) string {
	line, body := splitRequest(strings.ReplaceAll(d.request, "WHO", who))
	w := s.Do(d.as, line, body)
	return fmt.Sprint(w.Code, " ", headersOf(w), " ", requestKey.ReplaceAllString(strings.ReplaceAll(w.Body.String(), who, "WHO"), "KEY"))
}

// requestKey is a key of chance in an answer, and when it was.
var requestKey = regexp.MustCompile(`"request_key":"\w{40}"|"created_at":"[^"]*"`)

func headersOf(w *httptest.ResponseRecorder) string {
	var all []string
	for name, values := range w.Header() {
		if name != "Content-Length" { // what was typed is in the answer
			all = append(all, name+"="+strings.Join(values, ","))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// Where the site does not tell who has an account, every door that leads to one gives one answer, with one status and the same headers
// (decision 78), whatever came before.
func TestHiddenAccountsAnswerAlike(t *testing.T) {
	s := hiding(t)
	for _, d := range hiddenDoors() {
		t.Run(d.name, func(t *testing.T) {
			for range 2 {
				first := d.open(s, d.unknown[0])
				for _, who := range d.known {
					if answer := d.open(s, who); answer != first {
						t.Errorf("%s: %s\nanother: %s", who, answer, first)
					}
				}
				if _, err := s.answerRequests(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.Clock.Advance(2 * resendAfter)
			}
		})
	}
}

// A new personal profile has the address of its user until the one that was told is proven, whoever has that.
func TestHiddenAddressOfNewProfile(t *testing.T) {
	answers := map[string]string{}
	for _, who := range []string{"ola@example.com", "nina@example.com", "hello@acme.example.com", "ghost@example.com"} {
		s := hiding(t)
		r := s.Do("yan", "POST /api/users/yan/profiles", `{"type":"personal","full_name":"Yan","email":"`+who+`"}`)
		answers[fmt.Sprint(r.Code, strings.ReplaceAll(r.Body.String(), who, "WHO"))] += who + " "
		if code := one[string](t, s, `SELECT code FROM pending_address WHERE address = '`+who+`'`); code == "" || r.Code != 201 {
			t.Errorf("%s: %d %s, code %q", who, r.Code, r.Body, code)
		}
	}
	if len(answers) != 1 {
		t.Error(answers)
	}
}

// … and does as much: as many transactions are written for everybody, and an answer takes as long. Tries of everybody alternate in an
// order that changes, and each is compared with that of who is not known in the same round, so that what else the machine does falls on
// all. Who is apart by the median is tried once more.
func TestHiddenAccountsCostAlike(t *testing.T) {
	s := hiding(t)
	for _, d := range hiddenDoors() {
		t.Run(d.name, func(t *testing.T) {
			apart := d.apart(t, s)
			if len(apart) == 0 {
				return
			}
			for who, again := range d.apart(t, s) {
				if before, both := apart[who]; both && (before > 1) == (again > 1) {
					t.Errorf("%s takes %.2f and %.2f times as long as who is not known", who, before, again)
				}
			}
		})
	}
}

// apart is whose answers take longer, or not as long, than those of who is not known, and how many times as long.
func (d *hiddenDoor) apart(t *testing.T, s *site) map[string]float64 {
	all := append(slices.Clone(d.unknown), d.known...)
	ratios, writes := map[string][]float64{}, map[string]uint64{}
	n, band := tries()
	for range n {
		took := map[string]time.Duration{}
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, who := range all {
			before, begin := s.Site.Store.Stats().Writes, time.Now()
			d.open(s, who)
			took[who] = time.Since(begin)
			writes[who] += s.Site.Store.Stats().Writes - before
		}
		s.Clock.Advance(2 * resendAfter)
		for _, who := range all {
			ratios[who] = append(ratios[who], took[who].Seconds()/took[d.unknown[0]].Seconds())
		}
	}
	apart := map[string]float64{}
	for _, who := range all {
		slices.Sort(ratios[who])
		ratio := ratios[who][len(ratios[who])/2]
		t.Logf("%s: %.2f", who, ratio)
		if ratio > band || ratio < 1/band {
			apart[who] = ratio
		}
		if writes[who] != writes[d.unknown[0]] {
			t.Errorf("%s: %d writes, %d for who is not known", who, writes[who], writes[d.unknown[0]])
		}
	}
	return apart
}

// texts is a phone back-end that keeps what it was given to send.
type texts struct{ sent []string }

// Send implements Texts.
func (t *texts) Send(_ context.Context, phone, text string) error {
	t.sent = append(t.sent, phone+" "+text)
	return nil
}
