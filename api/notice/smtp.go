package notice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// SMTPOptions of an SMTP.
type SMTPOptions struct {
	Address  string // host or host:port; without a port it is 587, 465 with TLSImplicit, 25 with TLSNone
	User     string // with Password; neither: nobody logs in
	Password string
	TLS      TLSMode
	RootCAs  *x509.CertPool // that the server's certificate may come from; nil: those of the system
}

// TLSMode is how a connection to a mail server is encrypted.
type TLSMode string

// The modes. In the first two the server must have a valid certificate for the host's name.
const (
	TLSStart    TLSMode = "starttls" // in clear until STARTTLS, which the server must offer; the default
	TLSImplicit TLSMode = "implicit" // from the first byte on
	TLSNone     TLSMode = "none"     // never: for a server on this machine
)

// SMTP is a Mailer that hands mails to a mail server. It keeps a few connections for the next mails.
//
// The server answers for each recipient: one that it refuses does not keep the mail from the others. See Partial.
type SMTP struct {
	o           SMTPOptions
	host        string
	port        int
	tls         *tls.Config
	idleTimeout time.Duration

	mu   sync.Mutex
	idle []*smtpConn
}

const (
	smtpDialTimeout = 10 * time.Second // until logged in
	smtpIdleTimeout = 30 * time.Second // after which a connection is closed that nobody needs
	smtpMaxMails    = 100              // over one connection: servers end it after about as many
)

// NewSMTP makes an SMTP. It connects to nothing. Errors say what is wrong with an option, without the password.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	if o.TLS == "" {
		o.TLS = TLSStart
	}
	port, ok := map[TLSMode]int{TLSStart: 587, TLSImplicit: 465, TLSNone: 25}[o.TLS]
	if !ok {
		return nil, fmt.Errorf("smtp: %q is none of starttls, implicit, none", o.TLS)
	}
	host := strings.Trim(o.Address, "[]") // of an IPv6 address without a port
	if h, p, err := net.SplitHostPort(o.Address); err == nil {
		host = h
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("smtp: %q is no port", p)
		}
	}
	if host == "" || strings.ContainsAny(host, "/ \t\r\n") || strings.Contains(host, ":") && net.ParseIP(host) == nil {
		return nil, fmt.Errorf("smtp: %q is not the address of a mail server, as in smtp.example.com:587", o.Address)
	}
	if (o.User == "") != (o.Password == "") {
		return nil, errors.New("smtp: a user and a password go together")
	}
	if local := net.ParseIP(host); o.TLS == TLSNone && o.User != "" && host != "localhost" && (local == nil || !local.IsLoopback()) {
		return nil, errors.New("smtp: without TLS, a password is sent to this machine only")
	}
	return &SMTP{o: o, host: host, port: port, tls: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		idleTimeout: smtpIdleTimeout}, nil
}

// A Partial is a mail that was taken for some of its recipients, if any, and not for those that it names.
type Partial struct {
	Later   []string // to be tried again
	Refused []string // for good
	Err     error    // what the server said
}

func (p *Partial) Error() string { return p.Err.Error() }
func (p *Partial) Unwrap() error { return p.Err }

// Send hands the message to the server, once for all its recipients. Errors: ErrRefused when the server takes it for nobody, ever,
// or when a header of the message holds what is none; a *Partial; any other is worth another try.
func (s *SMTP) Send(ctx context.Context, m *Message) error {
	text, err := m.encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	c, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	stop := context.AfterFunc(ctx, c.drop)
	t := c.send(m, text)
	if stop() && !t.broken {
		s.keep(c)
	} else {
		c.drop()
	}
	if err := ctx.Err(); err != nil && t.broken {
		t.said = []string{err.Error()} // in place of "use of closed network connection"
	}
	return t.err()
}

// tally is what the server said about the recipients of a mail.
type tally struct {
	taken, later, refused []string
	said                  []string
	broken                bool // the connection is not good for another mail
}

// send makes one transaction.
func (c *smtpConn) send(m *Message, text []byte) (t tally) {
	sender := address(m.From)
	to := m.recipients()
	all := sender + strings.Join(to, "")
	// Asked for without need, some servers return the mail when the next one does not know it.
	c.SkipSMTPUTF8(len(all) == utf8.RuneCountInString(all))
	if err := c.UpdateDeadline(sendTimeout); err != nil {
		t.no(err, to...)
		return t
	}
	if err := c.Mail("<" + sender + ">"); err != nil {
		t.no(err, to...)
		return t
	}
	for i, address := range to {
		err := c.Rcpt("<" + address + ">")
		if err == nil {
			t.taken = append(t.taken, address)
			continue
		}
		t.no(err, address)
		if t.broken {
			t.later = slices.Concat(t.later, t.taken, to[i+1:])
			t.taken = nil
			return t
		}
	}
	if len(t.taken) > 0 {
		if err := c.transmit(text); err != nil {
			taken := t.taken
			t.taken = nil
			t.no(err, taken...)
		}
	}
	if len(t.taken) == 0 && !t.broken {
		t.broken = c.Reset() != nil
	}
	return t
}

func (c *smtpConn) transmit(text []byte) error {
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Close()
}

// no notes an answer to the command about some recipients that is no yes.
func (t *tally) no(err error, addresses ...string) {
	code, text := 0, err.Error()
	var answer *textproto.Error
	if errors.As(err, &answer) {
		code, text = answer.Code, fmt.Sprint(answer.Code, " ", answer.Msg)
	}
	// Errors of the network, and what a server says before it closes the connection.
	t.broken = t.broken || code == 0 || code == 421
	if permanent(code) {
		t.refused = append(t.refused, addresses...)
	} else {
		t.later = append(t.later, addresses...)
	}
	t.said = append(t.said, text)
}

// permanent reports whether a status is for good: 5xx is, but for what the operator can mend (a log-in is asked for, or refused)
// and 552, which means 452 where there are too many recipients (RFC 5321, 4.5.3.1.10).
func permanent(code int) bool {
	return code >= 500 && code < 600 && !slices.Contains([]int{530, 534, 535, 538, 552}, code)
}

// err is what the tally comes to.
func (t tally) err() error {
	said := fmt.Errorf("smtp: %s", strings.Join(t.said, "; "))
	switch {
	case len(t.later) == 0 && len(t.refused) == 0:
		return nil
	case len(t.later) == 0 && len(t.taken) == 0:
		return fmt.Errorf("%w: %w", ErrRefused, said)
	case len(t.taken) == 0 && len(t.refused) == 0:
		return said
	}
	return &Partial{t.later, t.refused, said}
}
