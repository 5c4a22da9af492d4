# GNU make. `make help` tells what there is.

.NOTPARALLEL:
.PHONY: circles build install uninstall deb rpm packages release test-packages test-fresh deny test test-anywhere \
    test-as-root check format lint doc man man-check bench bench-log fuzz clean help

build:
	@packaging/build > /dev/null

install:
	@packaging/install

uninstall:
	@packaging/uninstall

# In target/packages. VERSION=x.y.z calls them that, SOURCE_DATE_EPOCH dates them.
deb:
	@packaging/package/build-deb

rpm:
	@packaging/package/build-rpm

packages: deb rpm

# In target/releases/VERSION, of the commit that is checked out (docs/releases.md).
release:
	@packaging/release

# Licences, doubles and origins of the crates. Their advisories as well where there is a network: DENY=
DENY = bans licenses sources

deny:
	tools=$$(packaging/release-tools deny) && "$$tools/cargo-deny" --locked check $(DENY)

# As root on Debian: the packages in roots of their own, from installation to purge, and that two builds make the same
# bytes.
test-packages:
	@packaging/test/run

# README's lines on a fresh minimal Debian, as root. SUITE=bookworm or trixie; PART=install leaves out make test.
test-fresh:
	@tests/fresh/run

# Nothing is left out silently, and with CI=true nothing at all.
test:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	    tests/prepare any root && tests/preflight spec install libvirt network && \
	    $(MAKE) --no-print-directory test-anywhere test-as-root; \
	elif [ "$$CI" = true ]; then \
	    echo "make test: with CI=true nothing may be left out, and this needs root on Debian" >&2; exit 1; \
	else \
	    tests/prepare any && tests/preflight spec && $(MAKE) --no-print-directory test-anywhere && \
	    echo "make test: left out tests/libvirt, tests/install and tests/network, which need root on Debian"; \
	fi

# Most tests wait for clocks and not for a processor.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(nproc))))

# tests/spec runs on both programs, tests/hostile on the static one, which is what is installed. Only the other has debug
# assertions, so that it runs the tests of the hook's own process as well.
test-anywhere:
	nice packaging/build > /dev/null & built=$$!; cargo test --locked --workspace && \
	    cargo test --locked --test hostile hook::; code=$$?; wait $$built && exit $$code
	binary=$$(packaging/build) && binary=$$(realpath "$$binary") && \
	    VIRT_HOOKS_BIN=$$binary cargo test --locked --test spec --test hostile

test-as-root:
	binary=$$(packaging/build) && binary=$$(realpath "$$binary") && \
	    guest=$$(realpath -m "$${CARGO_TARGET_DIR:-target}")/guest && tests/libvirt/prepare "$$guest" && \
	    export VIRT_HOOKS_BIN="$$binary" VIRT_HOOKS_GUEST="$$guest" && \
	    RUST_TEST_THREADS=2 cargo test --locked --test libvirt && \
	    cargo test --locked --test install && \
	    cargo test --locked --test network

check: format lint circles doc man-check

format:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path benches/Cargo.toml --check

lint:
	cargo clippy --locked --workspace --all-targets --test hostile --test libvirt --test install --test network -- -D warnings
	cargo clippy --locked --manifest-path benches/Cargo.toml \
	    --target-dir "$${CARGO_TARGET_DIR:-target}/benches" -- -D warnings

# Fails where files import each other in a circle.
circles:
	cargo run --locked --quiet --package xtask -- circles

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# The manual pages and the shells' completions, from the program's own definitions.
man:
	cargo run --locked --quiet --package xtask -- docs

man-check:
	cargo run --locked --quiet --package xtask -- docs --check

# What the hook costs beside bare programs, and how that grows. BENCH=--check fails where a figure is not reached; more there
# is in benches/src/main.rs.
bench:
	cargo run --quiet --locked --release --manifest-path benches/Cargo.toml \
	    --target-dir "$${CARGO_TARGET_DIR:-target}/benches" --bin bench -- $(BENCH)

# Apart from the tests, since it takes long. Needs a nightly compiler and cargo-fuzz.
FUZZ_SECONDS = 600
FUZZ_TARGETS = names settings declarations records agent_properties xml

fuzz:
	set -e; for target in $(FUZZ_TARGETS); do \
	    mkdir -p fuzz/corpus/$$target; \
	    tar -xzf fuzz/corpora/$$target.tar.gz -C fuzz/corpus/$$target; \
	    cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	        -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=16384 -dict=fuzz/dictionaries/$$target; \
	done

# Apart from the tests, since it wants 2.5 GB and GNU time. BYTES=n for a log of n bytes.
bench-log:
	@benches/log $(BYTES)

clean:
	cargo clean

help:
	@echo "make             builds the program, static"
	@echo "make install     builds it, installs it as libvirt's hook, and rehearses a domain's lifecycle with it"
	@echo "                 DESTDIR=folder installs below that folder, BINARY=file installs that program;"
	@echo "                 VERBOSE=1 prints the log of the rehearsal;"
	@echo "                 what becomes of another hook: REPLACE=1 keeps it as a backup, KEEP_EXISTING=1 runs it as well"
	@echo "make uninstall   takes it all back, but for what is yours"
	@echo "make deb, rpm    makes a package, in target/packages; make packages makes both (docs/packages.md)"
	@echo "make test        runs all tests; as root on Debian also those of the installation and under a real libvirt"
	@echo "make test-packages installs, upgrades and removes the packages in roots of their own, as root on Debian"
	@echo "make test-fresh  types README's lines on a fresh minimal Debian, as root: SUITE=bookworm or trixie, PART=install or all"
	@echo "make deny        asks for the licences, doubles and origins of the crates; with DENY= also for known holes in them"
	@echo "make release     makes packages, archives, checksums and a list of crates of the commit that is checked out"
	@echo "make check       formatting, lints, the documentation's links, and whether the manual pages are up to date"
	@echo "make man         writes the manual pages and the shells' completions"
	@echo "make bench       measures, as root, what the hook costs beside bare programs (docs/performance.md)"
	@echo "make fuzz        fuzzes for ten minutes each what reads foreign text (FUZZ_SECONDS=n for n seconds)"
	@echo "make bench-log   what virt-hooks log takes for 1 GB of log, beside grep: seconds and memory (BYTES=n for n bytes)"
	@echo "make clean       removes what was built"
