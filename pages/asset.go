package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// assetRoot is below which the files are that pages load. Their address holds a hash of all of them, so that browsers may keep them for
// ever.
const assetRoot = "/-/tollgate/"

// An asset is a file that pages load.
type asset struct {
	kind string
	body []byte
}

// readAssets reads the files that browsers load: our style sheet and scripts, and those of the operator.
func (t *theme) readAssets() error {
	t.assets = map[string]*asset{}
	names, err := fs.Glob(ours, "assets/*")
	if err != nil {
		return err
	}
	all := slices.Clone(styles)
	for _, name := range names {
		if name = path.Base(name); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	sum := sha256.New()
	for _, name := range all {
		body, _, err := t.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		kind := mime.TypeByExtension(path.Ext(name))
		switch path.Ext(name) {
		case ".js":
			kind = "text/javascript; charset=utf-8"
		case ".css":
			kind = "text/css; charset=utf-8"
		case ".svg":
			kind = "image/svg+xml"
		}
		t.assets[name] = &asset{kind, body}
		sum.Write([]byte(name + "\n"))
		sum.Write(body)
	}
	t.hash = hex.EncodeToString(sum.Sum(nil)[:8])
	for _, name := range []string{"logo.svg", "logo.png"} {
		if t.assets[name] != nil && t.logo == "" {
			t.logo = t.assetURL(name)
		}
	}
	return nil
}

// assetURL is the address of a file that pages load.
func (t *theme) assetURL(name string) template.URL {
	switch found := t.assets[name]; {
	case found == nil:
		return ""
	case t.inline:
		return found.inlined()
	}
	return template.URL(assetRoot + t.hash + "/" + name)
}

// asset answers a request for a file that pages load; nil when there is no such file. The script that other pages embed has an address
// that stays.
func (t *theme) asset(name string) http.HandlerFunc {
	age := "public, max-age=31536000, immutable"
	hash, file, hashed := strings.Cut(name, "/")
	switch {
	case !hashed && name == "embed.js":
		file, age = name, "public, max-age=300"
	case !hashed:
		return nil
	case hash != t.hash: // of a page from before an upgrade, say
		age = "no-cache"
	}
	found := t.assets[file]
	if found == nil {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Type", found.kind)
		h.Set("Cache-Control", age)
		h.Set("ETag", `"`+t.hash+`"`)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-site")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox") // of a picture that is opened by itself
		http.ServeContent(w, r, file, time.Time{}, bytes.NewReader(found.body))
	}
}
