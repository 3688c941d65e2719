//! `rekeylab minimize`: the shortest form of a sequence that breaks something.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::Workbench;
use crate::campaign::{OwnProcess, Reproducer, reproducer};
use crate::corpus::{read_log, write_new, write_over};
use crate::executor::AnyDut;
use crate::observation::Layers;
use crate::sequence::{CALLS_MAX, CallSequence};
use crate::watchdog::{Hang, attempt};

use super::Format;
use super::console::Console;
use super::driver::DriverOption;
use super::exit::Exit;
use super::failure::Failure;
use super::fault;
use super::hung::what_hung;

/// Finds the shortest form of a sequence that still breaks the same invariant
///
/// Prints it as text, with the answers that had to come and a first line that says what breaks.
/// Ends with 0 when it found one, and with 2 when the sequence breaks nothing, or 5 when that is not known
/// because a layer cannot be looked into here. A sequence has at most
/// 1024 calls; a log of up to 1,000,000 is cut below that first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rekeylab minimize fuzz/artifacts/call_sequence/crash-0a1b
  rekeylab minimize long.seq -o short.seq")]
pub(super) struct Options {
    /// A text or wire file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Writes here instead of standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Replaces OUT if it is there
    #[arg(long, requires = "output")]
    force: bool,
    /// Plants this fault first; see `rekeylab list faults`
    #[arg(long, value_name = "NAME", conflicts_with = "driver")]
    fault: Option<String>,
    #[command(flatten)]
    driver: DriverOption,
}

/// Cuts a log until it is a sequence and says how; `None` if it breaks nothing.
fn cut(
    log: &CallSequence,
    options: &Options,
    dut: &AnyDut,
    console: &mut Console<'_>,
) -> Result<Option<CallSequence>, Failure> {
    let file = options.file.display();
    let (its, whole) = (dut.clone(), log.clone());
    let cut = attempt(move || Workbench::on(its).cut_log(&whole)).map_err(|hang| {
        let message = format!("{file}: a part of the log hangs, and a log is not cut by that");
        let what = what_hung(Workbench::told(dut, &hang).trace()).unwrap_or_default();
        Failure {
            exit: Exit::InvariantBroken,
            message,
            way_out: Some(format!("{what}; let the log end there")),
        }
    })?;
    let Some(cut) = cut else { return Ok(None) };
    console.note(&format!("{file}: a log of {} calls, cut to those", log.calls.len()));
    for (step, left) in &cut.steps {
        console.note(&format!("  {step}: {left}"));
    }
    let left = cut.sequence.calls.len();
    if left > CALLS_MAX {
        return Err(Failure::usage(format!(
            "{file} breaks an invariant, and {left} of its {} calls could not be left out: a \
             sequence has at most {CALLS_MAX}",
            log.calls.len()
        ))
        .way_out(
            "let the log begin later, or leave out what the bug does not need, and try again",
        ));
    }
    Ok(Some(cut.sequence))
}

/// What a machine reads of a minimisation.
#[derive(Debug, serde::Serialize)]
struct Minimized {
    /// Calls before.
    calls_before: usize,
    /// Calls now.
    calls: usize,
    /// The invariant it breaks.
    invariant: &'static str,
    /// What makes it the same bug as another.
    fingerprint: String,
    /// The sequence.
    text: String,
}

pub(super) fn run(options: &Options, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let fault = fault::by_name(options.fault.as_deref(), "minimize FILE")?;
    let stored = read_log(&options.file)?;
    let dut = options.driver.dut(fault)?;
    let clean = |console: &mut Console<'_>| {
        let message = "breaks no invariant: there is nothing to minimize";
        let failure = Failure::usage(format!("{} {message}", options.file.display())).way_out(
            "if it should break one, give the planted fault (--fault NAME) or the build that \
             found it",
        );
        // It may break one where nobody could look.
        match console.exit_without(Layers::ALL, Workbench::on(dut.clone()).layers()) {
            Exit::Held => failure,
            exit => Failure { exit, ..failure },
        }
    };
    let sequence = if stored.sequence.calls.len() > CALLS_MAX {
        cut(&stored.sequence, options, &dut, console)?.ok_or_else(|| clean(console))?
    } else {
        stored.sequence.clone()
    };
    let (its, given) = (dut.clone(), sequence.clone());
    let minimized = attempt(move || {
        let mut workbench = Workbench::on(its);
        workbench.run(&given);
        if let Some(stage) = workbench.trace().hang {
            // The driver is in a process of its own, which was ended.
            return Err(Hang { sequence: given, layers: Layers::ALL, stage });
        }
        let Some(shortest) = workbench.minimize(&given) else { return Ok(None) };
        let found = reproducer(&shortest, &mut workbench);
        Ok(Some((shortest, found)))
    });
    let minimized = minimized.and_then(|minimized| minimized).or_else(|hang| {
        let what = what_hung(Workbench::told(&dut, &hang).trace()).unwrap_or_default();
        console.note_hang(options.file.display(), &what);
        if hang.sequence != sequence {
            console.note(
                "not the file itself, but a form of it that was tried; now that is minimized",
            );
        }
        minimize_hang(&dut, fault.map(|fault| fault.name()), &options.driver, &hang).map(Some)
    })?;
    let Some((shortest, found)) = minimized else { return Err(clean(console)) };
    // The violation may have gone with the last step only if runs differ; then nothing is shown.
    let Some(found) = found else {
        return Err(Failure::workbench(format!(
            "{} breaks an invariant in one run and not in the next",
            options.file.display()
        )));
    };
    let text = found.text.to_string();
    if let Some(output) = &options.output {
        let write = if options.force { write_over } else { write_new };
        write(output, text.as_bytes())?;
    }
    match (console.format, &options.output) {
        (Format::Human, None) => console.say(&text)?,
        (Format::Human, Some(_)) => {}
        (Format::Json, _) => console.say_json(
            1,
            &Minimized {
                calls_before: stored.sequence.calls.len(),
                calls: shortest.calls.len(),
                invariant: found.invariant,
                fingerprint: found.fingerprint.to_string(),
                text,
            },
        )?,
    }
    console.note(&format!(
        "{}: {} calls, {} now",
        found.invariant,
        stored.sequence.calls.len(),
        shortest.calls.len()
    ));
    Ok(Exit::Held)
}

/// The shortest form of what hangs, found by processes that can be ended, and its reproducer.
fn minimize_hang(
    dut: &AnyDut,
    fault: Option<&'static str>,
    driver: &DriverOption,
    hang: &Hang,
) -> Result<(CallSequence, Option<Reproducer>), Failure> {
    let own_process = OwnProcess::of_this_program(fault, None).map_err(|error| {
        Failure::workbench(format!("cannot find this program to run it again: {error}"))
    })?;
    let sheet = driver.sheet().map(Path::to_owned);
    let shortest = own_process.driving(sheet, driver.threads()).minimize(dut, hang);
    let found = reproducer(&shortest.sequence, &mut Workbench::told(dut, &shortest));
    Ok((shortest.sequence, found))
}
