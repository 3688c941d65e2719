//! The store as a whole: what is noted is there, stores merge, damage is told and mended.

use std::fs;

use super::*;

/// A fingerprint made of a number.
pub(super) fn fingerprint(number: u16) -> Fingerprint {
    format!("0000-{number:04x}").parse().unwrap()
}

fn origin(build: &str) -> Origin {
    Origin { build: Build::named(build), machine: "m".to_owned(), lane: "l".to_owned() }
}

fn sighted(number: u16) -> Sighted<'static> {
    Sighted {
        fingerprint: fingerprint(number),
        invariant: "double-finish",
        happened: "it answered ok",
        text: "# rekeylab sequence 1\nd0 = create-device\n",
        path: None,
    }
}

fn tried(shown: u32, votes: u32, build: &str) -> Body {
    Body::Tried { shown, votes, origin: origin(build) }
}

fn state(store: &Store) -> Option<State> {
    let bugs = store.bugs().unwrap();
    bugs.first().and_then(|bug| bug.state(Moment::now()))
}

#[test]
fn a_bug_goes_through_its_states() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let id = fingerprint(1);
    store.note_sighted("core", &sighted(1), &origin("a")).unwrap();
    assert_eq!(state(&store), Some(State::New));
    store.note("core", id, tried(3, 3, "a+debug")).unwrap();
    assert_eq!(state(&store), Some(State::New), "nothing was changed");
    store.note("core", id, tried(3, 3, "b")).unwrap();
    assert_eq!(state(&store), Some(State::Known));
    store.note("core", id, tried(0, 0, "c")).unwrap();
    assert_eq!(state(&store), Some(State::Known), "no run could tell");
    store.note("core", id, tried(0, 3, "c")).unwrap();
    assert_eq!(state(&store), Some(State::Fixed));
    store.note("core", id, tried(3, 3, "d")).unwrap();
    assert_eq!(state(&store), Some(State::Regressed));
    store.note("core", id, tried(1, 3, "e")).unwrap();
    assert_eq!(state(&store), Some(State::Regressed));
    store.note("core", id, tried(0, 3, "e")).unwrap();
    assert_eq!(state(&store), Some(State::Flaky));
    assert_eq!(store.events_of("core", id).unwrap().len(), 8);
    let bug = &store.bugs().unwrap()[0];
    assert_eq!((bug.invariant.as_str(), bug.seen_count), ("double-finish", 1));
}

#[test]
fn a_bug_is_ignored_until_the_date_and_is_then_as_it_would_have_been() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.note_sighted("core", &sighted(1), &origin("a")).unwrap();
    let until: Moment = "2100-01-01".parse().unwrap();
    let ignored = |until| Body::Ignored { by: "me".to_owned(), why: "so".to_owned(), until };
    store.note("core", fingerprint(1), ignored(Some(until))).unwrap();
    store.note("core", fingerprint(1), tried(3, 3, "b")).unwrap();
    let bug = store.bugs().unwrap().remove(0);
    let at = |time: &str| bug.state(time.parse().unwrap());
    assert_eq!(at("2099-12-31T23:59:59.999999999Z"), Some(State::Ignored));
    assert_eq!(at("2100-01-01"), Some(State::Known));
    store.note("core", fingerprint(1), ignored(None)).unwrap();
    assert_eq!(state(&store), Some(State::Ignored));
    store.note("core", fingerprint(1), Body::Unignored { by: "me".to_owned() }).unwrap();
    assert_eq!(state(&store), Some(State::Known));
}

#[test]
fn a_bug_that_is_forgotten_stays_away_until_a_search_sees_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.note_sighted("core", &sighted(1), &origin("a")).unwrap();
    let before = store.events().unwrap();
    store.note("core", fingerprint(1), Body::Forgotten {}).unwrap();
    assert!(store.bugs().unwrap().is_empty());
    store.take_in(&before).unwrap();
    store.note("core", fingerprint(1), tried(3, 3, "b")).unwrap();
    assert!(store.bugs().unwrap().is_empty());
    store.note_sighted("core", &sighted(1), &origin("b")).unwrap();
    assert_eq!(state(&store), Some(State::New));
}

