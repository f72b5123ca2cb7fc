# What people and CI type. `make help` lists it.
#
# Tests, clippy and rustdoc share one target folder, one profile and one set of features, so that
# dependencies are compiled as few times as cargo can.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Where rustup puts cargo, for a shell that has not been opened again since.
export PATH := $(HOME)/.cargo/bin:$(PATH)

CARGO ?= cargo
# The release that a machine without Rust gets.
RUST := 1.95.0
# Everything that can be built, and the named points at which tests kill the process.
FEATURES := full,failpoints
WHOLE := --workspace --features $(FEATURES)

# Tools that only this repository needs.
TOOLS := $(CURDIR)/target/tools
DENY_VERSION := 0.20.2
# Object stores for tests. The newest azurite runs only on a newer node than Debian has.
MOTO_VERSION := 5.2.5
AZURITE_VERSION := 3.35.0
# Asks the HTTP API what its description allows, and more (tests/openapi/fuzz.rs).
SCHEMATHESIS_VERSION := 4.32.5
# Read the files of columns that outputs write (tests/columnar).
PYARROW_VERSION := 26.0.1
FASTAVRO_VERSION := 1.13.1
# fastavro's zstd, until Python 3.14 has its own.
BACKPORTS_ZSTD_VERSION := 1.8.0
PROMTOOL := $(TOOLS)/promtool/usr/bin/promtool
SERVERS := $(TOOLS)/servers-$(MOTO_VERSION)-$(AZURITE_VERSION)
SCHEMATHESIS := $(TOOLS)/schemathesis-$(SCHEMATHESIS_VERSION)
READERS := $(TOOLS)/readers-$(PYARROW_VERSION)-$(FASTAVRO_VERSION)-$(BACKPORTS_ZSTD_VERSION)

.PHONY: help tools servers browser promtool schemathesis readers debian-tools packaging screenshots test torture soak fuzz lint deny advisories bench load \
    deb container run

help:
	@echo 'make test    all tests, documentation examples included; installs what is missing'
	@echo 'make torture the long form: 10,000 kills, every failed I/O, power cuts; ends with a table.'
	@echo '             TIDEMILL_TORTURE=short takes minutes; tests/torture.sh lists the amounts that can be set'
	@echo 'make fuzz    the fuzz targets for longer: TIDEMILL_FUZZ_CASES=N for each, TIDEMILL_SEED repeats'
	@echo 'make lint    format, clippy, rustdoc, licences and advisories of dependencies'
	@echo 'make bench   all benchmarks'
	@echo 'make load    a daemon with 2,000 connections and 10,000 requests a second, and what being watched costs it'
	@echo 'make soak    an hour under load with a kill each minute; TIDEMILL_TORTURE_MINUTES=N takes another time'
	@echo 'make deb     a Debian package, in target/debian'
	@echo 'make container  an image by podman or docker'
	@echo 'make screenshots  the pictures in docs/img'
	@echo 'make run     the word count of config/examples, fed by HTTP on 127.0.0.1:4040'

# The build needs cargo and a linker, nothing else. Debian's own cargo is too old: rustup brings today's.
tools:
	@if ! command -v cc >/dev/null || ! command -v $(CARGO) >/dev/null; then \
	    as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	    command -v apt-get >/dev/null || { \
	        echo 'install a C linker and Rust $(RUST) or newer (with rustup), then try again' >&2; exit 1; }; \
	    $$as_root apt-get update -q; \
	    $$as_root apt-get install -qy --no-install-recommends gcc libc6-dev; \
	    command -v $(CARGO) >/dev/null || { \
	        $$as_root apt-get install -qy --no-install-recommends rustup; \
	        rustup toolchain install $(RUST) --profile minimal --component clippy,rustfmt; \
	        rustup default $(RUST); }; \
	fi
	@# Records what sled does to its files, for the power cuts of checkpoint/tests/sled_power.
	@if ! command -v strace >/dev/null; then \
	    as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	    command -v apt-get >/dev/null || { \
	        echo 'install strace, or set TIDEMILL_WITHOUT_STRACE=1 to leave its tests out' >&2; exit 1; }; \
	    $$as_root apt-get update -q; \
	    $$as_root apt-get install -qy --no-install-recommends strace; \
	fi

# Servers that speak S3 and Azure's protocol, which tests of object stores start (tests/support/object_servers).
servers: $(SERVERS)

