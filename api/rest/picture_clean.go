package rest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
)

// What is kept of a picture is what a decoder saw of it, encoded again: no metadata (where a photograph was taken), nothing behind
// its end, nothing that only pretends to be a picture. The size that the header tells is looked at first, so that a small file
// cannot ask for much memory.

const (
	maxPixels    = 16 << 20 // of a picture
	maxGIFPixels = 64 << 20 // of all frames of an animation
	maxScans     = 64       // of a JPEG: each one, however short, goes over all pixels
)

var errPicture = errors.New("rest: not a picture")

// clean returns a picture of a type of pictureTypes without anything but the picture. Errors: what is none.
func clean(content []byte, kind string) ([]byte, error) {
	if kind == "image/webp" {
		return cleanWebP(content)
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(content))
	if err != nil || "image/"+format != kind || !fits(config.Width, config.Height) {
		return nil, errPicture
	}
	var out bytes.Buffer
	switch kind {
	case "image/gif":
		if !animationFits(content) {
			return nil, errPicture
		}
		var all *gif.GIF
		if all, err = gif.DecodeAll(bytes.NewReader(content)); err == nil {
			err = gif.EncodeAll(&out, all)
		}
	case "image/png":
		var p image.Image
		if p, err = png.Decode(bytes.NewReader(content)); err == nil {
			err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, p)
		}
	default:
		if bytes.Count(content, []byte{0xFF, 0xDA}) > maxScans {
			return nil, errPicture
		}
		var p image.Image
		if p, err = jpeg.Decode(bytes.NewReader(content)); err == nil {
			err = jpeg.Encode(&out, upright(p, orientation(content)), &jpeg.Options{Quality: 90})
		}
	}
	return out.Bytes(), err
}

func fits(width, height int) bool {
	return width > 0 && height > 0 && width <= maxPixels && height <= maxPixels && width*height <= maxPixels
}

// animationFits reads the frames of a GIF without decoding them, and adds up their pixels.
func animationFits(b []byte) bool {
	table := func(flags byte) int { // bytes of a table of colours
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (1 + flags&7)
	}
	if len(b) < 13 {
		return false
	}
	at, pixels := 13+table(b[10]), 0
	blocks := func() bool { // data in blocks, up to an empty one
		for at < len(b) {
			n := int(b[at])
			at += 1 + n
			if n == 0 {
				return true
			}
		}
		return false
	}
	for at < len(b) {
		switch b[at] {
		case 0x3B: // end
			return true
		case 0x21: // extension
			if at += 2; !blocks() {
				return false
			}
		case 0x2C: // frame
			if at+10 > len(b) {
				return false
			}
			width, height := int(binary.LittleEndian.Uint16(b[at+5:])), int(binary.LittleEndian.Uint16(b[at+7:]))
			if pixels += width * height; pixels > maxGIFPixels {
				return false
			}
			at += 10 + table(b[at+9]) + 1
			if !blocks() {
				return false
			}
		default:
			return false
		}
	}
	return false
}

// webpChunks are the chunks of a WebP file that make the picture; the others are metadata.
var webpChunks = map[string]bool{"VP8 ": true, "VP8L": true, "VP8X": true, "ALPH": true, "ANIM": true, "ANMF": true, "ICCP": true}

// cleanWebP keeps the chunks that make the picture. The standard library has no decoder: that the chunks are a picture is for the
// browser to find out, their size is checked here.
func cleanWebP(b []byte) ([]byte, error) {
	if len(b) < 12 {
		return nil, errPicture
	}
	end := min(uint64(len(b)), 8+uint64(binary.LittleEndian.Uint32(b[4:])))
	out, sized := append([]byte{}, b[:12]...), false
	for at := uint64(12); at+8 <= end; {
		name, size := string(b[at:at+4]), uint64(binary.LittleEndian.Uint32(b[at+4:]))
		next := at + 8 + size + size&1
		if next > end {
			return nil, errPicture
		}
		chunk := b[at:next]
		at = next
		if !webpChunks[name] {
			continue
		}
		if width, height, ok := webpSize(name, chunk[8:]); ok {
			if !fits(width, height) {
				return nil, errPicture
			}
			sized = true
		}
		start := len(out)
		out = append(out, chunk...)
		if name == "VP8X" {
			out[start+8] &^= 0x0C // no EXIF, no XMP any more
		}
	}
	if !sized {
		return nil, errPicture
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out, nil
}

// webpSize reads the size of a picture from the chunk that tells it.
func webpSize(name string, b []byte) (width, height int, ok bool) {
	switch {
	case name == "VP8X" && len(b) >= 10:
		return 1 + (int(b[4]) | int(b[5])<<8 | int(b[6])<<16), 1 + (int(b[7]) | int(b[8])<<8 | int(b[9])<<16), true
	case name == "VP8L" && len(b) >= 5 && b[0] == 0x2F:
		bits := binary.LittleEndian.Uint32(b[1:])
		return 1 + int(bits&0x3FFF), 1 + int(bits>>14&0x3FFF), true
	case name == "VP8 " && len(b) >= 10 && b[3] == 0x9D && b[4] == 0x01 && b[5] == 0x2A:
		return int(binary.LittleEndian.Uint16(b[6:])) & 0x3FFF, int(binary.LittleEndian.Uint16(b[8:])) & 0x3FFF, true
	}
	return 0, 0, false
}

// orientation is how the camera was held (1 to 8), as the metadata of a JPEG tells; 1 is upright.
func orientation(b []byte) int {
	for at := 2; at+4 <= len(b) && b[at] == 0xFF && b[at+1] != 0xDA; {
		size := int(binary.BigEndian.Uint16(b[at+2:]))
		if size < 2 || at+2+size > len(b) {
			break
		}
		if segment := b[at+4 : at+2+size]; b[at+1] == 0xE1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return exifOrientation(segment[6:])
		}
		at += 2 + size
	}
	return 1
}

func exifOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	for n := order.Uint16(b[at:]); n > 0; n-- {
		entry := at + 2 + uint64(n-1)*12
		if entry+12 > uint64(len(b)) {
			continue
		}
		if order.Uint16(b[entry:]) == 0x0112 {
			if v := int(order.Uint16(b[entry+8:])); v >= 1 && v <= 8 {
				return v
			}
		}
	}
	return 1
}

// upright turns a picture as it was seen.
func upright(p image.Image, o int) image.Image {
	if o == 1 {
		return p
	}
	w, h := p.Bounds().Dx(), p.Bounds().Dy()
	turned := image.Rect(0, 0, w, h)
	if o >= 5 {
		turned = image.Rect(0, 0, h, w)
	}
	out := image.NewRGBA(turned)
	for y := range turned.Dy() {
		for x := range turned.Dx() {
			sx, sy := x, y
			switch o {
			case 2:
				sx = w - 1 - x
			case 3:
				sx, sy = w-1-x, h-1-y
			case 4:
				sy = h - 1 - y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, h-1-x
			case 7:
				sx, sy = w-1-y, h-1-x
			case 8:
				sx, sy = w-1-y, x
			}
			out.Set(x, y, p.At(p.Bounds().Min.X+sx, p.Bounds().Min.Y+sy))
		}
	}
	return out
}
