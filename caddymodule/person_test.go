package caddymodule

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// tlsSite runs a site with TLS, with an application behind the gate; change edits it before it starts.
func tlsSite(t *testing.T, address, gate string, change ...func(*site)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), hosts: []string{secure}}
	for _, f := range change {
		f(s)
	}
	s.text = func(gate string) string {
		return fmt.Sprintf(`{
	admin localhost:2999
	storage file_system %[1]s
	local_certs
	skip_install_trust
	http_port 9080
	https_port 9443
	auto_https disable_redirects
	grace_period 1s
%[7]s	tollgate {
		url %[2]s
		broker cowork "Cowork" hello@cowork.example
		store %[1]s/tollgate.db
		min_length 4
		demo
		%[3]s
	}
}

%[4]s {
	tollgate_api
	%[8]s
	tollgate {
		%[5]s
	}
	reverse_proxy %[6]s
}
`, s.dir, s.hosts[0], s.global, strings.Join(s.hosts, ", "), gate, strings.TrimPrefix(address, "http://"), s.options, s.more)
	}
	s.run(s.text(gate))
	for _, host := range s.hosts {
		name, _, _ := strings.Cut(strings.TrimPrefix(host, "https://"), ":")
		awaitCertificate(t, strings.Replace(name, "*", "any", 1))
	}
	return s
}

// awaitCertificate waits until a host can speak TLS: its certificate is made after the start.
func awaitCertificate(t *testing.T, host string) {
	t.Helper()
	for range 200 {
		conn, err := tls.Dial("tcp", "localhost:9443", &tls.Config{InsecureSkipVerify: true, ServerName: host})
		if err == nil {
			conn.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("no certificate for %s", host)
}

// reload loads the site with another gate.
func (s *site) reload(gate string) {
	s.t.Helper()
	raw, err := adapt(s.text(gate))
	if err == nil {
		err = post(raw)
	}
	if err != nil {
		s.t.Fatalf("loading: %v", err)
	}
}

// A person sits at a browser, which keeps cookies, says where a form comes from, and follows no redirect by itself.
type person struct {
	t      testing.TB
	client *http.Client
	at     *url.URL // the page that is shown
}

func newPerson(t testing.TB, at string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: insecure.Clone(),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address) // every host is this machine
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		}}
	t.Cleanup(transport.CloseIdleConnections)
	return &person{t: t, at: page, client: &http.Client{Jar: jar, Timeout: patience, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// send sends what a page makes a browser send.
func (p *person) send(method, address, kind, body string, headers ...string) answer {
	p.t.Helper()
	to, err := p.at.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := http.NewRequest(method, to.String(), strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Referer", p.at.String())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method != http.MethodGet {
		r.Header.Set("Origin", p.at.Scheme+"://"+p.at.Host)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

// visit goes to a page and requires a status.
func (p *person) visit(status int, address string) answer {
	p.t.Helper()
	a := p.send("GET", address, "", "")
	if a.status != status {
		p.t.Fatalf("GET %s: %d %.300s, want %d", address, a.status, a.body, status)
	}
	p.at, _ = p.at.Parse(address)
	return a
}

// form sends a form of the page that is shown and requires a status.
func (p *person) form(status int, address string, fields ...string) answer {
	p.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	a := p.send("POST", address, "application/x-www-form-urlencoded", values.Encode())
	if a.status != status {
		p.t.Fatalf("POST %s: %d %.300s, want %d", address, a.status, a.body, status)
	}
	return a
}

// api calls the API as a script of the page does, with the token against forged requests, and requires a status.
func (p *person) api(status int, method, address string, body any) answer {
	p.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	headers := []string{"Accept: application/json", "Sec-Fetch-Mode: cors"}
	for name, value := range p.cookies() {
		if strings.HasSuffix(name, "tollgate_csrf") {
			headers = append(headers, "X-CSRFToken: "+value)
		}
	}
	a := p.send(method, address, "application/json", string(text), headers...)
	if a.status != status {
		p.t.Fatalf("%s %s: %d %s, want %d", method, address, a.status, a.body, status)
	}
	return a
}

// login logs in to the site.
func (p *person) login(username string) answer {
	p.t.Helper()
	return p.api(201, "POST", "/api/auth?cookie=1", map[string]any{"username": username, "password": "yoyo"})
}

// cookies are those of the host of the page, by name.
func (p *person) cookies() map[string]string {
	all := map[string]string{}
	for _, c := range p.client.Jar.Cookies(p.at) {
		all[c.Name] = c.Value
	}
	return all
}