#[test]
fn bugs_of_one_driver_are_not_those_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    for driver in ["core", "mine"] {
        store.note_sighted(driver, &sighted(1), &origin("a")).unwrap();
    }
    store.note("mine", fingerprint(1), tried(0, 3, "b")).unwrap();
    let states: Vec<_> =
        store.bugs().unwrap().iter().map(|bug| bug.state(Moment::now()).unwrap()).collect();
    assert_eq!(states, [State::New, State::Fixed]);
}

#[test]
fn duplicates_are_told_with_one_bug_even_when_two_stores_say_the_opposite() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    for number in 1..=4 {
        store.note_sighted("core", &sighted(number), &origin("a")).unwrap();
    }
    // 3 is 2 and 2 is 3; 4 is 3, and so 2; 1 is one that is not there.
    for (it, of) in [(3, 2), (2, 3), (4, 3), (1, 9)] {
        let body = Body::DuplicateOf { of: fingerprint(of) };
        store.note("core", fingerprint(it), body).unwrap();
    }
    let roots: Vec<_> = told_with(&store.bugs().unwrap()).into_values().collect();
    assert_eq!(roots, [1, 2, 2, 2].map(fingerprint));
}

/// A store in a folder of its own with some bugs, each event of which is its own.
fn a_store(numbers: core::ops::Range<u16>) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    for number in numbers {
        store.note_sighted("core", &sighted(number), &origin("a")).unwrap();
        store.note("core", fingerprint(number), tried(number.into(), 3, "b")).unwrap();
    }
    (folder, store)
}

#[test]
fn merging_loses_nothing_and_neither_order_nor_repetition_matters() {
    let (_a_folder, mut a) = a_store(0..3);
    let (_b_folder, mut b) = a_store(2..5);
    let (of_a, of_b) = (a.events().unwrap(), b.events().unwrap());
    let taken = a.take_in(&of_b).unwrap();
    assert_eq!((taken.new_count, taken.known_count), (6, 0));
    b.take_in(&of_a).unwrap();
    assert_eq!(a.export().unwrap(), b.export().unwrap());
    assert_eq!(a.bugs().unwrap(), b.bugs().unwrap());
    assert_eq!(a.events().unwrap().len(), of_a.len() + of_b.len());
    let before = a.export().unwrap();
    let taken = a.take_in(&of_b).unwrap();
    assert_eq!((taken.new_count, taken.known_count), (0, 6));
    assert_eq!(a.export().unwrap(), before);
}

#[test]
fn a_store_is_read_again_from_its_lines_and_from_its_file() {
    let (folder, store) = a_store(0..3);
    let lines = folder.path().join("lines");
    fs::write(&lines, store.export().unwrap()).unwrap();
    for path in [lines.as_path(), store.path()] {
        let (_other_folder, mut other) = a_store(0..0);
        other.take_in(&read_events(path).unwrap()).unwrap();
        assert_eq!(other.export().unwrap(), store.export().unwrap(), "{path:?}");
    }
    fs::write(&lines, store.export().unwrap().replacen("it answered ok", "nothing", 1)).unwrap();
    let error = read_events(&lines).unwrap_err().to_string();
    assert!(error.contains("lines:1: the event has the id \""), "{error}");
}

#[test]
fn what_is_noted_later_is_told_later_whatever_the_clock_says() {
    let (_folder, mut store) = a_store(0..1);
    let mut event = store.events().unwrap().pop().unwrap();
    event.time = "2200-01-01".parse().unwrap();
    store.take_in(&[event.with_id()]).unwrap();
    let noted = store.note("core", fingerprint(0), Body::Forgotten {}).unwrap();
    assert_eq!(noted.time.to_string(), "2200-01-01T00:00:00.000000001Z");
    assert_eq!(store.events_of("core", fingerprint(0)).unwrap().last(), Some(&noted));
}

