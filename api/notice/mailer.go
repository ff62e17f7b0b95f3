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
	// several goroutines. An error that wraps ErrRefused means that trying again is of no use; a *Partial, that some have it.
	Send(ctx context.Context, m *Message) error
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

// CloseIdle closes the connections that the mailer keeps.
func (m *mail) CloseIdle() {
	if kept, ok := m.o.Mailer.(interface{ CloseIdle() }); ok {
		kept.CloseIdle()
	}
}

// Deliver writes the mail and sends it.
func (m *mail) Deliver(ctx context.Context, n *Notice) error {
	p, err := m.compose(n.Event, n.Payload, n.envelope)
	if err != nil {
		return err
	}
	return m.o.Mailer.Send(ctx, &Message{
		ID: fmt.Sprintf("%d.%d", n.ID, n.CreatedAt.UnixMicro()), Date: n.CreatedAt.Time, From: m.o.From, To: n.envelope.To, Bcc: n.envelope.Bcc,
		Only: n.envelope.Only, ReplyTo: n.envelope.ReplyTo, Subject: p.subject, Text: p.text, HTML: p.html,
	})
}

// oneLine makes a text fit for a header: what would end the line, or is not text, becomes a blank, and blanks are not repeated.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, " ")
	s = strings.Map(func(c rune) rune {
		if endsLine(c) {
			return ' '
		}
		return c
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// endsLine reports whether a character may end a line, or is a command to a terminal.
func endsLine(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' }
