//! However a fault was found, minimising it ends in the same shortest form with the same
//! fingerprint, which no other fault has.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

#[cfg(unix)]
mod campaigning;
mod files;
mod instances;
mod planted;

use std::collections::BTreeMap;
use std::fmt::Write as _;

#[cfg(unix)]
use campaigning::Bench;
use files::File;
use instances::instances;
use keysan::heap::ScanningAllocator;
use planted::{alone, shortest_of, shortest_reproducers, with_fault};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rekeylab::Workbench;
use rekeylab::campaign::findings::Findings;
use rekeylab::drill::{layers_for, runs_alone};
use rekeylab::executor::core_with;
use rekeylab::observation::Trace;
use rekeylab::report::Fingerprint;
use rekeylab::sequence::{CallSequence, SequenceText};
use rekeylab_faults::Fault;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// The most runs that minimising a sequence of some 50 calls may take.
const RUNS_MAX: u64 = 8_500;

/// Faults of which the shortest form does not tell which of the two it shows: all that is seen is the
/// same, in every layer. What comes after it does.
const TWINS: &[(Fault, Fault)] = &[
    // Dropped without a wipe, or with one of a copy: either way the home is freed as it is. A finish
    // wipes the random number and drops nothing.
    (Fault::HomeDroppedUnwiped, Fault::WipeClearsACopy),
    // A second start is accepted; what it did with the first random number shows after a finish.
    (Fault::SecondStartReplacesRandom, Fault::SecondStartAccumulates),
    // A finish without a start is accepted; with what it XORed shows after a submission.
    (Fault::FinishWithoutStart, Fault::FinishWithoutStartXorsGarbage),
    // A used block is accepted again; only further ones, or earlier Counts, tell them apart.
    (Fault::CounterOverlapsByOne, Fault::CountIgnoredWithinIv),
    // After a reset a key is accepted; the status before it tells them apart.
    (Fault::LostSessionTakesKey, Fault::ResetUnkeysSessions),
];

#[test]
fn every_instance_of_a_fault_ends_in_its_shortest_form_with_its_own_fingerprint() {
    check(2, 0);
}

#[test]
#[ignore = "takes most of a minute where little is optimised; ci/gate.sh runs it with --release"]
fn every_one_of_twenty_instances_does_too() {
    check(20, 20);
}

#[test]
fn twins_look_the_same_to_the_last_byte_and_are_told_apart_by_what_follows() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let known: BTreeMap<Fault, File> = shortest_reproducers().into_iter().collect();
    for &(one, other) in TWINS {
        let mut shown = |fault: Fault| -> (Trace, Fingerprint) {
            with_fault(&mut workbench, fault, |workbench| {
                let sequence = known[&fault].parsed.sequence();
                let shortest = workbench.minimize_with(&sequence, layers_for(Some(fault))).unwrap();
                let fingerprint = fingerprint_of(workbench, &shortest);
                (workbench.trace().clone(), fingerprint)
            })
        };
        let (one_trace, one_fingerprint) = shown(one);
        let (other_trace, other_fingerprint) = shown(other);
        let names = format!("{} and {}", one.name(), other.name());
        assert!(one_trace == other_trace, "{names} are no twins any more");
        assert_ne!(one_fingerprint, other_fingerprint, "{names}");
    }
}

/// The fingerprint of what the sequence that was run last broke first.
fn fingerprint_of(workbench: &mut Workbench, sequence: &CallSequence) -> Fingerprint {
    let aftermath = workbench.aftermath(sequence);
    Fingerprint::new(workbench.verdict().first().unwrap(), workbench.trace(), &aftermath)
}