#[test]
fn a_store_that_is_not_there_begins_with_the_reproducers_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("double-finish");
    fs::create_dir(&below).unwrap();
    let text = "# rekeylab sequence 1\n# double-finish: it answered ok\n# expected: a refusal\n\
                d0 = create-device\n";
    fs::write(below.join("finish-5f0c-91ab.seq"), text).unwrap();
    fs::write(below.join("note.seq"), text).unwrap();
    let bugs = Store::open(folder.path()).unwrap().bugs().unwrap();
    let [bug] = &bugs[..] else { panic!("{bugs:?}") };
    assert_eq!((bug.driver.as_str(), bug.invariant.as_str()), ("core", "double-finish"));
    assert_eq!((bug.happened.as_str(), bug.text.as_deref()), ("it answered ok", Some(text)));
    assert_eq!(bug.file.as_deref(), Some("double-finish/finish-5f0c-91ab.seq"));
    let again = rebuild(folder.path(), CORE).unwrap();
    assert_eq!((again.salvaged_count, again.adopted_count), (1, 0));
    assert_eq!(again.store.bugs().unwrap(), bugs);
    drop(again);
    // Of another driver, also when its store is lost, and an export that was put in its place is read.
    fs::remove_file(folder.path().join(FILE_NAME)).unwrap();
    let store = Store::open_of(folder.path(), "the vendor's driver").unwrap();
    assert_eq!(store.bugs().unwrap()[0].driver, "the vendor's driver");
    let exported = store.export().unwrap();
    drop(store);
    fs::remove_file(folder.path().join(FILE_NAME)).unwrap();
    let again = rebuild(folder.path(), "the vendor's driver").unwrap();
    assert_eq!(again.store.bugs().unwrap()[0].driver, "the vendor's driver");
    drop(again);
    fs::write(folder.path().join(FILE_NAME), exported).unwrap();
    assert_eq!(rebuild(folder.path(), CORE).unwrap().salvaged_count, 1);
}

#[test]
fn a_damaged_store_is_told_left_alone_and_rebuilt_from_what_can_be_read() {
    let (folder, mut store) = a_store(0..1);
    // As many as fill many pages, without waiting for the disk each time.
    let event = store.events().unwrap().remove(0);
    let number = |number| Event { number, ..event.clone() }.with_id();
    store.take_in(&(0..800).map(number).collect::<Vec<_>>()).unwrap();
    let path = store.path().to_owned();
    drop(store);
    let whole = fs::read(&path).unwrap();
    let mut broken = whole.clone();
    // Pages in the middle, and half a file.
    broken[100_000..140_000].fill(0xA5);
    for damaged in [&broken[..], &whole[..whole.len() / 2], b"no database at all, but long enough"]
    {
        fs::write(&path, damaged).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.way_out().unwrap().contains("--rebuild"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "it is as it was");
        let rebuilt = rebuild(folder.path(), CORE).unwrap();
        let moved_to = rebuilt.moved_to.unwrap();
        assert_eq!(fs::read(&moved_to).unwrap(), damaged, "nothing of it is lost");
        assert_eq!(rebuilt.store.events().unwrap().len(), rebuilt.salvaged_count);
        let is_much = damaged.len() < 100 || rebuilt.salvaged_count > 100;
        assert!(is_much, "{} of 800 events", rebuilt.salvaged_count);
    }
    assert!(folder.path().join("findings.sqlite.damaged-3").exists());
}

#[test]
fn a_new_store_is_one_for_all_who_open_it_at_once() {
    for _ in 0..25 {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| Store::open(folder.path()).unwrap());
            }
        });
    }
}

#[test]
fn many_who_write_at_once_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let path = folder.path();
            scope.spawn(move || {
                let mut store = Store::open(path).unwrap();
                for _ in 0..25 {
                    store.note_sighted("core", &sighted(number), &origin("a")).unwrap();
                }
            });
        }
    });
    let bugs = Store::open(folder.path()).unwrap().bugs().unwrap();
    let counts: Vec<_> = bugs.iter().map(|bug| bug.seen_count).collect();
    assert_eq!(counts, [25; 4]);
}
