package caddymodule

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/api/notice"
)

// mailbox is a mail server on this machine that takes everything. It sends what it was told to log in, and the mails.
func mailbox(t *testing.T) (address string, logins, mails chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	logins, mails = make(chan string, 100), make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				c := textproto.NewConn(conn)
				answer := "220 ready"
				for c.PrintfLine("%s", answer) == nil {
					line, err := c.ReadLine()
					if err != nil {
						return
					}
					answer = "250 ok"
					switch verb, argument, _ := strings.Cut(line, " "); verb {
					case "EHLO":
						answer = "250-mail.example\r\n250 AUTH PLAIN"
					case "AUTH":
						logins <- argument
						answer = "235 welcome"
					case "DATA":
						_ = c.PrintfLine("354 go on")
						b, err := io.ReadAll(c.DotReader())
						if err != nil {
							return
						}
						mails <- string(b)
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), logins, mails
}

// A site sends its mails through the server, with its own templates and a password that the configuration does not hold; a reload
// may change them.
func TestMailsOfASite(t *testing.T) {
	t.Setenv("SMTP_PASSWORD", "pass-of-the-site")
	address, logins, mails := mailbox(t)
	own := t.TempDir()
	if err := os.WriteFile(filepath.Join(own, "user_welcome.txt"), []byte("Hey {{.user.username}}\n\nCome in."), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(s *site) {
		s.global = fmt.Sprintf("smtp %s\nsmtp_user hello@cowork.example\nsmtp_password {env.SMTP_PASSWORD}\nsmtp_tls none\nmail_templates %s", address, own)
	})
	next := func(subject string) string {
		t.Helper()
		for {
			select {
			case mail := <-mails:
				if strings.Contains(mail, "\nSubject: "+subject+"\n") {
					return mail
				}
			case <-time.After(patience):
				t.Fatalf("no mail %q", subject)
			}
		}
	}
	s.register("joe1")
	mail := next("Hey joe1")
	for _, want := range []string{"\nTo: <joe1@example.com>\n", "\nFrom: <hello@cowork.example>\n", "Content-Type: multipart/alternative;", "<p>Come in.</p>"} {
		if !strings.Contains(mail, want) {
			t.Errorf("the mail lacks %q:\n%s", want, mail)
		}
	}
	if got, want := <-logins, "PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00hello@cowork.example\x00pass-of-the-site")); got != want {
		t.Errorf("logged in by %s", got)
	}
	res, err := http.Get("http://localhost:2999/config/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	dump, err := io.ReadAll(res.Body)
	if err != nil || strings.Contains(string(dump), "pass-of-the-site") || !strings.Contains(string(dump), "{env.SMTP_PASSWORD}") {
		t.Errorf("the configuration holds the password: %s (%v)", dump, err)
	}
	s.global = strings.Split(s.global, "\nmail_templates")[0]
	s.load()
	s.register("joe2")
	next("Welcome to Cowork")
}

// TestMailWords reads the words of mails.
func TestMailWords(t *testing.T) {
	t.Setenv("SMTP_HOST", "smtp.example.com")
	t.Setenv("SMTP_USER", "site@smtp.example.com")
	t.Setenv("SMTP_PASSWORD", "pass-of-the-site")
	read := func(words string) (o api.Options, err error) {
		a := new(App)
		if err = a.UnmarshalCaddyfile(caddyfile.NewTestDispenser("tollgate {\n" + words + "\n}")); err == nil {
			err = a.Settings.provision()
		}
		if err == nil {
			err = a.mail(caddy.NewReplacer(), &o)
		}
		return o, err
	}
	const all = "smtp {env.SMTP_HOST}:465\nsmtp_tls implicit\nsmtp_user {env.SMTP_USER}\nsmtp_password {env.SMTP_PASSWORD}\n"
	for words, from := range map[string]string{
		all: "site@smtp.example.com",
		all + "broker acme Acme hello@acme.example":                              "hello@acme.example",
		all + "broker acme Acme hello@acme.example\nfrom \"Acme <a@b.example>\"": "Acme <a@b.example>",
	} {
		o, err := read(words)
		if _, ok := o.Mailer.(*notice.SMTP); err != nil || !ok || o.From != from {
			t.Errorf("%q: %T from %s, %v", words, o.Mailer, o.From, err)
		}
	}
	if o, err := read("notification_email_disabled"); err != nil || !o.MailOff {
		t.Errorf("%+v, %v", o, err)
	} else if _, ok := o.Mailer.(notice.LogMailer); !ok {
		t.Errorf("without a server: %T", o.Mailer)
	}
	for words, want := range map[string]string{
		"smtp smtp.example.com": "write `from <address>`",
		"smtp smtp.example.com:587\nsmtp_user u\nsmtp_password pass-of-the-site":           "smtp_password: a secret is not written here",
		"smtp smtp.example.com:587\nsmtp_user u\nsmtp_password {env.NOT_SET_ANYWHERE}":     "smtp_password",
		"smtp smtp.example.com\nsmtp_user u":                                               "a user has a password",
		"smtp_user u":                                                                      "write `smtp <host>:<port>` as well",
		"smtp smtp.example.com\nsmtp_tls maybe":                                            "none of starttls",
		"smtp smtp.example.com\nsmtp other.example.com":                                    "written twice",
		"smtp smtp.example.com:x":                                                          "no port",
		"smtp smtp.example.com\nsmtp_user u\nsmtp_password {env.SMTP_USER}\nsmtp_tls none": "this machine only",
		"mail_templates /nowhere/at/all":                                                   "not a folder",
	} {
		if _, err := read(words); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pass-of") {
			t.Errorf("%q: %v, want %q", words, err, want)
		}
	}
}

