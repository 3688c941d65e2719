//! Secrets in statics and thread-locals are found, with name and offset.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use keysan::statics::{RegionKind, StaticSighting, Statics};
use keysan::{SecretSet, heap};

/// Counts what a scan allocates.
#[global_allocator]
static ALLOCATOR: heap::ScanningAllocator = heap::ScanningAllocator::new();

const SECRET: [u8; 16] = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();

/// Knows the secret as 7, and its own canary.
fn set_with_secret() -> SecretSet {
    let mut set = SecretSet::new();
    set.register(&SECRET, 7).expect("a set with one secret has room");
    set
}

fn named(name: &str) -> Statics {
    let name = format!("statics::{name}");
    let statics = Statics::of_symbols(|symbol| symbol.starts_with(&name)).expect("has symbols");
    assert_eq!(statics.regions().len(), 1, "{name}");
    statics
}

/// What a scan sees; the first sighting is the one with the lowest offset.
fn sighted(statics: &Statics) -> Vec<StaticSighting> {
    let mut sighted = Vec::new();
    let looked =
        statics.scan_every_byte(&set_with_secret(), &mut |sighting| sighted.push(sighting));
    assert_eq!(looked.canaries, Statics::CANARIES);
    assert_eq!(looked.bytes, statics.regions().map(|region| region.len()).sum());
    sighted
}

fn sighting(window: u8, offset: u32) -> StaticSighting {
    StaticSighting { tag: 7, window, region: 0, offset }
}

/// Writes bytes of the secret to a place in a static.
///
/// The optimiser removes variables that are only written to, unless somebody unknown may read them.
fn plant(place: &[AtomicU8], secret: &[u8]) {
    for (place, byte) in black_box(place).iter().zip(secret) {
        place.store(*byte, Ordering::Relaxed);
    }
}

static IN_BSS: [AtomicU8; 1000] = [const { AtomicU8::new(0) }; 1000];
static INITIALISED: [AtomicU8; 40] = [const { AtomicU8::new(3) }; 40];

#[test]
fn a_secret_in_a_static_is_found_at_its_offset() {
    for (name, place) in [("IN_BSS", &IN_BSS[..]), ("INITIALISED", &INITIALISED[..])] {
        let statics = named(name);
        let region = statics.regions().next().expect("there is one");
        assert_eq!((region.name(), region.len()), (&*format!("statics::{name}"), place.len()));
        assert_eq!(region.kind(), RegionKind::Static);
        assert_eq!(sighted(&statics), []);
        plant(&place[21..], &SECRET);
        let expected: Vec<_> =
            (0..9).map(|window| sighting(window, 21 + u32::from(window))).collect();
        assert_eq!(sighted(&statics), expected);
        plant(&place[21..], &[0; 16]);
        assert_eq!(sighted(&statics), []);
    }
}

static EVERYWHERE: [AtomicU8; 1100] = [const { AtomicU8::new(0) }; 1100];

#[test]
fn eight_bytes_of_a_secret_are_found_at_every_place_of_a_static() {
    let statics = named("EVERYWHERE");
    for offset in 0..=EVERYWHERE.len() - 8 {
        plant(&EVERYWHERE[offset..], &SECRET[5..13]);
        let expected = sighting(5, u32::try_from(offset).expect("small"));
        assert_eq!(sighted(&statics), [expected]);
        plant(&EVERYWHERE[offset..], &[0; 8]);
    }
}

static LARGE: [AtomicU8; 70_001] = [const { AtomicU8::new(0) }; 70_001];

#[test]
fn a_whole_secret_is_found_at_every_place_of_a_large_static() {
    let statics = named("LARGE");
    for offset in (0..3000).chain(LARGE.len() - 40..=LARGE.len() - 16) {
        plant(&LARGE[offset..], &SECRET);
        let first = *sighted(&statics).first().expect("a whole secret is seen");
        assert_eq!(first.offset as usize, offset + usize::from(first.window));
        plant(&LARGE[offset..], &[0; 16]);
    }
}

thread_local! {
    static OF_THREAD: Cell<[u8; 24]> = const { Cell::new([0; 24]) };
    static MADE_LATE: Cell<[u8; 24]> = Cell::new([u8::from(std::env::args().len() == 1); 24]);
}

#[test]
fn a_secret_in_a_thread_local_is_found_by_the_thread_it_belongs_to() {
    let statics = named("OF_THREAD");
    let region = statics.regions().next().expect("there is one");
    assert_eq!((region.kind(), region.len()), (RegionKind::ThreadLocal, 24));
    assert_eq!(sighted(&statics), []);
    OF_THREAD.with(|place| _ = black_box(place));
    let mut holder = [0; 24];
    holder[3..19].copy_from_slice(&SECRET);
    OF_THREAD.set(holder);
    assert_eq!(sighted(&statics).first(), Some(&sighting(0, 3)));
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(sighted(&statics), []));
    });
    OF_THREAD.set([0; 24]);
    assert_eq!(sighted(&statics), []);
}

#[test]
fn a_thread_local_that_is_made_late_is_found_too() {
    let statics =
        Statics::of_symbols(|name| name.starts_with("statics::MADE_LATE")).expect("found");
    assert_eq!(sighted(&statics), []);
    let mut holder = [0; 24];
    holder[8..].copy_from_slice(&SECRET);
    MADE_LATE.set(holder);
    assert_eq!(sighted(&statics).len(), 9);
    MADE_LATE.set([0; 24]);
}

