package notice

import (
	"bytes"
	"fmt"
	netmail "net/mail"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// A Message is a mail. Its addresses are bare, but for the sender's, which may have a name, and nothing in it but the texts has
// more than one line.
type Message struct {
	ID      string // the same each time the message is tried
	Date    time.Time
	From    string
	To      []string // may be empty: then there is Bcc
	Bcc     []string // of the envelope, never of a header
	Only    []string // of To and Bcc, those that it goes to, when the others have it already
	ReplyTo string   // "" for none
	Subject string
	Text    string
	HTML    string // "" for none
}

// recipients are the addresses that the message goes to.
func (m *Message) recipients() []string {
	if len(m.Only) > 0 {
		return m.Only
	}
	return slices.Concat(m.To, m.Bcc)
}

// encode is the message as it goes over the wire (RFC 5322): plain text, or multipart/alternative when it has HTML. It fails
// rather than let an address or a subject add a header.
func (m *Message) encode() ([]byte, error) {
	sender, err := netmail.ParseAddress(m.From)
	if err != nil || address(m.From) != sender.Address {
		return nil, fmt.Errorf("the sender %q is no address", m.From)
	}
	for _, a := range slices.Concat(m.To, m.Bcc, m.Only) {
		if address(a) != a {
			return nil, fmt.Errorf("%q is no address of a recipient", a)
		}
	}
	if len(m.recipients()) == 0 {
		return nil, fmt.Errorf("there are no recipients")
	}
	for header, value := range map[string]string{"From": sender.Name, "Reply-To": m.ReplyTo, "Subject": m.Subject, "Message-ID": m.ID} {
		if strings.IndexFunc(value, endsLine) >= 0 {
			return nil, fmt.Errorf("%s is no header: %q", header, value)
		}
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(sender)
	if err := msg.To(m.To...); err != nil {
		return nil, err
	}
	if len(m.To) == 0 {
		msg.SetGenHeader("To", "undisclosed-recipients:;")
	}
	if m.ReplyTo != "" {
		if err := msg.ReplyTo(m.ReplyTo); err != nil {
			return nil, err
		}
	}
	_, domain, _ := strings.Cut(sender.Address, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetDateWithValue(m.Date)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // nobody answers that they are on holiday (RFC 3834)
	msg.Subject(m.Subject)
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	var b bytes.Buffer
	_, err = msg.WriteTo(&b)
	return b.Bytes(), err
}
