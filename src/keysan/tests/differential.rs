//! A word is a finding exactly if it follows the key and not the payload.

use keysan::differential::{
    Cause, Compared, Departure, Following, Follows, Misaligned, Recording, Shape, compare,
    compare_repeated,
};
use keysan::{SecretSet, heap};

/// Looks into what recordings free.
#[global_allocator]
static ALLOCATOR: heap::ScanningAllocator = heap::ScanningAllocator::new();

/// Records given as region and words.
fn recording(records: &[(u32, &[u64])]) -> Recording {
    let mut recording = Recording::new();
    for (region, words) in records {
        recording.record(*region, words);
    }
    recording
}

fn followed(runs: &[Recording; 3]) -> Result<(Compared, Vec<Following>), Misaligned> {
    let mut followed = Vec::new();
    let [base, other_key, other_payload] = runs;
    let compared = compare(base, other_key, other_payload, &mut |found| followed.push(found))?;
    Ok((compared, followed))
}

/// One word in three runs, and whether it is to be found.
fn check_word(words: [u64; 3], expected: Compared) {
    let runs = words.map(|word| recording(&[(4, &[word])]));
    let (compared, followed) = followed(&runs).expect("the shapes are the same");
    assert_eq!(compared, Compared { words: 1, ..expected });
    let found = Following { region: 4, record: 0, word: 0, words: 1, follows: Follows::Key };
    assert_eq!(followed, vec![found; expected.by_key]);
}

#[test]
fn only_a_word_that_follows_the_key_alone_is_a_finding() {
    let nothing = Compared::default();
    check_word([5, 5, 5], nothing);
    check_word([5, 6, 5], Compared { by_key: 1, ..nothing });
    check_word([5, 5, 6], Compared { by_payload: 1, ..nothing });
    check_word([5, 6, 6], Compared { by_both: 1, ..nothing });
    check_word([5, 6, 7], Compared { by_both: 1, ..nothing });
    check_word([0, 1 << 63, 0], Compared { by_key: 1, ..nothing });
}

#[test]
fn neighbouring_words_are_one_finding_and_records_are_kept_apart() {
    let base = recording(&[(1, &[0; 200]), (2, &[0; 3])]);
    let same = recording(&[(1, &[0; 200]), (2, &[0; 3])]);
    let mut changed = [0; 200];
    for word in [0, 10, 11, 62, 63, 64, 65, 199] {
        changed[word] = 9;
    }
    let other_key = recording(&[(1, &changed), (2, &[9, 0, 9])]);
    let (compared, followed) = followed(&[base, other_key, same]).expect("the same shape");
    let found = |record, word, words| Following {
        region: record + 1,
        record,
        word,
        words,
        follows: Follows::Key,
    };
    assert_eq!(
        followed,
        [
            found(0, 0, 1),
            found(0, 10, 2),
            found(0, 62, 4),
            found(0, 199, 1),
            found(1, 0, 1),
            found(1, 2, 1),
        ]
    );
    assert_eq!((compared.words, compared.by_key), (203, 10));
}

#[test]
fn an_excused_word_is_no_finding_and_still_shows_that_the_key_was_used() {
    let run = |key| {
        let mut run = recording(&[(1, &[key, 0, key]), (2, &[key])]);
        run.excuse(0..1);
        run
    };
    let (compared, found) = followed(&[run(1), run(2), run(1)]).expect("the same shape");
    assert_eq!(
        found,
        [0, 2].map(|word| Following {
            region: 1,
            record: 0,
            word,
            words: 1,
            follows: Follows::Key
        })
    );
    assert_eq!((compared.words, compared.excused, compared.excused_by_key), (3, 1, 1));

    let home_only = |key| {
        let mut run = recording(&[(1, &[0, key, key, 0])]);
        run.excuse(1..2);
        run.excuse(1..3);
        run
    };
    let (compared, found) =
        followed(&[home_only(1), home_only(2), home_only(1)]).expect("the same shape");
    assert_eq!(found, []);
    assert_eq!((compared.words, compared.excused, compared.excused_by_key), (2, 2, 2));
    assert!(compared.is_conclusive());
}

