package notice

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func note(to ...string) *Message {
	return &Message{ID: "7.42", Date: time.Date(2025, 3, 10, 12, 0, 0, 0, time.UTC), From: "Cowork <hello@cowork.example>", To: to[:1], Bcc: to[1:],
		ReplyTo: "xia@example.com", Subject: "Grüße", Text: "Hello\n.\nünd bye\n", HTML: "<p>Hello</p>"}
}

// A mail as the server gets it: over TLS, logged in, both texts, no Bcc in a header, the dot on its own line kept.
func TestSMTP(t *testing.T) {
	for name, change := range map[string]struct {
		server func(*smtpServer)
		mailer func(*SMTPOptions)
		login  string
	}{
		"starttls": {func(*smtpServer) {}, func(*SMTPOptions) {}, "PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00site\x00pass-of-the-site"))},
		"implicit": {func(s *smtpServer) { s.implicit = true }, func(o *SMTPOptions) { o.TLS = TLSImplicit },
			"PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00site\x00pass-of-the-site"))},
		"login": {func(s *smtpServer) { s.auth = "LOGIN" }, func(*SMTPOptions) {},
			"LOGIN " + base64.StdEncoding.EncodeToString([]byte("site")) + " " + base64.StdEncoding.EncodeToString([]byte("pass-of-the-site"))},
		"none": {func(s *smtpServer) { s.plain, s.auth = true, "" }, func(o *SMTPOptions) { o.TLS, o.User, o.Password = TLSNone, "", "" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSMTPServer(t, change.server)
			m := s.mailer(change.mailer)
			for range 3 {
				if err := m.Send(t.Context(), note("kim@example.com", "alice@example.com")); err != nil {
					t.Fatal(err)
				}
			}
			mails := s.take()
			if len(mails) != 3 || s.noticed().dialled != 1 {
				t.Fatalf("%d mails over %d connections, want 3 over one", len(mails), s.noticed().dialled)
			}
			if got := strings.Join(s.noticed().logins, ","); got != change.login {
				t.Errorf("logged in by %q, want %q", got, change.login)
			}
			if name != "none" {
				for _, line := range s.noticed().clear {
					if !strings.HasPrefix(line, "EHLO ") && line != "STARTTLS" {
						t.Errorf("in clear: %s", line)
					}
				}
			}
			got := mails[2]
			if got.from != "FROM:<hello@cowork.example> BODY=8BITMIME" || strings.Join(got.to, " ") != "kim@example.com alice@example.com" {
				t.Errorf("from %s to %v", got.from, got.to)
			}
			header, text, html := parts(t, got.data)
			want := map[string]string{"From": `"Cowork" <hello@cowork.example>`, "To": "<kim@example.com>", "Reply-To": "<xia@example.com>", "Subject": "Grüße",
				"Message-Id": "<7.42@cowork.example>", "Date": "Mon, 10 Mar 2025 12:00:00 +0000", "Auto-Submitted": "auto-generated", "Bcc": "", "Mime-Version": "1.0"}
			for key, value := range want {
				if header[key] != value {
					t.Errorf("%s: %q, want %q", key, header[key], value)
				}
			}
			if text != "Hello\n.\nünd bye\n" || html != "<p>Hello</p>" {
				t.Errorf("texts %q and %q", text, html)
			}
			m.CloseIdle()
			if err := m.Send(t.Context(), note("kim@example.com")); err != nil || s.noticed().dialled != 2 {
				t.Errorf("after the connections were closed: %v, %d connections", err, s.noticed().dialled)
			}
		})
	}
}

// parts takes a mail apart.
func parts(t *testing.T, data string) (header map[string]string, text, html string) {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	header = map[string]string{}
	for key, values := range m.Header {
		header[key], err = new(mime.WordDecoder).DecodeHeader(strings.Join(values, "|"))
		if err != nil {
			t.Fatal(err)
		}
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if kind == "text/plain" {
		b, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil {
			t.Fatal(err)
		}
		return header, strings.ReplaceAll(string(b), "\r\n", "\n"), ""
	}
	if kind != "multipart/alternative" {
		t.Fatalf("it is %s", kind)
	}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return header, text, html
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		content := strings.ReplaceAll(string(b), "\r\n", "\n")
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			html = content
		} else {
			text = content
		}
	}
}

