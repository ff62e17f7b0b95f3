package caddymodule

import (
	"net/url"
	"strings"
)

// curingPages are the pages that cure a refusal, by name, where the contract has them (access.md B.5).
var curingPages = map[string][]string{
	"login":      {"/login/"},
	"activate":   {"/login/{key}/"},
	"password":   {"/users/{user}/password/"},
	"legal":      {"/legal/{agreement}/sign/"},
	"invitation": {"/users/roles/accept/"},
	"pricing":    {"/pricing/"},
	"cart":       {"/billing/cart/", "/billing/{profile}/cart/"},
	"balance":    {"/billing/{profile}/balance/{plan}/"},
}

// pageNames are the names of pages, in the order of the documentation. The first whose path matches a target names it.
var pageNames = []string{"login", "activate", "invitation", "password", "legal", "pricing", "cart", "balance"}

// page maps a page of the contract, as in "/legal/terms-of-use/sign/", to the URL that is configured for it, "" for none: such a
// page cures nothing (decision 61). {…} in a URL stand for what varies in the path.
func (a *App) page(target string) string {
	path, query, _ := strings.Cut(target, "?")
	for _, name := range pageNames {
		for _, pattern := range curingPages[name] {
			values, ok := matchPage(pattern, path)
			if !ok {
				continue
			}
			address, ok := a.Pages[name]
			switch {
			case !ok:
				return a.pageAt(target)
			case address == "":
				return target
			}
			for name, value := range values {
				address = strings.ReplaceAll(address, "{"+name+"}", value)
			}
			if query != "" {
				joint := "?"
				if strings.Contains(address, "?") {
					joint = "&"
				}
				address += joint + query
			}
			return address
		}
	}
	return a.pageAt(target)
}

// matchPage matches a whole path, as it is escaped, and returns what varies in it.
func matchPage(pattern, path string) (map[string]string, bool) {
	want, got := strings.Split(strings.Trim(pattern, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	if len(want) != len(got) {
		return nil, false
	}
	values := map[string]string{}
	for i := range want {
		if name, ok := strings.CutPrefix(want[i], "{"); ok {
			values[strings.TrimSuffix(name, "}")] = got[i]
		} else if want[i] != got[i] {
			return nil, false
		}
	}
	return values, true
}

// reachable reports whether a path is a configured page of this site: everybody may go there, or the cure would be refused too
// (decision 61).
func (a *App) reachable(path string) bool {
	for name, address := range a.Pages {
		places := curingPages[name]
		if address != "" {
			u, err := url.Parse(address)
			if err != nil || (u.Host != "" && u.Scheme+"://"+u.Host != strings.TrimRight(a.URL, "/")) {
				continue
			}
			places = []string{u.Path}
		}
		for _, pattern := range places {
			if _, ok := matchPage(pattern, path); ok {
				return true
			}
		}
	}
	return false
}
