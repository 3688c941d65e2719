#!/usr/bin/env bash
# What a pull request must pass: builds `rekeylab gate`, brings what it needs, and runs it.
#
#   ci/gate.sh [SECONDS] [OPTIONS]    how long each fuzz target runs, and the options of `rekeylab gate`
#   ci/gate.sh --base origin/main     compares with that, and runs what the change asks for
#
# PROFILE=dev takes what `cargo test` has built instead of a release build; fuzz targets are always released ones.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

PROFILE=${PROFILE:-release}

case ${1:-} in
    '' | *[!0-9]*) ;;
    *) set -- --seconds "$@" ;;
esac

# The first word comes before anything is built; the gate itself says the rest.
printf 'the gate: once it is built, it says what it runs and for how long\n'
previous=
base=
for word in "$@"; do
    if [ "$previous" = --base ] && [ ! -f "$word" ]; then
        base=$word
        printf 'what differs from %s:%s\n' "$word" "$(git diff --shortstat "$word...HEAD")"
    fi
    previous=$word
done

# A change of documents alone is answered by what is stored, for which no fault has to be planted.
only_documents=no
if [ -n "$base" ] && branch_point=$(git merge-base "$base" HEAD) &&
    changed=$(git diff --name-only "$branch_point" && git ls-files --others --exclude-standard) &&
    [ -n "$changed" ] && ! grep --quiet --invert-match --extended-regexp '\.md$|^docs/|^LICENSE' <<<"$changed"; then
    only_documents=yes
fi

# How bugs are told apart is checked where the change could alter it, and always where there is no base.
checks_names=no
if [ -z "${branch_point:-}" ] ||
    grep --quiet --extended-regexp '^(faults|src/(faults|keysan|weave|workbench)|Cargo.lock)(/|$)' <<<"$changed"; then
    checks_names=yes
fi

case $PROFILE in
dev) program=${CARGO_TARGET_DIR:-target}/debug/rekeylab ;;
*) program=${CARGO_TARGET_DIR:-target}/$PROFILE/rekeylab ;;
esac

# build_all: the command with the planted faults, and the test that is run with it, so that what both are made of is
# compiled once. After `cargo test`, as README names it, there is nothing left to build in the profile `dev`.
build_all() {
    if [ $checks_names = yes ]; then
        bounded "$STEP_SECONDS" cargo test --quiet --no-run --profile "$PROFILE" \
            --workspace --features faults --test fingerprint
    else
        bounded "$STEP_SECONDS" cargo build --quiet --profile "$PROFILE" --features faults
    fi
}

printf '\n== build\n'
if [ $only_documents = yes ]; then
    # What an earlier run has built here, with them, is the quicker one to bring up to date.
    if [ -x "$program" ]; then
        step "documents alone are touched, so what was built here is brought up to date" \
            cargo build --quiet --profile "$PROFILE" --features faults
    else
        step "documents alone are touched, so the build is without planted faults" \
            cargo build --quiet --profile "$PROFILE"
    fi
    printf '\n== what the change has to pass\n'
    exec "$program" gate "$@"
fi
# Whether the planted faults fit is known long before the command is built.
if bounded "$STEP_SECONDS" cargo build --quiet --profile "$PROFILE" --package rekeylab-faults && build_all; then
    fits=yes
else
    # Whoever changes a line that a fault hangs on hears of that, and of what else the change does.
    fits=no
    printf '\nThe planted faults named above do not fit the change. Until faults/ follows it, the drills\n'
    printf 'cannot run, which is no pass; everything else is run without them.\n'
    step "build without planted faults" cargo build --quiet --profile "$PROFILE"
fi
install_tool cargo-fuzz "$CARGO_FUZZ_VERSION"
step "the sample driver" make --quiet -C examples/vendor-driver
printf '\n== what the change has to pass\n'
set -- "$@" --driver examples/vendor-driver/driver.toml
status=0
signalled "$program" gate "$@" || status=$?
# Whatever the gate found is the first thing to mend, and a bug in the driver changes the forms of faults.
if [ $status != 0 ]; then exit $status; fi

if [ $fits = yes ] && [ $checks_names = yes ]; then
    step "twenty instances of each fault have one fingerprint, and no other fault has it" \
        cargo test --quiet --profile "$PROFILE" --workspace --features faults --test fingerprint -- \
        --ignored every_one_of_twenty_instances
fi
