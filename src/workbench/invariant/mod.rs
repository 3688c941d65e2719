//! What must hold: fourteen invariants, each judged on what an execution saw.
//!
//! An invariant reads a [`Case`]: the trace, and where the reference model disagrees with it. It
//! never sees a driver, so it can be tested with traces written by hand, and a stored trace can be
//! judged again.
//!
//! One bug shows in many ways. So that each rings one alarm, the invariants are asked in the order
//! of [`ALL`], the most specific first, and one that has claimed a call keeps the others off it;
//! after the model's first disagreement about a session, that session is no longer judged.

mod double_finish;
mod failed_call_is_inert;
mod false_capability;
mod key_leak;
mod key_residue;
mod keystream_reuse;
mod leftovers;
mod lost_work;
mod model;
mod no_hang;
mod no_panic;
mod output_bounds;
mod read_back;
mod remembered;
mod scratch;
mod session_isolation;
#[cfg(test)]
mod testing;
mod told;
mod use_after_destroy;
mod wrong_answer;
mod wrong_key_epoch;

use rekeylab_ddi::Hresult;

use crate::observation::{Before, Choices, Observation, Place, Trace};
use crate::sequence::Call;
pub use keystream_reuse::KEYSTREAM_REUSE;
pub use model::{
    Answer, CapabilityFault, CompletionFault, Disagreement, Divergence, Instead, KeyName, Model,
    ModelSession, Processed, WrapInstead,
};
pub use remembered::write_remembered;
use remembered::{Remembers, nothing};
pub use told::Weight;

/// Something that must hold of every execution.
#[derive(Clone, Copy)]
pub struct Invariant {
    /// Kebab-case, and the same in the file name, the crash folder and the report.
    pub name: &'static str,
    /// Completes the sentence "it holds when ...".
    pub holds_when: &'static str,
    /// Reports every way in which it does not.
    check: fn(&Case<'_>, &mut Verdict),
    /// Writes what it takes from earlier calls to judge a later one.
    remembers: Remembers,
    /// Ends the process; one function an invariant, so that stack-based tools tell them apart.
    pub abort: fn() -> !,
}

impl core::fmt::Debug for Invariant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// Declares the abort function of an invariant in its own file.
///
/// Never inlined and never merged: the name is the top frame of a crash.
macro_rules! abort_function {
    ($name:ident) => {
        #[inline(never)]
        pub(super) fn $name() -> ! {
            // A value of its own keeps identical functions from being folded into one.
            std::hint::black_box(stringify!($name));
            std::process::abort()
        }
    };
}
pub(crate) use abort_function;

/// The code of a call, if it shows that the driver found what the handles name: success, or a refusal
/// for what the state, the arguments or the bounds say. Of a driver whose refusals may have any code, a refusal
/// shows nothing.
pub(crate) fn code_if_found(seen: &Observation, choices: Choices) -> Option<Hresult> {
    const OF_ANY_CALL: [Hresult; 6] = [
        Hresult::S_OK,
        Hresult::D3DDDIERR_INVALIDCALL,
        Hresult::E_INVALIDARG,
        Hresult::E_OUTOFMEMORY,
        Hresult::E_FAIL,
        Hresult::D3DDDIERR_WASSTILLDRAWING,
    ];
    // Of other calls, the first one says that the driver has no such entry.
    const OF_CREATE: [Hresult; 2] =
        [Hresult::D3DDDIERR_NOTAVAILABLE, Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO];
    let is_create = matches!(seen.call, Call::CreateSession { .. });
    seen.code.filter(|code| {
        let is_of_its_state = OF_ANY_CALL.contains(code) || is_create && OF_CREATE.contains(code);
        code.is_ok() || is_of_its_state && !choices.any_failure
    })
}

/// Every invariant, in the order in which they are asked.
pub const ALL: &[Invariant] = &[
    no_panic::INVARIANT,
    no_hang::INVARIANT,
    key_leak::INVARIANT,
    key_residue::INVARIANT,
    output_bounds::INVARIANT,
    use_after_destroy::INVARIANT,
    session_isolation::INVARIANT,
    failed_call_is_inert::INVARIANT,
    double_finish::INVARIANT,
    keystream_reuse::INVARIANT,
    wrong_key_epoch::INVARIANT,
    lost_work::INVARIANT,
    false_capability::INVARIANT,
    wrong_answer::INVARIANT,
];

/// The names of those that are judged by what is seen in memory: where nobody can look, they hold.
#[cfg(feature = "command")]
pub(crate) const ABOUT_MEMORY: [&str; 2] = [key_leak::INVARIANT.name, key_residue::INVARIANT.name];

/// The name of the invariant that no session reaches another's keys or state.
pub(crate) const SESSION_ISOLATION: &str = session_isolation::INVARIANT.name;

/// The name of the invariant that every call returns.
#[cfg(feature = "command")]
pub(crate) const NO_HANG: &str = no_hang::INVARIANT.name;

/// The names of the invariants that say which key a buffer was processed under.
pub(crate) const ABOUT_KEYS: [&str; 2] = [SESSION_ISOLATION, wrong_key_epoch::INVARIANT.name];

/// The invariant of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Invariant> {
    ALL.iter().find(|invariant| invariant.name == name)
}