#[test]
fn a_comparison_in_which_nothing_follows_the_key_is_void() {
    let runs = [1, 1, 2].map(|word| recording(&[(1, &[word, 7])]));
    assert!(!followed(&runs).expect("the same shape").0.is_conclusive());
    let nothing = [(); 3].map(|()| Recording::new());
    assert!(!followed(&nothing).expect("the same shape").0.is_conclusive());
    let ciphertext = [1, 2, 3].map(|word| recording(&[(1, &[word])]));
    assert!(followed(&ciphertext).expect("the same shape").0.is_conclusive());
}

/// Three runs of which some part from the base.
fn check_misaligned(runs: [Recording; 3], cause: Cause, first_record: u32) -> Misaligned {
    let misaligned = followed(&runs).expect_err("the shapes differ");
    assert_eq!((misaligned.cause(), misaligned.first_record()), (cause, first_record));
    misaligned
}

#[test]
fn a_shape_that_follows_the_key_is_told_apart_from_one_that_follows_the_payload() {
    let long = || recording(&[(1, &[0]), (2, &[0, 0])]);
    let short = || recording(&[(1, &[0]), (2, &[0])]);
    let first = || recording(&[(1, &[]), (2, &[0, 0])]);
    check_misaligned([long(), short(), long()], Cause::Key, 1);
    check_misaligned([long(), long(), short()], Cause::Payload, 1);
    check_misaligned([long(), short(), short()], Cause::Unclear, 1);
    check_misaligned([long(), short(), first()], Cause::Unclear, 0);
}

#[test]
fn a_departure_says_in_which_record_and_what_is_different() {
    let base = || recording(&[(1, &[0]), (2, &[0, 0])]);
    let mut excused = base();
    excused.excuse(1..2);
    let departure = |record, region, shape| Departure { record, region, shape };
    let departures = [
        (recording(&[(1, &[0])]), departure(1, Some(2), Shape::Records)),
        (recording(&[(1, &[0]), (2, &[0, 0]), (2, &[])]), departure(2, None, Shape::Records)),
        (recording(&[(3, &[0]), (2, &[0, 0])]), departure(0, Some(1), Shape::Region)),
        (recording(&[(1, &[0]), (2, &[0])]), departure(1, Some(2), Shape::Words)),
        (excused, departure(1, Some(2), Shape::Excuses)),
    ];
    for (other_key, expected) in departures {
        let misaligned = check_misaligned([base(), other_key, base()], Cause::Key, expected.record);
        assert_eq!(misaligned.with_other_key, Some(expected));
        assert_eq!(misaligned.with_other_payload, None);
    }
}

#[test]
fn a_misalignment_is_told_in_a_sentence() {
    let runs = [recording(&[(1, &[0])]), Recording::new(), recording(&[(1, &[0])])];
    let misaligned = check_misaligned(runs, Cause::Key, 0);
    assert_eq!(
        misaligned.to_string(),
        "what was recorded changes its shape with the key, from record 0 on"
    );
}

#[test]
fn a_recording_is_used_again_without_a_trace_of_the_last_run() {
    let mut runs = [(); 3].map(|()| recording(&[(9, &[1, 2, 3]), (8, &[4])]));
    for (run, word) in runs.iter_mut().zip([5, 6, 5]) {
        run.excuse(0..1);
        run.clear();
        assert!(run.is_empty());
        run.record_with(1, |into| into.push(word));
    }
    let (compared, found) = followed(&runs).expect("the same shape");
    assert_eq!(
        found,
        [Following { region: 1, record: 0, word: 0, words: 1, follows: Follows::Key }]
    );
    assert_eq!((compared.words, compared.excused), (1, 0));
}

#[test]
#[should_panic(expected = "an excuse lies within its record")]
fn an_excuse_outside_its_record_is_refused() {
    recording(&[(1, &[0, 0, 0]), (2, &[0])]).excuse(0..2);
}

#[test]
#[should_panic(expected = "a record is appended to the recording")]
fn a_writer_that_takes_words_away_is_refused() {
    recording(&[(1, &[0])]).record_with(2, Vec::clear);
}

