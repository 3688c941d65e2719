#!/usr/bin/env bash
# A long run, to be repeated for ever: restore the working set, fuzz, minimise, trim, store it.
#
#   ci/continuous.sh [DURATION] [STORE]
#     DURATION   how long to fuzz, such as 8h; 1h by default
#     STORE      a folder that outlives the machine, for the working set and the findings;
#                without it both stay in fuzz/
#
# Exits with 3 when something was found; the reproducers are in fuzz/findings (and in STORE).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

duration=${1:-1h}
store=${2:-}
working_set=fuzz/corpus/call_sequence
mkdir -p "$working_set" fuzz/findings

# Files are only ever added here, and copied whole before they get their name.
copy_into() {
    local from=$1 to=$2
    mkdir -p "$to"
    (cd "$from" && find . -type f -print0) | while IFS= read -r -d '' file; do
        if [ ! -e "$to/$file" ]; then
            mkdir -p "$to/$(dirname "$file")"
            cp "$from/$file" "$to/$file.partial" && mv "$to/$file.partial" "$to/$file"
        fi
    done
}

if [ -n "$store" ] && [ -d "$store/call_sequence" ]; then
    step "restore the working set" copy_into "$store/call_sequence" "$working_set"
fi

install_tool cargo-fuzz "$CARGO_FUZZ_VERSION"
found=0
printf '\n== fuzz for %s\n' "$duration"
cargo run --quiet --release -- fuzz --time "$duration" || found=$?

# Whatever the campaign said, what it learnt is kept before anything else can fail; and whatever
# fails from here on, a finding is not hidden by it.
trap 'status=$?; [ "$found" = 3 ] && exit 3; exit "$status"' EXIT
if [ -n "$store" ]; then
    step "store the findings" copy_into fuzz/findings "$store/findings"
    step "store the working set" copy_into "$working_set" "$store/call_sequence"
fi

# The smallest set with the same coverage; libFuzzer merges into a fresh folder.
target=$(find "${CARGO_TARGET_DIR:-target}/fuzz/none" -type f -path '*/release/call_sequence' | head -n 1)
trimmed=$(mktemp -d fuzz/corpus/trimmed.XXXXXX)
step "trim the working set" "$target" -merge=1 "$trimmed" "$working_set"
before=$(find "$working_set" -type f | wc -l)

# replace FOLDER BY: the new one is complete before the old one goes.
replace() {
    rm -rf "$1.before"
    mv "$1" "$1.before"
    mv "$2" "$1"
    rm -rf "$1.before"
}
if [ -n "$(ls -A "$trimmed")" ]; then
    replace "$working_set" "$trimmed"
    if [ -n "$store" ]; then
        rm -rf "$store/call_sequence.trimmed"
        step "store the trimmed set" copy_into "$working_set" "$store/call_sequence.trimmed"
        replace "$store/call_sequence" "$store/call_sequence.trimmed"
    fi
fi
printf 'working set: %s files before, %s after\n' "$before" "$(find "$working_set" -type f | wc -l)"
exit "$found"
