package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Pictures keeps the pictures of users, contacts and profiles as files named after their content (auth.md 20, profiles.md 6.5), so
// that the same picture is kept once and keeping it again changes nothing.
type Pictures struct {
	Dir string // folder of the files; made with mode 0700 when the first picture comes
	Max int64  // bytes of the largest picture taken; 0 is MaxPicture

	decoding sync.Mutex // pictures take memory: one at a time
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

// Receive keeps the picture that a request carries as field "file" of a multipart body, and returns its path below the site. Errors:
// 403 when p is nil, 415 for another body, 400 on "detail" without a file, and those of Keep.
func (p *Pictures) Receive(c *Call) (path string, err error) {
	if p == nil {
		return "", Forbidden("This site takes no pictures.")
	}
	if err := c.CheckLimit(LimitUploads); err != nil {
		return "", err
	}
	raw, err := c.BodyBytes()
	if err != nil {
		return "", err
	}
	header := c.r.Header.Get("Content-Type")
	if kind, _, _ := mime.ParseMediaType(header); kind != typeMultipart && len(raw) > 0 {
		return "", unsupported(header)
	}
	info, file, err := c.File("file")
	if e := new(Error); errors.As(err, &e) && e.Status == http.StatusBadRequest {
		return "", Bad("detail", "no location or file specified.")
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := c.CountNow(LimitUploads); err != nil { // also what turns out to be no picture: looking at it costs as much
		return "", err
	}
	content, err := io.ReadAll(io.LimitReader(file, p.most()+1))
	if err != nil {
		return "", err
	}
	return p.Keep(content, info.Filename)
}

func (p *Pictures) most() int64 {
	if p.Max > 0 {
		return p.Max
	}
	return MaxPicture
}

// Keep cleans and writes a picture and returns its path below the site: "/media/<sha256>.png", by the SHA-256 of what came. The
// extension is that of the file name when it fits the content. Errors: 400 on "file" for what is empty, no PNG, JPEG, GIF or WebP,
// or has too many pixels; 413.
func (p *Pictures) Keep(content []byte, name string) (path string, err error) {
	badPicture := Invalid("file", "Upload a valid image: PNG, JPEG, GIF or WebP.")
	switch {
	case len(content) == 0:
		return "", Invalid("file", msgEmptyFile)
	case int64(len(content)) > p.most():
		return "", Fail(http.StatusRequestEntityTooLarge, "The picture is too large.")
	}
	kind := http.DetectContentType(content)
	extensions, ok := pictureTypes[kind]
	if !ok {
		return "", badPicture
	}
	extension := strings.ToLower(filepath.Ext(name))
	if !slices.Contains(extensions, extension) {
		extension = extensions[0]
	}
	sum := sha256.Sum256(content)
	key := hex.EncodeToString(sum[:]) + extension
	path = "/media/" + key
	p.decoding.Lock()
	defer p.decoding.Unlock()
	if _, err := os.Stat(filepath.Join(p.Dir, key)); err == nil {
		return path, nil
	}
	cleaned, err := clean(content, kind)
	if err != nil {
		return "", badPicture
	}
	return path, p.write(key, cleaned)
}

// write puts the whole file in its place, or nothing.
func (p *Pictures) write(key string, content []byte) error {
	place := filepath.Join(p.Dir, key)
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
