// Package tollgate plugs Tollgate into Caddy: importing it registers the modules of package caddymodule. It exists so that
// `xcaddy build --with github.com/caddy-tollgate/tollgate` is all that a build needs.
package tollgate

import _ "github.com/caddy-tollgate/tollgate/caddymodule" // registers the Caddy modules
