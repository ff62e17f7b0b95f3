//go:build !unix

package store

import "os"

// KeepOwner does nothing where files have no owner of this kind.
func KeepOwner(*os.File, string) error { return nil }

func inherit(*os.File, string) {}
