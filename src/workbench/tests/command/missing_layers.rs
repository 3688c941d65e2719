//! A layer that a command looks into, and cannot look into here, is no pass.

use rekeylab::observation::Layer;

use crate::harness::{CLEAN, Desk, Ran, WRONG};

/// Address space, in KiB, that has no room for an arena.
const NO_ARENA: u32 = 250_000;

/// Address space that has room for one arena.
const ONE_ARENA: u32 = 900_000;

/// Address space that has room for a small row of arenas, and not for the usual one.
const SOME: u32 = 2_621_440;

fn within(desk: &Desk, address_space: u32, line: &str) -> Ran {
    desk.run_in_a_shell(&format!("ulimit -v {address_space}; exec \"$0\" \"$@\""), line)
}

/// Each command without an arena: what it ends with, and whether it says what is missing.
#[test]
fn every_command_that_looks_into_the_heap_hears_that_it_did_not() {
    let desk = Desk::new();
    desk.file("clean.seq", CLEAN);
    desk.file("wrong.seq", WRONG);
    for (line, code, is_told) in [
        ("run clean.seq", 5, true),
        ("run clean.seq --allow-missing heap,homes,differential", 0, true),
        ("run clean.seq --allow-missing heap --allow-missing homes", 5, true),
        ("run wrong.seq", 3, true),
        ("run missing.seq", 2, true),
        ("replay clean.seq --jobs 1", 5, true),
        ("replay clean.seq --jobs 1 --allow-missing heap,homes,differential", 0, true),
        ("hygiene clean.seq", 5, true),
        ("hygiene clean.seq --allow-missing heap,homes,differential", 0, true),
        // These do not look there.
        ("exhaust --depth 3 --jobs 1", 0, false),
        ("show clean.seq", 0, false),
    ] {
        let ran = within(&desk, NO_ARENA, line);
        assert_eq!(ran.code, code, "{line}: {ran:?}");
        let told = "not looked into on this machine, or in this program: heap, homes, differential";
        assert_eq!(ran.err.contains(told), is_told, "{line}: {ran:?}");
        let way_out = "to accept that: --allow-missing ";
        assert_eq!(ran.err.contains(way_out), is_told && !line.contains("heap,homes"), "{line}");
    }
}

/// Each command, and the layers that it looks into: it ends with 5 without one of them, and names it,
/// and hears nothing of the others.
#[cfg(feature = "faults")]
#[test]
fn every_command_without_each_layer() {
    use rekeylab::observation::Layers;

    let desk = Desk::new();
    desk.file("clean.seq", CLEAN);
    for (line, looks_into) in [
        ("run clean.seq", Layers::ALL),
        ("replay clean.seq --jobs 1", Layers::ALL),
        ("hygiene clean.seq", Layers::ALL),
        ("minimize clean.seq", Layers::ALL),
        ("canary finish-keeps-random --executions 10", Layers::ALL),
        ("exhaust --depth 2 --jobs 1", Layers::FAST),
        // It reads all memory of the process, whatever layers there are.
        ("audit clean.seq", Layers::NONE),
        ("show clean.seq", Layers::NONE),
        ("list codes", Layers::NONE),
    ] {
        for layer in Layer::ALL {
            let ran = desk.run_where(&[("REKEYLAB_WITHOUT_LAYERS", layer.name())], line);
            let is_missing = looks_into.has(layer);
            let code = if is_missing { 5 } else { 0 };
            assert_eq!(ran.code, code, "{line} without {layer}: {ran:?}");
            let told = format!("not looked into on this machine, or in this program: {layer}\n");
            let way_out = format!("to accept that: --allow-missing {layer}\n");
            for words in [told, way_out] {
                assert_eq!(ran.err.contains(&words), is_missing, "{line} without {layer}: {ran:?}");
            }
            if is_missing && !line.starts_with("minimize") {
                let accepting = format!("{line} --allow-missing {layer}");
                let ran = desk.run_where(&[("REKEYLAB_WITHOUT_LAYERS", layer.name())], &accepting);
                assert_eq!(ran.code, 0, "{accepting}: {ran:?}");
            }
        }
    }
}

/// A finding is a finding, whatever could not be looked into.
#[test]
fn what_is_broken_is_told_whatever_is_missing() {
    let desk = Desk::new();
    desk.file("wrong.seq", WRONG);
    for layer in Layer::ALL {
        for line in ["run wrong.seq", "replay wrong.seq"] {
            let ran = desk.run_where(&[("REKEYLAB_WITHOUT_LAYERS", layer.name())], line);
            assert_eq!(ran.code, 3, "{line} without {layer}: {ran:?}");
        }
    }
}

#[test]
fn a_layer_that_there_is_not_cannot_be_left_out() {
    let ran = Desk::new().run_where(&[("REKEYLAB_WITHOUT_LAYERS", "heaps")], "list codes");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("there is no layer \"heaps\""), "{ran:?}");
}

#[test]
fn a_limit_on_address_space_that_leaves_some_leaves_the_arena_too() {
    let desk = Desk::new();
    desk.file("clean.seq", CLEAN);
    let ran = within(&desk, SOME, "run clean.seq");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let ran = within(&desk, SOME, "replay clean.seq --jobs 4");
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// Every file is looked into like all others, or named, whichever thread it came to.
#[test]
fn a_thread_that_gets_no_arena_is_no_pass() {
    let desk = Desk::new();
    (0..64).for_each(|number| drop(desk.file(&format!("{number}.seq"), CLEAN)));
    let ran = within(&desk, ONE_ARENA, "replay . --jobs 2");
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.text().contains("held, but not looked into: heap, homes, differential"), "{ran:?}");
    let ran = within(&desk, ONE_ARENA, "replay . --jobs 2 --allow-missing heap,homes,differential");
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_layer_that_there_is_not_cannot_be_accepted() {
    let ran = Desk::new().run("run clean.seq --allow-missing heaps");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("freed-heap"), "{ran:?}");
}
