#!/usr/bin/env bash
# A long run, to be repeated for ever: restore the working set, fuzz, minimise, trim, store it.
#
#   ci/continuous.sh [DURATION] [STORE]
#     DURATION   how long to fuzz, such as 4h; 1h by default
#     STORE      a folder that outlives the machine, for the working set and the findings;
#                without it both stay in fuzz/
#
# The main job runs: what is stored goes through every layer, then both lanes search from one working
# set. Exits with 3 when something was found; the reproducers are in fuzz/findings (and in STORE).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

duration=${1:-1h}
store=${2:-}
mkdir -p fuzz/findings

# Files are only ever added here, and copied whole before they get their name. The findings store is one
# file to which several machines have something to add: it is merged, see `merge_findings`.
copy_into() {
    local from=$1 to=$2
    mkdir -p "$to"
    (cd "$from" && find . -type f ! -name 'findings.sqlite*' -print0) | while IFS= read -r -d '' file; do
        if [ ! -e "$to/$file" ]; then
            mkdir -p "$to/$(dirname "$file")"
            cp "$from/$file" "$to/$file.partial" && mv "$to/$file.partial" "$to/$file"
        fi
    done
}

# merge_findings FROM TO: the store of one folder takes in what that of another knows, if there is one.
merge_findings() {
    if [ -f "$1/findings.sqlite" ]; then
        step "merge the findings store of $1" cargo run --quiet --release -- \
            findings --findings "$2" import "$1/findings.sqlite"
    fi
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

# Fuzzes, and keeps what was learnt before anything else can fail.
search() {
    local status=0 is_merged=1 stored
    mkdir -p "$working_set"
    # A store may hold a set of each lane; they eat the same.
    for stored in "$store"/call_sequence "$store"/call_sequence_keysan; do
        if [ -n "$store" ] && [ -d "$stored" ]; then
            step "restore the working set $stored" copy_into "$stored" "$working_set"
        fi
    done
    if [ -n "$store" ]; then
        merge_findings "$store/findings" fuzz/findings
    fi
    printf '\n== fuzz for %s\n' "$duration"
    bounded $(($(seconds_of "$duration") + STEP_SECONDS)) \
        cargo run --quiet --release -- fuzz --time "$duration" || status=$?
    if [ "$status" -gt "$found" ]; then found=$status; fi
    if [ -n "$store" ]; then
        # Before the reproducers, which a new store would take for those of nobody knows whom; and what
        # fails here must not keep them from being stored.
        (merge_findings fuzz/findings "$store/findings") || is_merged=0
        step "store the findings" copy_into fuzz/findings "$store/findings"
        step "store the working set" copy_into "$working_set" "$store/call_sequence"
        if [ "$is_merged" = 0 ]; then exit 1; fi
    fi
}

# Trims the working set to the smallest with the same coverage; libFuzzer merges into a fresh folder.
trim() {
    local binary trimmed before
    # The newest, should there be several lists of instrumented crates.
    binary=$(find target/fuzz/none -type f -path '*/release/call_sequence' -printf '%T@ %p\n' |
        sort -n | tail -n 1 | cut -d ' ' -f 2-)
    trimmed=$(mktemp -d fuzz/corpus/trimmed.XXXXXX)
    step "trim the working set" "$binary" -merge=1 "$trimmed" "$working_set"
    before=$(find "$working_set" -type f | wc -l)
    if [ -n "$(ls -A "$trimmed")" ]; then
        replace "$working_set" "$trimmed"
        if [ -n "$store" ]; then
            rm -rf "$store/call_sequence.trimmed"
            step "store the trimmed set" copy_into "$working_set" "$store/call_sequence.trimmed"
            replace "$store/call_sequence" "$store/call_sequence.trimmed"
            # What it held is in the other by now.
            rm -rf "$store/call_sequence_keysan"
        fi
    fi
    printf 'working set: %s files before, %s after\n' \
        "$before" "$(find "$working_set" -type f | wc -l)"
}

install_tool cargo-fuzz "$CARGO_FUZZ_VERSION"
working_set=fuzz/corpus/call_sequence
found=0
# Whatever fails from here on, a finding is not hidden by it.
trap 'status=$?; [ "$found" = 3 ] && exit 3; exit "$status"' EXIT
search
trim
exit "$found"
