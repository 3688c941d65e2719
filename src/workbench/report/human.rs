//! A violation, told as the history that led to it.

use core::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::Subject;
use crate::invariant::Violation;
use crate::observation::{Observation, Trace};
use crate::sequence::{Call, Slot};

/// Whether a story is coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// With terminal escapes.
    On,
    /// Plain text.
    Off,
}

/// Every violation of a run, each as a story; empty when all held.
#[must_use]
pub fn story(subject: &Subject<'_>, colour: Colour) -> String {
    let mut text = String::new();
    let mut violations: Vec<_> = subject.verdict.violations.iter().collect();
    violations.sort_by_key(|violation| violation.call);
    for (number, violation) in violations.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        tell(&mut text, subject, violation, colour).expect("a string takes any text");
    }
    text
}

fn tell(
    text: &mut String,
    subject: &Subject<'_>,
    violation: &Violation,
    colour: Colour,
) -> core::fmt::Result {
    let paint = Paint(colour);
    let trace = subject.trace;
    let alarm = paint.alarm();
    writeln!(text, "{alarm}violation: {}{alarm:#}", violation.invariant)?;
    match trace.calls.get(violation.call) {
        Some(seen) => writeln!(text, "  {}  {}", name_of(violation.call, trace), call_text(seen))?,
        None => writeln!(text, "  at the end, when the driver was gone")?,
    }
    writeln!(text, "    happened: {}", violation.happened)?;
    writeln!(text, "    expected: {}", violation.expected)?;
    writeln!(text, "    rules:    {}", violation.rules)?;
    if violation.is_inferred {
        writeln!(text, "    inferred from this symptom; the minimised form settles it")?;
    }
    life(text, violation, trace, paint)?;
    writeln!(text)?;
    writeln!(text, "  fingerprint {}", subject.fingerprint(violation))?;
    if let Some(replay) = subject.replay {
        let bold = paint.bold();
        writeln!(text, "  {bold}reproduce: {replay}{bold:#}")?;
    }
    Ok(())
}

/// The calls that made the session what it was, up to the violation.
fn life(
    text: &mut String,
    violation: &Violation,
    trace: &Trace,
    paint: Paint,
) -> core::fmt::Result {
    let concerns = |seen: &Observation| match (violation.session, seen.session_slot) {
        (None, _) => true,
        (Some(slot), Some(session)) => session == slot,
        // Calls on a session that names none concern nobody, those on other devices only theirs.
        (Some(slot), None) => match seen.device_slot {
            None => seen.call.session().is_none(),
            Some(device) => owner_of(slot, trace) == Some(device),
        },
    };
    let history: Vec<_> = trace
        .calls
        .iter()
        .enumerate()
        .take(violation.call + 1)
        .filter(|(_, seen)| concerns(seen))
        .collect();
    writeln!(text)?;
    match violation.session {
        Some(slot) => writeln!(text, "  the life of s{slot}")?,
        None => writeln!(text, "  the calls until then")?,
    }
    let skipped = history.len().saturating_sub(HISTORY_MAX);
    if skipped > 0 {
        writeln!(text, "    ... {skipped} calls before")?;
    }
    for &(index, seen) in &history[skipped..] {
        let style = if index == violation.call { paint.alarm() } else { Style::new() };
        let answer = match seen.code {
            Some(code) if code.is_ok() => "ok".to_owned(),
            Some(code) => code.to_string(),
            None if seen.call.is_injection() => String::new(),
            None => "did not return".to_owned(),
        };
        let line = format!("    {:<9}  {:<42}  {answer}", name_of(index, trace), call_text(seen));
        writeln!(text, "{style}{}{style:#}", line.trim_end())?;
    }
    Ok(())
}

/// How many calls of a life are shown; a minimised sequence has fewer.
const HISTORY_MAX: usize = 24;

fn owner_of(session: u16, trace: &Trace) -> Option<u16> {
    let created = trace.calls.iter().find(|seen| {
        matches!(seen.call, Call::CreateSession { .. }) && seen.session_slot == Some(session)
    });
    created.and_then(|seen| seen.device_slot)
}

/// Calls are counted from 0, as in traces; those of the epilogue say so.
fn name_of(index: usize, trace: &Trace) -> String {
    if index < trace.sequence_len || trace.sequence_len == 0 {
        format!("call {index}")
    } else {
        "epilogue".to_owned()
    }
}

/// The call as the text form writes it, with the slots that it really meant.
fn call_text(seen: &Observation) -> String {
    let narrow = |slot: Option<u16>| slot.and_then(|slot| u8::try_from(slot).ok()).map(Slot);
    let mut call = seen.call;
    if let Some(session) = call.session_mut() {
        session.slot = narrow(seen.session_slot).unwrap_or(session.slot);
        session.via = session.via.map(|via| narrow(seen.device_slot).unwrap_or(via));
    }
    match call {
        Call::CreateDevice => format!("d{} = {call}", seen.device_slot.unwrap_or_default()),
        Call::CreateSession { .. } => {
            format!("s{} = {call}", seen.session_slot.unwrap_or_default())
        }
        _ => call.to_string(),
    }
}

#[derive(Clone, Copy)]
struct Paint(Colour);

impl Paint {
    fn pick(self, style: Style) -> Style {
        if self.0 == Colour::On { style } else { Style::new() }
    }

    fn alarm(self) -> Style {
        self.pick(AnsiColor::Red.on_default().bold())
    }

    fn bold(self) -> Style {
        self.pick(Style::new().bold())
    }
}
