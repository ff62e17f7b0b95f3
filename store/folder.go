package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// MakeFolder makes a folder that its owner alone can read, and those above it, unless they are there. Each belongs to the owner of the
// one above: root makes a site's files for the user who runs it.
func MakeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := MakeFolder(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) { // somebody was faster, or it is a file, which the next step will say
			return nil
		}
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	inherit(folder, above)
	return folder.Close()
}
