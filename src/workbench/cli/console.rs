//! Where a command writes: findings to one place, everything else to another, in one look.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::observation::{Layer, Layers};
use crate::report::Colour;

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
}

impl<'a> Console<'a> {
    pub(super) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, look: Look) -> Self {
        let is_coloured = |is_terminal: bool| match look.color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        Self {
            out,
            err,
            format: look.format,
            is_out_coloured: is_coloured(io::stdout().is_terminal()),
            is_err_coloured: is_coloured(io::stderr().is_terminal()),
        }
    }

    /// The colour of stories.
    pub(super) fn colour(&self) -> Colour {
        if self.is_out_coloured && self.format == Format::Human { Colour::On } else { Colour::Off }
    }

    /// Writes findings.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.say_bytes(text.as_bytes())
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

    /// Writes the one document of a run for programs.
    pub(super) fn say_json(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(document)
            .map_err(|error| Failure::workbench(format!("cannot write the report: {error}")))?;
        text.push('\n');
        self.say(&text)
    }

    /// Writes a line of progress; nothing depends on whether it arrives.
    pub(super) fn note(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    /// Says what may be wrong, and what to try.
    pub(super) fn warning(&mut self, message: &str) {
        let label = self.label("33", "warning");
        self.note(&format!("{label}: {message}"));
    }

    /// Says what cannot be looked into here, so that silence is not taken for a pass.
    pub(super) fn warn_of_blind_spots(&mut self, layers: Layers) {
        let blind: Vec<_> = Layers::ALL.iter().filter(|&layer| !layers.has(layer)).collect();
        if !blind.is_empty() {
            let names: Vec<_> = blind.into_iter().map(Layer::name).collect();
            let names = names.join(", ");
            self.warning(&format!("not looked into on this machine, or in this program: {names}"));
        }
    }

    /// Says why the command cannot go on.
    pub(super) fn failure(&mut self, failure: &Failure) {
        let label = self.label("31", "error");
        self.note(&format!("{label}: {}", failure.message));
        if let Some(way_out) = &failure.way_out {
            self.note(&format!("  try: {way_out}"));
        }
    }

    fn label(&self, colour: &str, word: &str) -> String {
        if self.is_err_coloured {
            format!("\x1b[1;{colour}m{word}\x1b[0m")
        } else {
            word.to_owned()
        }
    }
}

/// A table whose columns are as wide as they need to be.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let column_count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..column_count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
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
