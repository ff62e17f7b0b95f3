package rest_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-tollgate/tollgate/accessrules"
	"github.com/caddy-tollgate/tollgate/api/rest"
	"github.com/caddy-tollgate/tollgate/api/rest/resttest"
	"github.com/caddy-tollgate/tollgate/store"
	"github.com/caddy-tollgate/tollgate/store/storetest"
)

// A row of the lists of this test: the audit, of which nothing else is written here.
type row struct {
	ID        int64      `json:"id"`
	CreatedAt store.Time `json:"created_at"`
	Actor     string     `json:"actor"`
	Detail    *string    `json:"detail"`
}

// books are lists that differ in their options.
var (
	books = rest.List[row]{
		Select: "a.id, a.created_at, a.actor, NULLIF(a.detail, '')", From: "audit a", Where: "a.subject = ?", Key: "a.id",
		Search:  rest.Names{"actor": {"a.actor"}, "detail": {"a.detail"}, "both": {"a.actor", "a.detail"}},
		Order:   rest.Names{"created_at": {"a.created_at"}, "actor": {"a.actor"}, "both": {"a.actor", "a.detail"}},
		Default: []string{"-created_at"}, Dates: "a.created_at", EndsNow: true, Scan: scanRow,
	}
	ledger = rest.List[row]{
		Select: "a.id, a.created_at, b.actor, NULL", From: "audit a JOIN audit b ON b.id = a.id", Counted: "audit a", Key: "a.id",
		Search: rest.Names{"actor": {"b.actor"}}, Dates: "a.created_at", EndsNow: true, Scan: scanRow,
	}
	people = rest.List[row]{
		Select: "a.id, a.created_at, a.actor, NULL", From: "audit a", Key: "-a.id", Search: rest.Names{"actor": {"a.actor"}}, Blank: true, Scan: scanRow,
	}
)

func scanRow(rows *sql.Rows, r *row) error {
	return rows.Scan(&r.ID, &r.CreatedAt, &r.Actor, &r.Detail)
}

// statement is an envelope with more keys.
type statement struct {
	StartAt *string `json:"start_at"`
	EndsAt  *string `json:"ends_at"`
	Sum     int64   `json:"balance_amount"`
	rest.Page[row]
}

func lists() []rest.Endpoint {
	odd := rest.Takes(rest.Text("odd", "Keeps every other row."))
	return []rest.Endpoint{
		rest.Get("/api/billing/{profile}/history", accessrules.Public, func(c *rest.Call, r store.Reader) (statement, error) {
			window, err := c.Range(true)
			if err != nil {
				return statement{}, err
			}
			s := statement{StartAt: window.StartText, EndsAt: window.EndText}
			args := []any{"book"}
			if c.QueryString("odd") != "" {
				args = append(args, rest.Where("a.id % ? = ?", 2, 1))
			}
			if s.Page, err = books.Page(c, r, args...); err != nil || c.IsCSV() {
				return s, err
			}
			return s, books.Totals(c, r, "SUM(a.id)", "", func(rows *sql.Rows) error {
				var sum sql.NullInt64
				err := rows.Scan(&sum)
				s.Sum = sum.Int64
				return err
			}, args...)
		}, rest.Lists(&books), odd),
		rest.Get("/api/users", accessrules.Public, func(c *rest.Call, r store.Reader) (rest.Page[row], error) {
			return people.Page(c, r)
		}, rest.Lists(&people)),
		rest.Get("/api/billing/transactions", accessrules.Public, func(c *rest.Call, r store.Reader) (rest.Page[row], error) {
			if c.QueryString("odd") != "" {
				return ledger.Page(c, r, rest.Where("a.id % 2 = 1"))
			}
			return ledger.Page(c, r)
		}, rest.Lists(&ledger), odd),
		rest.Get("/api/accounts", accessrules.Public, func(c *rest.Call, r store.Reader) (rest.Found[row], error) {
			return books.TypeAhead(c, r, "book")
		}, rest.Lists(&books)),
		rest.Act("GET", "/api/todos", accessrules.Public, func(c *rest.Call, in *rest.None) (p rest.Page[row], err error) {
			err = c.Read(func(r store.Reader) error {
				p, err = books.Page(c, r, "book")
				return err
			})
			return p, err
		}, rest.Lists(&books)),
	}
}

