# Tollgate: `make -f xcaddy.mk run` builds Caddy with this module and runs Caddyfile.example on http://localhost:8080.
# Needs Go and a C compiler (SQLite is C); everything else comes as Go modules.

MODULE   := github.com/caddy-tollgate/tollgate
CADDY    := v2.11.9
PACKAGES := ./...
GO       := go

# xcaddy builds without cgo unless told otherwise, and SQLite would then be the slower pure-Go one.
export CGO_ENABLED := 1

.PHONY: help build run test check lint bench fuzz soak clean

help:
	@echo "make -f xcaddy.mk build | run | test | check | lint | bench | fuzz | soak | clean"

# The version after the @ only keeps xcaddy from asking a registry for a module that is taken from this folder.
build:
	$(GO) tool xcaddy build $(CADDY) --with $(MODULE)@v0.0.0=. --output ./caddy

# Listens on the loopback addresses: on IPv4 alone where the machine has no IPv6.
run: build
	@if [ -e /proc/net/if_inet6 ] && ! grep -q '^0\{31\}1 ' /proc/net/if_inet6 || [ -d /proc/net -a ! -e /proc/net/if_inet6 ]; \
	then export TOLLGATE_BIND=127.0.0.1; fi; exec ./caddy run --config Caddyfile.example --adapter caddyfile

lint:
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "not formatted (gofmt -w):"; echo "$$files"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)

# Formatting, vet, static analysis, and the whole suite (floors included) with the race detector.
test: lint
	$(GO) test -race -timeout 20m $(PACKAGES)

# The longer shares: more kills, more histories, requests to Stripe held against its published OpenAPI description, every page in each way in a browser, every fuzz target for a while, the build without cgo.
check:
	CGO_ENABLED=0 $(GO) test ./store/...
	TOLLGATE_KILLS=150 TOLLGATE_TORN=1500 $(GO) test -count=1 -run 'Kill|Torn' -timeout 20m ./store
	TOLLGATE_HISTORIES=500 $(GO) test -count=1 -timeout 15m ./ledger/... ./api/billing
	TOLLGATE_OPERATIONS=10000 $(GO) test -count=1 -run Linearizable -timeout 15m ./api/billing
	TOLLGATE_KEYS=1000 $(GO) test -count=1 -run IdempotencyUnderLoad -timeout 10m ./api/rest
	$(GO) test -count=1 -run 'AddsUp|IsExact|InParts' -timeout 15m ./ledger -rapid.checks=1000000
	TOLLGATE_ENUMERATION=200 $(GO) test -count=1 -run HiddenAccountsCostAlike -timeout 15m ./api/auth
	TOLLGATE_OPENAPI=1 $(GO) test -count=1 ./api/processor/stripe
	TOLLGATE_STREAMS=300 $(GO) test -count=1 -run 'ManyStreams|StreamMemory' -timeout 10m ./caddymodule
	TOLLGATE_BROWSER=full $(GO) test -count=1 -run InBrowser -timeout 30m ./caddymodule
	TOLLGATE_PATHS=60000 $(GO) test -count=1 -run PathsAtRandom -timeout 10m ./caddymodule
	TOLLGATE_PATHS=20000 $(GO) test -count=1 -run WhatUpstreamsActOn -timeout 10m ./caddymodule
	$(MAKE) -f xcaddy.mk fuzz FUZZTIME=30s FUZZED="./accessrules ./api/rest ./api/directory ./api/notice"

# Fuzzing caddymodule instruments all of Caddy, which takes minutes to build: `check` leaves it to `soak`.
FUZZTIME := 10m
FUZZED   := $(PACKAGES)
# Go's fuzzer may say "context deadline exceeded" when its time is up, without an input that fails: that is no failure.
fuzz:
	@set -e; log=$$(mktemp); trap 'rm -f "$$log"' EXIT; for pkg in $$($(GO) list $(FUZZED)); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg >$$log 2>&1 && failed= || failed=1; \
			cat $$log; if [ -n "$$failed" ] && { grep -q 'Failing input' $$log || ! grep -q 'context deadline exceeded' $$log; }; then exit 1; fi; \
		done; done

# Prints comparisons, each made inside one run.
bench:
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m $(PACKAGES)

# Hours of the random tests.
soak:
	TOLLGATE_KILLS=2000 TOLLGATE_TORN=20000 $(GO) test -count=1 -run 'Kill|Torn' -timeout 4h ./store
	TOLLGATE_HISTORIES=50000 $(GO) test -count=1 -timeout 8h ./ledger/... ./api/billing
	TOLLGATE_OPERATIONS=200000 $(GO) test -count=1 -run Linearizable -timeout 4h ./api/billing
	TOLLGATE_STREAMS=1000 $(GO) test -count=1 -run ManyStreams -timeout 30m ./caddymodule
	TOLLGATE_PATHS=2000000 $(GO) test -count=1 -run PathsAtRandom -timeout 2h ./caddymodule
	TOLLGATE_USERS=1000000 $(GO) test -count=1 -run Crowd -timeout 1h ./caddymodule
	$(MAKE) -f xcaddy.mk fuzz FUZZTIME=10m

clean:
	rm -f ./caddy
