package rest

import "testing"

func TestCountry(t *testing.T) {
	for text, want := range map[string]string{
		"US": "US", "us": "US", "USA": "US", "usa": "US", "840": "US", "United States": "US", " united states ": "US",
		"FR": "FR", "fra": "FR", "250": "FR", "France": "FR", "004": "AF",
		"Côte d’Ivoire": "CI", "Ivory Coast": "CI", "Antigua and Barbuda": "AG", "Antigua & Barbuda": "AG", "The Gambia": "GM",
		"Saint Lucia": "LC", "Åland Islands": "AX", "": "", "ZZ": "", "UK": "GB", "EU": "", "999": "", "Atlantis": "",
	} {
		if got := Country(text); got != want {
			t.Errorf("Country(%q) = %q, want %q", text, got, want)
		}
	}
	codes := map[string]bool{}
	for _, code := range countries() {
		codes[code] = true
	}
	if len(codes) != 249 {
		t.Errorf("%d countries, ISO 3166-1 has 249", len(codes))
	}
}
