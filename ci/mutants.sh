#!/usr/bin/env bash
# Changes the core in every small way that cargo-mutants knows, and sees whether the workbench notices.
#
#   ci/mutants.sh                     every mutant; writes the table into ci/MUTANTS.md
#   ci/mutants.sh --file src/driver/queue.rs     those of a file; the table is only printed
#   ci/mutants.sh --shard 0/8                    one part of eight
#
# Any option of `cargo mutants` will do. The judge is src/workbench/tests/judge and nothing else.
# An interrupted run goes on where it was, unless a file has changed meanwhile; that makes three
# seconds a mutant. A survivor must have its reason in ci/mutants-equivalent.txt, and every reason
# there its survivor; otherwise, and when fewer are noticed than SHARE_MIN asks for, it exits with 1.
set -euo pipefail

# What a program loads; not its symbols, in which the compiler numbers as it likes.
loaded_part() {
    objcopy --strip-all --remove-section .note.gnu.build-id "$1" "$2"
}

# What runs instead of the judge, with the judge and its arguments. A change that compiles to the
# same program, byte for byte, is none, and there is nothing to judge.
if [ "${1:-}" = --judge ]; then
    shift
    loaded_part "$1" "$MUTANTS_WORK/changed"
    if cmp -s "$MUTANTS_WORK/changed" "$MUTANTS_WORK/original"; then
        echo "$MUTANTS_SAME"
        exit 0
    fi
    # A mutant may allocate without end; 16 GiB of addresses are the arena's.
    ulimit -v $((20 << 20))
    exec "$@"
fi

. "$(dirname "$0")/lib.sh"

# Of a hundred mutants that are another program, so many must be caught.
SHARE_MIN=97
# Seconds after which a judge is thought never to end; it takes about one.
JUDGE_SECONDS=20
# Seconds after which all judges together are thought never to end; they take half an hour.
WHOLE_SECONDS=86400

work=$(dirname "$TOOLS")/mutants
tree=$work/tree
reasons=ci/mutants-equivalent.txt
export CARGO_TARGET_DIR=$work/target
# Nobody reads a backtrace here, and linking is much of the time.
export CARGO_PROFILE_DEV_DEBUG=false RUST_BACKTRACE=0
# All of the three packages is in the judge, called or not, so that a change of what nobody calls is
# another program: one object each, nothing left to whoever might inline it, nothing left out.
export CARGO_INCREMENTAL=1 RUSTFLAGS="-C link-dead-code"
whole=()
for package in driver cipher ddi; do
    whole+=("--config=profile.dev.package.rekeylab-$package.codegen-units=1")
done
export MUTANTS_WORK=$work MUTANTS_SAME="the same program as without the change"

# What is changed is a copy, in one place for ever, so that nothing is compiled twice. What differs
# is copied with the time of now, because cargo believes in times.
copy_tree() {
    mkdir -p "$tree"
    git ls-files -z --cached --others --exclude-standard | sort -z >"$work/files"
    (cd "$tree" && find . -type f -printf '%P\0') | sort -z |
        comm -z -13 "$work/files" - | (cd "$tree" && xargs -0 -r rm)
    while IFS= read -r -d '' file; do
        if [ -e "$file" ] && ! cmp -s "$file" "$tree/$file"; then
            mkdir -p "$tree/$(dirname "$file")"
            cp "$file" "$tree/$file"
        fi
    done <"$work/files"
}

# Everything that a verdict depends on: the sources, and not what is said about them.
fingerprint() {
    (cd "$tree" && find . -type f ! -name '*.md' ! -path "./$reasons" -print0 | sort -z |
        xargs -0 sha256sum && rustc -V) | sha256sum
}

# Compiles the judge of the unchanged core, keeps it to compare with, and hears that it is content.
prepare_the_judge() {
    local program
    # A run that was broken off may have left half of something.
    rm -rf "$CARGO_TARGET_DIR/debug/incremental"
    touch "$tree"/src/{ddi,cipher,driver,keysan,workbench}/lib.rs
    program=$(cd "$tree" && bounded "$STEP_SECONDS" cargo test --quiet --no-run "${whole[@]}" \
        --package rekeylab --test judge --message-format json | sed -n 's/.*"executable":"\([^"]*judge[^"]*\)".*/\1/p')
    [ -n "$program" ]
    loaded_part "$program" "$work/original"
    (cd "$tree/src/workbench" && bounded "$STEP_SECONDS" "$program" --quiet)
}

# mutate OUT OPTIONS...: 2 and 3 say that some survived, or did not end, which is told later.
mutate() {
    local out=$1 status=0
    shift
    bounded "$WHOLE_SECONDS" cargo mutants --dir "$tree" --in-place \
        --config ci/mutants.toml --output "$out" --no-times \
        --package rekeylab-driver --package rekeylab-cipher --package rekeylab-ddi \
        --baseline skip --timeout "$JUDGE_SECONDS" \
        --cargo-arg "--config=target.'cfg(all())'.runner=['$tree/ci/mutants.sh','--judge']" \
        "${whole[@]/#/--cargo-arg=}" "$@" || status=$?
    [ "$status" = 0 ] || [ "$status" = 2 ] || [ "$status" = 3 ]
}

