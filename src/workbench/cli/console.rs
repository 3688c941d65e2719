//! Where a command writes: findings to one place, everything else to another, in one look.

use std::fmt::Display;
use std::io::{self, Write};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use comfy_table::Table;
use serde::Serialize;

use crate::observation::{Layer, Layers};
use crate::watchdog::{TIME_LIMIT, time_limit};

use super::exit::Exit;
use super::failure::Failure;
use super::{Format, Look, When};

/// The two streams of a command, and how they look.
pub(super) struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// For people or programs.
    pub(super) format: Format,
    is_out_coloured: bool,
    is_err_coloured: bool,
    /// Layers that need not be looked into.
    pub(super) allowed_missing: Layers,
}

impl<'a> Console<'a> {
    pub(super) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, look: &Look) -> Self {
        let is_coloured = |by_itself: ColorChoice| match look.color {
            When::Always => true,
            When::Never => false,
            When::Auto => by_itself != ColorChoice::Never,
        };
        Self {
            out,
            err,
            format: look.format,
            allowed_missing: allowed_missing(&look.allow_missing),
            is_out_coloured: is_coloured(AutoStream::choice(&io::stdout())),
            is_err_coloured: is_coloured(AutoStream::choice(&io::stderr())),
        }
    }

    /// Writes findings; their colours arrive where colours are wanted.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Failure> {
        if self.is_out_coloured {
            self.say_bytes(text.as_bytes())
        } else {
            self.say_bytes(strip_str(text).to_string().as_bytes())
        }
    }

    /// Writes findings that are not text.
    pub(super) fn say_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.out.write_all(bytes) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::output(&error)),
            _ => Ok(()),
        }
    }

    /// Makes sure that what was said has arrived.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        match self.out.flush() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::output(&error)),
            _ => Ok(()),
        }
    }

    /// Writes the one document of a run for programs: its version, and then what the command has to say.
    ///
    /// To documents of one version, fields are only ever added.
    pub(super) fn say_json(&mut self, version: u32, body: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(&Document { version, body })
            .map_err(|error| Failure::workbench(format!("cannot write the report: {error}")))?;
        text.push('\n');
        self.say_bytes(text.as_bytes())
    }

    /// Writes a line of progress; nothing depends on whether it arrives.
    pub(super) fn note(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    /// Says what may be wrong, and what to try.
    pub(super) fn warning(&mut self, message: &str) {
        let label = self.label(AnsiColor::Yellow, "warning");
        self.note(&format!("{label}: {message}"));
    }

    /// Says which layers that a command looks into cannot be looked into here, and what that means for
    /// its exit code: silence about them is no pass, unless somebody has said that it may be.
    pub(super) fn exit_without(&mut self, wanted: Layers, available: Layers) -> Exit {
        let missing = wanted.except(available);
        if missing == Layers::NONE {
            return Exit::Held;
        }
        let names = missing.names().join(", ");
        self.warning(&format!("not looked into on this machine, or in this program: {names}"));
        let refused = missing.except(self.allowed_missing);
        if refused == Layers::NONE {
            return Exit::Held;
        }
        self.note(&format!("  to accept that: --allow-missing {}", refused.names().join(",")));
        Exit::NotLookedInto
    }

    /// Says how long was waited for what hung, which its story does not say.
    pub(super) fn note_hang(&mut self, source: impl Display, what: &str) {
        self.note(&hang_line(source, what));
    }

    /// Says why the command cannot go on.
    pub(super) fn failure(&mut self, failure: &Failure) {
        let label = self.label(AnsiColor::Red, "error");
        self.note(&format!("{label}: {}", failure.message));
        if let Some(way_out) = &failure.way_out {
            self.note(&format!("  try: {way_out}"));
        }
    }

    fn label(&self, colour: AnsiColor, word: &str) -> String {
        let style = if self.is_err_coloured { colour.on_default().bold() } else { Style::new() };
        format!("{style}{word}{style:#}")
    }
}

/// What is said of a hang beside its story.
pub(super) fn hang_line(source: impl Display, what: &str) -> String {
    let limit = humantime::format_duration(time_limit().unwrap_or(TIME_LIMIT));
    format!("{source}: {what} did not return within {limit}; --time-limit says how long is waited")
}

fn allowed_missing(names: &[String]) -> Layers {
    let is_named = |layer: &Layer| names.iter().any(|name| name == layer.name());
    Layer::ALL.into_iter().filter(is_named).fold(Layers::NONE, Layers::with)
}

/// What a machine reads of a run.
#[derive(Serialize)]
struct Document<'a, B> {
    version: u32,
    #[serde(flatten)]
    body: &'a B,
}

/// A table whose columns are as wide as they need to be.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let rows = [["a", "long one", ""], ["bbb", "c", "d"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.map(str::to_owned).into()).collect();
        assert_eq!(table(&rows), "a    long one\nbbb  c         d\n");
    }
}
