# The front door. `make` alone shows what can be asked for.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# An ordinary user of Debian has no sbin in the PATH, and the tests start iptables and ip by name.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

PREFIX ?= /usr/local
BIN := $(or $(CARGO_TARGET_DIR),target)/release/fyke

# program:package, what the tests and the demonstration use on Debian
NEEDS := cc:gcc cc:libc6-dev iptables:iptables nft:nftables ip:iproute2 ping:iputils-ping strace:strace ipset:ipset perl:perl-base tshark:tshark git:git curl:curl

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# the same, for the virtual machine that `make test` boots; where they cannot be had, those tests are skipped
NEEDS_VM := qemu-system-x86_64:qemu-system-x86 busybox:busybox-static depmod:kmod setpriv:util-linux
VM := $(or $(CARGO_TARGET_DIR),target)/vm

# the same, for the tests that read the pages of `fyke doc` in a browser
NEEDS_SITE := chromium:chromium

try: needs ## See a port being rate-limited by packets in a throw-away namespace, and the run undone
	@cargo build --locked --bin fyke --example try
	@$(or $(CARGO_TARGET_DIR),target)/debug/examples/try

test: needs needs-vm needs-site format lint unit deny ## Check everything: format, lints, tests, documentation, licences

format: ## Check the format of the sources
	cargo fmt --check

lint: ## Check the lints
	cargo clippy --locked --all-targets -- -D warnings

# Tests wait, for a kernel, a clock or another process: one for each core leaves a third of the cores' time over. And all that
# fails is shown, not the first of it alone.
THREADS = $(shell echo $$(($$(nproc) * 3 / 2)))

unit: ## Run the tests and the examples of the documentation
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --locked --no-fail-fast --test-threads $(THREADS); else \
	  echo "cargo-nextest is not installed: cargo test runs the same tests, in one process a binary"; cargo test --locked --lib --bins --tests; fi
	cargo test --locked --doc

test-vm: needs needs-vm ## Boot a kernel that has everything, and test there; FYKE_VM=WORD chooses tests by their names
	cargo test --locked --test main vm:: -- --nocapture

test-faults: needs build ## Kill the released program at every system call, and let every call fail (an hour, as root)
	FYKE_FAULTS=full FYKE_BIN=$(abspath $(BIN)) cargo test --locked --test main faults:: -- --nocapture

test-suites: needs needs-vm build ## Give what others wrote to the released program, into docs/conformance.md (minutes, as root)
	FYKE_SUITES=full FYKE_BIN=$(abspath $(BIN)) cargo test --locked --test main suites:: -- --nocapture
	FYKE_SUITES=full FYKE_VM=vm::suite FYKE_BIN=$(abspath $(BIN)) cargo test --locked --test main vm::the_guest -- --nocapture
	FYKE_SUITES=page cargo test --locked --test main suites::page

FUZZ_SECONDS ?= 60
SUITES := $(or $(CARGO_TARGET_DIR),target)/tmp/suites

fuzz: ## Try made-up packets and files against what must always hold; FUZZ_SECONDS for each of three (60)
	@cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is not installed: cargo install --locked cargo-fuzz"; exit 1; }
	@mkdir -p $(SUITES); for target in packet capture draft; do \
	  mkdir -p fuzz/corpus/$$target; \
	  cargo fuzz run -s none $$target fuzz/corpus/$$target tests/corpus/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 2>&1 | tee $(SUITES)/fuzz-$$target.log; \
	done

deny: ## Check licences and sources of the dependencies
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check bans licenses sources; else \
	  echo "skipped: licences (cargo-deny is not installed: cargo install --locked cargo-deny)"; fi

bench: needs ## Measure against the tools that fyke replaces, into docs/benchmarks.md
	cargo bench --locked

docs: ## Write docs/reference anew from the sources
	FYKE_BLESS=1 cargo test --locked --test main reference

build: ## Build the program
	cargo build --locked --release --bin fyke

man: build ## Write the man pages into target/man
	@mkdir -p target/man
	$(BIN) man target/man

install: man ## Install program, man pages and completions under PREFIX (/usr/local)
	install -Dm755 $(BIN) $(DESTDIR)$(PREFIX)/bin/fyke
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m644 target/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions zsh/site-functions fish/vendor_completions.d)
	$(BIN) completions bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/fyke
	$(BIN) completions zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_fyke
	$(BIN) completions fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/fyke.fish

# Collects in the variable `missing` the packages whose programs are not here.
missing = missing=(); for need in $(1); do command -v "$${need%%:*}" >/dev/null || missing+=("$${need\#\#*:}"); done
install = export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; apt-get install -y -qq --no-install-recommends "$${missing[@]}"

needs:
	@$(call missing,$(NEEDS)); if [ $${#missing[@]} -eq 0 ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then echo "missing packages; as root: apt-get install $${missing[*]}" >&2; exit 1; fi; \
	$(install)

needs-vm:
	@$(call missing,$(NEEDS_VM)); if [ $${#missing[@]} -gt 0 ]; then \
	  if [ "$$(id -u)" -ne 0 ]; then echo "skipped: the virtual machine (as root: apt-get install $${missing[*]})"; exit 0; fi; \
	  if ! command -v apt-get >/dev/null; then echo "skipped: the virtual machine (there is no apt-get for $${missing[*]})"; exit 0; fi; \
	  $(install); fi; \
	tests/vm/fetch $(VM)/kernel

needs-site:
	@$(call missing,$(NEEDS_SITE)); if [ $${#missing[@]} -eq 0 ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then echo "skipped: the site in a browser (as root: apt-get install $${missing[*]})"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo "skipped: the site in a browser (there is no apt-get for $${missing[*]})"; exit 0; fi; \
	$(install) || echo "skipped: the site in a browser ($${missing[*]} cannot be installed)"

.PHONY: help try test test-vm test-faults test-suites fuzz format lint unit deny bench docs build man install needs needs-vm needs-site
