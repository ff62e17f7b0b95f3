package caddymodule

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/api/notice"
)

// mail sets up what mails are made of and who sends them. Without `smtp` they are logged.
func (a *App) mail(repl *caddy.Replacer, o *api.Options) error {
	var err error
	o.MailOff = a.NotificationEmailDisabled
	o.Mailer = notice.LogMailer{Logger: a.logger}
	if o.Templates, err = a.templates(repl); err != nil {
		return err
	}
	var server notice.SMTPOptions
	if a.SMTP != "" && !a.command { // a command sends nothing
		server.TLS = notice.TLSMode(a.SMTPTLS)
		for _, s := range []struct {
			word, value string
			to          *string
		}{{"smtp", a.SMTP, &server.Address}, {"smtp_user", a.SMTPUser, &server.User}, {"smtp_password", a.SMTPPassword, &server.Password}} {
			if *s.to, err = readPlaceholder(repl, s.value); err != nil {
				return a.Sources.locate(s.word, err)
			}
			*s.to = strings.TrimSpace(*s.to)
		}
		if o.Mailer, err = notice.NewSMTP(server); err != nil {
			return err
		}
	}
	o.From = a.From
	if o.From == "" {
		o.From = a.Broker.Email
	}
	if o.From == "" && strings.Contains(server.User, "@") {
		o.From = server.User
	}
	if o.From == "" && a.SMTP != "" && !a.command {
		return errors.New("smtp: mails need a sender: write `from <address>`")
	}
	if o.From == "" {
		o.From = "noreply@localhost.localdomain"
	}
	return nil
}

// templates are the site's own mails; nil for none.
func (a *App) templates(repl *caddy.Replacer) (fs.FS, error) {
	if a.MailTemplates == "" {
		return nil, nil
	}
	dir, err := readPlaceholder(repl, a.MailTemplates)
	if err == nil {
		dir, err = caddy.FastAbs(dir)
	}
	if err != nil {
		return nil, a.Sources.locate("mail_templates", err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, a.Sources.locate("mail_templates", fmt.Errorf("%s is not a folder", dir))
	}
	return os.DirFS(dir), nil
}

// checkMail checks the settings of mails.
func (s *Settings) checkMail() error {
	if s.SMTP == "" && (s.SMTPUser != "" || s.SMTPPassword != "") {
		return errors.New("smtp_user and smtp_password need `smtp <host>:<port>`")
	}
	return nil
}
