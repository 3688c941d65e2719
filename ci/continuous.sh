#!/usr/bin/env bash
# A long run, to be repeated for ever: restore the working set, fuzz, save what is learnt, trim.
#
#   ci/continuous.sh [DURATION] [STORE] [OPTION...]
#     DURATION   how long to fuzz, such as 4h; 1h by default
#     STORE      a folder that outlives the machine, for the working set and the findings;
#                without it both stay in fuzz/
#     OPTION     anything else that `rekeylab continuous --help` names
#
# Exits with what the command exits with: 3 when something was found; the reproducers are in
# fuzz/findings (and in STORE). A signal reaches the command itself, which ends its workers.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

options=(--time "${1:-1h}")
if [ -n "${2:-}" ]; then options+=(--archive "$2"); fi
exec cargo run --quiet --release -- continuous "${options[@]}" "${@:3}"
