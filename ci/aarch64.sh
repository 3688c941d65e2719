#!/usr/bin/env bash
# Whether keysan, which strangers use on other machines too, works on AArch64 Linux: it is cross-compiled, and its
# tests run under an emulator of programs.
#
# Without the target's standard library, a linker or an emulator it says what is missing, how to install it, and exits
# with 0. It installs none, because a download of a toolchain should be somebody's decision.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

target=aarch64-unknown-linux-gnu
missing=()
has_std() { compgen -G "$(rustc --print target-libdir --target "$target")/libstd-*.rlib" >/dev/null; }
# A compiler that has nothing to link with answers the bare name.
has_linker() { [[ $(aarch64-linux-gnu-gcc -print-file-name=crt1.o 2>/dev/null) == */* ]]; }
if ! has_std; then missing+=("the standard library, \"rustup target add $target\" brings it"); fi
if ! has_linker; then
    missing+=("a linker and a C library, the Debian packages gcc-aarch64-linux-gnu and libc6-dev-arm64-cross bring them")
fi
emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)
if [ -z "$emulator" ]; then missing+=("an emulator, the Debian package qemu-user brings it"); fi
if [ ${#missing[@]} != 0 ]; then
    printf '\n== keysan on AArch64: NOT TRIED, there is not everything that it takes\n'
    printf 'missing: %s\n' "${missing[@]}"
    exit 0
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$emulator
# Where the emulator finds the dynamic linker and the C library.
export QEMU_LD_PREFIX=${QEMU_LD_PREFIX:-/usr/aarch64-linux-gnu}
# The test that is skipped starts its own program again, and a kernel that is not told of the emulator cannot. It is
# about AddressSanitizer, which is not in this build.
step "keysan's tests on AArch64" cargo test --quiet --locked --package keysan --target "$target" --no-fail-fast -- \
    --skip address_sanitizer_reports_reads_of_what_is_nobodys
