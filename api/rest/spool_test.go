package rest

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// What is too much for memory goes through a file that is gone afterwards.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	files := func() int {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	for _, size := range []int{0, 10, spoolMemory, spoolMemory + 1, 3 * spoolMemory} {
		var s spool
		want := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 100_003)
			if _, err := s.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if inFile := files() > 0; inFile != (size > spoolMemory) {
			t.Errorf("%d bytes: in a file is %t", size, inFile)
		}
		r, n, err := s.reader()
		if err != nil || n != int64(size) {
			t.Fatalf("%d bytes: told as %d, %v", size, n, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d bytes came back, or others; %v", size, len(got), err)
		}
		s.close()
		if files() > 0 {
			t.Errorf("%d bytes: the file is still there", size)
		}
	}
}