$(SERVERS): | tools
	@if ! python3 -c 'import ensurepip, venv' 2>/dev/null || ! command -v npm >/dev/null; then \
	    as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	    command -v apt-get >/dev/null || { \
	        echo 'install python3 with venv, node and npm, then try again' >&2; exit 1; }; \
	    $$as_root apt-get update -q; \
	    $$as_root apt-get install -qy --no-install-recommends python3-venv nodejs npm; \
	fi
	rm -rf $(TOOLS)/moto $(TOOLS)/azurite $(TOOLS)/servers-*
	python3 -m venv $(TOOLS)/moto
	$(TOOLS)/moto/bin/pip install -q --disable-pip-version-check 'moto[s3]==$(MOTO_VERSION)' flask==3.1.3 flask-cors==6.0.5
	npm install --silent --no-audit --no-fund --prefix $(TOOLS)/azurite azurite@$(AZURITE_VERSION)
	touch $@

# What tests of the streaming page need: a browser with its driver, and the packages whose files it holds.
browser: $(TOOLS)/page/node_modules
	@if [ -z "$${TIDEMILL_WITHOUT_BROWSER:-}" ] && { ! command -v chromium || ! command -v chromedriver; } >/dev/null; then \
	    as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	    command -v apt-get >/dev/null || { \
	        echo 'install chromium and its driver, or set TIDEMILL_WITHOUT_BROWSER=1 to leave its tests out' >&2; exit 1; }; \
	    $$as_root apt-get update -q; \
	    $$as_root apt-get install -qy --no-install-recommends chromium chromium-driver; \
	fi

$(TOOLS)/page/node_modules: src/admin/page/package-lock.json | servers
	mkdir -p $(@D)
	cp src/admin/page/package.json src/admin/page/package-lock.json $(@D)
	cd $(@D) && npm ci --silent --no-audit --no-fund
	touch $@

# Prometheus' tool for rules and metrics. Taken out of Debian's package, which would start a server.
promtool: $(PROMTOOL)

$(PROMTOOL):
	@command -v promtool >/dev/null || command -v apt-get >/dev/null || { \
	    echo 'install promtool, or set TIDEMILL_WITHOUT_PROMTOOL=1 to leave its tests out' >&2; exit 1; }
	@if ! command -v promtool >/dev/null; then \
	    rm -rf $(TOOLS)/promtool; \
	    mkdir -p $(TOOLS)/promtool; \
	    cd $(TOOLS)/promtool; \
	    apt-get download -q prometheus; \
	    dpkg-deb --extract prometheus_*.deb .; \
	    rm prometheus_*.deb; \
	fi

schemathesis: $(SCHEMATHESIS)

$(SCHEMATHESIS): | servers
	rm -rf $(TOOLS)/schemathesis $(TOOLS)/schemathesis-*
	python3 -m venv $(TOOLS)/schemathesis
	$(TOOLS)/schemathesis/bin/pip install -q --disable-pip-version-check schemathesis==$(SCHEMATHESIS_VERSION)
	touch $@

# Other tools' readers of Parquet, Arrow and Avro.
readers: $(READERS)

$(READERS): | servers
	rm -rf $(TOOLS)/readers $(TOOLS)/readers-*
	python3 -m venv $(TOOLS)/readers
	$(TOOLS)/readers/bin/pip install -q --disable-pip-version-check pyarrow==$(PYARROW_VERSION) \
	    fastavro==$(FASTAVRO_VERSION) backports.zstd==$(BACKPORTS_ZSTD_VERSION)
	touch $@

# What makes a Debian package and looks at it.
debian-tools: | tools
	@if [ -z "$${TIDEMILL_WITHOUT_PACKAGES:-}" ] && \
	    { ! command -v dpkg-shlibdeps || ! command -v strip || ! command -v lintian; } >/dev/null; then \
	    as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	    command -v apt-get >/dev/null || { \
	        echo 'this needs Debian; set TIDEMILL_WITHOUT_PACKAGES=1 to leave the tests of packages out' >&2; exit 1; }; \
	    $$as_root apt-get update -q; \
	    $$as_root apt-get install -qy --no-install-recommends dpkg-dev binutils lintian; \
	fi

# What runs containers in tests, too.
packaging: debian-tools $(TOOLS)/container-base.tar
	@if [ -z "$${TIDEMILL_WITHOUT_PACKAGES:-}" ] && { ! command -v podman || ! command -v crun; } >/dev/null; then \
	    as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	    $$as_root apt-get update -q; \
	    $$as_root apt-get install -qy --no-install-recommends podman crun golang-github-containers-common; \
	fi

