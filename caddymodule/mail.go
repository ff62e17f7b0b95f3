package caddymodule

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-tollgate/tollgate/api"
	"github.com/caddy-tollgate/tollgate/api/notice"
	"github.com/caddy-tollgate/tollgate/store"
)

// mail sets up what mails are made of and who sends them. Without `smtp` and `mail_file` they are logged.
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
			return a.Sources.at("smtp", err)
		}
	}
	if folder, err := a.mailFolder(repl); err != nil {
		return err
	} else if folder != "" && !a.command {
		o.Mailer = &notice.FolderMailer{Dir: folder}
		a.mails = folder
	}
	o.From = a.From
	if o.From == "" {
		o.From = a.Broker.Email
	}
	if o.From == "" && strings.Contains(server.User, "@") {
		o.From = server.User
	}
	if o.From == "" && a.SMTP != "" && !a.command {
		return a.Sources.at("smtp", errors.New("smtp: mails need a sender: write `from <address>`"))
	}
	if o.From == "" {
		o.From = "noreply@localhost.localdomain"
	}
	return nil
}

// mailFolder is where mails are written to in place of being sent, "" for nowhere. Nothing is made there yet.
func (a *App) mailFolder(repl *caddy.Replacer) (string, error) {
	if a.MailFile == "" {
		if !a.Demo || a.SMTP != "" {
			return "", nil
		}
		path, err := caddy.FastAbs(a.Store)
		return filepath.Join(filepath.Dir(path), "mail"), err
	}
	folder, err := readPlaceholder(repl, a.MailFile)
	if err == nil {
		folder, err = caddy.FastAbs(folder)
	}
	if info, bad := os.Stat(folder); err == nil && bad == nil && !info.IsDir() {
		err = fmt.Errorf("%s is a file: name a folder", folder)
	}
	return folder, a.Sources.locate("mail_file", err)
}

// startMail makes the folder of mails, and says where it is: who tries the site out looks for codes there.
func (a *App) startMail() error {
	if a.mails == "" {
		return nil
	}
	if err := store.MakeFolder(a.mails); err != nil {
		return a.Sources.locate("mail_file", err)
	}
	a.logger.Info("mails are not sent: they are written to a folder, with the codes and links in them", zap.String("folder", a.mails))
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
	for word, value := range map[string]string{"smtp_user": s.SMTPUser, "smtp_password": s.SMTPPassword} {
		if s.SMTP == "" && value != "" {
			return &settingError{word, errors.New("there is no mail server: write `smtp <host>:<port>` as well")}
		}
	}
	switch {
	case s.SMTP != "" && s.MailFile != "":
		return &settingError{"mail_file", errors.New("with smtp, mails are sent and not written to a folder: leave one out")}
	case s.SMTPUser != "" && s.SMTPPassword == "":
		return &settingError{"smtp_user", errors.New("a user has a password: write `smtp_password {env.NAME}` as well")}
	case s.SMTPUser == "" && s.SMTPPassword != "":
		return &settingError{"smtp_password", errors.New("a password has a user: write `smtp_user <user>` as well")}
	}
	return nil
}
