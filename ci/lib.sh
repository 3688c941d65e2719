# What the scripts in ci/ share. Sourced, not run.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=versions.env
. ci/versions.env

# Pinned tools live in the target folder and go with it.
TOOLS=${CARGO_TARGET_DIR:-target}/tools
case $TOOLS in /*) ;; *) TOOLS=$PWD/$TOOLS ;; esac
PATH=$TOOLS/bin:$PATH
export PATH

# step TEXT COMMAND...: says what runs; names what failed and how to run it alone.
step() {
    local text=$1
    shift
    printf '\n== %s\n' "$text"
    if ! "$@"; then
        printf '\nFAILED: %s\n  run it alone: %s\n' "$text" "$*" >&2
        exit 1
    fi
}

# install_tool CRATE VERSION: installs a pinned subcommand of cargo unless this very version is there.
install_tool() {
    local crate=$1 version=$2 found
    found=$(cargo "${crate#cargo-}" --version 2>/dev/null || true)
    if [ "${found##* }" != "$version" ]; then
        step "install $crate $version into ${TOOLS#"$PWD"/}" \
            cargo install --quiet --locked --root "$TOOLS" --version "$version" "$crate"
    fi
}
