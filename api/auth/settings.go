package auth

import (
	"runtime"
	"time"
)

// Settings are the site's choices of auth.md 25 that this package obeys. Token lifetime and cookie name are the directory's,
// page sizes and the read-only switch are package rest's, the registration style is package profile's.
type Settings struct {
	// Authentication says who may log in and register. Default: Enabled.
	Authentication Mode
	// VerificationLifetime is how long a code or link can be used after it was last sent. Default: 1 hour.
	VerificationLifetime time.Duration
	// UseVerificationLinks sends links in place of codes. Default: false.
	UseVerificationLinks bool
	// VerifyEmail asks for a proof of the e-mail before somebody registers (D-3). Default: false.
	VerifyEmail bool
	// VerifyPhone does the same for the phone; without Texts it has no effect. Default: false.
	VerifyPhone bool
	// RecoverStatus401 answers 401 {"email": …} when a code was sent, as the reference does (D-4). Default: false.
	RecoverStatus401 bool
	// HideAccountExistence keeps to itself who has an account (decision 78, auth.md 6). Default: false.
	HideAccountExistence bool
	// DisabledUserUpdate freezes credentials and registrations: a demonstration site. Default: false.
	DisabledUserUpdate bool
	// Registration is what a new user gets without asking: "user", "personal", "organization" or "implicit". Default: "user".
	Registration string
	// ProviderRegistration lets type "provider" register a provider (decisions 8 and 50). Default: false.
	ProviderRegistration bool
	// MinPassword is the least number of characters of a password; the most is 256 (decision 22). Default: 8.
	MinPassword int
	// MFAMaxAttempts is the number of wrong one-time passwords after which all are refused for OTPLock. Default: 3.
	MFAMaxAttempts int
	// OTPLock is for how long one-time passwords are refused then. Default: 15 minutes.
	OTPLock time.Duration
	// APIKeyLifetime is how long a new API key lives; 0 is for ever. Default: 365 days.
	APIKeyLifetime time.Duration
	// Throttle bounds guessing (auth.md 9, decision 65).
	Throttle Throttle
	// Hashing is what a password costs.
	Hashing Hashing
	// LogoutClearCookies names cookies that a log-out clears besides the session's. Default: none.
	LogoutClearCookies []string
	// Language is the language of new contacts. Default: "en".
	Language string
	// Version is what GET /api answers. Default: "dev".
	Version string
}

// A Mode says who may log in and register (access.md B.1 authentication).
type Mode int

// Modes of authentication.
const (
	Enabled   Mode = iota // log-in and registration
	LoginOnly             // nobody registers
	Disabled              // nobody registers; only managers of the broker log in
)

// String is the word of GET /api/proxy/engagement and of the configuration.
func (m Mode) String() string {
	switch m {
	case LoginOnly:
		return "login-only"
	case Disabled:
		return "disabled"
	}
	return "enabled"
}

// A Throttle bounds how often passwords, codes and one-time passwords may be wrong. Only failures and messages sent count; 0
// turns a bound off.
type Throttle struct {
	PerAccount int           // failures of one client on one account in a Window. Default: 10
	PerClient  int           // failures of one client (IPv4 address, IPv6 /64) in a Window. Default: 50
	Window     time.Duration // the first time it fills up, a bucket stays closed this long, then twice as long… Default: 15 minutes
	Longest    time.Duration // …up to this. Default: 24 hours
}

// Hashing is the cost of argon2id, and how many passwords are hashed at a time.
type Hashing struct {
	Memory     uint32        // KiB. Default: 19456 (19 MiB)
	Iterations uint32        // Default: 2
	Parallel   int           // hashes at a time. Default: one less than GOMAXPROCS, at least 1: a processor is left for the others
	Queue      int           // hashes that may wait; more are answered 503. Default: 256
	Deadline   time.Duration // how long they may wait before 503. Default: 10 seconds
}

// DefaultSettings are the contract's defaults.
func DefaultSettings() Settings {
	return Settings{
		VerificationLifetime: time.Hour,
		MinPassword:          8,
		MFAMaxAttempts:       3,
		OTPLock:              15 * time.Minute,
		APIKeyLifetime:       365 * 24 * time.Hour,
		Throttle:             Throttle{PerAccount: 10, PerClient: 50, Window: 15 * time.Minute, Longest: 24 * time.Hour},
		Hashing: Hashing{
			Memory: 19 * 1024, Iterations: 2, Parallel: max(1, runtime.GOMAXPROCS(0)-1), Queue: 256, Deadline: 10 * time.Second,
		},
		Language: "en",
		Version:  "dev",
	}
}
