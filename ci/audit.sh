#!/usr/bin/env bash
# The slow look, for the night: all memory after every sequence, and taint where Valgrind is.
#
#   ci/audit.sh [PATH...]    what is run; corpus/ and the working sets by default
set -euo pipefail
. "$(dirname "$0")/lib.sh"

paths=("$@")
if [ ${#paths[@]} = 0 ]; then
    paths=(corpus)
    for set in fuzz/corpus/call_sequence*; do
        if [ -d "$set" ]; then paths+=("$set"); fi
    done
fi

step "build" cargo build --quiet --release
program=${CARGO_TARGET_DIR:-target}/release/rekeylab
step "everything looked into" "$program" replay "${paths[@]}"
step "all memory" "$program" audit "${paths[@]}"
if command -v valgrind >/dev/null; then
    # Its own complaints are about branches on marked bytes; what is left is asked for by name.
    step "taint" valgrind --quiet --error-limit=no --log-file=/dev/null "$program" audit corpus/seeds
else
    printf '\n== taint: skipped, there is no valgrind\n'
fi
printf '\naudited\n'
