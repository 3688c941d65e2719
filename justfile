# What CI runs, under short names: each recipe calls a script of ci/ or a cargo command, and holds
# nothing of its own.

# What there is.
default:
    @just --list

# What is true of the source; on every change.
check:
    ci/check.sh

# What a pull request must pass; the options are those of `rekeylab gate`.
gate *options:
    ci/gate.sh {{options}}

# Both, as CI does.
ci:
    bash .ci/run

# The workspace with the oldest Rust, if it is installed.
msrv:
    ci/msrv.sh

# keysan's tests on AArch64, under an emulator, if there is all that it takes.
aarch64:
    ci/aarch64.sh

# keysan's public API, compared with where HEAD left a revision.
semver *base:
    ci/semver.sh {{base}}

# All memory after every sequence, and taint; every night.
audit *paths:
    ci/audit.sh {{paths}}

# Every small change of the core, judged by the workbench.
mutants *options:
    ci/mutants.sh {{options}}

# A long run that keeps its working set.
continuous *arguments:
    ci/continuous.sh {{arguments}}

# All tests, as README names them.
test:
    cargo test --workspace --features faults

# Fuzzes, for a minute unless an option says otherwise.
fuzz *options:
    cargo run --release -- fuzz {{options}}

# Formats everything in the workspace.
format:
    cargo fmt --all
