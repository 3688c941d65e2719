//! Exhaustive search: few runs stand for many sequences, soundly, and no planted bug in reach of
//! the alphabet stays unseen.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

mod keyless_after_status;

use std::rc::Rc;
use std::sync::LazyLock;

use keyless_after_status::KeylessAfterStatus;
use keysan::heap::ScanningAllocator;
use rekeylab::executor::{AnyDut, Core, Dut, Seams};
use rekeylab::exhaust::{Alphabet, Broken, LevelCount, Outcome, Plan, Watch, run};
use rekeylab_ddi::Limits;
use rekeylab_driver::Adapter;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// The driver core, as a driver that says nothing of its state.
#[derive(Debug)]
struct Silent;

impl Dut for Silent {
    type Driver = Adapter;

    fn name(&self) -> String {
        "silent".to_owned()
    }

    fn open(&self, seams: &Rc<Seams>) -> Adapter {
        Core.open(seams)
    }

    fn limits(&self) -> Limits {
        Core.limits()
    }
}

fn plan(alphabet: &str, depth: usize) -> Plan<'static> {
    static CORE: LazyLock<AnyDut> = LazyLock::new(AnyDut::default);
    Plan::new(&CORE, Alphabet::by_name(alphabet).unwrap(), depth, 2)
}

/// What merging must not change: how many sequences there are at each level and how many of them
/// are broken, and which is the first to break what.
fn essence(outcome: &Outcome) -> (Vec<(u128, u128)>, &[Broken]) {
    let counts = |level: &LevelCount| (level.sequences, level.broken);
    (outcome.levels.iter().map(counts).collect(), &outcome.broken)
}

fn check_merging(plan: &Plan<'_>) -> Outcome {
    let merged = run(plan, &mut ());
    let all = run(&Plan { merges: false, ..*plan }, &mut ());
    let total = all.total();
    assert_eq!(total.sequences, total.runs.into(), "{plan:?}");
    assert_eq!(essence(&merged), essence(&all), "{plan:?}");
    merged
}

#[test]
fn with_and_without_merging_the_honest_core_holds_over_equally_many_sequences() {
    for (alphabet, depth) in [("full", 3), ("lifecycle", 4), ("refresh", 4), ("queue", 4)] {
        let outcome = check_merging(&plan(alphabet, depth));
        assert!(outcome.holds() && outcome.levels.len() == depth, "{outcome:?}");
        let total = outcome.total();
        assert!(total.sequences > 4 * u128::from(total.runs), "{alphabet}: {total:?}");
    }
}

#[test]
fn nothing_is_merged_for_a_driver_that_does_not_know_its_state() {
    let plan = plan("lifecycle", 4);
    let outcome = run(&Plan { dut: &Silent.into(), ..plan }, &mut ());
    assert_eq!(outcome.total().sequences, outcome.total().runs.into());
    assert_eq!(essence(&outcome), essence(&run(&plan, &mut ())));
}

#[test]
fn a_driver_that_remembers_what_no_answer_shows_is_found_out() {
    let plan = plan("lifecycle", 5);
    let outcome =
        check_merging(&Plan { dut: &KeylessAfterStatus { declares: true }.into(), ..plan });
    assert_eq!(outcome.levels.len(), 4, "two creations, a question, and an exchange refused");
    assert_eq!(outcome.broken[0].invariant, "wrong-answer");
}

#[test]
fn a_driver_that_declares_its_state_and_leaves_something_out_deceives_the_search() {
    // So it does not depend on luck that the test above holds.
    let plan = plan("lifecycle", 5);
    let deceiving = KeylessAfterStatus { declares: false }.into();
    let deceived = run(&Plan { dut: &deceiving, ..plan }, &mut ());
    let honest = run(&Plan { dut: &KeylessAfterStatus { declares: true }.into(), ..plan }, &mut ());
    assert!(deceived.total().broken < honest.total().broken);
}

/// Ends a search after so many looks.
struct Impatient {
    looks: usize,
}

impl Watch for Impatient {
    fn is_over(&mut self) -> bool {
        self.looks = self.looks.saturating_sub(1);
        self.looks == 0
    }
}

