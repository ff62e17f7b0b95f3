package notice

import (
	"fmt"
	netmail "net/mail"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFolderMailer holds that a mail is a whole file that its owner alone can read, that sent again it takes its own place, and that the
// folder is bounded and nothing else in it is touched.
func TestFolderMailer(t *testing.T) {
	f := &FolderMailer{Dir: filepath.Join(t.TempDir(), "a", "mail")}
	send := func(i int) {
		t.Helper()
		m := &Message{ID: fmt.Sprintf("%d.9", i), Date: time.Unix(int64(i), 0), From: "Acme <a@acme.example>", To: []string{"joe@example.com"},
			Bcc: []string{"ann@example.com"}, Subject: "Your code", Text: "012345"}
		if err := f.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	files := func() []os.DirEntry {
		t.Helper()
		list, err := os.ReadDir(f.Dir)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	send(1)
	send(1)
	list := files()
	if len(list) != 1 || list[0].Name() != "19700101T000001.000000Z-1.9.eml" {
		t.Fatalf("files: %v", list)
	}
	info, err := list[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if dir, err := os.Stat(f.Dir); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", dir.Mode(), err)
	}
	file, err := os.Open(filepath.Join(f.Dir, list[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m, err := netmail.ReadMessage(file)
	if err != nil || m.Header.Get("Subject") != "Your code" || m.Header.Get("X-Envelope-To") != "joe@example.com, ann@example.com" {
		t.Errorf("%v %v", m.Header, err)
	}
	own := filepath.Join(f.Dir, "00000000-notes.eml")
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range MostFiles {
		send(i + 2)
	}
	if list = files(); len(list) != MostFiles+1 || list[0].Name() != "00000000-notes.eml" || list[1].Name() != "19700101T000002.000000Z-2.9.eml" {
		t.Errorf("%d files, from %s", len(list), list[1].Name())
	}
	if err := f.Send(t.Context(), &Message{ID: "../../x", From: "a@acme.example", To: []string{"joe@example.com"}}); err == nil {
		t.Error("an id that leaves the folder is taken")
	}
}
