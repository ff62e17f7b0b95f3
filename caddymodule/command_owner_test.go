//go:build unix

package caddymodule

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRootKeepsTheOwner rotates keys and makes a database as root, for a site that another user runs.
func TestRootKeepsTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root gives files to others; what others do is tested elsewhere")
		return
	}
	const caddyUser = 4711
	dir := t.TempDir()
	if err := os.Chown(dir, caddyUser, caddyUser); err != nil {
		t.Fatal(err)
	}
	site := filepath.Join(dir, "data", "tollgate")
	db := "--store=" + filepath.Join(site, "tollgate.db")
	check := func(when string, names ...string) {
		t.Helper()
		for _, name := range names {
			info, err := os.Stat(filepath.Join(site, name))
			if err != nil {
				t.Fatal(err)
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; uid != caddyUser || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %s belongs to %d, mode %o", when, name, uid, info.Mode().Perm())
			}
		}
	}
	if _, err := tollgate("store", "create", db); err != nil {
		t.Fatal(err)
	}
	check("made", ".", "tollgate.db", "secrets.json")
	if _, err := tollgate("key", "rotate", db); err != nil {
		t.Fatal(err)
	}
	check("rotated", ".", "tollgate.db", "secrets.json")
}
