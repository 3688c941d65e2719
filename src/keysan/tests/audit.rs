//! The audit sees secrets wherever the process can write, and proves that it looked.

use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use keysan::SecretSet;
use keysan::audit::{AuditError, Audited, Class, audit};

/// The secret of each test is its own: the tests share a process, and all of it is looked at.
fn secret(test: u8) -> [u8; 16] {
    std::array::from_fn(|place| {
        let place = u8::try_from(place).expect("below 16");
        (place ^ test).wrapping_mul(0x6d).wrapping_add(0x35) ^ place.wrapping_mul(place)
    })
}

/// Knows the canary, and the secret as 7. The secret is not left anywhere else.
fn set_with(secret: &mut [u8; 16]) -> SecretSet {
    let mut set = SecretSet::new();
    set.register(secret, 7).expect("a set with one secret has room");
    set
}

type Found = Vec<(u32, u8, String, usize)>;

fn look(
    set: &SecretSet,
    exclude: impl AsRef<[Range<usize>]>,
) -> Result<(Audited, Found), AuditError> {
    let mut found = Vec::new();
    let audited = audit(set, exclude.as_ref(), &mut |s| {
        found.push((s.tag, s.window, s.mapping.to_owned(), s.offset));
    })?;
    Ok((audited, found))
}

fn range_of(bytes: &[u8]) -> Range<usize> {
    let range = bytes.as_ptr_range();
    range.start.addr()..range.end.addr()
}

/// How many windows are seen of what lies at `place`: those seen with it, less those without it.
fn windows_at(set: &SecretSet, place: &[u8]) -> usize {
    let with = look(set, []).expect("looks").1.len();
    let without = look(set, [range_of(place)]).expect("looks").1.len();
    with - without
}

#[test]
fn a_secret_in_a_heap_block_is_seen_at_every_offset() {
    let mut bytes = secret(1);
    let set = set_with(&mut bytes);
    let mut block = vec![0u8; 300_000];
    for offset in [0, 1, 4093, 65_533, 131_072, 299_984] {
        block[offset..offset + 16].copy_from_slice(&bytes);
        assert_eq!(windows_at(&set, black_box(&block)), 9, "offset {offset}");
        block[offset..offset + 16].fill(0);
    }
    assert_eq!(windows_at(&set, black_box(&block)), 0);
}

#[test]
fn every_window_is_seen_once_across_the_pieces_that_are_read() {
    /// A copy and a zero, so that the pieces end at all places of a copy.
    const PERIOD: usize = 17;
    let mut bytes = secret(7);
    let set = set_with(&mut bytes);
    let mut block = vec![0u8; 100_000 * PERIOD];
    for copy in block.chunks_exact_mut(PERIOD) {
        copy[..16].copy_from_slice(&bytes);
    }
    let (range, mut seen) = (range_of(black_box(&block)), 0);
    audit(&set, &[], &mut |_| seen += 1).expect("looks");
    audit(&set, &[range], &mut |_| seen -= 1).expect("looks");
    assert_eq!(seen, 9 * 100_000);
    block.fill(0);
    black_box(block);
}

#[test]
fn what_is_excluded_in_any_order_is_not_looked_at() {
    let mut bytes = secret(8);
    let set = set_with(&mut bytes);
    let mut block = vec![0u8; 4000];
    for place in [100, 1200, 3000] {
        block[place..place + 16].copy_from_slice(&bytes);
    }
    let part = |part: Range<usize>| range_of(&black_box(&block)[part]);
    let count = |exclude: &[Range<usize>]| look(&set, exclude).expect("looks").1.len();
    let all = count(&[]);
    assert_eq!(count(&[part(2000..4000), part(1000..2000), part(0..1000)]), all - 27);
    assert_eq!(count(&[part(2000..4000), part(0..1000)]), all - 18);
    assert_eq!(count(&[part(2000..4000), part(0..104)]), all - 9 - 4);
}

#[test]
fn a_sighting_says_where_in_its_mapping_it_is() {
    let mut bytes = secret(9);
    let set = set_with(&mut bytes);
    let mut block = vec![0u8; 1000];
    block[500..516].copy_from_slice(&bytes);
    let place = range_of(&black_box(&block)[500..]).start;
    let maps = std::fs::read_to_string("/proc/self/maps").expect("can be read");
    let starts = maps.lines().map(|line| {
        let start = line.split('-').next().expect("an address");
        usize::from_str_radix(start, 16).expect("an address")
    });
    let start = starts.filter(|start| *start <= place).max().expect("the block is mapped");
    let found = look(&set, []).expect("looks").1;
    let is_it = |found: &(u32, u8, String, usize)| found.1 == 3 && found.3 == place - start + 3;
    assert!(found.iter().any(is_it), "{found:?}");
}

#[test]
fn memory_that_nobody_touched_is_passed_over() {
    let untouched = Vec::<u8>::with_capacity(1 << 30);
    let audited = look(&set_with(&mut secret(10)), []).expect("looks").0;
    assert!(audited.bytes < 1 << 29, "{audited:?}");
    black_box(untouched);
}

static IN_STATIC: [AtomicU8; 40] = [const { AtomicU8::new(0) }; 40];

#[test]
fn a_secret_in_a_static_is_seen_in_the_mapping_of_the_program() {
    let mut bytes = secret(2);
    let set = set_with(&mut bytes);
    let program = std::env::current_exe().expect("runs from a file");
    let program =
        program.file_name().and_then(|name| name.to_str()).expect("plain name").to_owned();
    let in_program = || {
        let found = look(&set, []).expect("looks").1;
        // A large .bss goes on in a mapping without a name; this one is small.
        found.iter().filter(|(_, _, mapping, _)| *mapping == program).count()
    };
    assert_eq!(in_program(), 0);
    for (place, byte) in black_box(&IN_STATIC)[5..].iter().zip(bytes) {
        place.store(byte, Ordering::Relaxed);
    }
    assert_eq!(in_program(), 9);
    IN_STATIC.iter().for_each(|place| place.store(0, Ordering::Relaxed));
}

#[test]
fn a_secret_on_the_stack_is_seen() {
    let mut bytes = secret(3);
    let set = set_with(&mut bytes);
    let mut on_stack = [0u8; 64];
    on_stack[3..19].copy_from_slice(&bytes);
    assert_eq!(windows_at(&set, black_box(&on_stack)), 9);
}

#[test]
fn an_audit_counts_what_it_looked_at() {
    let (audited, found) = look(&set_with(&mut secret(4).map(|b| b ^ 0xff)), []).expect("looks");
    assert!(audited.canaries >= 27, "{audited:?}");
    assert!(audited.mappings > 3 && audited.bytes > 100_000, "{audited:?}");
    assert!(found.iter().all(|(tag, ..)| *tag == 7));
}

#[test]
fn an_audit_that_may_look_nowhere_is_an_error() {
    let set = set_with(&mut secret(5));
    let everything = 0..usize::MAX;
    let error = look(&set, [everything]).expect_err("everything is excluded");
    assert!(matches!(error, AuditError::DidNotLook { class: Class::Heap }), "{error}");
    assert_eq!(error.to_string(), "a canary in a heap block was not seen");
}

#[test]
fn an_audit_that_passes_over_the_stack_is_an_error() {
    let set = set_with(&mut secret(6));
    let here = (&raw const set).addr();
    let stack = here - 100_000..here + 10_000;
    let error = look(&set, [stack]).expect_err("the stack is excluded");
    assert!(matches!(error, AuditError::DidNotLook { class: Class::Stack }), "{error}");
}
