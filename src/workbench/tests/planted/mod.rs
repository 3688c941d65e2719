//! Planted faults, as the tests drill them: one at a time in a process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rekeylab::Workbench;
use rekeylab::drill::hangs;
use rekeylab::executor::{AnyDut, core_with};
use rekeylab_faults::Fault;

use crate::files::{self, File};

/// Until the guard is dropped, no other test of this program runs a sequence.
///
/// Tests are threads of one process, and some faults keep keys in statics
/// ([`Fault::is_seen_by_other_threads`]), into which every thread looks: beside them, the runs of
/// other tests would see keys that are not theirs, those of the honest core too.
#[allow(dead_code, reason = "each test that uses this module uses another part of it")]
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static DRILLING: Mutex<()> = Mutex::new(());
    // A test that failed leaves no driver behind.
    DRILLING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs on the core with this fault, and leaves the workbench with the honest one.
pub(crate) fn with_fault<T>(
    workbench: &mut Workbench,
    fault: Fault,
    run: impl FnOnce(&mut Workbench) -> T,
) -> T {
    workbench.drive(core_with(Some(fault)));
    let ran = run(workbench);
    workbench.drive(AnyDut::default());
    ran
}

/// The length of the fault's shortest reproducer, in calls.
#[allow(dead_code, reason = "each test that uses this module uses another part of it")]
pub(crate) fn shortest_of(fault: Fault) -> usize {
    fault.shortest().unwrap_or_else(|| panic!("no reproducer shows {}", fault.name()))
}

/// The fault that a file says it shows.
pub(crate) fn fault_of(file: &File) -> Option<Fault> {
    let name = file.parsed.fault()?;
    Some(Fault::from_name(&name).unwrap_or_else(|| panic!("{}: no fault {name:?}", file.path)))
}

/// The shortest reproducer of each fault that can be drilled in a process which goes on, in the order of
/// [`Fault::ALL`]; the others hang, and are drilled by `tests/command/hanging.rs`.
pub(crate) fn shortest_reproducers() -> Vec<(Fault, File)> {
    shortest_reproducers_of(|fault| !hangs(fault))
}

/// The shortest reproducer of each of these faults.
pub(crate) fn shortest_reproducers_of(is_wanted: impl Fn(Fault) -> bool) -> Vec<(Fault, File)> {
    let mut files = files::sequences("corpus/crashes");
    files.sort_by_key(|file| file.parsed.entries.len());
    let shortest = |&fault: &Fault| {
        let position = files.iter().position(|file| fault_of(file) == Some(fault));
        let file = position.map(|position| files.remove(position));
        (fault, file.unwrap_or_else(|| panic!("no reproducer shows {}", fault.name())))
    };
    Fault::ALL.iter().filter(|&&fault| is_wanted(fault)).map(shortest).collect()
}
