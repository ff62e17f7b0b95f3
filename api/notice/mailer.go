package notice

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"go.uber.org/zap"
)

// A Mailer sends mails.
type Mailer interface {
	// Send hands the message over. It may be called again with a message that was sent already, with the same ID, and from
	// several goroutines. An error that wraps ErrRefused means that trying again is of no use.
	Send(ctx context.Context, m *Message) error
}

// A Message is a mail. Its addresses are bare, and nothing in it but the texts has more than one line.
type Message struct {
	ID      string // the same each time the message is tried
	From    string
	To      []string // may be empty: then there is Bcc
	Bcc     []string // of the envelope, never of a header
	ReplyTo string   // "" for none
	Subject string
	Text    string
	HTML    string // "" for none
}

// LogMailer sends nothing: it logs to whom, and the subject.
type LogMailer struct {
	Logger *zap.Logger
	// ShowText logs the text as well, at level debug: with the secret codes and links that it holds. For development only.
	ShowText bool
}

// Send logs the message.
func (l LogMailer) Send(_ context.Context, m *Message) error {
	l.Logger.Info("mail not sent: the mailer only logs", zap.Strings("to", m.To), zap.Strings("bcc", m.Bcc), zap.String("subject", m.Subject))
	if l.ShowText {
		l.Logger.Debug("mail", zap.Strings("to", m.To), zap.String("text", m.Text))
	}
	return nil
}

// MemoryMailer keeps messages, for tests.
type MemoryMailer struct {
	// Fail, when set, is asked first: what it returns is what Send returns.
	Fail func(m *Message) error

	mu   sync.Mutex
	sent []Message
}

// Send keeps the message.
func (k *MemoryMailer) Send(_ context.Context, m *Message) error {
	if k.Fail != nil {
		if err := k.Fail(m); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sent = append(k.sent, *m)
	return nil
}

// Sent returns what was sent since the last call, in order.
func (k *MemoryMailer) Sent() []Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	sent := k.sent
	k.sent = nil
	return sent
}

const mailSink = "mail"

// mail is the sink of mails.
type mail struct{ *Notices }

func (m *mail) Name() string      { return mailSink }
func (m *mail) Wants(string) bool { return true }

// Deliver writes the mail and sends it.
func (m *mail) Deliver(ctx context.Context, n *Notice) error {
	subject, text, err := m.compose(n.Event, n.Payload)
	if err != nil {
		return err
	}
	return m.o.Mailer.Send(ctx, &Message{
		ID: fmt.Sprintf("%d.%d", n.ID, n.CreatedAt.UnixMicro()), From: m.o.From, To: n.envelope.To, Bcc: n.envelope.Bcc,
		ReplyTo: n.envelope.ReplyTo, Subject: subject, Text: text,
	})
}

// oneLine makes a text fit for a header: what would end the line, or is not text, becomes a blank, and blanks are not repeated.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, " ")
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
