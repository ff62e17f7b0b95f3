package locale

import (
	"github.com/go-playground/locales"
	"github.com/go-playground/locales/ar"
	"github.com/go-playground/locales/de"
	"github.com/go-playground/locales/en"
	"github.com/go-playground/locales/es"
	"github.com/go-playground/locales/fr"
	"github.com/go-playground/locales/it"
	"github.com/go-playground/locales/ja"
	"github.com/go-playground/locales/nl"
	"github.com/go-playground/locales/pl"
	"github.com/go-playground/locales/pt"
	"github.com/go-playground/locales/sv"
	"github.com/go-playground/locales/zh"
)

// written are the languages whose dates and numbers are written as the CLDR has it; others have those of English.
var written = map[string]func() locales.Translator{
	"ar": ar.New, "de": de.New, "en": en.New, "es": es.New, "fr": fr.New, "it": it.New, "ja": ja.New, "nl": nl.New, "pl": pl.New,
	"pt": pt.New, "sv": sv.New, "zh": zh.New,
}
