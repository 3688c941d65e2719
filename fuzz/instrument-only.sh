#!/bin/sh
# Keeps coverage instrumentation on what a fuzz target, or `rekeylab coverage`, is about and off all that watches it.
#
# A rustc wrapper: cargo calls it as `instrument-only.sh rustc ARGUMENTS...`. cargo-fuzz asks for
# coverage in every crate; with it on the scanner and the invariants the same run is several times
# slower, and the feedback is about the wrong code. Which crates keep it says the environment, as
# `rekeylab fuzz` sets it for each target (src/workbench/campaign/target.rs). Cargo does not know
# that variable, so every list needs a target directory of its own:
#   REKEYLAB_INSTRUMENTED="rekeylab_driver rekeylab_cipher" RUSTC_WRAPPER=$PWD/fuzz/instrument-only.sh \
#       cargo fuzz run -s none --target-dir target/by-hand call_sequence
set -eu
instrumented=${REKEYLAB_INSTRUMENTED:?names no crate that keeps its coverage}
rustc=$1
shift

crate=
previous=
for argument in "$@"; do
    if [ "$previous" = --crate-name ]; then crate=$argument; fi
    previous=$argument
done

case " $instrumented " in
*" $crate "*) is_instrumented=yes ;;
*) is_instrumented=no ;;
esac

for argument in "$@"; do
    shift
    case $is_instrumented:$argument in
    no:-Cpasses=sancov-module | no:-Cllvm-args=-sanitizer-coverage-* | no:-Cinstrument-coverage) ;;
    # Compared values help an engine that mutates bytes; calls are mutated as calls, and texts have
    # their words from the seeds.
    yes:-Cllvm-args=-sanitizer-coverage-trace-compares) ;;
    *) set -- "$@" "$argument" ;;
    esac
done
exec "$rustc" "$@"
