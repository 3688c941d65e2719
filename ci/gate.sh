#!/usr/bin/env bash
# What a pull request must pass: every known bug stays fixed, every alarm rings, every target runs.
#
#   ci/gate.sh [SECONDS]    how long each fuzz target runs; 20 by default
#
# A target that reaches fewer edges than its floor fails here as well: it would let anything through.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

seconds=${1:-20}
rekeylab=(cargo run --quiet --release --features faults --)

step "build" cargo build --quiet --release --features faults
step "replay the corpus" "${rekeylab[@]}" replay corpus
step "look at all memory" "${rekeylab[@]}" audit corpus
step "every sequence of up to seven calls" "${rekeylab[@]}" exhaust --depth 7
step "every alarm rings" "${rekeylab[@]}" canary
step "twenty instances of each fault have one fingerprint, and no other fault has it" \
    cargo test --quiet --release --package rekeylab --features faults --test fingerprint -- --ignored

install_tool cargo-fuzz "$CARGO_FUZZ_VERSION"
for target in $(cargo fuzz list); do
    step "fuzz $target for $seconds s" \
        "${rekeylab[@]}" fuzz --target "$target" --time "${seconds}s"
done
printf '\nthe gate is open\n'