// What a server may do instead of taking a mail: whether the mail is tried again, for whom, and what is said about it.
func TestSMTPFailures(t *testing.T) {
	const kim, amy = "RCPT <kim@example.com>", "RCPT <amy@example.com>"
	for _, c := range []struct {
		name, command, answer string
		want                  string // "later", "refused", or who is tried again and who is not, when others have it
		text                  string
		reuse                 bool // the connection is good for the next mail
	}{
		{"greeting 4xx", "CONNECT", "421 busy", "later", `421 "busy"`, false},
		{"greeting 5xx", "CONNECT", "554 not you", "later", `554 "not you"`, false},
		{"greeting drops", "CONNECT", "drop", "later", "EOF", false},
		{"hello drops", "EHLO", "drop", "later", "EOF", false},
		{"starttls 4xx", "STARTTLS", "454 no TLS now", "later", `454 "no TLS now"`, false},
		{"log-in refused", "AUTH", "535 bad cGFzcy1vZi10aGUtc2l0ZQ== pass-of-the-site", "later", "status 535", false},
		{"log-in drops", "AUTH", "drop", "later", "ended the log-in", false},
		{"sender 4xx", "MAIL", "451 later", "later", "451 later", true},
		{"sender 5xx", "MAIL", "550 not this sender", "refused", "550 not this sender", true},
		{"sender must log in", "MAIL", "530 log in", "later", "530 log in", true},
		{"sender drops", "MAIL", "drop", "later", "EOF", false},
		{"one 5xx", kim, "550 5.1.1 nobody", "[] [kim@example.com]", "550 5.1.1 nobody", true},
		{"one 4xx", kim, "450 box is busy", "[kim@example.com] []", "450 box is busy", true},
		{"too many", amy, "552 too many recipients", "[amy@example.com] []", "552 too many", true},
		{"recipient 421", amy, "421 going down", "later", "421 going down", false},
		{"recipient drops", amy, "drop", "later", "EOF", false},
		{"data 4xx", "DATA", "451 no", "later", "451 no", true},
		{"data 5xx", "DATA", "554 no", "refused", "554 no", true},
		{"mail 4xx", ".", "452 full", "later", "452 full", true},
		{"mail 5xx", ".", "554 spam", "refused", "554 spam", true},
		{"mail drops", ".", "drop", "later", "EOF", false},
		{"taken, then drops", ".", "deaf", "later", "EOF", false},
		{"greeting hangs", "CONNECT", "hang", "later", "deadline", false},
		{"log-in hangs", "AUTH", "hang", "later", "deadline", false},
		{"recipient hangs", kim, "hang", "later", "deadline", false},
		{"mail hangs", ".", "hang", "later", "deadline", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSMTPServer(t)
			s.answer(c.command, c.answer)
			m := s.mailer()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if c.answer == "hang" {
				ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
			}
			defer cancel()
			err := m.Send(ctx, note("kim@example.com", "alice@example.com", "amy@example.com"))
			got := "later"
			var partial *Partial
			switch {
			case err == nil:
				t.Fatal("it is taken")
			case errors.As(err, &partial):
				got = fmt.Sprint(partial.Later, partial.Refused)
			case errors.Is(err, ErrRefused):
				got = "refused"
			}
			if got != c.want || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %v, want %s: %s", got, err, c.want, c.text)
			}
			if text := err.Error(); strings.Contains(text, "pass-of") || strings.Contains(text, "cGFzcy") {
				t.Errorf("the error holds the password: %s", text)
			}
			s.take()
			s.answer(c.command, "")
			before := s.noticed().dialled
			if err := m.Send(t.Context(), note("kim@example.com")); err != nil {
				t.Errorf("the next mail: %v", err)
			}
			if reused := s.noticed().dialled == before; reused != c.reuse {
				t.Errorf("the connection is used again: %v, want %v", reused, c.reuse)
			}
			if mails := s.take(); len(mails) != 1 || strings.Join(mails[0].to, " ") != "kim@example.com" {
				t.Errorf("the next mail went to %+v", mails)
			}
		})
	}
}