#[test]
fn a_search_that_is_broken_off_does_not_hold_and_says_how_far_it_came() {
    let plan = Plan { jobs: 1, ..plan("lifecycle", 6) };
    let whole = run(&plan, &mut ());
    let part = run(&plan, &mut Impatient { looks: 3 });
    assert!(part.is_interrupted && !part.holds());
    assert!(part.total().runs > 0 && part.total().runs < whole.total().runs);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let one = run(&Plan { jobs: 1, ..plan("full", 4) }, &mut ());
    let three = run(&Plan { jobs: 3, ..plan("full", 4) }, &mut ());
    assert_eq!(one, three);
}

#[cfg(feature = "faults")]
mod with_faults {
    use rekeylab::drill::hangs;
    use rekeylab::executor::{FaultyCore, core_with};
    use rekeylab::sequence::CallKind;
    use rekeylab_faults::Fault;

    use super::*;

    fn check_fault(fault: Fault, alphabet: &str, depth: usize) {
        check_merging(&Plan { dut: &core_with(Some(fault)), ..plan(alphabet, depth) });
    }

    /// Few enough letters to run every sequence of six calls.
    const FEW: Alphabet = Alphabet {
        name: "few",
        says: "one session that is refreshed and used, with what can be refused",
        devices_max: 1,
        sessions_max: 1,
        on_sessions: &[
            CallKind::ExchangeKey.plain(),
            CallKind::StartRefresh.plain(),
            CallKind::FinishRefresh.plain(),
            CallKind::SubmitBuffer.plain(),
        ],
        through_others: &[],
        other_sessions: &[],
        others: &[],
        injections: &[CallKind::InjectEntropy.plain(), CallKind::InjectAllocationFailure.plain()],
    };

    /// Faults whose damage is done silently, by one call, and shows with a later one.
    #[test]
    fn silent_damage_is_never_merged_with_what_is_sound() {
        for fault in [
            Fault::FailedStartStaysPending,
            Fault::RefusedSubmitConsumesCounter,
            Fault::FinishKeepsRandom,
            Fault::FinishXorsHalfTheKey,
        ] {
            let dut = core_with(Some(fault));
            let outcome = check_merging(&Plan::new(&dut, &FEW, 6, 2));
            assert!(outcome.total().broken > 0, "{}: {outcome:?}", fault.name());
        }
    }

    #[test]
    fn with_and_without_merging_planted_faults_break_equally_many_sequences() {
        for fault in [
            Fault::FailedStartLeavesOutput,
            Fault::CountOverflowPanics,
            Fault::SizeSeventeenAccepted,
            Fault::FailedCreateKeepsMemory,
        ] {
            check_fault(fault, "full", 3);
        }
        for fault in [Fault::FinishWithoutStart, Fault::CompletionDeliveredTwice] {
            check_fault(fault, "queue", 4);
        }
        for fault in [Fault::ForeignDeviceAccepted, Fault::DestroyLeavesSessionAlive] {
            check_fault(fault, "lifecycle", 4);
        }
        for fault in [Fault::ZeroRandomAccepted, Fault::SecondStartReplacesRandom] {
            check_fault(fault, "refresh", 5);
        }
        for fault in [Fault::ReadBackKeyWrappedAhead, Fault::ReadBackKeyMadeOnce] {
            check_fault(fault, "read-back", 5);
        }
        for fault in [Fault::IvMayRiseInNativeOrder, Fault::CounterOverlapsByOne] {
            check_fault(fault, "counters", 5);
        }
    }

    /// A core with a fault, as a driver that declares its state and then writes nothing.
    #[derive(Debug)]
    struct Mute(FaultyCore);

    impl Dut for Mute {
        type Driver = rekeylab_faults::Adapter;

        fn name(&self) -> String {
            "mute".to_owned()
        }

        fn open(&self, seams: &Rc<Seams>) -> rekeylab_faults::Adapter {
            self.0.open(seams)
        }

        fn limits(&self) -> Limits {
            self.0.limits()
        }

        fn declares_state(&self) -> bool {
            true
        }
    }

    #[test]
    fn what_the_judges_remember_keeps_states_apart_by_itself() {
        let mute = Mute(FaultyCore(Some(Fault::IvMayRiseInNativeOrder))).into();
        let outcome = check_merging(&Plan { dut: &mute, ..plan("counters", 5) });
        assert_eq!(outcome.broken[0].invariant, "keystream-reuse");
    }