// library has n rows, one a minute, the last at noon, by the actors in turn; details hold special characters.
func library(t testing.TB, n int, actors ...string) *resttest.Site {
	t.Helper()
	site := resttest.New(t, resttest.Cowork(), lists())
	err := site.Store.Write(t.Context(), func(tx *store.Tx) error {
		for i := range n {
			at := store.At(storetest.NewClock().Now().Add(time.Duration(i-n+1) * time.Minute))
			_, err := tx.Exec(`INSERT INTO audit (created_at, actor, action, subject, detail) VALUES (?, ?, '', 'book', ?)`,
				at, actors[i%len(actors)], []string{"", "100%", "a_b", `c\d`}[i%4])
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	site.Clock.Advance(time.Minute) // ends_at is exclusive
	return site
}

// envelope is what a list answered.
type envelope struct {
	Count          int64
	Next, Previous *string
	Results        []row
	Sum            int64 `json:"balance_amount"`
}

func ask(t *testing.T, site *resttest.Site, path string) envelope {
	t.Helper()
	w := site.Do("", "GET "+path, "")
	var e envelope
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != 200 {
		t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return e
}

func (e envelope) ids() string {
	var ids []string
	for _, r := range e.Results {
		ids = append(ids, fmt.Sprint(r.ID))
	}
	return strings.Join(ids, " ")
}

func text(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func TestEnvelope(t *testing.T) {
	site := library(t, 3, "ann")
	site.Run(t,
		resttest.Case("keys in order", "", "GET /api/billing/acme/history?page_size=1&page=2", "", 200,
			`{"start_at":null,"ends_at":"2025-03-10T05:01:00-07:00","balance_amount":6,"count":3,`+
				`"next":"https://app.example.com/api/billing/acme/history?page=3&page_size=1",`+
				`"previous":"https://app.example.com/api/billing/acme/history?page_size=1",`+
				`"results":[{"id":2,"created_at":"2025-03-10T11:59:00Z","actor":"ann","detail":"100%"}]}`),
		resttest.Case("empty", "", "GET /api/billing/acme/history?q=nobody", "", 200,
			`{"start_at":null,"ends_at":"2025-03-10T05:01:00-07:00","balance_amount":0,"count":0,"next":null,"previous":null,"results":[]}`),
		resttest.Case("a page of nothing", "", "GET /api/billing/acme/history?q=nobody&page=1", "", 200, `~"count":0`),
		resttest.Case("beyond nothing", "", "GET /api/billing/acme/history?q=nobody&page=2", "", 404, `{"detail":"Invalid page."}`),
		resttest.Case("last of nothing", "", "GET /api/billing/acme/history?q=nobody&page=last", "", 200, `~"count":0,"next":null,"previous":null,"results":[]}`),
		resttest.Case("type-ahead", "", "GET /api/accounts?q=a_b", "", 200,
			`{"count":1,"results":[{"id":3,"created_at":"2025-03-10T12:00:00Z","actor":"ann","detail":"a_b"}]}`),
		resttest.Case("type-ahead of nobody", "", "GET /api/accounts?q=nobody", "", 200, `{"count":0,"results":[]}`),
	)
}

func TestPaging(t *testing.T) {
	site := library(t, 60, "ann")
	base := resttest.Base + "/api/billing/acme/history"
	for _, tc := range []struct {
		query          string
		first, n       int64 // of the results
		next, previous string
	}{
		{"", 60, 25, base + "?page=2", "null"},
		{"?page=", 60, 25, base + "?page=2", "null"},
		{"?page=1", 60, 25, base + "?page=2", "null"},
		{"?page=2", 35, 25, base + "?page=3", base},
		{"?page=3", 10, 10, "null", base + "?page=2"},
		{"?page=last", 10, 10, "null", base + "?page=2"},
		{"?page=1&page=3", 10, 10, "null", base + "?page=2"},
		{"?page_size=30&page=2", 30, 30, "null", base + "?page_size=30"},
		{"?page_size=30&page=last", 30, 30, "null", base + "?page_size=30"},
		{"?page_size=60", 60, 60, "null", "null"},
		{"?page_size=59", 60, 59, base + "?page=2&page_size=59", "null"},
		{"?page_size=1000", 60, 60, "null", "null"},
		{"?page_size=0", 60, 25, base + "?page=2&page_size=0", "null"},
		{"?page_size=-5", 60, 25, base + "?page=2&page_size=-5", "null"},
		{"?page_size=ten", 60, 25, base + "?page=2&page_size=ten", "null"},
		{"?page_size=", 60, 25, base + "?page=2&page_size=", "null"},
		{"?z=1&q=&b=x+y%3A/&z=0&page=2&a", 35, 25, base + "?a=&b=x+y%3A%2F&page=3&q=&z=1&z=0", base + "?a=&b=x+y%3A%2F&q=&z=1&z=0"},
	} {
		e := ask(t, site, "/api/billing/acme/history"+tc.query)
		if e.Count != 60 || int64(len(e.Results)) != tc.n || e.Results[0].ID != tc.first || text(e.Next) != tc.next || text(e.Previous) != tc.previous {
			t.Errorf("%q: count %d, %d results from %d, next %s, previous %s; want 60, %d from %d, %s, %s", tc.query,
				e.Count, len(e.Results), e.Results[0].ID, text(e.Next), text(e.Previous), tc.n, tc.first, tc.next, tc.previous)
		}
	}
	for _, page := range []string{"0", "-1", "4", "x", "1.0", "99999999999999999999", "9223372036854775807", "92233720368547758", "LAST"} {
		site.Run(t, resttest.Case("page "+page, "", "GET /api/billing/acme/history?page="+page, "", 404, `{"detail":"Invalid page."}`))
	}
}

func TestSearch(t *testing.T) {
	site := library(t, 8, "Ann Lee", "bob", "carl,smith", `quo"te`)
	// 1 Ann Lee "", 2 bob 100%, 3 carl,smith a_b, 4 quo"te c\d, and again
	for _, tc := range []struct{ query, ids string }{
		{"q=", "8 7 6 5 4 3 2 1"},
		{"q=,,", "8 7 6 5 4 3 2 1"},
		{"q=%00", "8 7 6 5 4 3 2 1"},
		{"q=ANN", "5 1"},
		{"q=n+L", "5 1"},
		{"q=+Ann", ""},
		{"q=ann,bob", "6 5 2 1"},
		{"q=a%00nn", "5 1"},
		{`q="carl,smith"`, "7 3"},
		{`q="carl,smith",bob`, "7 6 3 2"},
		{`q="carl,smith`, "7 3"},
		{"q=100%25", "6 2"},
		{"q=%25", "6 2"},
		{"q=_", "7 3"},
		{`q=%5C`, "8 4"},
		{"q=nobody", ""},
		{"q=x&q=bob", "6 2"},
		{"q=bob&q_f=detail", ""},
		{"q=a&q_f=detail", "7 3"},
		{"q=a&q_f=detail&q_f=actor", "7 5 3 1"},
		{"q=b&q_f=both", "7 6 3 2"},
		{"q=a&q_f=detail,actor", "7 5 3 1"},
		{"q=a&q_f=nope", "7 5 3 1"},
		{"q=a&q_f=nope&q_f=detail", "7 3"},
		{"q=subject&q_f=a.subject", ""},
		{"q=^b&q_f=actor", ""},
		{"q=b&q_f=^actor", "6 2"},
		{"q=ob&q_f=^actor", ""},
		{"q=BOB&q_f=%3Dactor", "6 2"},
		{"q=bo&q_f=%3Dactor", ""},
		{"q=%25&q_f=%3Dactor", ""},
		{"q=bob&q_f=$actor", "6 2"}, // refused as unknown, so all fields
		{"q=" + strings.Repeat("x", 100000), ""},
		{"q=" + strings.Repeat("x,", 60) + "bob", ""},
		{"q=bob&odd=1", ""},
		{"q=ann&odd=1", "5 1"},
	} {
		e := ask(t, site, "/api/billing/acme/history?"+strings.ReplaceAll(tc.query, `"`, "%22"))
		if e.ids() != tc.ids || e.Count != int64(len(e.Results)) {
			t.Errorf("%.60s: count %d of %s, want %s", tc.query, e.Count, e.ids(), tc.ids)
		}
	}
	for _, tc := range []struct{ query, ids string }{
		{"q=ann+bob", "6 5 2 1"},
		{"q=%22Ann+Lee%22", "5 1"},
		{"q=zzz%09bob", "6 2"},
	} {
		if e := ask(t, site, "/api/users?"+tc.query); e.ids() != tc.ids {
			t.Errorf("blanks, %s: %s, want %s", tc.query, e.ids(), tc.ids)
		}
	}
}

func TestTypeAheadGivesUp(t *testing.T) {
	site := library(t, 12, "ann", "bob")
	for _, tc := range []struct {
		query string
		n     int
	}{
		{"q=ann", 0},                   // 6 match, 5 may
		{"q=ann,b,c,d,e,f", 0},         // 12 match
		{"q=ann,x1,x2,x3,x4,x5", 6},    // 6 terms, 6 may
		{"q=100%25&page=9&o=actor", 3}, // no pages
	} {
		e := ask(t, site, "/api/accounts?"+tc.query)
		if len(e.Results) != tc.n || e.Count != int64(tc.n) {
			t.Errorf("%s: count %d, %d results, want %d", tc.query, e.Count, len(e.Results), tc.n)
		}
	}
}

func TestOrder(t *testing.T) {
	site := library(t, 6, "b", "a", "B")
	// 1 b, 2 a, 3 B, 4 b, 5 a, 6 B
	for _, tc := range []struct{ query, ids string }{
		{"", "6 5 4 3 2 1"},
		{"o=created_at", "1 2 3 4 5 6"},
		{"o=actor", "6 3 5 2 4 1"}, // upper case before lower, then the default
		{"o=-actor", "4 1 5 2 6 3"},
		{"o=actor&o=created_at", "3 6 2 5 1 4"},
		{"o=actor,created_at", "3 6 2 5 1 4"},
		{"o=-actor,-created_at", "4 1 5 2 6 3"},
		{"o=nope", "6 5 4 3 2 1"},
		{"o=nope&o=created_at", "1 2 3 4 5 6"},
		{"o=a.actor", "6 5 4 3 2 1"},
		{"o=", "6 5 4 3 2 1"},
		{"o=-", "6 5 4 3 2 1"},
		{"o=both", "6 3 5 2 1 4"},
		{"o=actor&o=-actor", "6 3 5 2 4 1"},
		{"ot=asc", "6 5 4 3 2 1"},
		{"o=actor;DROP TABLE audit", "6 5 4 3 2 1"},
	} {
		if e := ask(t, site, "/api/billing/acme/history?"+strings.ReplaceAll(tc.query, " ", "+")); e.ids() != tc.ids {
			t.Errorf("%s: %s, want %s", tc.query, e.ids(), tc.ids)
		}
	}
	if e := ask(t, site, "/api/users?o=actor"); e.ids() != "6 5 4 3 2 1" {
		t.Errorf("without an order of its own: %s, want the key, descending", e.ids())
	}
}

func TestDates(t *testing.T) {
	site := library(t, 1, "ann") // at 2025-03-10T12:00:00Z; the request is a minute later
	const wrong = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
	for _, tc := range []struct {
		start      string // the parameter
		want       string // start_at of the envelope; "!" for a 400
		zone, path string
	}{
		{"", "null", "", "acme"},
		{"2024-03-05T10:11:12Z", "2024-03-05T10:11:12Z", "", "acme"},
		{"2024-03-05T10:11:12%2B02:00", "2024-03-05T10:11:12+02:00", "", "acme"},
		{"2024-03-05T10:11:12-0500", "2024-03-05T10:11:12-05:00", "", "acme"},
		{"2024-03-05T10:11:12-05", "2024-03-05T10:11:12-05:00", "", "acme"},
		{"2024-03-05T10:11:12+02:00", "2024-03-05T10:11:12+02:00", "", "acme"}, // "+" arrives as a blank
		{"2024-03-05T10:11:12%2B00:00", "2024-03-05T10:11:12Z", "", "acme"},
		{"2024-03-05T10:11:12.5Z", "2024-03-05T10:11:12.500000Z", "", "acme"},
		{"2024-03-05T10:11:12.123456789Z", "2024-03-05T10:11:12.123456Z", "", "acme"},
		{"2024-03-05T10:11:12", "2024-03-05T10:11:12-08:00", "", "acme"},
		{"2024-06-05T10:11:12", "2024-06-05T10:11:12-07:00", "", "acme"},
		{"2024-03-05+10:11", "2024-03-05T10:11:00-08:00", "", "acme"},
		{"2024-03-05", "2024-03-05T00:00:00-08:00", "", "acme"},
		{"2024-03-05", "2024-03-05T00:00:00Z", "", "cowork"}, // a profile without a zone
		{"2024-03-05", "2024-03-05T00:00:00Z", "", "nobody"},
		{"2024-03-05", "2024-03-05T00:00:00+01:00", "Europe/Paris", "acme"},
		{"2024-03-05T10:11:12Z", "2024-03-05T10:11:12Z", "Europe/Paris", "acme"},
		{"2024-03-05", "2024-03-05T00:00:00Z", "Mars/Olympus", "acme"},
		{"2024-03-05", "2024-03-05T00:00:00Z", "../../etc/passwd", "acme"},
		{"%222024-03-05%22", "2024-03-05T00:00:00-08:00", "", "acme"},
		{"2024-02-29", "2024-02-29T00:00:00-08:00", "", "acme"},
		{"2023-02-29", "!", "", "acme"},
		{"2024-13-45", "!", "", "acme"},
		{"2024-03-05T24:00", "!", "", "acme"},
		{"2024-03-05T10:60", "!", "", "acme"},
		{"2024-03-05T10:11:12%2B24:00", "!", "", "acme"},
		{"2024-03-05T10", "!", "", "acme"},
		{"2024-03-05T10:11:12.Z", "!", "", "acme"},
		{"2024-3-5", "!", "", "acme"},
		{"0000-01-01", "!", "", "acme"},
		{"20240305", "!", "", "acme"},
		{"foo", "!", "", "acme"},
		{"2024-03-05T10:11:12Zfoo", "!", "", "acme"},
	} {
		w := site.Do("", "GET /api/billing/"+tc.path+"/history?timezone="+tc.zone+"&start_at="+tc.start, "")
		if tc.want == "!" {
			if want := `{"start_at":["` + wrong + `"]}`; w.Code != 400 || w.Body.String() != want {
				t.Errorf("start_at %q: %d %s, want 400 %s", tc.start, w.Code, w.Body, want)
			}
			continue
		}
		var got struct {
			StartAt *string `json:"start_at"`
		}
		if json.Unmarshal(w.Body.Bytes(), &got); text(got.StartAt) != tc.want {
			t.Errorf("start_at %q in %q: %s, want %s; %s", tc.start, tc.zone, text(got.StartAt), tc.want, w.Body)
		}
	}
	for _, tc := range []struct {
		query string
		n     int
	}{
		{"start_at=2025-03-10T12:00:00Z", 1}, // inclusive
		{"start_at=2025-03-10T12:00:00.000001Z", 0},
		{"ends_at=2025-03-10T12:00:00Z", 0}, // exclusive
		{"ends_at=2025-03-10T12:00:00.000001Z", 1},
		{"start_at=2025-03-10T05:00", 1}, // 12:00 UTC in Los Angeles
		{"start_at=2025-03-10T05:00:01", 0},
		{"start_at=2025-03-10T05:00:01&timezone=Europe/Paris", 1},
		{"ends_at=2025-03-10", 0},
		{"ends_at=2025-03-11", 1},
		{"start_at=&ends_at=", 1},
	} {
		if e := ask(t, site, "/api/billing/acme/history?"+tc.query); len(e.Results) != tc.n {
			t.Errorf("%s: %d rows, want %d", tc.query, len(e.Results), tc.n)
		}
	}
	site.Run(t, resttest.Case("end", "", "GET /api/billing/acme/history?ends_at=foo", "", 400, `{"ends_at":["`+wrong+`"]}`))
}

// What is dated in the future is hidden by the forced range.
func TestForcedRange(t *testing.T) {
	site := library(t, 2, "ann")
	site.Clock.Set(time.Date(2025, 3, 10, 12, 0, 0, 0, time.UTC))
	if e := ask(t, site, "/api/billing/acme/history"); e.ids() != "1" {
		t.Errorf("rows %s, want 1 alone", e.ids())
	}
}

func TestCount(t *testing.T) {
	site := library(t, 60, "ann", "bob", "joe")
	site.Clock.Set(time.Date(2025, 3, 10, 11, 45, 0, 0, time.UTC)) // the last 15 are still to come, and one is now
	for _, tc := range []struct {
		query string
		count int64
	}{
		{"", 44},
		{"&odd=1", 22},
		{"&q=ann", 15},
		{"&q=ann&odd=1", 8},
		{"&ends_at=2025-03-11", 60},
		{"&ends_at=2025-03-11&q=ann", 20},
		{"&ends_at=2025-03-11&odd=1", 30},
		{"&start_at=2025-03-10T11:40:00Z", 5},
		{"&start_at=2025-03-10T11:40:00Z&ends_at=2025-03-10T11:43:00Z", 3},
	} {
		for _, page := range []string{"page=1", "page=last"} {
			if e := ask(t, site, "/api/billing/transactions?page_size=2&"+page+tc.query); e.Count != tc.count {
				t.Errorf("%s%s: count %d, want %d", page, tc.query, e.Count, tc.count)
			}
		}
	}
}

func TestCSVOfLists(t *testing.T) {
	site := library(t, 3, "ann", "=cmd()", `b"c,d`)
	header := []string{"Content-Type: text/csv; charset=utf-8", `Content-Disposition: attachment; filename="history-20250310.csv"`}
	want := "id,created_at,actor,detail\r\n" +
		"3,2025-03-10T12:00:00Z,\"b\"\"c,d\",a_b\r\n" +
		"2,2025-03-10T11:59:00Z,'=cmd(),100%\r\n" +
		"1,2025-03-10T11:58:00Z,ann,\r\n"
	site.Run(t,
		resttest.Case("by Accept", "", "GET /api/billing/acme/history?page=7&page_size=1", "", 200, want).With("Accept: text/csv").Wants(header...),
		resttest.Case("by format", "", "GET /api/billing/acme/history?format=csv", "", 200, want).With("Accept: application/json").Wants(header...),
		resttest.Case("preferred", "", "GET /api/billing/acme/history", "", 200, want).With("Accept: application/json;q=0.5, text/csv"),
		resttest.Case("not preferred", "", "GET /api/billing/acme/history", "", 200, `~"count":3`).With("Accept: application/json, text/csv;q=0.5"),
		resttest.Case("filtered and sorted", "", "GET /api/billing/acme/history?q=ann,b&o=actor&format=csv", "", 200,
			"id,created_at,actor,detail\r\n1,2025-03-10T11:58:00Z,ann,\r\n3,2025-03-10T12:00:00Z,\"b\"\"c,d\",a_b\r\n"),
		resttest.Case("nothing", "", "GET /api/billing/acme/history?q=nobody&format=csv", "", 200, "id,created_at,actor,detail\r\n"),
		resttest.Case("type-ahead", "", "GET /api/accounts?q=ann&format=csv", "", 200, "id,created_at,actor,detail\r\n1,2025-03-10T11:58:00Z,ann,\r\n").
			Wants(`Content-Disposition: attachment; filename="accounts-20250310.csv"`),
		resttest.Case("of an operation of several steps", "", "GET /api/todos?format=csv", "", 200, want),
		resttest.Case("headers", "", "HEAD /api/billing/acme/history?format=csv", "", 200, "").Wants(fmt.Sprintf("Content-Length: %d", len(want))),
		resttest.Case("an error is JSON", "", "GET /api/billing/acme/history?format=csv&start_at=foo", "", 400, `~{"start_at":`).Wants("Content-Type: application/json"),
	)
}

func TestCSVOfManyRows(t *testing.T) {
	const n = 2345
	site := library(t, n, "ann", strings.Repeat("long ", 200))
	w := site.Do("", "GET /api/billing/acme/history?format=csv&o=created_at", "")
	lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\r\n"), "\r\n")
	if len(lines) != n+1 {
		t.Fatalf("%d lines, want %d and the headings", len(lines), n)
	}
	for i, line := range lines[1:] {
		if !strings.HasPrefix(line, fmt.Sprintf("%d,", i+1)) {
			t.Fatalf("line %d is %.40q", i+1, line)
		}
	}
	if got := w.Header().Get("Content-Length"); got != fmt.Sprint(w.Body.Len()) {
		t.Errorf("Content-Length is %s, the body has %d bytes", got, w.Body.Len())
	}
}

// Cells of every sort of value that items have.
func TestCSVCells(t *testing.T) {
	type plan struct {
		Slug  string `json:"slug"`
		Title string `json:"title"`
	}
	type base struct {
		Slug string `json:"slug"`
		note string
	}
	type thing struct {
		base
		*plan    `json:"-"`
		Plan     *plan           `json:"plan"`
		Amount   int64           `json:"amount"`
		Negative int64           `json:"negative"`
		Active   bool            `json:"is_active"`
		Ends     *store.Time     `json:"ends_at"`
		Starts   store.Time      `json:"starts_at"`
		Extra    json.RawMessage `json:"extra"`
		Tags     []string        `json:"tags"`
		Owner    struct {
			Name string `json:"name"`
		} `json:"owner"`
		Shape   shape       `json:"shape"`
		Any     any         `json:"any"`
		Phone   *string     `json:"phone,omitempty"`
		Balance json.Number `json:"balance"`
	}
	phone := "+14155550100"
	at := store.At(time.Date(2025, 3, 10, 12, 0, 0, 340000000, time.UTC))
	site := resttest.New(t, resttest.Cowork(), []rest.Endpoint{
		rest.Get("/api/things", accessrules.Public, func(c *rest.Call, r store.Reader) (rest.Page[thing], error) {
			return rest.Page[thing]{Results: []thing{
				{base: base{"one", "x"}, Plan: &plan{"gold", "Gold"}, Amount: 5, Negative: -5, Active: true, Ends: &at, Starts: at,
					Extra: json.RawMessage(`{"a":"<b>"}`), Tags: []string{"a", "b"}, Shape: 2, Any: "-x", Phone: &phone, Balance: "-1.0"},
				{base: base{"two", "y"}, Extra: json.RawMessage(`null`)},
			}}, nil
		}),
		rest.Get("/api/table", accessrules.Public, func(c *rest.Call, r store.Reader) (table, error) { return table{}, nil }),
	})
	site.Run(t,
		resttest.Case("list", "", "GET /api/things?format=csv", "", 200,
			"slug,plan,amount,negative,is_active,ends_at,starts_at,extra,tags,owner,shape,any,phone,balance\r\n"+
				`one,gold,5,-5,true,2025-03-10T12:00:00.340000Z,2025-03-10T12:00:00.340000Z,"{""a"":""<b>""}","[""a"",""b""]","{""name"":""""}",2,'-x,'+14155550100,-1.0`+"\r\n"+
				`two,,0,0,false,,,,,"{""name"":""""}",0,,,0`+"\r\n"),
		resttest.Case("table", "", "GET /api/table?format=csv", "", 200, "title,2025-03-10T12:00:00Z,'=label\r\nSales,-5,0.5\r\n"),
	)
}

type table struct{}

func (table) Tabulate() ([]any, [][]any) {
	return []any{"title", store.At(storetest.NewClock().Now()), "=label"}, [][]any{{"Sales", int64(-5), 0.5}}
}

func TestListAnswersHead(t *testing.T) {
	site := library(t, 3, "ann")
	get, head := site.Do("", "GET /api/users", ""), site.Do("", "HEAD /api/users", "")
	if head.Body.Len() != 0 || head.Header().Get("Content-Length") != get.Header().Get("Content-Length") || head.Code != 200 {
		t.Errorf("HEAD answers %d with %d bytes and Content-Length %s, want that of GET, %s",
			head.Code, head.Body.Len(), head.Header().Get("Content-Length"), get.Header().Get("Content-Length"))
	}
}
