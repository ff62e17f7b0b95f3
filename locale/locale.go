// Package locale writes dates, numbers and money as people of a language do, by the CLDR, and finds the language that somebody reads
// among those that there are. Pages and mails share it.
package locale

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bojanz/currency"
	"github.com/go-playground/locales"
)

// A Locale is how people of a language write.
type Locale struct {
	words locales.Translator
	money *currency.Formatter
}

// Of is the locale of a language: "pt-br" is written as "pt" is, and a language that is not known here as English.
func Of(tag string) *Locale {
	make, ok := written[short(tag)]
	if !ok {
		make = written["en"]
	}
	words := make()
	id := currency.NewLocale(strings.ReplaceAll(words.Locale(), "_", "-"))
	return &Locale{words, currency.NewFormatter(id)}
}

// Date is a day: "January 2, 2026".
func (l *Locale) Date(t time.Time) string { return l.words.FmtDateLong(t.UTC()) }

// DateTime is a time, in UTC: "Jan 2, 2026, 15:04 UTC".
func (l *Locale) DateTime(t time.Time) string {
	t = t.UTC()
	return l.words.FmtDateMedium(t) + ", " + t.Format("15:04") + " UTC"
}

// Money is an amount in 1/100 of a unit: "$1,190.00". A unit that is no currency stands behind its number.
func (l *Locale) Money(amount int64, unit string) string { return l.amount(amount, unit, false) }

// ShortMoney is Money without the fraction where it is nothing: "$90".
func (l *Locale) ShortMoney(amount int64, unit string) string {
	return l.amount(amount, unit, amount%100 == 0)
}

func (l *Locale) amount(amount int64, unit string, whole bool) string {
	sign, n := "", uint64(amount)
	if amount < 0 {
		sign, n = "-", -n
	}
	a, err := currency.NewAmount(fmt.Sprintf("%s%d.%02d", sign, n/100, n%100), strings.ToUpper(unit))
	if err != nil { // points, hours
		return strings.TrimSpace(l.words.FmtNumber(float64(amount)/100, 2) + " " + unit)
	}
	f := *l.money
	if whole {
		f.MinDigits = 0
	}
	return f.Format(a)
}

// Find is the index of the language that stands for a wanted one: itself, else the one without its region; -1 for none.
func Find(languages []string, wanted string) int {
	same := func(tag string) bool { return strings.EqualFold(tag, wanted) }
	if i := slices.IndexFunc(languages, same); i >= 0 {
		return i
	}
	return slices.IndexFunc(languages, func(tag string) bool { return tag == short(wanted) })
}

// short is a tag without its region: "pt-br" and "pt_BR" are "pt".
func short(tag string) string {
	tag, _, _ = strings.Cut(strings.ToLower(strings.ReplaceAll(tag, "_", "-")), "-")
	return tag
}
