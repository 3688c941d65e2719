#!/usr/bin/env bash
# Shows that the core as it ships is, byte for byte, a core whose source never heard of planted
# faults: compiles both, compares every function and all data, and shows that the comparison can
# fail. Lines and columns of the copy are those of the original, so even panic messages are equal.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

PARTS=${TOOLS%/tools}/without-faults
mkdir -p "$PARTS"
# A fault of a few instructions, which the comparison has to notice.
LEFT_IN=GenerationIgnored

# It is a workspace of its own, so nothing else looks after it.
MANIFEST=(--manifest-path ci/without-faults/Cargo.toml)
TOOL_BUILD=("${MANIFEST[@]}" --quiet --locked --target-dir "$PARTS/tool")
cargo fmt "${MANIFEST[@]}" --check
cargo clippy "${TOOL_BUILD[@]}" --all-targets -- -D warnings
cargo test "${TOOL_BUILD[@]}" >"$PARTS/tests.txt" 2>&1 || { cat "$PARTS/tests.txt" >&2; exit 1; }
cargo build "${TOOL_BUILD[@]}"
TOOL=$PARTS/tool/debug/without-faults

# compile FOLDER TARGET LTO: the core of a folder, without features.
compile() {
    (cd "$1" && cargo build --quiet --release --target-dir "$PARTS/$2" \
        --config "profile.release.lto=$3" -p rekeylab-ddi -p rekeylab-cipher -p rekeylab-driver)
}

# link FOLDER TARGET: the core with a user and everything that it needs, optimised as one.
link() {
    compile "$1" "$2" '"thin"'
    local from=$PARTS/$2/release user=ci/without-faults/user.rs
    if ! [ "$from/libuser.a" -nt "$user" ] || ! [ "$from/libuser.a" -nt "$from/librekeylab_driver.rlib" ]; then
        "${RUSTC:-rustc}" --edition 2024 --crate-type staticlib -o "$from/libuser.a" "$user" \
            -C opt-level=3 -C codegen-units=1 -C overflow-checks=on -C lto=thin \
            -L "dependency=$from/deps" --extern "rekeylab_ddi=$from/librekeylab_ddi.rlib" \
            --extern "rekeylab_driver=$from/librekeylab_driver.rlib"
    fi
}

# Package by package before anything is linked, where no function is dropped or merged yet; then
# what a user links, where what is generic has its types.
"$TOOL" copy . "$PARTS/source"
compile . ships false
compile "$PARTS/source" without false
for package in rekeylab-driver rekeylab-cipher; do
    "$TOOL" compare "$package" "$PARTS"/{ships,without}/release/"lib${package//-/_}.rlib"
done
link . ships-linked
link "$PARTS/source" without-linked
"$TOOL" compare "a user with all it links" "$PARTS"/{ships,without}-linked/release/libuser.a

"$TOOL" copy . "$PARTS/source-with-one" "$LEFT_IN"
compile "$PARTS/source-with-one" with-one false
if noticed=$("$TOOL" compare rekeylab-driver "$PARTS"/{ships,with-one}/release/librekeylab_driver.rlib 2>&1); then
    printf '%s was left in the copy, and the code is still called identical\n' "$LEFT_IN" >&2
    exit 1
fi
case $noticed in
    *differs*) printf 'with %s left in, %s\n' "$LEFT_IN" "$noticed" ;;
    *) printf '%s\n' "$noticed" >&2; exit 1 ;;
esac
