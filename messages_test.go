package tollgate

import (
	"path/filepath"
	"testing"

	"github.com/BurntSushi/toml"
)

// TestMessagesParse says that the messages of pages can be read, so that no merge leaves a table or a key there twice.
func TestMessagesParse(t *testing.T) {
	files, err := filepath.Glob("pages/messages/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%q: %v", files, err)
	}
	for _, file := range files {
		var all map[string]any
		if _, err := toml.DecodeFile(file, &all); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