# collect OUT: brings OUT/verdicts up to date, one mutant a line with what became of it before it.
collect() {
    local out=$1 kind log
    touch "$out/verdicts"
    [ -d "$out/mutants.out" ] || return 0
    {
        cat "$out/verdicts"
        for kind in caught unviable timeout missed; do
            sed "s/^/$kind\t/" "$out/mutants.out/$kind.txt"
        done
        (grep -lrFx "$MUTANTS_SAME" "$out/mutants.out/log" || true) | while read -r log; do
            sed -n '1,5s/^\*\*\* \(src\/.*\)/same\t\1/p' "$log"
        done
    } | awk -F'\t' '{ what[$2] = $1 } END { for (name in what) print what[name] "\t" name }' |
        sort -t "$(printf '\t')" -k 2 >"$out/verdicts.new"
    mv "$out/verdicts.new" "$out/verdicts"
}

# The survivors and the reasons, compared by name without line and column: what is wrong, a line each.
compare_with_reasons() {
    (diff <(sed -n 's/:[0-9]*:[0-9]*: /: /; s/^missed\t//p' "$1" | sort) \
        <(sed '/^#/d; /^$/d; s/\t.*//' "$reasons" | sort) || true) |
        sed -n 's/^< /survives without a reason: /p; s/^> /has a reason and does not survive: /p'
}

# percent PART WHOLE, with one decimal, rounded down.
percent() {
    local thousandths=$(($2 ? 1000 * $1 / $2 : 1000))
    printf '%d.%d' $((thousandths / 10)) $((thousandths % 10))
}

# count KIND FOLDER FILE: how many of the mutants below a folder of src/ are of a kind.
count() {
    grep -c "^$1.*src/$2" "$3" || true
}

# row NAME FOLDER VERDICTS COMPARED: how the mutants below a folder fared.
row() {
    local name=$1 noticed survived unexplained other
    noticed=$(($(count caught "$2" "$3") + $(count timeout "$2" "$3")))
    survived=$(count missed "$2" "$3")
    unexplained=$(count "survives without a reason" "$2" "$4")
    other=$((noticed + survived))
    printf '| %s | %d | %d | %d | %d | %d | %d | %d | %d | %s %% | %s %% |\n' "$name" \
        "$(count '' "$2" "$3")" "$(count unviable "$2" "$3")" "$(count same "$2" "$3")" "$other" \
        "$(count caught "$2" "$3")" "$(count timeout "$2" "$3")" \
        $((survived - unexplained)) "$unexplained" \
        "$(percent "$noticed" "$other")" "$(percent "$noticed" $((noticed + unexplained)))"
}

# table VERDICTS COMPARED
table() {
    cat <<'END'
| package | mutants | do not compile | same program | other program | caught | do not end | survive with a reason | survive | noticed | noticed but for those with a reason |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
END
    for package in driver cipher ddi; do row "\`$package\`" "$package/" "$@"; done
    row "together" "" "$@"
}

# document VERDICTS COMPARED: the whole of ci/MUTANTS.md.
document() {
    cat <<'END'
# Mutants nobody chose

Written by `ci/mutants.sh`, which changes the core in every small way that cargo-mutants knows. The
workbench alone judges each change: the corpus, every sequence of a few calls and a short campaign,
in one program, `src/workbench/tests/judge`. No test of the changed packages runs.

END
    table "$@"
    cat <<'END'

- *Same program*: the compiler makes the same program of it, byte for byte, although all code of the
  three packages is in it, called or not: it changes nothing, such as `|` to `^` between numbers that
  share no bit.
- *Do not end*: ended by the time limit, and counted as noticed.
- What is left out, and why, is written in `ci/mutants.toml`.

## Survivors

Each stands in `ci/mutants-equivalent.txt`; the script fails when one is missing there, and when one
does not survive any more.

| mutant | why nothing can be noticed |
|---|---|
END
    sed '/^#/d; /^$/d; s/|/\\|/g; s/^/| `/; s/\t/` | /; s/$/ |/' "$reasons"
}

mkdir -p "$work"
# Held by all that is started from here, also when this script is gone.
exec 9>"$work/lock"
if ! flock --nonblock 9; then
    echo "another run is under way in $work" >&2
    exit 1
fi
install_tool cargo-mutants "$CARGO_MUTANTS_VERSION"
step "copy the tree" copy_tree
step "the judge is content with the core as it is" prepare_the_judge

out=$work/whole resume=()
if [ $# -gt 0 ]; then out=$work/part; fi
if [ $# = 0 ] && [ "$(cat "$out/fingerprint" 2>/dev/null)" = "$(fingerprint)" ]; then
    collect "$out"
    resume=(--iterate)
else
    rm -rf "$out"
    mkdir -p "$out"
    fingerprint >"$out/fingerprint"
fi
trap 'collect "$out"' EXIT
step "judge the mutants" mutate "$out" "${resume[@]}" "$@"
collect "$out"

if grep -lrq "linking with" "$out/mutants.out/log"; then
    echo "a judge could not be linked; see $out/mutants.out/log" >&2
    exit 1
fi
compare_with_reasons "$out/verdicts" >"$out/compared"
if [ $# -gt 0 ]; then
    # Of a part nobody knows which reasons have lost their survivor.
    sed -i '/does not survive/d' "$out/compared"
else
    document "$out/verdicts" "$out/compared" >ci/MUTANTS.md
fi
printf '\n'
table "$out/verdicts" "$out/compared"
if [ -s "$out/compared" ]; then
    printf '\n'
    cat "$out/compared"
    exit 1
fi
noticed=$(($(count caught "" "$out/verdicts") + $(count timeout "" "$out/verdicts")))
if [ $((100 * noticed)) -lt $((SHARE_MIN * (noticed + $(count missed "" "$out/verdicts")))) ]; then
    printf '\nfewer than %d %% are noticed\n' "$SHARE_MIN"
    exit 1
fi
