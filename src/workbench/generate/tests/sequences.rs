//! What grows from a seed, and what the parts of the search do.

use std::collections::BTreeSet;

use rekeylab_ddi::Limits;

use crate::generate::ending::{append_ending, ending_max, tables};
use crate::generate::options::SMALL_LIMITS;
use crate::generate::sketch::Sketch;
use crate::generate::*;
use crate::sequence::argument::Boundaries;
use crate::sequence::tests::*;
use crate::sequence::*;

fn sequences(options: &SearchOptions) -> impl Iterator<Item = CallSequence> {
    (0..400).map(|seed| generate_from_seed(seed, options))
}

/// The share of calls for which something holds, in percent; it sees the sketch before the call.
fn percent(
    options: &SearchOptions,
    of: impl Fn(&Call) -> bool,
    holds: impl Fn(&Sketch, &Call) -> bool,
) -> usize {
    let (mut all, mut good) = (0, 0);
    for sequence in sequences(options) {
        let mut sketch = Sketch::default();
        for call in &sequence.calls {
            if of(call) {
                all += 1;
                good += usize::from(holds(&sketch, call));
            }
            sketch.note(call);
        }
    }
    good * 100 / all
}

fn is_alive(sketch: &Sketch, call: &Call) -> bool {
    let slot = call.session().map(|session| session.slot);
    slot.and_then(|slot| sketch.session(slot)).is_some_and(|index| sketch.sessions[index].is_alive)
}

const PLAIN: SearchOptions = SearchOptions {
    limits: SMALL_LIMITS,
    product_limits: PRODUCT_LIMITS,
    calls_min: 24,
    calls_max: 48,
    misdirection: false,
    boundaries: false,
    dependencies: true,
    repetition: false,
    ending: false,
    feedback: false,
};

#[test]
fn a_seed_gives_the_same_sequence_everywhere() {
    let sequence = generate_from_seed(1, &SearchOptions::default());
    assert_eq!(sequence, generate_from_seed(1, &SearchOptions::default()));
    assert_ne!(sequence, generate_from_seed(2, &SearchOptions::default()));
    assert_eq!(hash(&SequenceText::from(sequence).to_string()), 15_208_205_679_838_772_191);
}

#[test]
fn lengths_stay_within_the_options() {
    let lens = |options: &SearchOptions| -> BTreeSet<usize> {
        sequences(options).map(|sequence| sequence.calls.len()).collect()
    };
    let endless = SearchOptions { ending: false, boundaries: false, ..SearchOptions::default() };
    let plain = lens(&SearchOptions { repetition: false, ..endless });
    assert_eq!((plain.first(), plain.last()), (Some(&24), Some(&48)));
    let ended = lens(&SearchOptions { repetition: false, ..SearchOptions::default() });
    assert!(ended.first() > Some(&26) && ended.last() > Some(&55), "{ended:?}");
    // The closing is one call more.
    assert!(ended.last() <= Some(&(49 + ending_max(&SMALL_LIMITS))), "{ended:?}");
    let repeated = lens(&endless);
    assert!(repeated.first() == Some(&24) && repeated.last() > Some(&80), "{repeated:?}");
    let huge = SearchOptions { calls_min: u32::MAX, calls_max: u32::MAX, ..PLAIN };
    assert_eq!(generate_from_seed(1, &huge).calls.len(), CALLS_MAX);
}

#[test]
fn going_on_appends_to_what_there_is_and_fits_it() {
    let start = sequence("create-device\ncreate-session d0\nexchange-key s0");
    let (mut rng, mut starts) = (rng(3), 0);
    for _ in 0..3000 {
        let mut longer = start.clone();
        go_on(&mut rng, &SearchOptions::default(), &mut longer);
        assert_eq!(longer.calls[..3], start.calls);
        assert!((4..=CALLS_MAX).contains(&longer.calls.len()), "{}", longer.calls.len());
        let is_start = |call: &Call| matches!(call, Call::StartRefresh { .. });
        starts += usize::from(longer.calls[3..].iter().take(4).any(is_start));
    }
    assert!(starts > 1000, "{starts}");
}

#[test]
fn an_ending_fills_a_table_that_was_used_before() {
    let start = sequence("create-device\ncreate-session d0");
    let (mut rng, mut kinds) = (rng(4), BTreeSet::new());
    for _ in 0..300 {
        let (mut sketch, mut calls) = (Sketch::default(), Vec::new());
        sketch.draw(&start.calls);
        append_ending(&mut rng, &SMALL_LIMITS, &mut sketch, &mut calls);
        assert!(calls.len() <= ending_max(&SMALL_LIMITS), "{}", calls.len());
        let full = calls.iter().scan(start.calls.clone(), |before, call| {
            before.push(*call);
            sketch.draw(before);
            let open = sketch.devices.iter().filter(|&&is_open| is_open).count();
            let alive = sketch.sessions.iter().filter(|session| session.is_alive).count();
            Some(open >= tables(&SMALL_LIMITS).0 || alive >= tables(&SMALL_LIMITS).1)
        });
        assert!(full.into_iter().any(|is_full| is_full));
        kinds.extend(calls.iter().map(Call::kind));
    }
    assert_eq!(kinds.len(), 4);
}

