#!/usr/bin/env bash
# What a pull request must pass: builds `rekeylab gate`, brings what it needs, and runs it.
#
#   ci/gate.sh [SECONDS] [OPTIONS]    how long each fuzz target runs, and the options of `rekeylab gate`
#   ci/gate.sh --base origin/main     compares with that, and runs what the change asks for
set -euo pipefail
. "$(dirname "$0")/lib.sh"

case ${1:-} in
    '' | *[!0-9]*) ;;
    *) set -- --seconds "$@" ;;
esac

# The first word comes before anything is built; the gate itself says the rest.
printf 'the gate: once it is built, it says what it runs and for how long\n'
previous=
for word in "$@"; do
    if [ "$previous" = --base ] && [ ! -f "$word" ]; then
        printf 'what differs from %s:%s\n' "$word" "$(git diff --shortstat "$word...HEAD")"
    fi
    previous=$word
done

step "build" cargo build --quiet --release --features faults
install_tool cargo-fuzz "$CARGO_FUZZ_VERSION"
step "twenty instances of each fault have one fingerprint, and no other fault has it" \
    cargo test --quiet --release --package rekeylab --features faults --test fingerprint -- \
    --ignored every_one_of_twenty_instances

printf '\n== what the change has to pass\n'
exec "${CARGO_TARGET_DIR:-target}/release/rekeylab" gate "$@"
