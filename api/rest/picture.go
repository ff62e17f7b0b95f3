package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Pictures keeps the pictures of users, contacts and profiles as files named after their content (auth.md 20, profiles.md 6.5), so
// that the same picture is kept once and keeping it again changes nothing.
type Pictures struct {
	Dir string // folder of the files; made with mode 0700 when the first picture comes
	Max int64  // bytes of the largest picture taken: 5 MiB by default
}

// MaxPicture is the default size in bytes of the largest picture taken.
const MaxPicture = 5 << 20

// pictureTypes are the types of picture taken, and the extensions that each may have; the first is the usual one. There is none
// that a browser would run something of.
var pictureTypes = map[string][]string{
	"image/png":  {".png"},
	"image/jpeg": {".jpg", ".jpeg"},
	"image/gif":  {".gif"},
	"image/webp": {".webp"},
}

// Keep writes a picture and returns its path below the site: "/media/<sha256>.png". The extension is that of the file name when it
// fits the content. Errors: 400 on "file" for what is empty or no PNG, JPEG, GIF or WebP; 413.
func (p *Pictures) Keep(content []byte, name string) (path string, err error) {
	switch {
	case len(content) == 0:
		return "", Invalid("file", "The submitted file is empty.")
	case int64(len(content)) > p.Max:
		return "", Fail(http.StatusRequestEntityTooLarge, "The picture is too large.")
	}
	extensions, ok := pictureTypes[http.DetectContentType(content)]
	if !ok {
		return "", Invalid("file", "Upload a valid image: PNG, JPEG, GIF or WebP.")
	}
	extension := strings.ToLower(filepath.Ext(name))
	if !slices.Contains(extensions, extension) {
		extension = extensions[0]
	}
	sum := sha256.Sum256(content)
	key := hex.EncodeToString(sum[:]) + extension
	return "/media/" + key, p.write(key, content)
}

// write puts the whole file in its place, or nothing.
func (p *Pictures) write(key string, content []byte) error {
	place := filepath.Join(p.Dir, key)
	if _, err := os.Stat(place); err == nil {
		return nil
	}
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(p.Dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), place)
	}
	return err
}

var pictureKey = regexp.MustCompile(`^[0-9a-f]{64}\.[a-z]{3,4}$`)

// ServeHTTP answers GET and HEAD of /media/{key}. The type that is told is that of the extension, and nothing in a picture is run.
func (p *Pictures) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.URL.Path, "/media/")
	kind := ""
	for t, extensions := range pictureTypes {
		if slices.Contains(extensions, filepath.Ext(key)) {
			kind = t
		}
	}
	if kind == "" || !pictureKey.MatchString(key) || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.NotFound(w, r)
		return
	}
	f, err := os.Open(filepath.Join(p.Dir, key))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", info.ModTime(), f)
}
