//! Every tracked sequence answers as it is written, and together they go everywhere.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

mod files;

use std::collections::{BTreeSet, HashMap};
use std::fs;

use keysan::heap::ScanningAllocator;
use rekeylab::Workbench;
use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::invariant::{self, Model};
use rekeylab::observation::Phase;
use rekeylab::observation::{Layer, Layers};
use rekeylab::observation::{Observation, Trace};
use rekeylab::sequence::{Call, CallKind};
use rekeylab_ddi::Hresult;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// Every refusal that the driver can answer.
const REFUSALS: &[(CallKind, &[Hresult])] = &[
    (CallKind::CreateDevice, &[Hresult::E_OUTOFMEMORY]),
    (CallKind::DestroyDevice, &[Hresult::D3DDDIERR_INVALIDHANDLE]),
    (
        CallKind::CreateSession,
        &[
            Hresult::E_OUTOFMEMORY,
            Hresult::D3DDDIERR_NOTAVAILABLE,
            Hresult::D3DDDIERR_INVALIDHANDLE,
            Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO,
        ],
    ),
    (CallKind::DestroySession, &[Hresult::D3DDDIERR_INVALIDHANDLE]),
    (
        CallKind::ExchangeKey,
        &[Hresult::E_INVALIDARG, Hresult::D3DDDIERR_INVALIDCALL, Hresult::D3DDDIERR_INVALIDHANDLE],
    ),
    (
        CallKind::StartRefresh,
        &[
            Hresult::E_FAIL,
            Hresult::E_INVALIDARG,
            Hresult::D3DDDIERR_INVALIDCALL,
            Hresult::D3DDDIERR_INVALIDHANDLE,
        ],
    ),
    (CallKind::FinishRefresh, &[Hresult::D3DDDIERR_INVALIDCALL, Hresult::D3DDDIERR_INVALIDHANDLE]),
    (
        CallKind::SubmitBuffer,
        &[
            Hresult::E_OUTOFMEMORY,
            Hresult::E_INVALIDARG,
            Hresult::D3DDDIERR_WASSTILLDRAWING,
            Hresult::D3DDDIERR_INVALIDCALL,
            Hresult::D3DDDIERR_INVALIDHANDLE,
        ],
    ),
    (CallKind::SessionStatus, &[Hresult::D3DDDIERR_INVALIDHANDLE]),
    (
        CallKind::ContentProtectionCaps,
        &[
            Hresult::E_INVALIDARG,
            Hresult::D3DDDIERR_NOTAVAILABLE,
            Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO,
        ],
    ),
    (
        CallKind::EncryptionBltKey,
        &[
            Hresult::E_FAIL,
            Hresult::E_INVALIDARG,
            Hresult::D3DDDIERR_INVALIDCALL,
            Hresult::D3DDDIERR_INVALIDHANDLE,
        ],
    ),
];

/// What a call can find where it is aimed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Standing {
    /// Nothing was created yet; the handle is NULL.
    Nothing,
    /// A session in this phase.
    Session(Phase),
    /// A device whose creation failed.
    FailedDevice,
    /// An open device.
    OpenDevice,
    /// A device that was destroyed.
    ClosedDevice,
}

/// The phases in which a session is alive.
const ALIVE: [Phase; 4] = [Phase::Unkeyed, Phase::Keyed, Phase::Pending, Phase::Lost];

/// Every pair of a call and what it can find.
fn every_pair() -> BTreeSet<(CallKind, Standing)> {
    let mut pairs = BTreeSet::new();
    for &kind in CallKind::ALL {
        let call = kind.plain();
        if call.session().is_some() {
            pairs.insert((kind, Standing::Nothing));
            let phases = ALIVE.into_iter().chain([Phase::Never, Phase::Dead]);
            pairs.extend(phases.map(|phase| (kind, Standing::Session(phase))));
        } else if call.device().is_some() {
            pairs.insert((kind, Standing::Nothing));
            pairs.insert((kind, Standing::FailedDevice));
            pairs.insert((kind, Standing::OpenDevice));
            pairs.insert((kind, Standing::ClosedDevice));
        }
        // These two reach every session alive, on the device or anywhere.
        if matches!(kind, CallKind::DestroyDevice | CallKind::ResetEngine) {
            pairs.extend(ALIVE.map(|phase| (kind, Standing::Session(phase))));
        }
    }
    pairs
}

