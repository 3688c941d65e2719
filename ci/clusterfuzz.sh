#!/usr/bin/env bash
# Whether ClusterFuzz, ClusterFuzzLite and OSS-Fuzz can take our fuzz targets as they are: builds them as those do, and
# has ClusterFuzz's own engine and parser search for planted faults.
#
#   ci/clusterfuzz.sh [OSS-FUZZ]    a checkout of OSS-Fuzz, whose check of builds and runner are tried, too
set -euo pipefail
. "$(dirname "$0")/lib.sh"
oss_fuzz=${1:+$(realpath -- "$1")}
top=$PWD

install_packages python3-venv zip binutils file
out=${CARGO_TARGET_DIR:-target}/clusterfuzz/out
mkdir -p "$out"
out=$(cd "$out" && pwd)
install_tool cargo-fuzz "$CARGO_FUZZ_VERSION"
step "the fuzz targets, as ClusterFuzz builds them, with planted faults" \
    env RUSTC_BOOTSTRAP=1 OUT="$out" SANITIZER=address .clusterfuzzlite/build.sh --features faults

python=$TOOLS/clusterfuzz/bin/python
if [ "$("$python" -c 'from importlib.metadata import version; print(version("clusterfuzz"))' 2>/dev/null)" != "$CLUSTERFUZZ_VERSION" ]; then
    step "install clusterfuzz $CLUSTERFUZZ_VERSION into ${TOOLS#"$PWD"/}" python3 -m venv --clear "$TOOLS/clusterfuzz"
    # It asks for a protobuf that it does not work with, and for a part of Python's old library.
    bounded 900 "$TOOLS/clusterfuzz/bin/pip" install --quiet --disable-pip-version-check \
        "clusterfuzz==$CLUSTERFUZZ_VERSION" 'protobuf==3.20.2' setuptools requests
fi
step "what ClusterFuzz makes of planted faults" "$python" ci/asks_clusterfuzz.py "$out" \
    finish-without-start double-finish generation-ignored use-after-destroy \
    finish-xors-half-the-key wrong-key-epoch count-overflow-panics no-panic

if [ -z "$oss_fuzz" ]; then
    printf '\nthe check of builds and the runner were not tried: they come with a checkout of OSS-Fuzz\n'
    exit 0
fi
base=$oss_fuzz/infra/base-images/base-runner
for target in call_sequence call_sequence_keysan sequence_forms; do
    (
        # The image of the runner sets these, with its limits of memory and time.
        while read -r setting; do export "${setting?}"; done < <(
            sed -n 's/^ENV \(FUZZER_ARGS\|[A-Z]*SAN_OPTIONS\)="\(.*\)"$/\1=\2/p' "$base/Dockerfile"
        )
        export OUT=$out FUZZING_ENGINE=libfuzzer SANITIZER=address ARCHITECTURE=x86_64 FUZZING_LANGUAGE=rust
        export PATH=$base:$PATH
        step "the check of builds: $target" bash "$base/bad_build_check" "$out/$target"
    )
done

# run MODE FAULT STATUS: the runner of ClusterFuzzLite in this mode has to end so.
run() {
    local mode=$1 fault=$2 expected=$3 status=0 workspace
    workspace=$(mktemp -d)
    mkdir -p "$workspace/build-out"
    cp "$out"/call_sequence* "$workspace/build-out/"
    printf '\n== the runner: %s, with %s planted\n' "$mode" "${fault:-nothing}"
    if [ -n "$fault" ]; then export REKEYLAB_FAULT=$fault; else unset REKEYLAB_FAULT; fi
    # What it leaves where it is called is not for the checkout.
    cd "$workspace"
    bounded 900 env CFL_PLATFORM=standalone FILESTORE=filesystem \
        FILESTORE_ROOT_DIR="$workspace/store" WORKSPACE="$workspace" PROJECT_SRC_PATH="$top" REPOSITORY=rekeylab \
        SANITIZER=address LANGUAGE=rust MODE="$mode" FUZZ_SECONDS=60 OUTPUT_SARIF=true CIFUZZ_PIVOTED=1 \
        "$python" "$oss_fuzz/infra/cifuzz/run_fuzzers_entrypoint.py" >"$workspace/log" 2>&1 || status=$?
    if [ "$status" != "$expected" ]; then
        cat "$workspace/log"
        printf '\nFAILED: the runner ended with %s, and %s was expected\n' "$status" "$expected" >&2
        exit 1
    fi
    cd "$top"
    (cd "$workspace" && find . -name 'crash-*' -not -name '*.summary' | sort)
    rm -r "$workspace"
}
run code-change '' 0
run code-change finish-without-start 2
run batch generation-ignored 2
run prune '' 0