/// What is freed while `call` works on recordings that hold a key.
fn check_nothing_of_a_key_is_freed(call: impl FnOnce(&[u64])) {
    const KEY: u128 = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b;
    let mut set = SecretSet::new();
    set.register(&KEY.to_le_bytes(), 7).expect("an empty set has room");
    #[expect(clippy::cast_possible_truncation, reason = "a key is two words")]
    let words = [KEY as u64, (KEY >> 64) as u64];
    heap::watch(&set, || call(&words));
    let report = heap::take_report(|freed| panic!("{freed:?}"));
    assert!(report.frees > 0 && report.is_clean());
}

#[test]
fn a_recording_frees_no_word_that_it_has_not_wiped() {
    check_nothing_of_a_key_is_freed(|key| drop(recording(&[(1, key), (2, key)])));
    check_nothing_of_a_key_is_freed(|key| {
        let mut growing = Recording::new();
        (0..1000).for_each(|region| growing.record(region, key));
    });
    check_nothing_of_a_key_is_freed(|key| {
        let mut roomy = Recording::new();
        roomy.make_room(2 * key.len());
        for region in 0..2 {
            roomy.record_with(region, |into| into.extend_from_slice(key));
        }
    });
}

#[test]
fn a_recording_that_is_large_enough_allocates_nothing() {
    let mut recording = Recording::new();
    let mut run = || {
        recording.clear();
        for region in 0..50 {
            recording.record(region, &[1; 40]);
            recording.excuse(3..5);
        }
    };
    run();
    heap::watch(&SecretSet::new(), run);
    assert_eq!(heap::take_report(|_| {}).allocations, 0);
}

#[test]
fn a_recording_shows_nothing_of_its_words() {
    let shown = format!("{:?}", recording(&[(1, &[77])]));
    assert_eq!(shown, "Recording { records: 1, .. }");
}

/// A generator whose stream is always the same.
fn random_words(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn random_recordings_are_judged_word_by_word() {
    for seed in 1..200_u64 {
        let mut random = random_words(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut runs = [(); 3].map(|()| Recording::new());
        let mut expected = Vec::new();
        for record in 0..u32::try_from(random() % 5).expect("below 5") {
            let len = usize::try_from(random() % 300).expect("below 300");
            let mut words = vec![[0; 3]; len];
            for (place, word) in words.iter_mut().enumerate() {
                // Few different values, so that every case of the truth table comes up.
                *word = [(); 3].map(|()| if random() % 16 < 12 { 0 } else { random() % 3 });
                let [base, other_key, other_payload] = *word;
                if base != other_key && base == other_payload {
                    expected.push((record, u32::try_from(place).expect("below 300")));
                }
            }
            for (which, run) in runs.iter_mut().enumerate() {
                run.record_with(record * 10, |into| into.extend(words.iter().map(|w| w[which])));
            }
        }
        let (compared, found) = followed(&runs).expect("the same shape");
        let each_word = |run: &Following| {
            let record = run.record;
            (run.word..run.word + run.words).map(move |word| (record, word))
        };
        assert_eq!(found.iter().flat_map(each_word).collect::<Vec<_>>(), expected, "seed {seed}");
        assert_eq!(compared.by_key, expected.len(), "seed {seed}");
    }
}

#[test]
fn what_changes_by_itself_follows_nothing() {
    let recorded = |words: &[u64]| {
        let mut recording = Recording::new();
        recording.record(0, words);
        recording
    };
    // A counter that goes round: the same again in the third run.
    let (base, other_key) = (recorded(&[10, 1]), recorded(&[138, 2]));
    let (other_payload, again) = (recorded(&[10, 1]), recorded(&[138, 1]));
    let mut followed = Vec::new();
    let compared = compare_repeated(&base, &again, &other_key, &other_payload, &mut |seen| {
        followed.push(seen.word);
    });
    assert_eq!(followed, [1]);
    assert_eq!(compared.unwrap().by_time, 1);
    let longer = recorded(&[10, 1, 0]);
    assert!(compare_repeated(&base, &longer, &base, &base, &mut |_| {}).is_err());
}