// TestMailFolder recovers an account of the demo with the code from the folder that the log names, and refuses what cannot be one.
func TestMailFolder(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, func(s *site) {
		s.options = fmt.Sprintf("\tlog tollgate {\n\t\toutput file %s/log\n\t\tinclude tollgate\n\t}\n", dir)
	})
	s.must(200, "POST", "/api/auth/recover", map[string]string{"username": "xia"})
	var mails []string
	for deadline := time.Now().Add(5 * time.Second); len(mails) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		mails, _ = filepath.Glob(filepath.Join(s.dir, "mail", "*.eml"))
	}
	if len(mails) != 1 {
		t.Fatalf("mails: %v", mails)
	}
	text, err := os.ReadFile(mails[0])
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`\b[0-9]{6}\b`).FindString(string(text[strings.Index(string(text), "\r\n\r\n"):]))
	s.must(201, "POST", "/api/auth", map[string]any{"username": "xia", "email_code": code})
	if log, err := os.ReadFile(dir + "/log"); err != nil || !strings.Contains(string(log), `"folder":"`+filepath.Join(s.dir, "mail")+`"`) || strings.Contains(string(log), code) {
		t.Errorf("the log is %s (%v)", log, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]string{
		"mail_file " + file: "mail_file: " + file + " is a file: name a folder, at Caddyfile:19",
		"mail_file " + dir + "/mail\n\t\tsmtp smtp.example.com\n\t\tfrom a@b.example": "mail_file: with smtp, mails are sent and not written to a folder: leave one out, at Caddyfile:19",
		"mail_file": "mail_file: it takes one value, not 0; write `mail_file <folder>`, at Caddyfile:",
	} {
		s.global = words
		if err := s.tryLoad(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", words, err, want)
		}
	}
	if _, err := os.Stat(dir + "/mail"); err == nil {
		t.Error("a configuration that was refused has made a folder")
	}
}

// TestMailsToStrangers has what users do to profiles of their own mail nobody without end who has nothing to do with them (decision 77).
func TestMailsToStrangers(t *testing.T) {
	address, _, mails := mailbox(t)
	s := newSite(t, func(s *site) {
		s.global = fmt.Sprintf("smtp %s\nsmtp_tls none\nwelcome_email off\ninvitations_per_user 3", address)
	})
	donny := s.login("donny")
	s.must(201, "POST", "/api/profile/cowork/plans", map[string]any{"title": "Free", "description": "Free", "period_amount": 0, "period_type": "monthly", "is_active": true}, donny)
	joe := s.register("joe1") // whose address may be anybody's
	update := func(name, as string) {
		t.Helper()
		s.must(200, "PATCH", "/api/profile/joe1", map[string]any{"full_name": name}, as)
	}
	order := func() {
		t.Helper()
		s.must(201, "POST", "/api/cart", map[string]any{"plan": "free"}, joe)
		s.must(200, "POST", "/api/billing/joe1/checkout", map[string]any{}, joe)
	}
	// told counts the mails to joe's address until one has a text; those about one profile come in order.
	told := func(until string) (n int) {
		t.Helper()
		for {
			select {
			case mail := <-mails:
				if strings.Contains(mail, "To: joe1@example.com") || strings.Contains(mail, "To: <joe1@example.com>") {
					n++
				}
				if strings.Contains(mail, until) {
					return n
				}
			case <-time.After(patience):
				t.Fatalf("no mail says %q", until)
			}
		}
	}
	update("Named by the broker", donny)
	told("Named by the broker")
	for i := range 5 {
		update(fmt.Sprintf("Buy pills %d", i), joe)
		order()
	}
	update("First marker", donny)
	if n := told("First marker"); n != 4 {
		t.Errorf("%d mails, want the 3 of the bound and the broker's", n)
	}
	s.must(200, "POST", "/api/users/joe1/confirm", map[string]any{"email": "joe1@example.com"}, donny)
	for i := range 4 {
		update(fmt.Sprintf("Joe %d", i), joe)
	}
	update("Second marker", donny)
	if n := told("Second marker"); n != 5 {
		t.Errorf("%d mails to an address that its user has proven, want all 5", n)
	}
	s.must(429, "POST", "/api/profile/joe1/roles/manager?force=1", map[string]any{"email": "friend@example.com", "full_name": "Friend"}, joe)
}
