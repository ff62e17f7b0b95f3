package rest

import "testing"

// No spreadsheet takes a cell for a formula, whatever stands before the sign and however wide it is.
func TestNoFormulas(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\ufeff=1": "'\ufeff=1", "\uff1d1": "'\uff1d1", "\uff0b1": "'\uff0b1", "\uff0d1": "'\uff0d1",
		"\uff20x": "'\uff20x", "\ufe661": "'\ufe661", "\ufe631": "'\ufe631", "\t=1": "'\t=1", " \r\n=1": "' \r\n=1", "\u200b\u202e=1": "'\u200b\u202e=1", "\u3000\ufeff\uff1d1": "'\u3000\ufeff\uff1d1",
		"": "", "a=1": "a=1", "\ufeffa": "\ufeffa", "1-1": "1-1", "é": "é", "\ufeff": "\ufeff", "日本=": "日本=",
	} {
		if got := safeText(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	for text, plain := range map[string]string{
		"Zoë Müller": "", "דוד\u200f": "", "a\u202eb": "ab", "\u202aa\u202c": "a", "\u2066a\u2069": "a", "a\tb\x7f\u0085": "ab", "a\u2028b": "ab",
	} {
		if ok := IsPlain(text); ok != (plain == "") {
			t.Errorf("IsPlain(%q) = %t", text, ok)
		}
		if got := Plain(text); plain != "" && got != plain {
			t.Errorf("Plain(%q) = %q", text, got)
		}
	}
}

// An address has one form, whichever its domain came in.
func TestUnicodeDomains(t *testing.T) {
	for text, want := range map[string]string{
		"Joe@Bücher.example": "joe@xn--bcher-kva.example", "joe@bu\u0308cher.example": "joe@xn--bcher-kva.example", "joe@XN--BCHER-kva.example": "joe@xn--bcher-kva.example",
		"joe@faß.example": "joe@xn--fa-hia.example", "joe@例え.テスト": "joe@xn--r8jz45g.xn--zckzah", "joe@例え。テスト": "joe@xn--r8jz45g.xn--zckzah",
		"joe@a\u202eb.example": "", "joe@ü": "", "jöe@example.com": "", "joe@ü..example": "", "joe@ü_x.example": "", "joe@ü@example.com": "",
	} {
		if got := ParseEmail(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
