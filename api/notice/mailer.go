package notice

import "context"

// A Mailer sends mails.
type Mailer interface {
	// Send hands the message over. It may be called again with a message that was sent already, with the same ID. An error
	// that wraps ErrRefused means that trying again is of no use.
	Send(ctx context.Context, m *Message) error
}

// A Message is a mail.
type Message struct {
	ID      string // the same each time the message is tried
	From    string
	To      []string
	Bcc     []string // of the envelope, never of a header
	ReplyTo string
	Subject string // one line
	Text    string
	HTML    string // "" for none
}