/// What the invariants are given.
#[derive(Debug)]
pub struct Case<'a> {
    /// What was seen.
    pub trace: &'a Trace,
    /// Where the model disagrees, in order; at most one for each session.
    pub divergences: &'a [Divergence],
    /// The model after the last call.
    pub model: &'a Model,
}

impl<'a> Case<'a> {
    /// Every call, with where what it names stood before it.
    fn calls(&self) -> impl Iterator<Item = (&'a Observation, &'a Before)> {
        self.trace.calls.iter().zip(&self.model.scratch.before)
    }
}

/// An invariant broken at a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// The call that shows it: an index into the trace's calls, or their number for what was only
    /// seen when the driver was gone.
    pub call: usize,
    /// The session slot it is about, if it is about one.
    pub session: Option<u16>,
    /// What happened, as a sentence fragment: "answered S_OK".
    pub happened: String,
    /// What had to happen, with the reason.
    pub expected: String,
    /// The rules that say so, as ids separated by blanks.
    pub rules: &'static str,
    /// Whether the invariant was inferred from a later symptom, which another bug could share.
    ///
    /// A minimised sequence settles it.
    pub is_inferred: bool,
    /// Where a secret was seen, if that is what it is about.
    pub place: Option<Place>,
}

/// Every violation of one execution.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// In the order of [`ALL`], then of the calls.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// Whether every invariant held.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Whether another invariant has already explained what is wrong with this call. That something
    /// was left after it, or printed, explains nothing that it did.
    fn claims(&self, call: usize) -> bool {
        let is_beside = |violation: &Violation| violation.is_text() || violation.is_residue();
        self.violations.iter().any(|violation| violation.call == call && !is_beside(violation))
    }

    /// Whether the call came after one that served the wrong session, so that nothing the model
    /// knows of any session holds any more.
    fn is_echo(&self, call: usize) -> bool {
        let is_spreading = |violation: &Violation| {
            [use_after_destroy::INVARIANT.name, session_isolation::INVARIANT.name]
                .contains(&violation.invariant)
        };
        self.violations.iter().any(|violation| is_spreading(violation) && violation.call < call)
    }
}

/// Judges a trace by every invariant.
pub fn judge(trace: &Trace, model: &mut Model, verdict: &mut Verdict) {
    verdict.violations.clear();
    model.replay(trace);
    model.scratch.follow(trace);
    let case = Case { trace, divergences: model.divergences(), model };
    for invariant in ALL {
        (invariant.check)(&case, verdict);
    }
}
