#!/bin/sh
# Puts coverage instrumentation on the code under test and on what makes calls of an engine's bytes.
#
# A rustc wrapper: cargo calls it as `instrument-driver-and-targets.sh rustc ARGUMENTS...`. The flags
# are those of cargo-fuzz 0.13.2 without a sanitizer, compared values included. The oracle, which
# all arms share, is not instrumented: it would only be slower.
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
rekeylab_driver | rekeylab_cipher | rekeylab_faults | rekeylab_peers | opaque | indexed | calls)
    set -- "$@" -Cpasses=sancov-module \
        -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$rustc" "$@"
