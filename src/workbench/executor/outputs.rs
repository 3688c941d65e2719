//! Looks for secrets in what the driver says: buffers, numbers, its log and its `Debug` text.

use core::fmt::{self, Write as _};
use core::ops::Range;

use super::differential::{SAID_LEN_MAX, TextKind};
use super::dut::Dut;
use super::run::{Run, enter};
use super::{Executor, narrow, sighting};
use crate::observation::{Layer, Layers, MARGIN_LEN, Place, Trace, UNTOUCHED, Void};

impl<D: Dut> Run<'_, D> {
    /// Looks at every word of a long output.
    pub(super) fn scan_output(&mut self, range: Range<usize>, index: usize) {
        if !self.layers.has(Layer::Outputs) {
            return;
        }
        let Trace { bytes, sightings, .. } = &mut *self.trace;
        self.executor.secrets.scan_aligned(&bytes[range], &mut |seen| {
            let place = Place::Output { offset: narrow(seen.position) };
            sightings.push(sighting(seen.tag, seen.window, index, place));
        });
    }

    /// Looks at every byte of the margin behind an output that begins at `start`, and of the word
    /// that may reach over from there, if any byte of the margin was written.
    pub(super) fn scan_margin(&mut self, start: usize, len: usize, index: usize) {
        let margin = start + len..start + len + MARGIN_LEN;
        if self.trace.bytes[margin.clone()] != UNTOUCHED_BYTES[..MARGIN_LEN] {
            let offset = len.saturating_sub(7);
            self.scan_short_output(start + offset..margin.end, offset, index);
        }
    }

    /// For a few bytes, in which part of a secret may stand anywhere; `offset` is where they begin
    /// in the output.
    pub(super) fn scan_short_output(&mut self, range: Range<usize>, offset: usize, index: usize) {
        let Trace { bytes, sightings, .. } = &mut *self.trace;
        let is_untouched =
            |range: &Range<usize>| bytes[range.clone()] == UNTOUCHED_BYTES[..range.len()];
        if is_untouched(&range) || !self.layers.has(Layer::Outputs) {
            return;
        }
        // Of a margin that nobody has written to, what was written before it reaches no further in
        // than seven bytes.
        let margin = range.end.saturating_sub(MARGIN_LEN).max(range.start)..range.end;
        let end = if is_untouched(&margin) { margin.start + 7 } else { margin.end };
        let range = range.start..end.min(range.end);
        self.executor.secrets.scan_bytes(&bytes[range], &mut |seen| {
            let place = Place::Output { offset: narrow(seen.position + offset) };
            sightings.push(sighting(seen.tag, seen.window, index, place));
        });
    }

    #[inline]
    pub(super) fn scan_scalar(&mut self, scalar: u64, index: usize) {
        if self.executor.secrets.may_be_part(scalar.to_ne_bytes()) {
            self.confirm_scalar(scalar, index);
        }
    }

    #[cold]
    fn confirm_scalar(&mut self, scalar: u64, index: usize) {
        if !self.layers.has(Layer::Outputs) {
            return;
        }
        let sightings = &mut self.trace.sightings;
        self.executor.secrets.scan_bytes(&scalar.to_ne_bytes(), &mut |seen| {
            let place = Place::Output { offset: 0 };
            sightings.push(sighting(seen.tag, seen.window, index, place));
        });
    }

    /// Looks at what the call has logged, and says where in the trace it is.
    pub(super) fn read_log(&mut self, index: usize) -> Range<u32> {
        let start = narrow(self.trace.log.len());
        if !self.executor.seams.has_logged() {
            return start..start;
        }
        let mut log = core::mem::take(&mut self.executor.text);
        log.clear();
        self.executor.seams.take_log(&mut log);
        self.trace.log.push_str(&log);
        if self.layers.has(Layer::Log) {
            for (number, line) in (1..).zip(log.lines()) {
                self.executor.note_text(self.trace, index, line, &|encoding| Place::Log {
                    line: number,
                    encoding,
                });
            }
        }
        self.executor.text = log;
        start..narrow(self.trace.log.len())
    }

    /// Records what the call logged and what `Debug` of the driver shows now, if runs are compared.
    #[inline]
    pub(super) fn record_what_was_said(&mut self, index: usize) {
        let Some(record) = &mut self.recording else { return };
        let call = narrow(index);
        let room = SAID_LEN_MAX.saturating_sub(record.said.len());
        let logged = self.trace.log_of(&self.seen);
        if !logged.is_empty() && logged.len() <= room {
            record.said.push_str(logged);
            record.end_piece(TextKind::Log, call);
        }
        if self.dut.declares_text() {
            let secrets = &self.executor.secrets;
            let said = &mut record.said;
            // On the stack of the workbench, so that what formatting leaves there is nobody's. What does
            // not fit is not compared.
            let _ = enter(self.dut, &mut self.driver, self.instruments, secrets, false, |driver| {
                write!(Bounded(said), "{driver:?}")
            });
            record.end_piece(TextKind::Debug, call);
        }
    }

    /// Looks at what `Debug` showed of the arguments of the last call, which a driver may well log.
    #[inline]
    pub(super) fn read_arguments(&mut self, text: Option<String>) {
        if let Some(text) = text {
            self.read_arguments_text(&text);
        }
    }

    #[cold]
    fn read_arguments_text(&mut self, text: &str) {
        let index = self.trace.calls.len();
        if !is_legible(text) {
            self.trace.void.get_or_insert(Void { layer: Layer::Debug, call: narrow(index) });
        }
        self.executor.note_text(self.trace, index, text, &|encoding| Place::Debug { encoding });
    }

    /// Looks at what `Debug` of the driver shows now.
    pub(super) fn read_debug_text(&mut self, index: usize) {
        let Executor { text, last_text, .. } = &mut *self.executor;
        let (mut text, mut before) = (core::mem::take(text), core::mem::take(last_text));
        let is_gated = self.is_gated;
        loop {
            text.clear();
            let secrets = &self.executor.secrets;
            let written =
                enter(self.dut, &mut self.driver, self.instruments, secrets, is_gated, |driver| {
                    write!(Bounded(&mut text), "{driver:?}")
                });
            if written.is_ok() && !is_legible(&text) {
                self.trace.void.get_or_insert(Void { layer: Layer::Debug, call: narrow(index) });
            }
            if written.is_ok() || text.capacity() > DEBUG_TEXT_LEN_MAX {
                break;
            }
            text.reserve(2 * text.capacity() + 4096);
        }
        // The same text says the same; scanning costs more than writing it.
        if text != before {
            self.executor
                .note_text(self.trace, index, &text, &|encoding| Place::Debug { encoding });
            core::mem::swap(&mut text, &mut before);
        }
        (self.executor.text, self.executor.last_text) = (text, before);
        if is_gated {
            self.look_at_stack_and_registers(index);
        }
    }
}

