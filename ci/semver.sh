#!/usr/bin/env bash
# Whether keysan's public API is still what its version promises to strangers: compared with a revision, nothing is
# gone or changed that code of theirs may use, unless the version has been raised accordingly.
#
#   ci/semver.sh [BASE]    compares with where HEAD left BASE: a branch, a tag or a commit
#
# BASE is by default the last tag of a release, v1.2.3, since that is what strangers have; without one origin/main; and
# if HEAD is not ahead of that, the commit before HEAD. What is compared is what lies in the folder, committed or not.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

given=${1:-}
if [ -z "$given" ]; then
    given=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true)
fi
if [ -z "$given" ] && git rev-parse --quiet --verify 'origin/main^{commit}' >/dev/null; then
    given=origin/main
fi
base=$(git merge-base "${given:-HEAD}" HEAD) || {
    printf '%s is no revision that HEAD comes from; a checkout without history has none\n' "$given" >&2
    exit 1
}
if [ $# = 0 ] && [ "$base" = "$(git rev-parse HEAD)" ]; then base=$(git rev-parse HEAD~1); fi

install_tool cargo-semver-checks "$CARGO_SEMVER_CHECKS_VERSION"
step "keysan's API keeps what it promised at $(git log -1 --format='%h (%s)' "$base")" \
    cargo semver-checks --package keysan --baseline-rev "$base"