# What the container of the tests runs on, of Debian's packages: no registry of images is asked for it.
$(TOOLS)/container-base.tar: | tools
	@if [ -z "$${TIDEMILL_WITHOUT_PACKAGES:-}" ]; then \
	    as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	    command -v apt-get >/dev/null || { \
	        echo 'this needs Debian; set TIDEMILL_WITHOUT_PACKAGES=1 to leave the tests of packages out' >&2; exit 1; }; \
	    command -v mmdebstrap >/dev/null || { \
	        $$as_root apt-get update -q; \
	        $$as_root apt-get install -qy --no-install-recommends mmdebstrap; }; \
	    mkdir -p $(@D); \
	    mmdebstrap --quiet --format=tar --variant=extract \
	        --include=base-files,base-passwd,dash,coreutils,libc6,libgcc-s1,ca-certificates \
	        --extract-hook='cat "$$1"/usr/share/ca-certificates/mozilla/*.crt >"$$1"/etc/ssl/certs/ca-certificates.crt' \
	        "$$(. /etc/os-release; echo "$$VERSION_CODENAME")" $@.part; \
	    mv $@.part $@; \
	fi

# The pictures of the guide, by the real daemon in a real browser.
screenshots: browser
	$(CARGO) test --features $(FEATURES) --test page -- --ignored pictures

# Documentation examples first, so that the output ends with the summary of the tests.
test: tools servers browser promtool schemathesis readers packaging
	$(CARGO) test --doc $(WHOLE)
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    set -x; $(CARGO) nextest run --no-fail-fast $(WHOLE); \
	else \
	    set -x; $(CARGO) test --no-fail-fast --lib --bins --tests --examples $(WHOLE) -- --show-output; \
	fi

# The long form of the fault matrix: hours on a slow machine.
torture: tools servers schemathesis
	CARGO=$(CARGO) FEATURES=$(FEATURES) tests/torture.sh

# Each target runs so many cases from a new seed; what breaks a rule is kept in tests/fuzz/corpus/.
fuzz: tools
	TIDEMILL_FUZZ_CASES=$${TIDEMILL_FUZZ_CASES:-200000} \
	    $(CARGO) test --features $(FEATURES) --test fuzz -- --nocapture

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets $(WHOLE) -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps $(WHOLE)
	@$(MAKE) --no-print-directory deny

# A debug build of cargo-deny, because it is ready sooner and fast enough here. Advisories live outside
# the package registries: `make advisories` asks for them where the network allows it.
$(TOOLS)/bin/cargo-deny: | tools
	$(CARGO) install --locked --quiet --debug --root $(TOOLS) cargo-deny@$(DENY_VERSION)

deny: $(TOOLS)/bin/cargo-deny
	PATH="$(TOOLS)/bin:$$PATH" $(CARGO) deny --features $(FEATURES) check bans licenses sources

advisories: $(TOOLS)/bin/cargo-deny
	PATH="$(TOOLS)/bin:$$PATH" $(CARGO) deny --features $(FEATURES) check advisories

bench: tools
	$(CARGO) bench --workspace --bench '*'

# Figures of a busy daemon; docs/performance.md has those seen.
load: tools
	$(CARGO) bench --bench end_to_end -- clients_
	$(CARGO) bench --bench end_to_end -- page_and_metrics

soak: tools
	$(CARGO) build --release -p tidemill --features $(FEATURES)
	TIDEMILL_BINARY=$(CURDIR)/target/release/tidemill \
	    $(CARGO) test -p tidemill --features $(FEATURES) --test ledger -- --ignored --nocapture torture_soak

# Without failpoints, with all that can be built.
deb: debian-tools
	$(CARGO) build --release --locked --features full
	package=$$(ops/debian/package.sh target/release/tidemill target/debian); \
	    ! command -v lintian >/dev/null || lintian --allow-root --fail-on error,warning "$$package"; \
	    echo "$$package"

container:
	@if command -v podman >/dev/null; then \
	    set -x; podman build --format docker -t tidemill -f ops/Containerfile .; \
	elif command -v docker >/dev/null; then \
	    set -x; docker build -t tidemill -f ops/Containerfile .; \
	else \
	    echo 'install podman or docker, then try again' >&2; exit 1; \
	fi

run: tools
	$(CARGO) run --release -- run config/examples/wordcount.toml