/// What `Debug` shows of the arguments of a call, if that is looked into.
#[inline]
pub(super) fn arguments_text(layers: Layers, arguments: &dyn fmt::Debug) -> Option<String> {
    layers.has(Layer::Debug).then(|| format!("{arguments:?}"))
}

/// Whether `Debug` says something of every part. A part of which nothing is shown at all was not
/// looked into; one that hides what it holds says at least that it is there.
fn is_legible(text: &str) -> bool {
    let holes = [": ,", ": }", ":  }", "()", "(,", ", ,", ", )", "[,", ", ]"];
    !text.is_empty() && !holes.iter().any(|hole| text.contains(hole))
}

/// A text that never grows: it is the workbench's, and the memory that a growing one moves out of
/// may still hold what the workbench knows, which must not show in the registers of a call.
struct Bounded<'a>(&'a mut String);

impl core::fmt::Write for Bounded<'_> {
    fn write_str(&mut self, piece: &str) -> core::fmt::Result {
        if self.0.capacity() - self.0.len() < piece.len() {
            return Err(core::fmt::Error);
        }
        self.0.push_str(piece);
        Ok(())
    }
}

/// Of longer texts the beginning is read, in bytes.
const DEBUG_TEXT_LEN_MAX: usize = 1 << 20;

/// Of a claimed random-number buffer, the client really owns at most this much, in bytes.
pub(super) const OWNED_RANDOM_LEN_MAX: usize = 64;

/// What a short output holds before anybody writes to it; as long as the longest of them.
const UNTOUCHED_BYTES: [u8; OWNED_RANDOM_LEN_MAX + MARGIN_LEN] =
    [UNTOUCHED; OWNED_RANDOM_LEN_MAX + MARGIN_LEN];
