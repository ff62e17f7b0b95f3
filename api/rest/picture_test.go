package rest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func encoded(t *testing.T, write func(b *bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// halves is a picture, red on the left and blue on the right.
func halves(w, h int) *image.RGBA {
	p := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{R: 250, A: 255}
			if x >= w/2 {
				c = color.RGBA{B: 250, A: 255}
			}
			p.Set(x, y, c)
		}
	}
	return p
}

func samplePNG(t *testing.T) []byte {
	return encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, halves(8, 8)) })
}

func sampleJPEG(t *testing.T) []byte {
	return encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, halves(16, 8), nil) })
}

func sampleGIF(t *testing.T, frames int) []byte {
	return encoded(t, func(b *bytes.Buffer) error {
		g := &gif.GIF{}
		for range frames {
			g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.Black, color.White}))
			g.Delay = append(g.Delay, 10)
		}
		return gif.EncodeAll(b, g)
	})
}

// chunk is a chunk of a RIFF file.
func chunk(name string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(data)))
	b = append(b, data...)
	return append(b, make([]byte, len(data)%2)...)
}

func sampleWebP(w, h uint32, more ...[]byte) []byte {
	body := []byte("WEBP")
	body = append(body, chunk("VP8L", append(binary.LittleEndian.AppendUint32([]byte{0x2F}, w-1|(h-1)<<14), 1, 2, 3))...)
	for _, m := range more {
		body = append(body, m...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// exif puts an EXIF segment with an orientation and a secret into a JPEG.
func exif(content []byte, orientation byte, secret string) []byte {
	segment := append([]byte("Exif\x00\x00MM\x00\x2A\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), orientation, 0, 0, 0, 0, 0, 0)
	segment = append(segment, secret...)
	out := append([]byte{0xFF, 0xD8, 0xFF, 0xE1}, binary.BigEndian.AppendUint16(nil, uint16(len(segment)+2))...)
	return append(append(out, segment...), content[2:]...)
}

func TestPictureIsCleaned(t *testing.T) {
	const secret = "GPS 37.77N 122.41W <script>alert(1)</script>"
	withText := func(b []byte) []byte { // a tEXt chunk behind IHDR
		data := append([]byte("tEXtComment\x00"), secret...)
		c := binary.BigEndian.AppendUint32(nil, uint32(len(data)-4))
		c = binary.BigEndian.AppendUint32(append(c, data...), crc32.ChecksumIEEE(data))
		return append(append(append([]byte{}, b[:33]...), c...), b[33:]...)
	}
	for name, content := range map[string][]byte{
		"me.png":  append(withText(samplePNG(t)), secret...),
		"me.jpg":  append(exif(sampleJPEG(t), 1, secret), secret...),
		"me.jpeg": exif(sampleJPEG(t), 6, secret),
		"me.gif":  append(sampleGIF(t, 3), secret...),
		"me.webp": append(sampleWebP(8, 8, chunk("EXIF", []byte(secret)), chunk("XMP ", []byte(secret))), secret...),
	} {
		p := &Pictures{Dir: t.TempDir()}
		path, err := p.Keep(content, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		kept, err := os.ReadFile(filepath.Join(p.Dir, filepath.Base(path)))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(kept, []byte("alert")) {
			t.Errorf("%s: what is no picture was kept", name)
		}
		if again, err := p.Keep(content, name); again != path || err != nil {
			t.Errorf("%s: kept again as %s, %v", name, again, err)
		}
		if again, err := clean(kept, http.DetectContentType(kept)); err != nil || len(again) == 0 {
			t.Errorf("%s: what was kept is no picture: %v", name, err)
		}
	}
}

// A photograph stays upright although the note about it goes.
func TestPictureOrientation(t *testing.T) {
	for o, left := range map[byte]image.Point{1: {1, 4}, 2: {14, 4}, 3: {14, 4}, 4: {1, 4}, 5: {4, 1}, 6: {4, 1}, 7: {4, 14}, 8: {4, 14}} {
		out, err := clean(exif(sampleJPEG(t), o, ""), "image/jpeg")
		if err != nil {
			t.Fatal(err)
		}
		p, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if r, _, b, _ := p.At(left.X, left.Y).RGBA(); r < b {
			t.Errorf("orientation %d: the left half is not at %v of %v", o, left, p.Bounds())
		}
	}
}

func TestPictureBombs(t *testing.T) {
	// A PNG that says it is 50,000 pixels wide and high.
	huge := samplePNG(t)
	binary.BigEndian.PutUint32(huge[16:], 50000)
	binary.BigEndian.PutUint32(huge[20:], 50000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	// A GIF of many frames of the largest size.
	frame := []byte{0x2C, 0, 0, 0, 0, 0xFF, 0x0F, 0xFF, 0x0F, 0, 2, 1, 0, 0}
	frames := append([]byte("GIF89a\xFF\x0F\xFF\x0F\x80\x00\x00\x00\x00\x00\xFF\xFF\xFF"), bytes.Repeat(frame, 100)...)
	// A JPEG that goes over its pixels a thousand times.
	scans := sampleJPEG(t)
	scans = append(scans[:len(scans)-2], bytes.Repeat([]byte{0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0x3F, 0}, 1000)...)
	for name, content := range map[string][]byte{
		"huge PNG":         huge,
		"GIF frames":       append(frames, 0x3B),
		"JPEG scans":       scans,
		"huge WebP":        sampleWebP(16384, 16384),
		"WebP, no picture": sampleWebP(8, 8)[:20],
		"cut PNG":          samplePNG(t)[:60],
		"cut JPEG":         sampleJPEG(t)[:100],
		"cut GIF":          sampleGIF(t, 2)[:30],
		"SVG":              []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`),
		"HTML":             []byte("<!DOCTYPE html><script>alert(1)</script>"),
		"GIF in name only": []byte("GIF89a<script>alert(1)</script>"),
		"PDF":              []byte("%PDF-1.4"),
	} {
		p := &Pictures{Dir: t.TempDir()}
		_, err := p.Keep(content, "me.png")
		var e *Error
		if !errors.As(err, &e) || e.Status != 400 {
			t.Errorf("%s: %v, want a 400", name, err)
		}
		if left, _ := os.ReadDir(p.Dir); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

func TestServePicture(t *testing.T) {
	p := &Pictures{Dir: t.TempDir()}
	path, err := p.Keep(samplePNG(t), "me.PNG")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.Dir, "secret.txt"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]int{path: 200, path[:len(path)-4] + ".gif": 404, "/media/secret.txt": 404, "/media/../secret.txt": 404, "/media/": 404} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = target
		p.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
		if want == 200 && (w.Header().Get("Content-Type") != "image/png" || w.Header().Get("X-Content-Type-Options") != "nosniff" ||
			w.Header().Get("Content-Security-Policy") != "default-src 'none'; sandbox") {
			t.Errorf("headers %v", w.Header())
		}
	}
}
