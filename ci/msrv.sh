#!/usr/bin/env bash
# Whether the oldest toolchain that Cargo.toml promises (rust-version) compiles the workspace.
#
# Without that toolchain it says so and exits with 0: clippy's `incompatible_msrv` in `check.sh` has
# then looked at what is used of the standard library, and nothing at the language and at
# dependencies. It installs none, because a download of a toolchain should be somebody's decision.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

msrv=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
if RUSTUP_AUTO_INSTALL=0 cargo "+$msrv" --version >/dev/null 2>&1; then
    step "Rust $msrv compiles the workspace" \
        cargo "+$msrv" check --quiet --locked --workspace --all-targets --features faults
else
    printf '\n== Rust %s: NOT TRIED, it is not installed; "rustup toolchain install %s" brings it\n' \
        "$msrv" "$msrv"
fi
