#!/usr/bin/env bash
# A long run, to be repeated for ever: restore the working set, fuzz, minimise, trim, store it.
#
#   ci/continuous.sh [DURATION] [STORE]
#     DURATION   how long to fuzz each target, such as 4h; 1h by default
#     STORE      a folder that outlives the machine, for the working sets and the findings;
#                without it both stay in fuzz/
#
# Both lanes run, one after the other: `call_sequence` makes the most calls, `call_sequence_keysan`
# looks for leftovers after each. Exits with 3 when something was found; the reproducers are in
# fuzz/findings (and in STORE).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

duration=${1:-1h}
store=${2:-}
mkdir -p fuzz/findings

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

# replace FOLDER BY: the new one is complete before the old one goes.
replace() {
    rm -rf "$1.before"
    mv "$1" "$1.before"
    mv "$2" "$1"
    rm -rf "$1.before"
}

# seconds_of DURATION: such as 90, 150m or "1h 30m".
seconds_of() {
    local number unit sum=0
    while read -r number unit; do
        case $unit in
            d*) number=$((number * 86400)) ;;
            h*) number=$((number * 3600)) ;;
            m*) number=$((number * 60)) ;;
        esac
        sum=$((sum + number))
    done < <(grep -oE '[0-9]+ *[a-z]*' <<<"$1" | sed -E 's/([0-9]+) */\1 /')
    echo "$sum"
}

# Fuzzes one target, and keeps what it learnt before anything else can fail.
search() {
    local target=$1 working_set=fuzz/corpus/$1 status=0
    mkdir -p "$working_set"
    if [ -n "$store" ] && [ -d "$store/$target" ]; then
        step "restore the working set of $target" copy_into "$store/$target" "$working_set"
    fi
    printf '\n== fuzz %s for %s\n' "$target" "$duration"
    bounded $(($(seconds_of "$duration") + STEP_SECONDS)) \
        cargo run --quiet --release -- fuzz --target "$target" --time "$duration" || status=$?
    if [ "$status" -gt "$found" ]; then found=$status; fi
    if [ -n "$store" ]; then
        step "store the findings" copy_into fuzz/findings "$store/findings"
        step "store the working set of $target" copy_into "$working_set" "$store/$target"
    fi
}

# Trims a working set to the smallest with the same coverage; libFuzzer merges into a fresh folder.
trim() {
    local target=$1 working_set=fuzz/corpus/$1 binary trimmed before
    binary=$(find "${CARGO_TARGET_DIR:-target}/fuzz/none" -type f -path "*/release/$target" | head -n 1)
    trimmed=$(mktemp -d fuzz/corpus/trimmed.XXXXXX)
    step "trim the working set of $target" "$binary" -merge=1 "$trimmed" "$working_set"
    before=$(find "$working_set" -type f | wc -l)
    if [ -n "$(ls -A "$trimmed")" ]; then
        replace "$working_set" "$trimmed"
        if [ -n "$store" ]; then
            rm -rf "$store/$target.trimmed"
            step "store the trimmed set" copy_into "$working_set" "$store/$target.trimmed"
            replace "$store/$target" "$store/$target.trimmed"
        fi
    fi
    printf 'working set of %s: %s files before, %s after\n' \
        "$target" "$before" "$(find "$working_set" -type f | wc -l)"
}

install_tool cargo-fuzz "$CARGO_FUZZ_VERSION"
found=0
# Whatever fails from here on, a finding is not hidden by it.
trap 'status=$?; [ "$found" = 3 ] && exit 3; exit "$status"' EXIT
targets="call_sequence call_sequence_keysan"
for target in $targets; do search "$target"; done
for target in $targets; do trim "$target"; done
exit "$found"
