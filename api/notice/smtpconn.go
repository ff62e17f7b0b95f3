package notice

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// smtpConn is a connection to a mail server, logged in.
type smtpConn struct {
	*smtp.Client
	raw   net.Conn // to be closed whatever the client waits for
	mails int      // that went over it
	timer *time.Timer
}

func (c *smtpConn) drop() { c.raw.Close() }

// connect returns a connection that answers: one that was kept, or a new one.
func (s *SMTP) connect(ctx context.Context) (*smtpConn, error) {
	for {
		c := s.take()
		if c == nil {
			return s.dial(ctx)
		}
		// The server may have closed it meanwhile: then the next.
		stop := context.AfterFunc(ctx, c.drop)
		err := c.UpdateDeadline(smtpDialTimeout)
		if err == nil {
			err = c.Reset()
		}
		if stop() && err == nil {
			return c, nil
		}
		c.drop()
	}
}

// dial makes a new connection.
func (s *SMTP) dial(ctx context.Context) (*smtpConn, error) {
	c := new(smtpConn)
	ctx, cancel := context.WithTimeout(ctx, smtpDialTimeout)
	defer cancel()
	stop := func() bool { return true }
	dial := func(dialling context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dialling, network, address)
		if err != nil {
			return nil, err
		}
		c.raw = conn
		stop = context.AfterFunc(ctx, c.drop) // dialling ends with the log-in
		if s.o.TLS != TLSImplicit {
			return conn, nil
		}
		encrypted := tls.Client(conn, s.tls)
		return encrypted, encrypted.HandshakeContext(dialling)
	}
	options := []gomail.Option{gomail.WithPort(s.port), gomail.WithTLSConfig(s.tls), gomail.WithTimeout(smtpDialTimeout), gomail.WithDialContextFunc(dial)}
	if s.o.TLS == TLSStart {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	} else {
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	login := &smtpLogin{o: s.o, host: s.host}
	if s.o.User != "" {
		options = append(options, gomail.WithSMTPAuthCustom(login))
	}
	client, err := gomail.NewClient(s.host, options...) // of its own: it is not made for several at once
	if err == nil {
		c.Client, err = client.DialToSMTPClientWithContext(ctx)
	}
	if err == nil && stop() {
		return c, nil
	}
	if c.raw != nil {
		c.drop()
	}
	var answer *textproto.Error
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("no connection to %s: %w", s.host, ctx.Err())
	case login.started && errors.As(err, &answer):
		return nil, fmt.Errorf("%s refuses the user or password with status %d", s.host, answer.Code) // its text may repeat them
	case login.started:
		return nil, fmt.Errorf("%s ended the log-in", s.host)
	}
	return nil, fmt.Errorf("no connection to %s: %w", s.host, err)
}

// take returns a connection that was kept, the last one first; nil when there is none.
func (s *SMTP) take() *smtpConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	c := s.idle[n-1]
	s.idle = s.idle[:n-1]
	c.timer.Stop()
	return c
}

// keep keeps a connection for the next mail, for a while.
func (s *SMTP) keep(c *smtpConn) {
	if c.mails++; c.mails >= smtpMaxMails {
		s.quit(c)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, c)
	c.timer = time.AfterFunc(s.idleTimeout, func() {
		s.mu.Lock()
		i := slices.Index(s.idle, c)
		if i >= 0 {
			s.idle = slices.Delete(s.idle, i, i+1)
		}
		s.mu.Unlock()
		if i >= 0 {
			s.quit(c)
		}
	})
}

// quit says goodbye.
func (s *SMTP) quit(c *smtpConn) {
	if c.UpdateDeadline(time.Second) == nil {
		_ = c.Quit()
	}
	c.drop()
}

// CloseIdle closes the connections that are kept.
func (s *SMTP) CloseIdle() {
	for c := s.take(); c != nil; c = s.take() {
		s.quit(c)
	}
}

// smtpLogin logs in by PLAIN or LOGIN, which go-mail allows over TLS and to this machine only.
type smtpLogin struct {
	o       SMTPOptions
	host    string
	started bool
	smtp.Auth
}

// Start implements smtp.Auth.
func (l *smtpLogin) Start(server *smtp.ServerInfo) (mechanism string, first []byte, err error) {
	switch {
	case slices.Contains(server.Auth, "PLAIN"):
		l.Auth = smtp.PlainAuth("", l.o.User, l.o.Password, l.host, false)
	case slices.Contains(server.Auth, "LOGIN"):
		l.Auth = smtp.LoginAuth(l.o.User, l.o.Password, l.host, false)
	default:
		return "", nil, errors.New("it offers neither PLAIN nor LOGIN to log in")
	}
	l.started = true
	return l.Auth.Start(server)
}
