package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-tollgate/tollgate/api/processor"
)

func init() { caddy.RegisterModule(Sandbox{}) }

// A ProcessorModule is a guest module in `tollgate.processors`: it makes a payment processor.
type ProcessorModule interface {
	Processor() processor.Processor
}

// Sandbox takes payments and moves no money: in the process, with no network, by its test tokens alone.
type Sandbox struct{}

// CaddyModule returns the Caddy module information.
func (Sandbox) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tollgate.processors.sandbox", New: func() caddy.Module { return new(Sandbox) }}
}

// Processor makes the processor.
func (*Sandbox) Processor() processor.Processor { return processor.NewSandbox() }

// UnmarshalCaddyfile reads the option:
//
//	processor sandbox
func (*Sandbox) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return misused(d, "processor", "processor sandbox")
	}
	for d.NextBlock(0) {
		return d.Errf("unknown word %q: the sandbox has none; write `processor sandbox`", d.Val())
	}
	return nil
}

// Interface guards
var (
	_ ProcessorModule       = (*Sandbox)(nil)
	_ caddyfile.Unmarshaler = (*Sandbox)(nil)
)
