package ledger

import "fmt"

// Choices are the periods as JSON names them, in the order of the contract.
func (p Period) Choices() []string {
	names := make([]string, 0, Yearly)
	for p := Hourly; p <= Yearly; p++ {
		names = append(names, p.String())
	}
	return names
}

// MarshalText is the period as JSON names it. It is never called on one that is none, which only the zero value is.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a period as JSON names it.
func (p *Period) UnmarshalText(text []byte) error {
	parsed, ok := ParsePeriod(string(text))
	if !ok {
		return fmt.Errorf("ledger: %q is not a period", text)
	}
	*p = parsed
	return nil
}
