//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// KeepOwner gives a file that is about to be put at path the owner and the mode of the one that is there, or the owner of the folder
// when there is none: root works on a site that another user runs, who must be able to read it afterwards. What others could read is
// not kept: a secret is its owner's. Error: the owner cannot be kept.
func KeepOwner(file *os.File, path string) error {
	before, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		inherit(file, filepath.Dir(path))
		return nil
	}
	if err == nil {
		err = file.Chmod(before.Mode().Perm() &^ 0o077)
	}
	if err != nil {
		return err
	}
	if err := own(file, before); err != nil {
		return fmt.Errorf("%s belongs to another user, who could not read what takes its place: run this as that user, or as root: %w", path, err)
	}
	return nil
}

// inherit gives what root has made the owner of its folder. Others own what they make.
func inherit(file *os.File, folder string) {
	if like, err := os.Stat(folder); err == nil && os.Geteuid() == 0 {
		_ = own(file, like) // or it stays root's, as on a file system that knows no other
	}
}

// own gives a file or a folder the owner of another.
func own(file *os.File, like fs.FileInfo) error {
	made, err := file.Stat()
	if err != nil {
		return err
	}
	want, ok := like.Sys().(*syscall.Stat_t)
	have, same := made.Sys().(*syscall.Stat_t)
	if !ok || !same || want.Uid == have.Uid && (want.Gid == have.Gid || os.Geteuid() != 0) {
		return nil
	}
	return file.Chown(int(want.Uid), int(want.Gid))
}
