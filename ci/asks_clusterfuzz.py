"""What ClusterFuzz makes of our fuzz targets: its own engine searches, its own parser names what was found.

    asks_clusterfuzz.py FOLDER FAULT INVARIANT [FAULT INVARIANT]...

FOLDER has the fuzz targets as .clusterfuzzlite/build.sh makes them, with the planted faults. Each FAULT is planted
and searched for, and has to be found as a security bug of the type INVARIANT; what was found must reproduce, and no
two faults may be taken for one bug. The honest core has to be silent. Ends with 1 if anything is otherwise.

It needs the package `clusterfuzz`, whose name this file must not have; ci/clusterfuzz.sh brings it.
"""

import os
import re
import sys
import tempfile
from itertools import combinations

import clusterfuzz.environment
import clusterfuzz.fuzz
from clusterfuzz._internal.crash_analysis import crash_analyzer
from clusterfuzz._internal.crash_analysis.crash_comparer import CrashComparer
from clusterfuzz.stacktraces import StackParser

ENGINE = "libFuzzer"
TARGET = "call_sequence"
SECONDS = 60

failures = []


def check(holds, text):
    """Says what was looked at and whether it is so."""
    print(f"{'ok    ' if holds else 'FAILED'} {text}", flush=True)
    if not holds:
        failures.append(text)


def fuzz(target, fault, seconds):
    """Searches with the engine as ClusterFuzz starts it, with seeds, flags and words beside the target."""
    os.environ.pop("REKEYLAB_FAULT", None)
    if fault:
        os.environ["REKEYLAB_FAULT"] = fault
    with tempfile.TemporaryDirectory() as corpus, tempfile.TemporaryDirectory() as artifacts:
        with clusterfuzz.environment.Environment(ENGINE, "address", target) as environment:
            engine = clusterfuzz.fuzz.get_engine(ENGINE)
            options = engine.prepare(corpus, environment.target_path, environment.build_dir)
            options.merge_back_new_testcases = False
            options.analyze_dictionary = False
            result = engine.fuzz(target, options, artifacts, seconds)
            if not result.crashes:
                return None, result
            crash = result.crashes[0]
            again = engine.reproduce(target, crash.input_path, crash.reproduce_args, 30)
            return again, result


def told(stacktrace):
    """What ClusterFuzz tells of a crash: type, state, and whether it is about security."""
    crash = StackParser(fuzz_target=TARGET).parse(stacktrace)
    is_security = crash_analyzer.is_security_issue(
        crash.crash_stacktrace, crash.crash_type, crash.crash_address
    )
    return crash, is_security


def main():
    folder, *wanted = sys.argv[1:]
    target = os.path.join(os.path.abspath(folder), TARGET)
    names = clusterfuzz.fuzz.get_fuzz_targets(os.path.abspath(folder))
    check(target in names, f"{TARGET} is taken for a fuzz target, beside {len(names) - 1} others")

    again, result = fuzz(target, None, 10)
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", result.logs)
    check(again is None and runs, f"the honest core is silent for {runs and runs[1]} inputs")

    crashes = {}
    for fault, invariant in zip(wanted[::2], wanted[1::2]):
        again, result = fuzz(target, fault, SECONDS)
        check(again is not None, f"{fault} is found")
        if again is None:
            print(result.logs)
            continue
        crash, is_security = told(result.logs)
        expected = invariant.capitalize()
        check(crash.crash_type == expected, f"{fault} is of the type {crash.crash_type}")
        check(is_security, f"{fault} is about security")
        check(again.return_code != 0, f"{fault} reproduces")
        same, _ = told(again.output)
        is_same = CrashComparer(crash.crash_state, same.crash_state).is_similar()
        check(is_same and same.crash_type == crash.crash_type, f"{fault} is one bug when run again")
        print("       state: " + " / ".join(crash.crash_state.split()))
        crashes[fault] = crash
    for (one, a), (other, b) in combinations(crashes.items(), 2):
        is_similar = a.crash_type == b.crash_type and CrashComparer(a.crash_state, b.crash_state).is_similar()
        check(not is_similar, f"{one} and {other} are two bugs")
    return 1 if failures else 0


sys.exit(main())
