#!/bin/bash
# Builds the fuzz targets into $OUT, with what ClusterFuzzLite, ClusterFuzz and OSS-Fuzz take along beside each:
# seeds, flags and words.
#
# It runs in the image of the Dockerfile, in the checkout. By hand, on stable, for a look at what they get:
#   RUSTC_BOOTSTRAP=1 OUT=/tmp/out SANITIZER=address .clusterfuzzlite/build.sh [OPTIONS of cargo fuzz build]
set -euo pipefail

# How the targets are built decides the flags of the compiler; without those of the image, cargo-fuzz has its own.
sanitizer=${SANITIZER:-address}
case $sanitizer in coverage | introspector) sanitizer=none ;; esac

# Coverage guides on what is searched, and not on all that watches it. A report of coverage has everything.
if [ "${SANITIZER:-address}" != coverage ]; then
    export RUSTC_WRAPPER=$PWD/fuzz/instrument-only.sh
fi

# Said as it stands here, since the image replaces exactly `cargo fuzz build` for reports of coverage.
build() {
    cargo fuzz build --release --sanitizer "$sanitizer" "$@"
}

# The lanes are about the driver; the parsers are about themselves. Cargo does not know what is instrumented, so each
# has a folder of its own.
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
for name in call_sequence call_sequence_keysan sequence_forms; do
    case $name in
    sequence_forms) export REKEYLAB_INSTRUMENTED=rekeylab folder=$target/clusterfuzz/forms ;;
    *) export REKEYLAB_INSTRUMENTED="rekeylab_driver rekeylab_cipher rekeylab_faults" folder=$target/clusterfuzz/driver ;;
    esac
    if [ "${SANITIZER:-address}" = coverage ]; then
        # There all targets are built at once, into the folder of the workspace.
        folder=$target
        build "$@"
    else
        build --target-dir "$folder" "$@" "$name"
    fi
    cp "$folder"/*/release/"$name" "$OUT/"

    # The files of the corpus go in as they are, by names that are told apart in one folder.
    seeds=$(mktemp -d)
    for file in corpus/seeds/*.seq corpus/crashes/*/*.seq; do
        flat=${file#corpus/}
        cp "$file" "$seeds/${flat//\//-}"
    done
    rm -f "$OUT/${name}_seed_corpus.zip"
    (cd "$seeds" && zip --quiet -r "$OUT/${name}_seed_corpus.zip" .)
    rm -r "$seeds"

    # The limits are those of `rekeylab fuzz`. A secret on the stack is looked for where it was, not where
    # AddressSanitizer would have moved it to.
    cat >"$OUT/$name.options" <<'OPTIONS'
[libfuzzer]
max_len = 4096
timeout = 10
rss_limit_mb = 2048
len_control = 20

[asan]
detect_odr_violation = 0
detect_stack_use_after_return = 0
OPTIONS
done

# Words of the text form, for the parsers alone: calls are mutated as calls.
cat corpus/seeds/*.seq | tr -cs 'a-z0-9-' '\n' | grep -E '^[a-z]+(-[a-z]+)*$' | sort -u |
    sed 's/.*/"&"/' >"$OUT/sequence_forms.dict"
