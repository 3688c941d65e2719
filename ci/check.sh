#!/usr/bin/env bash
# Everything that is true of the source: format, lints, documents, tests, licences, advisories.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

export RUSTDOCFLAGS="-D warnings"

step "format" cargo fmt --all --check
step "lints" cargo clippy --quiet --workspace --all-targets -- -D warnings
step "lints, with planted faults" \
    cargo clippy --quiet --workspace --all-targets --features faults -- -D warnings
step "documents" cargo doc --quiet --workspace --no-deps
step "tests, as README names them" cargo test --workspace --features faults
step "tests of the core as it ships" cargo test --quiet -p rekeylab-driver -p rekeylab-cipher --release

install_tool cargo-deny "$CARGO_DENY_VERSION"
step "licences, banned crates and sources" cargo deny --log-level error check licenses bans sources
# The advisory database comes over the network; without one there is nothing to compare with.
if cargo deny --log-level error fetch db 2>/dev/null; then
    step "advisories" cargo deny --log-level error check advisories
else
    printf '\n== advisories: skipped, the database cannot be fetched from here\n'
fi
printf '\nchecked\n'