// A server that closed a connection meanwhile does not cost a try, nor does one that hangs on it cost a mail.
func TestSMTPConnectionIsGone(t *testing.T) {
	s := newSMTPServer(t)
	m := s.mailer()
	for i := range 3 {
		if err := m.Send(t.Context(), note("kim@example.com")); err != nil {
			t.Fatal(err)
		}
		if s.noticed().dialled != i+1 {
			t.Errorf("%d connections for %d mails", s.noticed().dialled, i+1)
		}
		s.closeAll()
	}
	s.answer("MAIL", "421 closing") // and closes only then
	if err := m.Send(t.Context(), note("kim@example.com")); err == nil {
		t.Error("it is taken")
	}
	s.answer("MAIL", "")
	// What nobody needs is closed after a while.
	m.idleTimeout = time.Millisecond
	if err := m.Send(t.Context(), note("kim@example.com")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		m.mu.Lock()
		n := len(m.idle)
		m.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are kept", n)
		}
	}
}

// Without the encryption that is asked for, or with a certificate that is not the server's, nothing is said: no password, no mail.
func TestSMTPEncryption(t *testing.T) {
	for name, c := range map[string]struct {
		server func(*smtpServer)
		mailer func(*SMTPOptions)
	}{
		"not offered":         {func(s *smtpServer) { s.plain = true }, func(*SMTPOptions) {}},
		"unknown certificate": {func(*smtpServer) {}, func(o *SMTPOptions) { o.RootCAs = nil }},
		"implicit, unknown":   {func(s *smtpServer) { s.implicit = true }, func(o *SMTPOptions) { o.TLS, o.RootCAs = TLSImplicit, nil }},
		"another name": {func(*smtpServer) {}, func(o *SMTPOptions) {
			o.Address = strings.Replace(o.Address, "127.0.0.1", "localhost", 1)
		}},
		"no way to log in": {func(s *smtpServer) { s.auth = "XOAUTH2" }, func(*SMTPOptions) {}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSMTPServer(t, c.server)
			if err := s.mailer(c.mailer).Send(t.Context(), note("kim@example.com")); err == nil || errors.Is(err, ErrRefused) {
				t.Errorf("got %v, want a failure that is tried again", err)
			}
			if len(s.take()) != 0 || len(s.noticed().logins) != 0 {
				t.Errorf("it was told something: %v", s.noticed().logins)
			}
		})
	}
}

