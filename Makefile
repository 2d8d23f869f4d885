# `make help` lists what there is. Cargo does the building; this file knows what else must be there.

CARGO ?= cargo
FUZZ_SECONDS ?= 60
SOAK ?= 50

.DEFAULT_GOAL := help

.PHONY: help run test test-core test-all soak clients browser lint docs bench bench-postgres fuzz deny advisories \
  cargo-deny prerequisites core-prerequisites postgres-prerequisites clients-prerequisites browser-prerequisites

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

run: ## Start a throw-away server to try things with
	$(CARGO) run --release -- serve --dev

test: test-core clients browser ## Run every test, real clients and a real browser included

test-core: core-prerequisites ## Run the tests in Rust: rules, stores, requests, the executable, clusters
	REMINT_TEST_REQUIRE_POSTGRES=1 REMINT_TEST_REQUIRE_NGINX=1 REMINT_TEST_REQUIRE_FAKETIME=1 \
	REMINT_TEST_REQUIRE_SQLITE3=1 \
	  $(CARGO) test --workspace

test-all: ## Run everything there is, one after another, and say what of it passed
	testing/all

soak: postgres-prerequisites ## Keep clusters in trouble SOAK times longer than the tests do, and rotate a million times
	REMINT_TEST_REQUIRE_POSTGRES=1 REMINT_SOAK=$(SOAK) \
	  $(CARGO) test -p remint --test cluster -- --nocapture chaos failover
	REMINT_TEST_REQUIRE_POSTGRES=1 \
	  $(CARGO) test --release -p remint-store --test conformance -- --ignored --nocapture soak

clients: clients-prerequisites ## Let real clients sign in and refresh against a development server
	clients/run

browser: browser-prerequisites ## Let Chromium walk through the pages, with screenshots in target/screenshots
	browser/run

lint: ## Check formatting, lints and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --manifest-path fuzz/Cargo.toml --target-dir target/fuzz -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

docs: ## Write the generated references anew
	UPDATE_DOCS=1 $(CARGO) test -p remint --test docs

bench: ## Measure speed and size beside a bare HTTP server
	$(CARGO) bench -p remint --bench load

bench-postgres: postgres-prerequisites ## Measure refreshes on PostgreSQL beside pgbench and SQLite
	$(CARGO) bench -p remint --bench load -- postgres

fuzz: ## Fuzz every parser for FUZZ_SECONDS each
	@command -v cargo-fuzz >/dev/null || $(CARGO) install cargo-fuzz --locked
	@failed=""; \
	for target in $$(ls fuzz/fuzz_targets | sed 's/\.rs$$//'); do \
	  echo "fuzzing $$target"; \
	  mkdir -p fuzz/corpus/$$target; \
	  (cd fuzz && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target corpus/$$target seeds/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS)) || failed="$$failed $$target"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

deny: cargo-deny ## Check licences, sources and versions of the dependencies
	$(CARGO) deny --offline check bans licenses sources

advisories: cargo-deny ## Check the dependencies against RustSec's advisories, which are fetched
	$(CARGO) deny check advisories

cargo-deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked

# What tests need beside Rust and a C compiler, as Debian packages, installed only when missing. Of Apache it is the
# program alone: the package apache2 would start a service.
define install
	@missing=""; \
	need() { eval "$$1" >/dev/null 2>&1 || missing="$$missing $$2"; }; \
	$(1) \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -qy $$missing; \
	  elif command -v sudo >/dev/null; then sudo apt-get update -q && sudo apt-get install -qy $$missing; \
	  else echo "this needs these Debian packages:$$missing"; exit 1; fi; \
	fi
endef

need_compiler = need "command -v cc" "gcc libc6-dev"; need "command -v c++" g++;
need_postgres = need "command -v initdb || ls /usr/lib/postgresql/*/bin/initdb" postgresql;
need_core = need "command -v faketime" faketime; need "command -v sqlite3" sqlite3; \
	need "command -v nginx || ls /usr/sbin/nginx" nginx;
need_node = need "command -v node" nodejs; need "command -v npm" npm;
need_clients = need "command -v curl" curl; need "python3 -c 'import ensurepip'" python3-venv; \
	need "ls /usr/lib/apache2/modules/mod_auth_openidc.so" "apache2-bin libapache2-mod-auth-openidc";
need_browser = need "command -v chromium" chromium;

core-prerequisites:
	$(call install,$(need_compiler) $(need_core) $(need_postgres))

postgres-prerequisites:
	$(call install,$(need_compiler) $(need_postgres))

clients-prerequisites:
	$(call install,$(need_compiler) $(need_node) $(need_clients))

browser-prerequisites:
	$(call install,$(need_compiler) $(need_node) $(need_browser))

prerequisites: core-prerequisites clients-prerequisites browser-prerequisites
