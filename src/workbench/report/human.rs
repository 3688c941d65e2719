//! A violation, told as the history that led to it.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};

use super::Subject;
use crate::invariant::Violation;
use crate::observation::{Observation, Stage, Trace};
use crate::sequence::{Call, Slot};

/// Whether a story is coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// With terminal escapes.
    On,
    /// Plain text.
    Off,
}

/// Every violation of a run, the first ones of each invariant as a story and further ones as a line; empty when all
/// held.
#[must_use]
pub fn story(subject: &Subject<'_>, colour: Colour) -> String {
    let mut text = String::new();
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    let mut further = Vec::new();
    for violation in subject.verdict.told() {
        let count = told.entry(violation.invariant).or_default();
        *count += 1;
        if *count > STORIES_MAX {
            further.push(violation);
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        tell(&mut text, subject, violation, colour).expect("a string takes any text");
    }
    tell_further(&mut text, &further, subject.trace).expect("a string takes any text");
    text
}

/// How many violations of one invariant are told as stories. One bug often breaks it again and again in a long
/// sequence, and nobody reads the same story thirty times.
const STORIES_MAX: usize = 3;

/// How many more have a line each.
const LINES_MAX: usize = 8;

fn tell_further(text: &mut String, further: &[&Violation], trace: &Trace) -> core::fmt::Result {
    for violation in further.iter().take(LINES_MAX) {
        let Violation { invariant, call, happened, .. } = violation;
        writeln!(text, "  and {invariant} again, {}: {happened}", name_of(*call, trace))?;
    }
    let rest = further.len().saturating_sub(LINES_MAX);
    if rest > 0 {
        writeln!(text, "  and {rest} more, which are in the report as JSON")?;
    }
    Ok(())
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
        None if trace.hang == Some(Stage::Opening) => {
            writeln!(text, "  before the first call, when the driver was opened")?;
        }
        None if trace.hang == Some(Stage::Dropping) => {
            writeln!(text, "  at the end, when the driver was dropped")?;
        }
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

/// The calls up to the violation: all of them if they are few, as they are once minimised, because
/// each is then needed; otherwise those that made the session what it was.
fn life(
    text: &mut String,
    violation: &Violation,
    trace: &Trace,
    paint: Paint,
) -> core::fmt::Result {
    let until = trace.calls.iter().enumerate().take(violation.call.saturating_add(1));
    let is_its = |index: usize, seen: &Observation| {
        index == violation.call || violation.session.is_none_or(|slot| concerns(slot, seen, trace))
    };
    let all_count = until.len();
    let its_count = until.clone().filter(|&(index, seen)| is_its(index, seen)).count();
    let tells_all = all_count <= HISTORY_MAX;
    let history: Vec<_> = until.filter(|&(index, seen)| tells_all || is_its(index, seen)).collect();
    let others = all_count - its_count;

    writeln!(text)?;
    match violation.session {
        None => writeln!(text, "  the calls until then")?,
        Some(slot) if others == 0 => writeln!(text, "  the life of s{slot}")?,
        Some(slot) if tells_all => {
            writeln!(text, "  the calls until then; those marked * are the life of s{slot}")?;
        }
        Some(slot) => {
            writeln!(text, "  the life of s{slot}, without {others} calls that are not its own")?;
        }
    }
    let skipped = history.len().saturating_sub(HISTORY_MAX);
    if skipped > 0 {
        writeln!(text, "    ... {skipped} calls before")?;
    }
    for &(index, seen) in &history[skipped..] {
        let style = if index == violation.call { paint.alarm() } else { Style::new() };
        let mark = if tells_all && others > 0 && is_its(index, seen) { '*' } else { ' ' };
        let answer = match seen.code {
            Some(code) if code.is_ok() => "ok".to_owned(),
            Some(code) => code.to_string(),
            None if !seen.call.enters_driver() => String::new(),
            None => "did not return".to_owned(),
        };
        let (name, call) = (name_of(index, trace), call_text(seen));
        let line = format!("  {mark} {name:<9}  {call:<42}  {answer}");
        writeln!(text, "{style}{}{style:#}", line.trim_end())?;
    }
    Ok(())
}

/// Whether a call has to do with a session: it is one of its own, of its device, or of all.
fn concerns(slot: u16, seen: &Observation, trace: &Trace) -> bool {
    match (seen.session_slot, seen.device_slot) {
        (Some(session), _) => session == slot,
        (None, Some(device)) => owner_of(slot, trace) == Some(device),
        // A call on a session that names none concerns nobody.
        (None, None) => seen.call.session().is_none(),
    }
}

/// How many calls are shown; a minimised sequence mostly has fewer.
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
