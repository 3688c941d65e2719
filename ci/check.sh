#!/usr/bin/env bash
# Everything that is true of the source: spelling, workflows, format, lints, the packages outside the workspace,
# the oldest Rust, documents, tests, licences, advisories.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

export RUSTDOCFLAGS="-D warnings"

# For the tests of taint, which with CI in the environment fail without it.
install_packages valgrind
# For the sample driver in C++, which a test builds; clang for its counters of coverage.
install_packages g++ make clang
# For OpenSSL, which the foreign ciphers are compared with.
install_packages libssl-dev pkg-config
# For the test of coverage, which with CI in the environment fails without; the toolchain may have its own.
if [ ! -x "$(rustc --print target-libdir)/../bin/llvm-cov" ]; then install_packages llvm-19; fi
# For the test that drives the dashboard in a browser, which with CI in the environment fails without.
install_packages chromium-driver
# For the test that compares JUnit files with their schema, which with CI in the environment needs both.
install_packages libxml2-utils

# In CI it must be there, elsewhere a spelling checker is not worth a Python.
if [ -n "${CI:-}" ] || python3 -m pip --version >/dev/null 2>&1; then
    install_typos
    step "spelling" typos
    if install_actionlint; then
        step "workflows" actionlint
    else
        printf '\n== workflows: skipped, actionlint cannot be fetched from here\n'
    fi
    install_junit_schema
else
    printf '\n== spelling and workflows: skipped, there is no pip\n'
fi
step "format" cargo fmt --all --check
step "lints" cargo clippy --quiet --workspace --all-targets -- -D warnings
step "lints, with planted faults" \
    cargo clippy --quiet --workspace --all-targets --features faults -- -D warnings
step "the fuzz targets compile without the command, with the mutator for AFL++" \
    cargo check --quiet -p rekeylab-fuzz --features afl --bins --examples
# Both have lock files of their own, and share what was compiled for the workspace where it is the same.
shared=${CARGO_TARGET_DIR:-target}
step "the comparison with peers compiles" cargo check --quiet --locked --all-targets \
    --target-dir "$shared" --manifest-path benches/peers/Cargo.toml
step "the foreign ciphers compile" cargo check --quiet --locked --all-targets \
    --target-dir "$shared" --manifest-path src/keysan/examples/foreign-ciphers/Cargo.toml
ci/msrv.sh
# Strangers get it without the workspace around it.
step "keysan stands alone as a package" cargo package --offline --quiet --allow-dirty --package keysan
step "documents" cargo doc --quiet --workspace --no-deps

# The time that tests leave of the processors is enough for the tools that are needed behind them.
(
    renice -n 19 "$BASHPID"
    install_tool cargo-deny "$CARGO_DENY_VERSION"
    install_tool cargo-fuzz "$CARGO_FUZZ_VERSION"
) >/dev/null 2>&1 &
installing=$!
trap 'kill "$installing" 2>/dev/null || true' EXIT
# Driver core and cipher are compiled for tests as they are released: the profile `dev` in Cargo.toml says so.
step "tests, as README names them" cargo test --workspace --features faults
wait "$installing" || true

# Whatever kept one from being installed is told here.
install_tool cargo-deny "$CARGO_DENY_VERSION"
step "licences, banned crates and sources" cargo deny --log-level error check licenses bans sources
# The advisory database comes over the network; without one there is nothing to compare with.
if bounded 600 cargo deny --log-level error fetch db 2>/dev/null; then
    step "advisories" cargo deny --log-level error check advisories
else
    printf '\n== advisories: skipped, the database cannot be fetched from here\n'
fi
printf '\nchecked\n'
