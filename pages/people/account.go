package people

import "github.com/caddy-tollgate/tollgate/pages"

// account are the pages on which people look after their accounts.
func account() []pages.Page {
	return nil
}
