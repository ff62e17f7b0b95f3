package directory

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestAssertionSeeds: a file of secrets that is older than assertions has a key all the same, one that all readers agree on; rotation
// keeps it published.
func TestAssertionSeeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.json")
	made, err := LoadSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := regexp.MustCompile(`(?s)\s*"assertion_seeds": \[.*?\],`).ReplaceAll(text, nil)
	if bytes.Equal(old, text) {
		t.Fatal("the file has no seeds")
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := LoadSecrets(path)
	if err != nil || len(read.AssertionSeeds) != 1 || !bytes.Equal(read.AssertionSeeds[0], made.AssertionSeeds[0]) || bytes.Equal(read.AssertionSeeds[0], read.Rest) {
		t.Fatalf("%d seeds, %v", len(read.AssertionSeeds), err)
	}
	for i, want := range []int{2, 2, 1} {
		keep := 2
		if i == 2 {
			keep = 1
		}
		rotated, err := RotateSecrets(path, keep)
		if err != nil || len(rotated.AssertionSeeds) != want || bytes.Equal(rotated.AssertionSeeds[0], read.AssertionSeeds[0]) {
			t.Fatalf("rotation %d: %d seeds, %v", i, len(rotated.AssertionSeeds), err)
		}
		if want == 2 && !bytes.Equal(rotated.AssertionSeeds[1], read.AssertionSeeds[0]) {
			t.Errorf("rotation %d: the key before is not kept", i)
		}
		if read, err = LoadSecrets(path); err != nil || !bytes.Equal(read.AssertionSeeds[0], rotated.AssertionSeeds[0]) {
			t.Errorf("rotation %d: read back %v", i, err)
		}
	}
}