    fn shortest_of(fault: Fault) -> usize {
        fault.shortest().unwrap_or_else(|| panic!("no reproducer shows {}", fault.name()))
    }

    /// Why exhaustive search does not find a fault; the other commands do.
    fn out_of_reach(fault: Fault) -> Option<&'static str> {
        Some(match fault {
            Fault::WornOutSlotWraps => "a slot wears out with its fourth session",
            Fault::FourthDeviceRefused | Fault::ThirdDeviceTakesCapabilities => {
                "there are two devices"
            }
            Fault::ReadBackKeyOfFifteenBytesAccepted | Fault::ReadBackKeyOfNoBytesAccepted => {
                "read-back keys are asked for with sixteen bytes"
            }
            Fault::KeyInDebug | Fault::KeyInDebugAsBase64 | Fault::RandomInDebug => {
                "the fast lane does not read what Debug shows"
            }
            Fault::LogSaysASumOfTheKey | Fault::DebugShowsACheckByte => {
                "only runs that are compared show text in an encoding of its own"
            }
            Fault::LongBufferDecryptedInPart => {
                "its buffers are longer than the small bounds allow"
            }
            _ if fault.rings() == "key-residue" && !is_seen_in_the_fast_lane(fault) => {
                "of memory, the fast lane looks into blocks that are freed only"
            }
            _ => return None,
        })
    }

    /// Those of the faults that leave residue which show in blocks that are freed.
    fn is_seen_in_the_fast_lane(fault: Fault) -> bool {
        matches!(
            fault,
            Fault::HomeDroppedUnwiped
                | Fault::WipeClearsHalf
                | Fault::WipeClearsACopy
                | Fault::UpdatedKeyInFreedBox
                | Fault::KeyGrownByteByByte
                | Fault::UnwindingSkipsWipe
        )
    }

    /// Where a fault is found fast: with everything if it shows early; `None` if it takes too many
    /// calls for a test.
    fn alphabet_for(fault: Fault) -> Option<&'static str> {
        match fault {
            // No thread of this process could be ended.
            _ if hangs(fault) => None,
            Fault::RefusedCapabilitiesLeaveOutput
            | Fault::ProfileWithoutRefresh
            | Fault::UnionWithoutReadBackKeys
            | Fault::CapabilitiesWithoutABufferPanic
            | Fault::CapabilitiesOfACipherThatIsNotOffered
            | Fault::CapabilitiesOfAnUnknownCipher
            | Fault::CapabilitiesOfAnUnknownProfile
            | Fault::LongerCapabilitiesAccepted => Some("capabilities"),
            _ if shortest_of(fault) <= 5 => Some("full"),
            Fault::FinishForgetsCounters | Fault::RefusedSubmitConsumesCounter => Some("counters"),
            Fault::ThirdReadBackKeyWrappedUnderZeros
            | Fault::RepeatedReadBackKeyAccepted
            | Fault::ReadBackKeyMayBeTheRandomNumber
            | Fault::RandomNumberMayBeTheReadBackKey => Some("read-back"),
            _ if shortest_of(fault) == 6 && fault.rings() == "wrong-key-epoch" => Some("refresh"),
            _ => None,
        }
    }

    #[test]
    fn every_planted_fault_in_reach_is_found_at_its_known_shortest_length() {
        let mut problems = Vec::new();
        for &fault in Fault::ALL {
            let Some(alphabet) = alphabet_for(fault) else { continue };
            let dut = core_with(Some(fault));
            let outcome = run(&Plan { dut: &dut, ..plan(alphabet, shortest_of(fault)) }, &mut ());
            let rung = outcome.broken.iter().any(|broken| broken.invariant == fault.rings());
            let len = outcome.levels.len();
            let name = fault.name();
            match (out_of_reach(fault), rung) {
                (None, false) => {
                    problems.push(format!("{name}: not with {alphabet}: {:?}", outcome.broken));
                }
                (Some(why), true) => problems.push(format!("{name} is found, although {why}")),
                (None, true) if len != shortest_of(fault) => {
                    problems.push(format!("{name}: {len} calls are enough"));
                }
                _ => {}
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}
