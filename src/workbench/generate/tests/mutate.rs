//! Mutation is bounded, deterministic, and reaches everything.

use std::collections::BTreeSet;

use crate::generate::sketch::Sketch;
use crate::generate::*;
use crate::sequence::tests::*;
use crate::sequence::*;

#[test]
fn mutations_are_bounded_and_the_same_everywhere() {
    let run = || {
        let mut rng = rng(7);
        let mut sequence = CallSequence::default();
        let mut digest = 0_u64;
        for round in 0..10_000_usize {
            let calls_max = round % 70;
            mutate(&mut sequence, &mut rng, &LimitsAt::CORE, calls_max);
            assert!(sequence.calls.len() <= calls_max);
            digest = digest.rotate_left(1) ^ hash(&lines(&sequence));
        }
        digest
    };
    let digest = run();
    assert_eq!(digest, run());
    assert_eq!(digest, 16_344_298_953_773_759_855);
}

#[test]
fn any_sequence_can_be_mutated() {
    let mut rng = rng(8);
    for _ in 0..3_000 {
        let mut sequence = any_sequence(&mut rng, 40);
        mutate(&mut sequence, &mut rng, &LimitsAt::CORE, 40);
        assert!(sequence.calls.len() <= 40);
    }
    let mut longest = CallSequence { calls: vec![Call::CreateDevice; CALLS_MAX + 5] };
    mutate(&mut longest, &mut rng, &LimitsAt::CORE, usize::MAX);
    assert!(longest.calls.len() <= CALLS_MAX);
}

#[test]
fn nearly_every_mutation_changes_something() {
    let mut rng = rng(9);
    let original = generate_from_seed(1, &SearchOptions::default());
    let changed = (0..1000).filter(|_| {
        let mut sequence = original.clone();
        mutate(&mut sequence, &mut rng, &LimitsAt::CORE, 64);
        sequence != original
    });
    assert!(changed.count() > 900);
}

#[test]
fn mutation_alone_reaches_every_kind_and_every_word() {
    let mut rng = rng(10);
    let mut sequence = CallSequence::default();
    let (mut kinds, mut words) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..20_000 {
        mutate(&mut sequence, &mut rng, &LimitsAt::CORE, 32);
        for call in &sequence.calls {
            kinds.insert(call.kind());
            words.extend(call.to_string().split(' ').skip(1).filter_map(|argument| {
                let word = argument.rsplit('=').next()?;
                word.starts_with(|c: char| c.is_alphabetic() && c != 's' && c != 'd')
                    .then(|| argument.to_owned())
            }));
        }
    }
    assert_eq!(kinds.len(), CallKind::ALL.len());
    for expected in ["blob=null", "blob=corrupt", "null=iv", "null=buffer", "type=unknown"] {
        assert!(words.contains(expected), "{expected} {words:?}");
    }
    for fault in EntropyFault::ALL {
        assert!(words.contains(fault.word()), "{}", fault.word());
    }
}

#[test]
fn an_inserted_start_often_brings_its_finish() {
    let mut rng = rng(11);
    let original = sequence("create-device\ncreate-session d0\nexchange-key s0");
    let (mut starts, mut finishes) = (0, 0);
    for _ in 0..5_000 {
        let mut sequence = original.clone();
        mutate(&mut sequence, &mut rng, &LimitsAt::CORE, 64);
        let mut kinds = sequence.calls.iter().map(Call::kind);
        if kinds.any(|kind| kind == CallKind::StartRefresh) {
            starts += 1;
            finishes += usize::from(kinds.any(|kind| kind == CallKind::FinishRefresh));
        }
    }
    assert!(finishes * 5 > starts * 2, "{finishes} of {starts}");
}

#[test]
fn sequences_under_long_mutation_stay_meaningful() {
    let mut rng = rng(12);
    let (mut aimed, mut alive) = (0, 0);
    for seed in 0..200 {
        let mut sequence = generate_from_seed(seed, &SearchOptions::default());
        for _ in 0..20 {
            mutate(&mut sequence, &mut rng, &LimitsAt::CORE, 48);
        }
        let mut sketch = Sketch::default();
        for call in &sequence.calls {
            if let Some(session) = call.session() {
                aimed += 1;
                let index = sketch.session(session.slot);
                alive += usize::from(index.is_some_and(|index| sketch.sessions[index].is_alive));
            }
            sketch.note(call);
        }
    }
    // The dead are aimed at on purpose, most of all just after their death.
    assert!(alive * 100 > aimed * 50, "{alive} of {aimed}");
}