#[test]
fn freed_memory_is_looked_into_in_this_test() {
    assert!(Workbench::new().layers().has(Layer::FreedHeap));
}

#[test]
fn every_sequence_answers_as_it_is_written_and_breaks_nothing() {
    let mut workbench = Workbench::new();
    let mut problems = Vec::new();
    for file in files::sequences("corpus") {
        let verdict = workbench.run(&file.parsed.sequence());
        for violation in &verdict.violations {
            problems.push(format!("{}: {violation:?}", file.path));
        }
        for (entry, seen) in file.parsed.entries.iter().zip(&workbench.trace().calls) {
            if entry.expected != seen.code {
                let (path, line, call) = (&file.path, entry.line, &entry.call);
                let (expected, answered) = (entry.expected, seen.code);
                problems.push(format!("{path}:{line}: {call}: {expected:?} / {answered:?}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_call_has_an_expected_answer_and_no_injection_has_one() {
    for file in files::sequences("corpus") {
        assert!(!file.parsed.entries.is_empty(), "{}", file.path);
        for entry in &file.parsed.entries {
            let is_right = entry.expected.is_some() == entry.call.enters_driver();
            assert!(is_right, "{}:{}: {}", file.path, entry.line, entry.call);
        }
    }
}

#[test]
fn every_seed_says_what_it_shows_and_by_which_rule() {
    for file in files::sequences("corpus/seeds") {
        let description = file.parsed.description();
        let is_cited = ["(R-", "(S-", "(C-", "(INV-"].iter().any(|id| description.contains(id));
        assert!(is_cited, "{}: {description:?} cites nothing", file.path);
        assert!(description.starts_with(char::is_uppercase), "{}: {description:?}", file.path);
    }
}

#[test]
fn every_crash_says_which_invariant_what_the_bug_was_and_which_rule_it_broke() {
    for file in files::sequences("corpus/crashes") {
        let folder = file.path.split('/').nth(2).unwrap();
        let description = file.parsed.description();
        let mut lines = description.lines();
        let story = lines.next().unwrap_or_default();
        let is_told = story.starts_with(&format!("{folder}: ")) && story.ends_with('.');
        assert!(is_told, "{}: {story:?}", file.path);
        let rule = lines.next().unwrap_or_default();
        assert!(
            rule.contains("S-") || rule.contains("R-") || rule.contains("INV-"),
            "{}",
            file.path
        );
    }
}

#[test]
fn every_file_is_in_the_form_in_which_it_is_printed() {
    for file in files::sequences("corpus") {
        let text = fs::read_to_string(files::top().join(&file.path)).unwrap();
        assert_eq!(text, file.parsed.to_string(), "{}", file.path);
    }
}

#[test]
fn files_are_named_for_what_happens_and_crash_folders_for_invariants() {
    for file in files::sequences("corpus") {
        let name = file.path.rsplit('/').next().unwrap().strip_suffix(".seq").unwrap();
        let is_kebab =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert!(is_kebab && name.contains('-'), "{}", file.path);
    }
    let crashes = files::sequences("corpus/crashes");
    let folders: BTreeSet<&str> =
        crashes.iter().map(|file| file.path.split('/').nth(2).unwrap()).collect();
    let names: BTreeSet<&str> = invariant::ALL.iter().map(|invariant| invariant.name).collect();
    assert_eq!(folders, names);
}

#[test]
fn no_two_files_of_a_folder_hold_the_same_calls_and_tell_of_the_same_fault() {
    let mut seen = HashMap::new();
    for file in files::sequences("corpus") {
        let folder = file.path.rsplit_once('/').unwrap().0.to_owned();
        // The same three calls show many a planted fault, and each has its story.
        let description = file.parsed.description();
        let fault = description.lines().find(|line| line.starts_with("fault: ")).map(str::to_owned);
        let other = seen.insert((folder, fault, file.parsed.sequence().calls), file.path.clone());
        assert_eq!(other, None, "{} holds the same", file.path);
    }
}

#[test]
fn a_sequence_has_the_same_trace_every_time() {
    let mut workbench = Workbench::new();
    let mut fresh = Workbench::new();
    for file in files::sequences("corpus/seeds") {
        let sequence = file.parsed.sequence();
        workbench.run(&sequence);
        fresh.run(&sequence);
        let (once, again) = (format!("{:?}", workbench.trace()), format!("{:?}", fresh.trace()));
        assert!(once == again, "{}", file.path);
        // Also behind another sequence on the same workbench.
        workbench.run(&sequence);
        assert!(once == format!("{:?}", workbench.trace()), "{}", file.path);
    }
}

#[test]
fn the_seeds_make_every_call_wherever_it_can_be_made() {
    let mut workbench = Workbench::new();
    let mut reached = BTreeSet::new();
    for file in files::sequences("corpus/seeds") {
        workbench.run(&file.parsed.sequence());
        standings(workbench.trace(), &mut reached);
    }
    let pairs = every_pair();
    let missed: Vec<_> = pairs.difference(&reached).collect();
    assert!(missed.is_empty(), "no seed reaches {missed:?}");
    let unknown: Vec<_> = reached.difference(&pairs).collect();
    assert!(unknown.is_empty(), "nobody thought of {unknown:?}");
}

#[test]
fn the_seeds_are_refused_in_every_way_there_is() {
    let mut workbench = Workbench::new();
    let mut refused = BTreeSet::new();
    for file in files::sequences("corpus/seeds") {
        workbench.run(&file.parsed.sequence());
        refused.extend(refusals(workbench.trace()));
    }
    assert_eq!(refused, every_refusal());
}

#[test]
fn a_search_meets_no_refusal_that_the_seeds_lack() {
    let mut workbench = Workbench::new();
    let all = every_refusal();
    for seed in 0..2000 {
        let sequence = generate_from_seed(seed, &SearchOptions::default());
        workbench.run_with(&sequence, Layers::FAST);
        for refusal in refusals(workbench.trace()) {
            assert!(all.contains(&refusal), "seed {seed}: {refusal:?}");
        }
    }
}

fn every_refusal() -> BTreeSet<(CallKind, Hresult)> {
    let pairs = |&(kind, codes): &(CallKind, &'static [Hresult])| {
        codes.iter().map(move |&code| (kind, code))
    };
    REFUSALS.iter().flat_map(pairs).collect()
}

fn refusals(trace: &Trace) -> BTreeSet<(CallKind, Hresult)> {
    let calls = &trace.calls[..trace.sequence_len];
    let refused = calls.iter().filter(|seen| seen.is_refused());
    refused.filter_map(|seen| Some((seen.call.kind(), seen.code?))).collect()
}

/// What each call of the sequence found where it was aimed.
fn standings(trace: &Trace, reached: &mut BTreeSet<(CallKind, Standing)>) {
    let devices = device_standings(trace);
    let mut model = Model::default();
    let mut before = trace.clone();
    for index in (0..trace.sequence_len).rev() {
        before.calls.truncate(index);
        model.replay(&before);
        let seen = &trace.calls[index];
        let kind = seen.call.kind();
        if seen.call.session().is_some() {
            let session = seen.session_slot.and_then(|slot| model.session(slot));
            let found = session.map_or(Standing::Nothing, |found| Standing::Session(found.phase));
            reached.insert((kind, found));
        } else if seen.call.device().is_some() {
            reached.insert((kind, devices[index]));
        }
        if matches!(seen.call, Call::DestroyDevice { .. } | Call::ResetEngine) {
            let sessions = (0..).map_while(|slot| model.session(slot));
            let is_reached = |owner| kind == CallKind::ResetEngine || owner == seen.device_slot;
            for session in sessions.filter(|session| is_reached(session.owner)) {
                if ALIVE.contains(&session.phase) {
                    reached.insert((kind, Standing::Session(session.phase)));
                }
            }
        }
    }
}

/// For each call that names a device by itself, how that device stood before it.
fn device_standings(trace: &Trace) -> Vec<Standing> {
    let mut devices = Vec::new();
    let mut found = Vec::new();
    for seen in &trace.calls {
        found.push(standing_of(&devices, seen));
        match seen.call {
            Call::CreateDevice if seen.is_ok() => devices.push(Standing::OpenDevice),
            Call::CreateDevice => devices.push(Standing::FailedDevice),
            Call::DestroyDevice { .. } if seen.is_ok() => {
                devices[usize::from(seen.device_slot.unwrap())] = Standing::ClosedDevice;
            }
            _ => {}
        }
    }
    found
}

fn standing_of(devices: &[Standing], seen: &Observation) -> Standing {
    let device = seen.device_slot.and_then(|slot| devices.get(usize::from(slot)));
    device.copied().unwrap_or(Standing::Nothing)
}