#[test]
fn now_and_then_a_call_is_made_again_at_once() {
    let twice = |options: &SearchOptions| {
        let is_finish = |call: &&Call| matches!(call, Call::FinishRefresh { .. });
        let pairs = |sequence: CallSequence| {
            let pairs = sequence.calls.windows(2).filter(|pair| pair[0] == pair[1]);
            pairs.filter(|pair| is_finish(&&pair[0])).count()
        };
        sequences(options).map(pairs).sum::<usize>()
    };
    let (once, again) = (twice(&PLAIN), twice(&SearchOptions { repetition: true, ..PLAIN }));
    assert!(again > 2 * once, "{once} {again}");
}

#[test]
fn most_calls_are_aimed_at_the_living_and_some_at_the_dead() {
    let of = |call: &Call| call.session().is_some();
    let options = SearchOptions { misdirection: true, ..PLAIN };
    let share = percent(&options, of, is_alive);
    assert!((70..95).contains(&share), "{share}");
    let share = percent(&SearchOptions { dependencies: false, ..PLAIN }, of, is_alive);
    assert!(share < 70, "{share}");
}

#[test]
fn only_misdirection_goes_through_other_devices() {
    let of = |call: &Call| call.session().is_some();
    let is_via = |_: &Sketch, call: &Call| call.session().is_some_and(|s| s.via.is_some());
    assert_eq!(percent(&PLAIN, of, is_via), 0);
    let share = percent(&SearchOptions::default(), of, is_via);
    assert!((3..10).contains(&share), "{share}");
}

#[test]
fn most_buffers_carry_a_rising_iv() {
    let of = |call: &Call| matches!(call, Call::SubmitBuffer { .. });
    let rises = |sketch: &Sketch, call: &Call| match *call {
        Call::SubmitBuffer { session, iv, .. } => {
            let session = sketch.session(session.slot).map(|index| sketch.sessions[index]);
            session.is_none_or(|session| iv >= session.next_iv)
        }
        _ => false,
    };
    assert_eq!(percent(&PLAIN, of, rises), 100);
    let share = percent(&SearchOptions::default(), of, rises);
    assert!((65..90).contains(&share), "{share}");
}

#[test]
fn most_finishes_complete_a_refresh() {
    let of = |call: &Call| matches!(call, Call::FinishRefresh { .. });
    let completes = |sketch: &Sketch, call: &Call| {
        let index = call.session().and_then(|session| sketch.session(session.slot));
        index.is_some_and(|index| sketch.sessions[index].is_pending)
    };
    let share = percent(&PLAIN, of, completes);
    assert!(share > 60, "{share}");
}

#[test]
fn every_boundary_value_is_reached_and_none_without_the_option() {
    let lens = |options: &SearchOptions| -> BTreeSet<u32> {
        let calls = sequences(options).flat_map(|sequence| sequence.calls);
        calls
            .filter_map(|call| match call {
                Call::SubmitBuffer { len, .. } => Some(len),
                _ => None,
            })
            .collect()
    };
    let reached = lens(&SearchOptions::default());
    let near = Boundaries::BufferLen;
    let near = (0..near.count()).map(|index| near.at(index, &SMALL_LIMITS));
    let is_reached = |len: u64| u32::try_from(len).is_ok_and(|len| reached.contains(&len));
    assert!(near.clone().all(is_reached), "{reached:?}");
    assert_eq!(lens(&PLAIN), BTreeSet::from([16, 32, 48, 64]));
}

#[test]
fn every_kind_of_call_is_generated() {
    let kinds: BTreeSet<CallKind> = sequences(&SearchOptions::default())
        .flat_map(|sequence| sequence.calls)
        .map(|call| call.kind())
        .collect();
    assert_eq!(kinds.len(), CallKind::ALL.len());
}

#[test]
fn a_driver_without_bounds_has_sequences_too() {
    for max in [0, 1, u32::MAX] {
        let limits = Limits {
            devices_max: max,
            sessions_max: max,
            generations_max: max,
            queue_commands_max: max,
            buffer_len_max: max,
            queue_len_max: max,
            block_alignment: max,
            ..SMALL_LIMITS
        };
        let options = SearchOptions::within(limits);
        let mut rng = rng(3);
        for mut sequence in sequences(&options) {
            assert!(sequence.calls.len() <= CALLS_MAX);
            mutate(&mut sequence, &mut rng, &limits.into(), CALLS_MAX);
        }
    }
    // Many buffers of one byte, which no driver has: the most that a queue could be said to hold.
    let limits = Limits { buffer_len_max: 1, queue_len_max: u32::MAX, ..SMALL_LIMITS };
    assert!(sequences(&SearchOptions::within(limits)).all(|it| it.calls.len() <= CALLS_MAX));
}
