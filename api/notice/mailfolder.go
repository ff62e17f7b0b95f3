package notice

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/caddy-tollgate/tollgate/store"
)

// FolderMailer writes mails into a folder, one file each, in place of sending them: for development, since they hold the codes and links
// that open accounts. Mail programs open the files. The last MostFiles are kept.
type FolderMailer struct {
	Dir string

	mu sync.Mutex // of who counts the files
}

// MostFiles is how many mails a folder holds.
const MostFiles = 500

// mailFile is the form of the names of files, which sort by time: no other file is touched.
var mailFile = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-z.-]+\.eml$`)

// Send writes the mail to <time>-<id>.eml, which is there as a whole or not at all, for its owner alone. Sent again, it takes the place of
// itself.
func (f *FolderMailer) Send(_ context.Context, m *Message) error {
	text, err := m.encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	// To whom it goes is not all in its head.
	text = append([]byte("X-Envelope-To: "+strings.Join(m.recipients(), ",\r\n ")+"\r\n"), text...)
	if err := store.MakeFolder(f.Dir); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%s.eml", m.Date.UTC().Format("20060102T150405.000000Z"), strings.ToLower(m.ID))
	if !mailFile.MatchString(name) {
		return fmt.Errorf("%q is no name for a file of a mail", name)
	}
	if err := write(f.Dir, name, text); err != nil {
		return err
	}
	return f.prune()
}

// write puts a file in its place at once.
func write(dir, name string, text []byte) error {
	file, err := os.CreateTemp(dir, ".mail-*") // for its owner alone
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	err = store.KeepOwner(file, path)
	if err == nil {
		_, err = file.Write(text)
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// prune removes the oldest mails.
func (f *FolderMailer) prune() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if mailFile.MatchString(e.Name()) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	for _, name := range names[:max(0, len(names)-MostFiles)] {
		if err := os.Remove(filepath.Join(f.Dir, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}