/// A static in a generic function.
fn counted<T>(value: T) -> T {
    static IN_GENERIC: AtomicU64 = AtomicU64::new(0);
    IN_GENERIC.fetch_add(1, Ordering::Relaxed);
    value
}

#[test]
fn a_static_inside_a_function_or_a_closure_bears_their_name() {
    let in_closure = || {
        static IN_CLOSURE: AtomicU64 = AtomicU64::new(0);
        IN_CLOSURE.fetch_add(1, Ordering::Relaxed)
    };
    black_box(in_closure());
    black_box(counted(5));
    let inside = Statics::of_symbols(|name| {
        name.ends_with("::IN_GENERIC") || name.ends_with("::IN_CLOSURE")
    })
    .expect("has symbols");
    let mut names: Vec<_> = inside.regions().map(|region| region.name()).collect();
    names.sort_unstable();
    // How the closure itself is called depends on the mangling.
    let own = "statics::a_static_inside_a_function_or_a_closure_bears_their_name::{";
    assert!(names[0].starts_with(own) && names[0].ends_with("}::IN_CLOSURE"), "{}", names[0]);
    assert_eq!(names[1..], ["statics::counted::IN_GENERIC"]);
}

static TABLE: [u64; 4] = [1, 2, 3, 4];
static RELOCATED: &[&str] = &["a", "b"];

#[test]
fn what_cannot_be_written_to_is_left_out() {
    black_box((&TABLE, &RELOCATED));
    let statics = Statics::of_symbols(|name| {
        name.starts_with("statics::TABLE") || name.starts_with("statics::RELOCATED")
    });
    assert_eq!(statics.expect("has symbols").regions().len(), 0);
}

#[test]
fn no_statics_under_test_is_no_error_and_still_proves_that_it_looked() {
    let statics = Statics::of_symbols(|_| false).expect("has symbols");
    assert_eq!(statics.regions().len(), 0);
    assert_eq!(sighted(&statics), []);
    assert_eq!(statics.word_count(), 0);
}

#[test]
fn every_static_of_the_program_can_be_read() {
    let statics = Statics::of_symbols(|_| true).expect("has symbols");
    assert!(statics.regions().any(|region| region.kind() == RegionKind::ThreadLocal));
    let mut words = Vec::new();
    statics.words(&mut words);
    assert_eq!(words.len(), statics.word_count());
}

#[test]
fn a_scan_allocates_nothing() {
    let statics = Statics::of_symbols(|_| true).expect("has symbols");
    let set = set_with_secret();
    heap::watch(&set, || statics.scan(&set, &mut |_| {}));
    assert_eq!(heap::take_report(|_| {}).allocations, 0);
}

static FIRST_WORDS: [AtomicU8; 17] = [const { AtomicU8::new(0x11) }; 17];
static LAST_WORDS: [AtomicU64; 100] = [const { AtomicU64::new(0) }; 100];

#[test]
fn words_are_those_of_the_regions_and_their_places_are_known() {
    black_box((&FIRST_WORDS, &LAST_WORDS));
    for (word, place) in (0..).zip(&LAST_WORDS) {
        place.store(word, Ordering::Relaxed);
    }
    let statics =
        Statics::of_symbols(|name| ["statics::FIRST_WORDS", "statics::LAST_WORDS"].contains(&name))
            .expect("has symbols");
    let mut words = Vec::new();
    statics.words(&mut words);
    assert_eq!((words.len(), statics.word_count()), (103, 103));
    let expected = |name: &str, offset: usize| match name {
        "statics::FIRST_WORDS" if offset == 16 => 0x11,
        "statics::FIRST_WORDS" => 0x1111_1111_1111_1111,
        _ => offset as u64 / 8,
    };
    for (index, word) in words.iter().enumerate() {
        let (region, offset) = statics.place_of_word(index).expect("a word has a place");
        assert_eq!(*word, expected(region.name(), offset), "{} {offset}", region.name());
    }
    assert!(statics.place_of_word(103).is_none());
}

#[test]
fn a_scan_of_words_finds_every_whole_secret_and_every_byte_also_its_parts() {
    let statics = Statics::of_symbols(|name| name.ends_with("::WORDS")).unwrap();
    let place = |words: [u64; 4]| {
        WORDS.iter().zip(words).for_each(|(place, word)| place.store(word, Ordering::Relaxed));
    };
    let counts = || {
        let (mut by_words, mut by_bytes) = (0, 0);
        let set = set_with_secret();
        let looked = statics.scan(&set, &mut |_| by_words += 1);
        assert_eq!(looked.canaries, Statics::CANARIES);
        let looked = statics.scan_every_byte(&set, &mut |_| by_bytes += 1);
        assert_eq!(looked.canaries, Statics::CANARIES);
        (by_words, by_bytes)
    };
    let (low, high) = SECRET.split_at(8);
    let [low, high] = [low, high].map(|half| u64::from_ne_bytes(*half.first_chunk().unwrap()));
    place([0, low, high, 0]);
    assert_eq!(counts(), (2, 9));
    // Eight bytes of it, four bytes off.
    place([low << 32, low >> 32, 0, 0]);
    assert_eq!(counts(), (0, 1));
    place([0; 4]);
    assert_eq!(counts(), (0, 0));
}

static WORDS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
