package rest

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"

	"go.uber.org/zap"
)

// A LoginDoor is where somebody proves who they are.
type LoginDoor string

// The doors. What a request brings with itself, a token or a key, is DoorCredentials.
const (
	DoorLogin       LoginDoor = "login"
	DoorRegister    LoginDoor = "register"
	DoorRecover     LoginDoor = "recover"
	DoorActivate    LoginDoor = "activate"    // by a link that was mailed
	DoorConfirm     LoginDoor = "confirm"     // again, before credentials are changed
	DoorAddress     LoginDoor = "address"     // a new address, by its code
	DoorCredentials LoginDoor = "credentials" // of the API; the gate counts its own decisions
)

// A Reason is why they did not.
type Reason string

// The reasons.
const (
	ReasonPassword  Reason = "password"
	ReasonCode      Reason = "code" // mailed or texted
	ReasonOTP       Reason = "otp"  // one-time password
	ReasonLink      Reason = "link" // unknown, used or expired
	ReasonUser      Reason = "user" // nobody is called so
	ReasonThrottled Reason = "throttled"
	ReasonInvalid   Reason = "invalid" // token or key, which may only have ended
)

// failedLogins counts, since the process began. Doors and reasons are those above, so that it cannot grow.
var failedLogins sync.Map // of *atomic.Uint64, by failedLogin

type failedLogin struct {
	door   LoginDoor
	reason Reason
}

func (f failedLogin) count() {
	n, ok := failedLogins.Load(f)
	if !ok {
		n, _ = failedLogins.LoadOrStore(f, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// FailedLogins calls fn with how many log-ins have failed at each door for each reason, since the process began.
func FailedLogins(fn func(door LoginDoor, reason Reason, n uint64)) {
	var all []failedLogin
	failedLogins.Range(func(f, _ any) bool { all = append(all, f.(failedLogin)); return true })
	slices.SortFunc(all, func(a, b failedLogin) int {
		return cmp.Or(cmp.Compare(a.door, b.door), cmp.Compare(a.reason, b.reason))
	})
	for _, f := range all {
		n, _ := failedLogins.Load(f)
		fn(f.door, f.reason, n.(*atomic.Uint64).Load())
	}
}

// LoginFailed notes a failed log-in: a line of the log that programs such as fail2ban read, and a counter. The message, the names of the
// fields and their order do not change: the client comes first, before anything that the client has written. user is the name as it was
// typed, "" where none was.
func (c *Call) LoginFailed(door LoginDoor, reason Reason, user string) {
	failedLogin{door, reason}.count()
	c.service.Logger.Info("log-in failed", zap.String("client", c.Client), zap.String("door", string(door)),
		zap.String("reason", string(reason)), zap.String("user", typed(user)))
}

// mostTyped is how many characters of a name that somebody typed are logged.
const mostTyped = 64

// typed is text that somebody typed, as a log may show it: short, on one line, and without what ends a field in any format.
func typed(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > mostTyped {
			b.WriteRune('…')
			break
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("@._+-", r) || r == unicode.ReplacementChar {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
