# What there is to do here. `make` alone lists it.

# The sound tests' private PulseAudio, where setup had to unpack one.
export PATH := $(PATH):$(CURDIR)/target/pulseaudio/bin

.PHONY: help build demo demo-engine demo-mix test test-windows test-packages lint format fuzz deny bench soak soak-simulated dist cross clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

build: ## the two programs, into target/release
	@scripts/setup.sh build
	cargo build --release --locked

demo: ## a server on a tone and three listeners on this machine, and what each of them heard
	@scripts/setup.sh build
	cargo build --release --locked --bins --example demo
	@cargo run --release --locked --quiet --example demo

demo-mix: ## three generated files mixed, one of which ends: their levels and the highest peak
	@scripts/setup.sh build
	@cargo run --release --locked --quiet --example demo-mix

demo-engine: ## three NATS servers, an origin, two edges and six listeners here; one NATS server is killed
	@scripts/setup.sh build engine
	cargo build --release --locked --bins --example demo-engine
	@cargo run --release --locked --quiet --example demo-engine

# Built without sound cards, everything that has nothing to do with them is the same code, and so is every
# test inside the library: the second run looks at what differs, which is what the programs say.
#
# Tests with real programs wait more than they work, so that several share a core; those with real
# sound go two at a time all the same.
test: export RUST_TEST_THREADS ?= $(shell echo $$((3 * $$(getconf _NPROCESSORS_ONLN))))
test: ## every check a change must pass, with real sound through a private PulseAudio
	@scripts/setup.sh build sound files page network engine player
	cargo test --locked --no-fail-fast
	cargo test --locked --no-fail-fast --no-default-features --test silent -- cli:: protocol::

test-windows: ## the Windows programs under Wine, with sound: lists, plays, captures, records, ends; NAMES= chooses tests
	@scripts/windows.sh $(NAMES)

lint: ## formatting, style and documentation, with every warning an error
	@scripts/setup.sh build lint
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target --no-default-features --features https -- -D warnings
	tests/page/node_modules/.bin/biome check --error-on-warnings
	tests/page/node_modules/.bin/tsc -p web
	tests/page/node_modules/.bin/tsc -p tests/page
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --no-default-features
	scripts/oldest.sh

format: ## Rust and the page's modules, as lint wants them
	@scripts/setup.sh build lint
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	tests/page/node_modules/.bin/biome format --write

# How long each target is fuzzed, and which: all if none is named.
MINUTES ?= 5
TARGETS ?=

fuzz: ## MINUTES=5: bytes that nobody thought of, that long for each target, in a table
	@scripts/setup.sh build fuzz
	scripts/fuzz.sh run $$(($(MINUTES) * 60)) $(TARGETS)

deny: ## dependencies against deny.toml by cargo-deny; ADVISORIES=yes asks for known vulnerabilities too
	@cargo deny --version >/dev/null 2>&1 || { echo "cargo-deny is missing. Run: cargo install cargo-deny --locked" >&2; exit 1; }
	cargo deny --locked check bans licenses sources $(if $(ADVISORIES),advisories)

bench: ## what it costs, measured here, in one table
	@scripts/setup.sh build sound
	cargo bench --locked --bench "*"

# How long a soak lasts.
HOURS ?= 8

soak: ## HOURS=8: programs killed a hundred times, then left alone for hours, in a table
	@scripts/setup.sh build sound
	cargo test --release --locked --test silent restarts -- --ignored --nocapture
	cargo bench --locked --bench soak -- $(HOURS)

soak-simulated: ## nights of every drift between cards, in minutes
	@scripts/setup.sh build
	cargo test --release --locked --test simulation -- --ignored --nocapture

# What is made: of amd64, arm64 and windows, those that are named.
FOR ?=

dist: ## FOR="amd64 arm64 windows": packages for Debian, Fedora, Windows and all else, into dist
	scripts/dist.sh $(FOR)

test-packages: ## looks at what make dist made, and installs it in fresh trees of Debian and under Wine, as root
	scripts/check-packages.sh
	scripts/check-installed.sh
	scripts/check-installer.sh

cross: ## that it builds for Windows and for the page, and type-checks for macOS and for Linux on ARM
	@scripts/setup.sh build
	scripts/cross.sh check
	scripts/cross.sh arm
	scripts/wasm.sh check

clean: ## remove everything built
	rm -rf target target-cross target-wasm dist
