package people

import "github.com/caddy-tollgate/tollgate/pages"

// papers are the pages with what the site says to everybody, and is told by everybody.
func papers() []pages.Page {
	return nil
}