/// Forms in which nothing can be removed and no single number made plainer.
const DEAD_ENDS: [(Fault, &str); 9] = [
    // Under the first key of its own session, or of the other? Both hold the same.
    (
        Fault::KeyBoundPerSlot,
        "create-device\ncreate-device\ncreate-session d1\ncreate-session d0\n\
        exchange-key s0 key=1\nexchange-key s1 key=1\nstart-refresh s0 size=16\n\
        finish-refresh s0\nsubmit-buffer s0 iv=1 count=0 len=16\n",
    ),
    // Under a key that the other session will hold, but only because they began with the same.
    (
        Fault::RandomKeptPerDevice,
        "create-device\ncreate-session d0\ncreate-session d0\nexchange-key s0 key=1\n\
        exchange-key s1 key=1\nstart-refresh s0 size=16\nstart-refresh s1 size=16\n\
        finish-refresh s0\nsubmit-buffer s0 iv=1 count=0 len=16\n",
    ),
    // Two ends in another order, and with them the names of all that came into their places.
    (
        Fault::WornOutTableStartsOver,
        "create-device\ncreate-device\ncreate-device\ncreate-device\ndestroy-device d0\n\
        create-device\ndestroy-device d1\ncreate-device\ndestroy-device d2\ncreate-device\n\
        destroy-device d4\ncreate-device\ndestroy-device d3\ncreate-device\ndestroy-device d5\n\
        create-device\ndestroy-device d6\ncreate-device\ndestroy-device d8\ncreate-device\n\
        destroy-device d7\ndestroy-device d9\ndestroy-device d10\ndestroy-device d11\n\
        create-device\n",
    ),
    // The mark of the refused start shows in what is drawn for another call: too often, or too early.
    (
        Fault::NullStartStaysPending,
        "create-device\ncreate-session d0\nexchange-key s0 key=1\n\
        start-refresh s0 size=16 null=buffer\ninject-entropy repeat draws=4\n\
        encryption-blt-key s0\n",
    ),
    (
        Fault::NullStartStaysPending,
        "create-device\ncreate-session d0\nexchange-key s0 key=1\nstart-refresh s0\n\
        finish-refresh s0\nstart-refresh s0 size=16 null=buffer\ninject-entropy restore draws=1\n\
        encryption-blt-key s0\n",
    ),
    (
        Fault::NullStartStaysPending,
        "create-device\ncreate-session d0\nexchange-key s0 key=1\n\
        start-refresh s0 size=16 null=buffer\ninject-entropy repeat draws=1\n\
        encryption-blt-key s0\n",
    ),
    // The number that restores a key is only there to be drawn twice.
    (
        Fault::RandomNumberMayBeTheReadBackKey,
        "create-device\ncreate-session d0\nexchange-key s0 key=1\nstart-refresh s0\n\
        finish-refresh s0\nstart-refresh s0\nfinish-refresh s0\ninject-entropy restore draws=2\n\
        encryption-blt-key s0\nstart-refresh s0\n",
    ),
    // One call less, and the draws that were for it.
    (
        Fault::FifthDrawMade,
        "create-device\ncreate-session d0\nexchange-key s0 key=1\ninject-entropy zero draws=8\n\
        encryption-blt-key s0\nstart-refresh s0\n",
    ),
    // Another buffer is plainer than a wrap, and needs the next counters.
    (
        Fault::LateCompletionAppliesRandom,
        "create-device\ncreate-session d0\nexchange-key s0 key=1\nsubmit-buffer s0\n\
        start-refresh s0\nfinish-refresh s0\nstart-refresh s0\nretire 1\nencryption-blt-key s0\n",
    ),
];

/// Found under the bounds of a product, under which no few buffers fill the queue by their bytes.
fn full_by_number() -> (Fault, String) {
    let mut calls = "open-adapter bounds=product\ncreate-device\ncreate-session d0\n\
        exchange-key s0 key=1\n"
        .to_owned();
    for iv in (1..=33).chain([33]) {
        writeln!(calls, "submit-buffer s0 iv={iv} count=0 len=16").unwrap();
    }
    (Fault::FullQueueConsumesCounter, calls)
}

#[test]
fn no_form_of_a_fault_is_a_dead_end() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let known: BTreeMap<Fault, File> = shortest_reproducers().into_iter().collect();
    let dead_ends = DEAD_ENDS.map(|(fault, calls)| (fault, calls.to_owned()));
    for (fault, calls) in dead_ends.into_iter().chain([full_by_number()]) {
        let text = format!("# rekeylab sequence 1\n{calls}");
        let dead_end = SequenceText::parse(&text).unwrap().sequence();
        let mut shortest = |sequence: &CallSequence| {
            let shortest = with_fault(&mut workbench, fault, |workbench| {
                workbench.minimize_with(sequence, layers_for(Some(fault))).unwrap()
            });
            SequenceText::from(&shortest).to_string()
        };
        let expected = shortest(&known[&fault].parsed.sequence());
        assert_eq!(shortest(&dead_end), expected, "{}", fault.name());
    }
}

