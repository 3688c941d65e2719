#!/bin/sh
# Keeps coverage instrumentation on the code under test and off the oracles that watch it.
#
# A rustc wrapper: cargo calls it as `instrument-only-the-driver.sh rustc ARGUMENTS...`. cargo-fuzz
# asks for coverage in every crate; with it on the scanner and the invariants the same run is
# several times slower, and the feedback is about the wrong code.
#   RUSTC_WRAPPER=$PWD/fuzz/instrument-only-the-driver.sh cargo fuzz run -s none call_sequence
set -eu
rustc=$1
shift

crate=
previous=
for argument in "$@"; do
    if [ "$previous" = --crate-name ]; then crate=$argument; fi
    previous=$argument
done

case $crate in
rekeylab_driver | rekeylab_cipher | rekeylab_faults | call_sequence | call_sequence_keysan | sequence_forms) is_instrumented=yes ;;
*) is_instrumented=no ;;
esac

for argument in "$@"; do
    shift
    case $is_instrumented:$argument in
    no:-Cpasses=sancov-module | no:-Cllvm-args=-sanitizer-coverage-*) ;;
    # Compared values help an engine that mutates bytes; these inputs are mutated by calls.
    yes:-Cllvm-args=-sanitizer-coverage-trace-compares) ;;
    *) set -- "$@" "$argument" ;;
    esac
done
exec "$rustc" "$@"
