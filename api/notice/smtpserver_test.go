package notice

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
)

// smtpServer is a small mail server on this machine. What it answers is set per command: "MAIL", "RCPT <a@x>", "DATA", "." and so
// on; an answer of "drop" closes the connection, one of "hang" says nothing more, and one of "deaf" takes the mail and then closes.
type smtpServer struct {
	t        *testing.T
	listener net.Listener
	cert     tls.Certificate
	roots    *x509.CertPool
	implicit bool // TLS from the first byte on
	plain    bool // no STARTTLS
	auth     string

	mu      sync.Mutex
	answers map[string]string
	mails   []smtpMail
	conns   map[net.Conn]bool
	heard   heard
	wg      sync.WaitGroup
}

// heard is what else a server noticed.
type heard struct {
	dialled int      // connections
	logins  []string // what was sent to log in
	clear   []string // commands that came in clear
}

// smtpMail is a mail that was taken.
type smtpMail struct {
	from string
	to   []string
	data string
}

func newSMTPServer(t *testing.T, change ...func(*smtpServer)) *smtpServer {
	t.Helper()
	certs := httptest.NewUnstartedServer(nil) // for a certificate of 127.0.0.1
	certs.StartTLS()
	defer certs.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{t: t, listener: listener, cert: certs.TLS.Certificates[0], roots: x509.NewCertPool(), auth: "PLAIN LOGIN",
		answers: map[string]string{}, conns: map[net.Conn]bool{}}
	s.roots.AddCert(certs.Certificate())
	for _, fn := range change {
		fn(s)
	}
	s.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.heard.dialled++
			s.conns[conn] = true
			s.mu.Unlock()
			s.wg.Go(func() {
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.closeAll()
		s.wg.Wait()
	})
	return s
}

// closeAll closes the connections that are open.
func (s *smtpServer) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
	clear(s.conns)
}

// answer sets what is answered to a command, "" for what is usual.
func (s *smtpServer) answer(command, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[command] = answer
}

// take returns the mails that were taken since the last call.
func (s *smtpServer) take() []smtpMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	mails := s.mails
	s.mails = nil
	return mails
}

// noticed is what the server noticed so far.
func (s *smtpServer) noticed() heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return heard{s.heard.dialled, slices.Clone(s.heard.logins), slices.Clone(s.heard.clear)}
}

// mailer makes a Mailer of the server.
func (s *smtpServer) mailer(change ...func(*SMTPOptions)) *SMTP {
	s.t.Helper()
	o := SMTPOptions{Address: s.listener.Addr().String(), User: "site", Password: "pass-of-the-site", RootCAs: s.roots}
	for _, fn := range change {
		fn(&o)
	}
	m, err := NewSMTP(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(m.CloseIdle)
	return m
}

var errDrop = errors.New("drop")

func (s *smtpServer) serve(conn net.Conn) {
	encrypted := s.implicit
	if s.implicit {
		conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.cert}})
	}
	c := textproto.NewConn(conn)
	say := func(command, usual string) error {
		s.mu.Lock()
		answer := s.answers[command]
		s.mu.Unlock()
		switch answer {
		case "":
			answer = usual
		case "drop", "deaf":
			return errDrop
		case "hang":
			_, _ = io.Copy(io.Discard, conn)
			return errDrop
		}
		return c.PrintfLine("%s", answer)
	}
	if say("CONNECT", "220 mail.example ready") != nil {
		return
	}
	var mail smtpMail
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if !encrypted {
			s.mu.Lock()
			s.heard.clear = append(s.heard.clear, line)
			s.mu.Unlock()
		}
		switch verb {
		case "EHLO":
			lines := []string{"mail.example", "8BITMIME", "SMTPUTF8"}
			if !s.plain && !encrypted {
				lines = append(lines, "STARTTLS")
			}
			if s.auth != "" {
				lines = append(lines, "AUTH "+s.auth)
			}
			for _, l := range lines {
				err = errors.Join(err, c.PrintfLine("250-%s", l))
			}
			err = errors.Join(err, say(verb, "250 ENHANCEDSTATUSCODES"))
		case "STARTTLS":
			if err = say(verb, "220 go"); err == nil {
				encrypted = true
				conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.cert}})
				c = textproto.NewConn(conn)
			}
		case "AUTH":
			if argument == "LOGIN" {
				for _, ask := range []string{"Username:", "Password:"} {
					_ = c.PrintfLine("334 %s", base64.StdEncoding.EncodeToString([]byte(ask)))
					line, _ = c.ReadLine()
					argument += " " + line
				}
			}
			s.mu.Lock()
			s.heard.logins = append(s.heard.logins, argument)
			s.mu.Unlock()
			err = say(verb, "235 welcome")
		case "MAIL":
			mail = smtpMail{from: argument}
			err = say(verb, "250 ok")
		case "RCPT":
			to, _, _ := strings.Cut(strings.TrimPrefix(argument, "TO:"), " ")
			s.mu.Lock()
			answer := s.answers["RCPT "+to]
			s.mu.Unlock()
			if answer == "" {
				mail.to = append(mail.to, strings.Trim(to, "<>"))
			}
			err = say("RCPT "+to, "250 ok")
		case "DATA":
			if err = say(verb, "354 go on"); err != nil {
				break
			}
			s.mu.Lock()
			refused := s.answers[verb] != ""
			s.mu.Unlock()
			if refused {
				break
			}
			var data bytes.Buffer
			if _, err = io.Copy(&data, c.DotReader()); err != nil {
				break
			}
			mail.data = data.String()
			s.mu.Lock()
			if a := s.answers["."]; a == "" || a == "deaf" {
				s.mails = append(s.mails, mail)
			}
			s.mu.Unlock()
			err = say(".", "250 taken")
		case "RSET", "NOOP":
			err = say(verb, "250 ok")
		case "QUIT":
			_ = say(verb, "221 bye")
			return
		default:
			err = c.PrintfLine("502 what?")
		}
		if err != nil {
			return
		}
	}
}
