package people

import (
	"fmt"
	"html/template"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quiet is how many modules of white a QR code has around it.
const quiet = 4

// drawQR draws a text as a QR code that stands in the page: a picture of another address would be one more place for the secret in it.
// label is what it is to who does not see it.
func drawQR(text, label string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", err
	}
	size := code.Bounds().Dx()
	var path strings.Builder
	for y := range size {
		for x := 0; x < size; x++ {
			from := x
			for x < size && code.At(x, y) == color.Black {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	const svg = `<svg class="qr" viewBox="0 0 %[1]d %[1]d" role="img" aria-label="%[2]s" shape-rendering="crispEdges">` +
		`<path d="%[3]s"/></svg>`
	return template.HTML(fmt.Sprintf(svg,
		size+2*quiet, template.HTMLEscapeString(label), path.String())), nil
}