/// With everything looked into there is little left for the last steps, and names are exchanged first.
#[test]
fn the_same_form_with_other_names_is_none_of_its_own_where_all_is_looked_into() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let fault = Fault::RandomKeptPerDevice;
    let begin = "# rekeylab sequence 1\ncreate-device\ncreate-session d0\ncreate-session d0\n";
    let mut shortest = |a: &str, b: &str, c: &str, d: &str| {
        let text = format!(
            "{begin}exchange-key {a} key=1\nexchange-key {b} key=1\nstart-refresh {c} size=16\n\
             start-refresh {d} size=16\n"
        );
        let sequence = SequenceText::parse(&text).unwrap().sequence();
        let shortest =
            with_fault(&mut workbench, fault, |workbench| workbench.minimize(&sequence).unwrap());
        SequenceText::from(&shortest).to_string()
    };
    let plain = shortest("s0", "s1", "s0", "s1");
    assert_eq!(shortest("s1", "s0", "s0", "s1"), plain);
    assert_eq!(shortest("s0", "s1", "s1", "s0"), plain);
}

/// Faults that break something else first where everything is looked into.
const SEVERAL_SYMPTOMS: [Fault; 4] = [
    Fault::DestroyLeavesSessionAlive,
    Fault::ForeignDeviceAccepted,
    Fault::GenerationIgnored,
    Fault::RefusedStartEndsRefresh,
];