// No header of a message can add another, whatever is made of it.
func TestSMTPHeaderInjection(t *testing.T) {
	s := newSMTPServer(t)
	m := s.mailer()
	for name, change := range map[string]func(*Message){
		"subject":   func(m *Message) { m.Subject = "Hi\r\nBcc: all@evil.example" },
		"subject 2": func(m *Message) { m.Subject = "Hi\n\n<script>" },
		"sender":    func(m *Message) { m.From = "a@b.example>\r\nRCPT TO:<all@evil.example" },
		"to":        func(m *Message) { m.To = []string{"kim@example.com>\r\nRCPT TO:<all@evil.example"} },
		"two":       func(m *Message) { m.To = []string{"kim@example.com, all@evil.example"} },
		"bcc":       func(m *Message) { m.Bcc = []string{"kim@example.com\r\n"} },
		"only":      func(m *Message) { m.Only = []string{"kim@example.com>\r\nDATA"} },
		"reply":     func(m *Message) { m.ReplyTo = "kim@example.com\r\nBcc: all@evil.example" },
		"id":        func(m *Message) { m.ID = "1>\r\nBcc: all@evil.example" },
		"nobody":    func(m *Message) { m.To = nil },
	} {
		n := note("kim@example.com")
		change(n)
		if err := m.Send(t.Context(), n); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.noticed().dialled != 0 {
		t.Errorf("%d connections", s.noticed().dialled)
	}
	// A mail to copies only says so, and one to some of them keeps its header.
	n := note("kim@example.com", "alice@example.com")
	n.To, n.HTML = nil, ""
	if err := m.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	n = note("kim@example.com", "alice@example.com")
	n.Only = []string{"alice@example.com"}
	if err := m.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	mails := s.take()
	first, text, _ := parts(t, mails[0].data)
	second, _, _ := parts(t, mails[1].data)
	if first["To"] != "undisclosed-recipients:;" || text != n.Text || second["To"] != "<kim@example.com>" ||
		strings.Join(mails[1].to, " ") != "alice@example.com" {
		t.Errorf("to %q; to %q, %v", first["To"], second["To"], mails[1].to)
	}
}

func TestSMTPOptions(t *testing.T) {
	for _, o := range []SMTPOptions{
		{}, {Address: "a b"}, {Address: "smtp://x.example"}, {Address: "x.example:0"}, {Address: "x.example:smtp"}, {Address: "x:y:z"},
		{Address: "x.example", User: "u"}, {Address: "x.example", Password: "p"}, {Address: "x.example", TLS: "maybe"},
		{Address: "x.example", User: "u", Password: "p", TLS: TLSNone}, {Address: "x.example/y"},
	} {
		if _, err := NewSMTP(o); err == nil {
			t.Errorf("%+v passes", o)
		}
	}
	for _, c := range []struct {
		o    SMTPOptions
		host string
		port int
	}{
		{SMTPOptions{Address: "x.example"}, "x.example", 587},
		{SMTPOptions{Address: "x.example", TLS: TLSImplicit}, "x.example", 465},
		{SMTPOptions{Address: "::1", TLS: TLSNone, User: "u", Password: "p"}, "::1", 25},
		{SMTPOptions{Address: "[::1]:2525"}, "::1", 2525},
	} {
		m, err := NewSMTP(c.o)
		if err != nil || m.host != c.host || m.port != c.port {
			t.Errorf("%+v: %v, %v", c.o, m, err)
		}
	}
}

// Of a notice to several, those whom the server takes get it once; who is refused becomes a dead letter of his own, and who may be
// taken later is tried again, alone.
func TestSMTPPartly(t *testing.T) {
	s := newSMTPServer(t)
	w := newWorld(t, func(o *Options) { o.Mailer = s.mailer() })
	s.answer("RCPT <alice@example.com>", "550 5.1.1 no such user")
	s.answer("RCPT <acme@firm.example>", "450 greylisted")
	w.emit(&CardUpdated{Profile: Profile{ID: w.acme}, Changes: Changes{{"last4", "1", "2"}}}) // to acme, alice, amy, yan and xia
	w.deliver()
	if mails := s.take(); len(mails) != 1 || strings.Join(mails[0].to, " ") != "amy@example.com yan@example.com xia@example.com" {
		t.Fatalf("%+v", mails)
	}
	rows := w.outbox()
	if len(rows) != 2 || !rows[0].Done.IsZero() || !rows[0].Dead.IsZero() || rows[1].Dead.IsZero() || rows[1].Payload != rows[0].Payload ||
		!strings.Contains(rows[1].Error, "no such user") {
		t.Fatalf("%+v", rows)
	}
	if diff := cmp.Diff([]string{"acme@firm.example"}, rows[0].Envelope.Only); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"alice@example.com"}, rows[1].Envelope.Only); diff != "" {
		t.Error(diff)
	}
	s.answer("RCPT <acme@firm.example>", "")
	w.clock.Advance(hour)
	w.deliver()
	mails := s.take()
	if len(mails) != 1 || strings.Join(mails[0].to, " ") != "acme@firm.example" {
		t.Fatalf("%+v", mails)
	}
	if header, _, _ := parts(t, mails[0].data); header["To"] != "<acme@firm.example>" || header["Bcc"] != "" {
		t.Errorf("%v", header)
	}
	w.clock.Advance(1000 * hour)
	w.deliver()
	if rows := w.outbox(); len(rows) != 2 || rows[0].Done.IsZero() || len(s.take()) != 0 {
		t.Errorf("%+v", rows)
	}
}

// The outbox tries a mail again that the server does not take now, and gives up one that it never takes.
func TestSMTPThroughTheOutbox(t *testing.T) {
	s := newSMTPServer(t)
	w := newWorld(t, func(o *Options) { o.Mailer = s.mailer() })
	s.answer("MAIL", "drop")
	w.about("a", "123456")
	w.deliver()
	if rows := w.outbox(); rows[0].Attempts != 1 || !rows[0].Dead.IsZero() || rows[0].Error == "" {
		t.Fatalf("%+v", rows)
	}
	s.answer("MAIL", "")
	w.clock.Advance(hour)
	w.deliver()
	if mails := s.take(); len(mails) != 1 || !strings.Contains(mails[0].data, "123456") {
		t.Fatalf("%+v", mails)
	}
	s.answer("RCPT <b@x.example>", "550 no")
	w.about("b", "654321")
	w.deliver()
	if rows := w.outbox(); rows[0].Done.IsZero() || rows[1].Dead.IsZero() || rows[1].Payload != "{}" {
		t.Errorf("%+v", rows)
	}
}
