package notice

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// WebhookOptions of a Webhook.
type WebhookOptions struct {
	URL    string   // http or https; without a user or a fragment
	Events []string // names of those it is told; none: all
	// Secrets sign what is posted, each by a signature of its own, so that one can take the place of another without a gap:
	// "whsec_" and base64 of 24 to 64 bytes. None: nothing is signed.
	Secrets []string
	// AllowPrivate lets the URL lead to this machine or a private network.
	AllowPrivate bool
	Now          func() time.Time
}

// A Webhook is a sink that posts events to a URL, signed as standardwebhooks.com has it (notifications.md 4).
type Webhook struct {
	o       WebhookOptions
	name    string
	secrets [][]byte
	client  *http.Client
}

const (
	webhookTimeout = 10 * time.Second // for the whole of a request
	maxPosted      = 1 << 20          // bytes of a body
	maxAnswer      = 64 << 10         // bytes that are read of an answer: it says nothing to us
	maxRetryAfter  = 24 * time.Hour   // that a receiver may ask for
)

// NewWebhook makes a Webhook. Errors say what is wrong with an option, without the secret.
func NewWebhook(o WebhookOptions) (*Webhook, error) {
	if o.Now == nil {
		return nil, errors.New("webhook: Now is required")
	}
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("webhook: the URL is not one of http or https, without user and fragment")
	}
	for _, e := range o.Events {
		if samples[e] == nil {
			return nil, fmt.Errorf("webhook: there is no event %q: docs/contract/notifications.md has them", e)
		}
	}
	// The path of a URL is often a secret: what is kept and logged is the host and a digest.
	sum := sha256.Sum256([]byte(o.URL))
	w := &Webhook{o: o, name: fmt.Sprintf("webhook %s %x", u.Host, sum[:4])}
	for _, s := range o.Secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
		if err != nil || len(key) < 24 || len(key) > 64 {
			return nil, errors.New("webhook: a secret is `whsec_` and base64 of 24 to 64 bytes: make one with `echo whsec_$(openssl rand -base64 32)`")
		}
		w.secrets = append(w.secrets, key)
	}
	dialer := &net.Dialer{Timeout: webhookTimeout}
	if !o.AllowPrivate {
		dialer.Control = refusePrivate
	}
	w.client = &http.Client{
		Timeout:       webhookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // no proxy: it would dial in our place, unchecked
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: atOnce, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: webhookTimeout, MaxResponseHeaderBytes: maxAnswer, DisableCompression: true,
		},
	}
	return w, nil
}

// Name implements Sink.
func (w *Webhook) Name() string { return w.name }

// Wants implements Sink.
func (w *Webhook) Wants(event string) bool {
	return len(w.o.Events) == 0 || slices.Contains(w.o.Events, event)
}

// CloseIdle closes the connections that are kept.
func (w *Webhook) CloseIdle() { w.client.CloseIdleConnections() }

// Deliver implements Sink: a status of 2xx is success, 410 refuses for good, all else is tried again.
func (w *Webhook) Deliver(ctx context.Context, n *Notice) error {
	if len(n.Payload) > maxPosted {
		return fmt.Errorf("%w: its %d bytes are more than %d", ErrRefused, len(n.Payload), maxPosted)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.o.URL, bytes.NewReader(n.Payload))
	if err != nil {
		return withoutURL(err)
	}
	// Numbers of rows come again once all rows were pruned; with the time they do not.
	id := fmt.Sprintf("msg_%d_%d", n.CreatedAt.UnixMicro(), n.ID)
	at := strconv.FormatInt(w.o.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Tollgate")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", at)
	if n.envelope.Omitted > 0 {
		r.Header.Set("Tollgate-Omitted", strconv.Itoa(n.envelope.Omitted))
	}
	if len(w.secrets) > 0 {
		r.Header.Set("Webhook-Signature", w.sign(id, at, n.Payload))
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return withoutURL(err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer) // so that the connection can be used again
	switch {
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		return nil
	case answer.StatusCode == http.StatusGone:
		return fmt.Errorf("%w: status 410", ErrRefused)
	}
	err = fmt.Errorf("status %d", answer.StatusCode)
	if after := w.retryAfter(answer.Header.Get("Retry-After")); after > 0 {
		return &retryLater{err, after}
	}
	return err
}

// sign makes the signatures of a message, one for each secret.
func (w *Webhook) sign(id, at string, body []byte) string {
	var all []string
	for _, key := range w.secrets {
		mac := hmac.New(sha256.New, key)
		_, _ = io.WriteString(mac, id+"."+at+".")
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// retryAfter reads the header of that name: seconds, or a date. 0 when there is none.
func (w *Webhook) retryAfter(value string) time.Duration {
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(s)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(w.o.Now())), maxRetryAfter)
	}
	return 0
}

// retryLater is a failure after which the receiver wants to be left alone for a while.
type retryLater struct {
	error
	after time.Duration
}

func (e *retryLater) Unwrap() error { return e.error }

// withoutURL is an error of the client without the URL, which may be a secret.
func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// notPublic are the networks that are nobody's on the Internet, or lead to one that is not (RFC 6890 and its successors), beyond
// those that netip knows.
var notPublic = func() (all []netip.Prefix) {
	for _, p := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}()

// isPublic reports whether an address is one of the Internet.
func isPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}

// refusePrivate is asked with the address that is dialled, after the name was looked up: a name cannot change its mind in between.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !isPublic(at.Addr()) {
		return errors.New("the URL leads to a private address; webhook_private allows it")
	}
	return nil
}
