package caddymodule

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// provisioned adapts a Caddyfile that is a file, as `caddy validate` does, and provisions it; it returns the first error.
func provisioned(t *testing.T, config string) error {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "Caddyfile")
	config = strings.ReplaceAll(config, "$DIR", dir)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": file})
	if err != nil {
		return err
	}
	var c caddy.Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	return caddy.Validate(&c)
}

// TestSecretsArePlaceholders writes each secret of the two blocks in the ways in which it must not be written: the configuration is
// refused, with the line and without the secret.
func TestSecretsArePlaceholders(t *testing.T) {
	t.Setenv("TOLLGATE_SHORT", "31 bytes are one byte too few..")
	t.Setenv("TOLLGATE_LONG", strings.Repeat("Zz9-", 8))
	t.Setenv("TOLLGATE_EMPTY", "")
	for word, block := range map[string]string{
		"session":        "{\n\ttollgate {\n\t\tstore $DIR/t.db\n\t}\n}\n:80 {\n\ttollgate {\n\t\trule / any\n\t\tsession jwt %\n\t}\n}\n",
		"session cookie": "{\n\ttollgate {\n\t\tstore $DIR/t.db\n\t}\n}\n:80 {\n\ttollgate {\n\t\trule / any\n\t\tsession cookie %\n\t}\n}\n",
		"manager":        "{\n\ttollgate {\n\t\tstore $DIR/t.db\n\t\t#\n\t\t#\n\t\t#\n\t\tbroker acme {\n\t\t\t#\n\t\t\tmanager ann a@example.com %\n\t\t}\n\t}\n}\n",
		"smtp_password":  "{\n\ttollgate {\n\t\tstore $DIR/t.db\n\t\tfrom a@example.com\n\t\tsmtp mail.example\n\t\tsmtp_user a\n\t\t#\n\t\t#\n\t\tsmtp_password %\n\t}\n}\n",
		"webhook_secret": "{\n\ttollgate {\n\t\tstore $DIR/t.db\n\t\twebhook https://a.example/\n\t\t#\n\t\t#\n\t\t#\n\t\t#\n\t\twebhook_secret https://a.example/ %\n\t}\n}\n",
		"secret_key":     "{\n\ttollgate {\n\t\tstore $DIR/t.db\n\t\t#\n\t\t#\n\t\tprocessor stripe {\n\t\t\tpublishable_key pk_test_1\n\t\t\t#\n\t\t\tsecret_key %\n\t\t}\n\t}\n}\n",
	} {
		for value, want := range map[string]string{
			"Zz9-Zz9-Zz9-Zz9-Zz9-Zz9-Zz9-Zz9-":       "a secret is not written here",
			"{Zz9}":                                  "a secret is not written here",
			"{$TOLLGATE_LONG}":                       "a secret is not written here",
			"{system.hostname}":                      "a secret is not written here",
			"{env.}":                                 "a secret is not written here",
			"{file.session}":                         "write the path of the file with a slash",
			"{env.TOLLGATE_NOPE}":                    "the variable TOLLGATE_NOPE of Caddy's environment is not set, or is empty",
			"{env.TOLLGATE_EMPTY}":                   "the variable TOLLGATE_EMPTY of Caddy's environment is not set, or is empty",
			"{file./nowhere/at.all}":                 "/nowhere/at.all: no such file",
			"{$TOLLGATE_NOPE}":                       "TOLLGATE_NOPE",
			"\"{$TOLLGATE_NOPE}\"":                   "TOLLGATE_NOPE",
			"{env.TOLLGATE_LONG}{env.TOLLGATE_LONG}": "a secret is not written here",
		} {
			if value == "{file.session}" && !strings.HasPrefix(word, "session") {
				want = "open session: no such file" // a file beside Caddy: global options know no request
			}
			err := provisioned(t, strings.ReplaceAll(block, "%", value))
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Caddyfile:9") {
				t.Errorf("%s %s: %v, want %q at line 9", word, value, err, want)
			}
			if err != nil && strings.Contains(err.Error(), "Zz9-") {
				t.Errorf("%s %s: the secret is told: %v", word, value, err)
			}
		}
		if strings.HasPrefix(word, "session") {
			if err := provisioned(t, strings.ReplaceAll(block, "%", "{env.TOLLGATE_SHORT}")); err == nil || !strings.Contains(err.Error(), "256 bits") || !strings.Contains(err.Error(), "Caddyfile:9") {
				t.Errorf("%s of 31 bytes: %v", word, err)
			}
			for _, value := range []string{"", "{env.TOLLGATE_LONG}"} {
				if err := provisioned(t, strings.ReplaceAll(block, "%", value)); err != nil {
					t.Errorf("%s %s: %v", word, value, err)
				}
			}
		}
	}
}