#[test]
fn a_campaign_ends_in_the_form_that_minimising_ends_in() {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let known: BTreeMap<Fault, File> = shortest_reproducers().into_iter().collect();
    for fault in SEVERAL_SYMPTOMS {
        let known = known[&fault].parsed.sequence();
        let found = with_fault(&mut workbench, fault, |workbench| {
            instances(workbench, fault, &known, 4, 0)
        });
        for instance in &found {
            let directory = tempfile::tempdir().unwrap();
            let dut = core_with(Some(fault));
            let mut findings = Findings::new(directory.path().to_owned(), &dut, None);
            assert!(findings.take(instance));
            let minimized = with_fault(&mut workbench, fault, |workbench| {
                let shortest = workbench.minimize(instance).unwrap();
                fingerprint_of(workbench, &shortest)
            });
            assert_eq!(findings.found[0].fingerprint, minimized, "{}", findings.found[0].text);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_campaign_makes_one_finding_of_all_instances_of_a_fault() {
    check_campaign(3, |fault| (fault as usize).is_multiple_of(16));
}

#[cfg(unix)]
#[test]
#[ignore = "takes ten minutes; run it with `--ignored` after a change of how forms are told apart"]
fn a_campaign_makes_one_finding_of_all_twenty_instances_of_every_fault() {
    check_campaign(20, |_| true);
}

/// Faults that show in two ways of which neither sequence shows both, so that nothing tells them from two
/// bugs: a campaign may make two findings of them, of which the other breaks this invariant.
#[cfg(unix)]
const SHOWN_IN_TWO_WAYS: [(Fault, &str); 7] = [
    // What answers after its end, or the key that is left if nothing is called after it.
    (Fault::DestroyLeavesSessionAlive, "key-residue"),
    (Fault::ResetSparesOtherDevices, "key-residue"),
    // A session is gone, or its place is free.
    (Fault::FinishEndsSession, "wrong-answer"),
    // A byte of the key that is zero stays as it is, or a register tells where it was.
    (Fault::FinishStopsAtAZeroByte, "key-residue"),
    // A buffer under an earlier key of its session, or under that of another session.
    (Fault::TwoFencesShareAHome, "session-isolation"),
    // A buffer under the key of another session, which may have begun with the same key.
    (Fault::KeyBoundPerSlot, "wrong-key-epoch"),
    // The first key comes back, and is kept until then where no key may be, which every sequence shows.
    (Fault::FifthKeyIsTheFirst, "key-residue"),
];

/// Lets an engine hand so many instances of each wanted fault over to a campaign, which is to find one
/// bug.
#[cfg(unix)]
fn check_campaign(count: usize, is_wanted: impl Fn(Fault) -> bool) {
    let _alone = alone();
    let mut workbench = Workbench::new();
    let mut problems = String::new();
    for (fault, file) in shortest_reproducers() {
        if !is_wanted(fault) {
            continue;
        }
        let known = file.parsed.sequence();
        let found = with_fault(&mut workbench, fault, |workbench| {
            instances(workbench, fault, &known, count, 0)
        });
        let bench = Bench::handing_over(fault, &found);
        let outcome = bench.run();
        let told: Vec<String> = outcome
            .findings
            .iter()
            .map(|it| {
                format!("  {} {}: {}\n{}", it.invariant, it.fingerprint, it.happened, it.text)
            })
            .collect();
        let told_of: Vec<&str> = outcome.findings.iter().map(|it| it.invariant).collect();
        let also = SHOWN_IN_TWO_WAYS.iter().find(|(shown, _)| *shown == fault).map(|it| it.1);
        let is_it = match told_of[..] {
            [one] => one == fault.rings() || Some(one) == also,
            [one, other] => {
                [(one, other), (other, one)].contains(&(fault.rings(), also.unwrap_or("")))
            }
            _ => false,
        };
        if !is_it || !outcome.troubles.is_empty() {
            let troubles = &outcome.troubles;
            writeln!(problems, "{}: {troubles:?}\n{}", fault.name(), told.join("\n")).unwrap();
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

/// Minimises so many instances of every fault, which so many searches look for, and says everything
/// that is not as it must be.
fn check(count: usize, hunt_count: u64) {
    let _alone = alone();
    let (apart, together): (Vec<_>, Vec<_>) =
        shortest_reproducers().into_iter().partition(|(fault, _)| runs_alone(Some(*fault)));
    let check = |workbench: &mut Workbench, (fault, file): &(Fault, File)| {
        let known = file.parsed.sequence();
        (*fault, check_one(workbench, *fault, &known, count, hunt_count))
    };
    let together: Vec<_> = together.par_iter().map_init(Workbench::new, check).collect();
    let mut workbench = Workbench::new();
    let apart = apart.iter().map(|it| check(&mut workbench, it));
    let mut problems = String::new();
    let mut owners: BTreeMap<Fingerprint, Fault> = BTreeMap::new();
    for (fault, (told, fingerprints)) in together.into_iter().chain(apart) {
        problems.push_str(&told);
        for fingerprint in fingerprints {
            if let Some(owner) = owners.insert(fingerprint, fault) {
                let (name, owner) = (fault.name(), owner.name());
                writeln!(problems, "{name}: {fingerprint} is also that of {owner}").unwrap();
            }
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

/// Minimises so many instances of a fault: everything that is not as it must be, and the fingerprints.
fn check_one(
    workbench: &mut Workbench,
    fault: Fault,
    known: &CallSequence,
    count: usize,
    hunt_count: u64,
) -> (String, Vec<Fingerprint>) {
    let layers = layers_for(Some(fault));
    let (mut problems, mut fingerprints) = (String::new(), Vec::new());
    let mut tell = |problem: &str| writeln!(problems, "{}: {problem}", fault.name()).unwrap();
    let found = with_fault(workbench, fault, |workbench| {
        instances(workbench, fault, known, count, hunt_count)
    });
    if found.len() < count {
        tell(&format!("only {} instances were found", found.len()));
    }
    for instance in &found {
        let before = workbench.run_count();
        let minimize = |workbench: &mut Workbench| workbench.minimize_with(instance, layers);
        let shortest = with_fault(workbench, fault, minimize).unwrap();
        let runs = workbench.run_count() - before;
        let fingerprint =
            with_fault(workbench, fault, |workbench| fingerprint_of(workbench, &shortest));
        let first = workbench.verdict().first().unwrap();
        if runs > RUNS_MAX {
            tell(&format!("{runs} runs"));
        }
        if first.invariant != fault.rings() || shortest.calls.len() != shortest_of(fault) {
            tell(&format!("{} with\n{}", first.invariant, SequenceText::from(&shortest)));
        }
        if !fingerprints.contains(&fingerprint) {
            fingerprints.push(fingerprint);
            if fingerprints.len() > 1 {
                tell(&format!("{fingerprint} too:\n{}", SequenceText::from(&shortest)));
            }
        }
    }
    (problems, fingerprints)
}
