//! What commands say of a run that hangs, and how one ends that cannot go on without it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Workbench;
use crate::executor::AnyDut;
use crate::observation::{Stage, Trace};
use crate::report::{Aftermath, Colour, Subject, json_report, story};
use crate::sequence::SequenceText;
use crate::watchdog::{Hang, on_hang};

use super::Format;
use super::console::hang_line;
use super::exit::Exit;
use super::judged::replay_command;

/// What did not return, if something did not.
pub(super) fn what_hung(trace: &Trace) -> Option<String> {
    Some(match (trace.hang?, trace.calls.last()) {
        (Stage::Opening, _) => "the opening of the driver".to_owned(),
        (Stage::Call(index), Some(seen)) => format!("call {index} ({})", seen.call),
        (Stage::Call(index), None) => format!("call {index}"),
        (Stage::Dropping, _) => "the end of the driver".to_owned(),
    })
}

/// Which file a command is at, for whoever tells that it hangs.
#[derive(Clone, Debug, Default)]
pub(super) struct At(Arc<Mutex<Option<PathBuf>>>);

impl At {
    /// The command has come to this file.
    pub(super) fn file(&self, path: &Path) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.to_owned());
    }
}

/// From now on, a run on this thread that hangs is told and ends the process with exit code 3. What the
/// command has said before should have arrived by then.
pub(super) fn end_when_it_hangs(dut: &AnyDut, fault: Option<&'static str>, format: Format) -> At {
    let (dut, at) = (dut.clone(), At::default());
    let file = at.clone();
    on_hang(Arc::new(move |hang| {
        let path = file.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let workbench = Workbench::told(&dut, &hang);
        let what = what_hung(workbench.trace()).unwrap_or_default();
        let text = told(&workbench, &hang, path.as_deref(), fault, format);
        let source =
            path.map_or_else(|| "a sequence".to_owned(), |path| path.display().to_string());
        // Whether anybody reads it or not, this is the end.
        let _ = writeln!(std::io::stdout(), "{text}");
        let _ = writeln!(std::io::stderr(), "{}", hang_line(source, &what));
        std::process::exit(Exit::InvariantBroken.code().into());
    }));
    at
}

/// The whole story of a hang, of which the workbench's last run is.
pub(super) fn told(
    workbench: &Workbench,
    hang: &Hang,
    path: Option<&Path>,
    fault: Option<&'static str>,
    format: Format,
) -> String {
    let replay = path.and_then(|path| replay_command(path, fault, workbench.dut()));
    let subject = Subject {
        sequence: &hang.sequence,
        trace: workbench.trace(),
        verdict: workbench.verdict(),
        aftermath: &Aftermath::default(),
        replay: replay.as_deref(),
    };
    match format {
        // Without a file, this is all that there is of it.
        Format::Human if path.is_none() => {
            format!("{}\n{}", story(&subject, Colour::Off), SequenceText::from(&hang.sequence))
        }
        Format::Human => story(&subject, Colour::Off),
        Format::Json => {
            let source = path.map(|path| path.display().to_string());
            serde_json::to_string_pretty(&json_report(&subject, source.as_deref()))
                .unwrap_or_default()
        }
    }
}
