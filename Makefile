# `make help` lists what there is. Cargo does the building; this file knows what else must be there.

CARGO ?= cargo
FUZZ_SECONDS ?= 60
SOAK ?= 50

.DEFAULT_GOAL := help

.PHONY: help run test soak clients browser lint docs bench bench-postgres fuzz deny prerequisites

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

run: ## Start a throw-away server to try things with
	$(CARGO) run --release -- serve --dev

test: prerequisites ## Run every test, real clients and a real browser included
	REMINT_TEST_REQUIRE_POSTGRES=1 REMINT_TEST_REQUIRE_NGINX=1 REMINT_TEST_REQUIRE_FAKETIME=1 \
	REMINT_TEST_REQUIRE_SQLITE3=1 \
	  $(CARGO) test --workspace
	clients/run
	browser/run

soak: prerequisites ## Keep clusters in trouble SOAK times longer than the tests do, and rotate a million times
	REMINT_TEST_REQUIRE_POSTGRES=1 REMINT_SOAK=$(SOAK) \
	  $(CARGO) test -p remint --test cluster -- --nocapture chaos failover
	REMINT_TEST_REQUIRE_POSTGRES=1 \
	  $(CARGO) test --release -p remint-store --test conformance -- --ignored --nocapture soak

clients: prerequisites ## Let real clients sign in and refresh against a development server
	clients/run

browser: prerequisites ## Let Chromium walk through the pages, with screenshots in target/screenshots
	browser/run

lint: prerequisites ## Check formatting, lints and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --manifest-path fuzz/Cargo.toml --target-dir target/fuzz -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

docs: ## Write the generated references anew
	UPDATE_DOCS=1 $(CARGO) test -p remint --test docs

bench: ## Measure speed and size beside a bare HTTP server
	$(CARGO) bench -p remint --bench load

bench-postgres: prerequisites ## Measure refreshes on PostgreSQL beside pgbench and SQLite
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

deny: ## Check licences and advisories of the dependencies
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked
	$(CARGO) deny check

# What lints and tests need beside Rust, as Debian packages, installed only when missing. Of Apache it is
# the program alone: the package apache2 would start a service.
prerequisites:
	@missing=""; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v cc >/dev/null || missing="$$missing gcc libc6-dev"; \
	command -v c++ >/dev/null || missing="$$missing g++"; \
	python3 -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
	  || missing="$$missing postgresql"; \
	command -v faketime >/dev/null || missing="$$missing faketime"; \
	command -v nginx >/dev/null || ls /usr/sbin/nginx >/dev/null 2>&1 || missing="$$missing nginx"; \
	command -v sqlite3 >/dev/null || missing="$$missing sqlite3"; \
	command -v node >/dev/null || missing="$$missing nodejs"; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	ls /usr/lib/apache2/modules/mod_auth_openidc.so >/dev/null 2>&1 \
	  || missing="$$missing apache2-bin libapache2-mod-auth-openidc"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -qy $$missing; \
	  elif command -v sudo >/dev/null; then sudo apt-get update -q && sudo apt-get install -qy $$missing; \
	  else echo "lints and tests need these Debian packages:$$missing"; exit 1; fi; \
	fi
