//! The table as text, Markdown, JSON, and as the lines that a test pins.

use std::fmt::Write;

use serde_json::json;

use crate::measure::{Cell, Column, Measured, RUNS, Row};
use crate::setting::Setting;

/// How the table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Markdown,
    Json,
    Lines,
}

/// What the signs in the cells mean.
pub(crate) const LEGEND: [&str; 7] = [
    "key ×2 is two copies of the whole key; key, bytes 0 to 15 is a part of it; + 2 parts are further, partial copies",
    "clean is nothing: no eight bytes in a row where every byte is looked at, no fifteen on heap and stack",
    "† only where the harness has moved the value, into a box mostly: any caller who moves it leaves that copy",
    "heap, freed: in blocks that were given back; heap, live: in blocks that are still held when the secret's life is over",
    "dead stack: below a call that has returned; registers: behind it; statics: all of the program, but keysan's own",
    "text, output: in what Debug prints, and in what is sent or sealed",
    "a secret's own home is no finding while the secret lives, and a dead place always is one",
];

/// The whole table.
pub(crate) fn print(format: Format, rows: &[Row], setting: &Setting) -> String {
    match format {
        Format::Text => text(rows, setting),
        Format::Markdown => markdown(rows, setting),
        Format::Json => json(rows, setting),
        Format::Lines => lines(rows, setting),
    }
}

/// What one can count on: how many crates, and how many of them left nothing.
pub(crate) fn summary(rows: &[Row]) -> String {
    let crates = || rows.iter().filter(|row| !row.subject.is_control());
    let mut names: Vec<&str> = crates().map(|row| row.subject.crate_name()).collect();
    names.dedup();
    let count = |is: fn(&Measured) -> bool| {
        crates().filter(|row| row.outcome.as_ref().is_ok_and(is)).count()
    };
    let clean = count(|measured| measured.cells.iter().all(Cell::is_clean));
    let held = count(|measured| !measured.cells[Column::Freed as usize].is_clean());
    let trouble = rows.iter().filter(|row| row.trouble().is_some()).count();
    let troubles = match trouble {
        0 => format!("none void, none refused, each {RUNS} times the same"),
        _ => format!("{trouble} of the rows say nothing, see there"),
    };
    format!(
        "{} crates in {} rows: {clean} rows are clean, {held} leave secrets in freed heap blocks; {troubles}.",
        names.len(),
        crates().count()
    )
}

/// The width of the first column, and of the others at most.
const FIRST_WIDTH: usize = 44;
const WIDTH_MAX: usize = 28;

fn text(rows: &[Row], setting: &Setting) -> String {
    let mut head = vec![vec!["crate and the life of its secrets".to_owned()]];
    head.extend(Column::ALL.map(|column| vec![column.head().to_owned()]));
    let mut lines = vec![head];
    for row in rows {
        let mut first = vec![row.title()];
        first.extend(wrapped(row.subject.life, FIRST_WIDTH - 2).map(|line| format!("  {line}")));
        let mut cells = vec![first];
        match (&row.outcome, row.trouble()) {
            (Ok(measured), trouble) => {
                cells[0].extend(trouble.map(|(word, _)| format!("  ! {word}")));
                cells.extend(measured.cells.iter().map(|cell| {
                    let left = cell.left.iter().map(|left| left.in_words());
                    let lines = left.flat_map(|left| wrapped(&left, WIDTH_MAX).collect::<Vec<_>>());
                    let lines: Vec<String> = lines.collect();
                    if lines.is_empty() { vec!["clean".to_owned()] } else { lines }
                }));
            }
            (Err(_), trouble) => cells[0].extend(trouble.map(|(word, _)| format!("  ! {word}"))),
        }
        cells.resize(Column::ALL.len() + 1, vec!["-".to_owned()]);
        lines.push(cells);
    }
    let widths: Vec<usize> = (0..=Column::ALL.len())
        .map(|column| {
            let cells = lines.iter().flat_map(|line| &line[column]);
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        let height = line.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..height {
            let cells = line.iter().zip(&widths).map(|(cell, width)| {
                let cell = cell.get(at).map_or("", String::as_str);
                format!("{cell}{}", " ".repeat(width.saturating_sub(cell.chars().count())))
            });
            let cells: Vec<String> = cells.collect();
            _ = writeln!(out, "{}", cells.join("  ").trim_end());
        }
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            _ = writeln!(out, "{}", rules.join("  "));
        }
    }
    out.push('\n');
    for row in rows.iter().filter(|row| !row.subject.is_control() || row.trouble().is_some()) {
        _ = writeln!(out, "{}", row.title());
        if let Some((word, why)) = row.trouble() {
            _ = writeln!(out, "  ! {word}: {why}");
        }
        if !row.subject.note.is_empty() {
            _ = writeln!(out, "  note: {}", row.subject.note);
        }
        causes_of(row).for_each(|cause| _ = writeln!(out, "  {cause}"));
    }
    out.push('\n');
    LEGEND.iter().for_each(|line| _ = writeln!(out, "{line}"));
    _ = writeln!(out, "\n{}\n{setting}.", summary(rows));
    out
}

/// The causes of a row, each with the number of its findings; or that there are none.
fn causes_of(row: &Row) -> impl Iterator<Item = String> {
    let causes = row.outcome.iter().flat_map(|measured| &measured.causes);
    let clean = row.outcome.as_ref().is_ok_and(|it| it.causes.is_empty());
    causes
        .map(|cause| format!("{} ({})", cause.shape, cause.count))
        .chain(clean.then(|| "clean".to_owned()))
}

fn markdown(rows: &[Row], setting: &Setting) -> String {
    let mut out = String::from("| crate | the life of its secrets |");
    Column::ALL.iter().for_each(|column| _ = write!(out, " {} |", column.head()));
    _ = writeln!(out, "\n|{}", "---|".repeat(Column::ALL.len() + 2));
    for row in rows {
        let trouble = row.trouble().map(|(word, _)| format!(" **{word}**")).unwrap_or_default();
        _ = write!(out, "| {}{trouble} | {} |", row.title(), row.subject.life);
        for column in Column::ALL {
            let cell = row.outcome.as_ref().ok().map(|it| &it.cells[column as usize]);
            let left = |cell: &Cell| {
                let left: Vec<String> = cell.left.iter().map(|left| left.in_words()).collect();
                if left.is_empty() { "clean".to_owned() } else { left.join("<br>") }
            };
            _ = write!(out, " {} |", cell.map_or("-".to_owned(), left));
        }
        out.push('\n');
    }
    for row in rows {
        _ = writeln!(out, "\n**{}**\n", row.title());
        if let Some((word, why)) = row.trouble() {
            _ = writeln!(out, "- **{word}**: {why}");
        }
        if !row.subject.note.is_empty() {
            _ = writeln!(out, "- note: {}", row.subject.note);
        }
        causes_of(row).for_each(|cause| _ = writeln!(out, "- {cause}"));
    }
    out.push('\n');
    LEGEND.iter().for_each(|line| _ = writeln!(out, "- {line}"));
    _ = writeln!(out, "\n{}\n\n{setting}.", summary(rows));
    out
}

fn json(rows: &[Row], setting: &Setting) -> String {
    let cell = |cell: &Cell| -> Vec<serde_json::Value> {
        let left = cell.left.iter().map(|left| {
            json!({
                "secret": left.secret,
                "whole": left.whole,
                "parts": left.parts,
                "longest_part": (left.parts > 0).then_some([left.longest.0, left.longest.1]),
                "only_where_the_harness_moved": left.may_be_ours,
            })
        });
        left.collect()
    };
    let row = |row: &Row| {
        let measured = row.outcome.as_ref().ok();
        let columns = |measured: &Measured| -> serde_json::Value {
            let cells = Column::ALL.iter().zip(&measured.cells);
            cells.map(|(column, it)| (column.head().to_owned(), json!(cell(it)))).collect()
        };
        let causes = |measured: &Measured| -> Vec<serde_json::Value> {
            let causes = measured.causes.iter();
            causes.map(|it| json!({ "shape": it.shape, "findings": it.count })).collect()
        };
        json!({
            "name": row.subject.name,
            "version": row.version(),
            "kind": row.subject.kind.in_words(),
            "life": row.subject.life,
            "note": row.subject.note,
            "trouble": row.trouble().map(|(word, why)| json!({ "what": word, "why": why })),
            "left": measured.map(columns),
            "causes": measured.map(causes),
            "secrets": measured.map(|it| &it.secrets),
            "calls": measured.map(|it| it.calls.iter().map(|call| call.name).collect::<Vec<_>>()),
            "checks": measured.map(|it| &it.checks),
        })
    };
    let all = json!({
        "compiler": setting.compiler,
        "build": setting.build,
        "implementations": setting.backends,
        "processor": setting.processor,
        "runs": RUNS,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}

/// No offsets and no counts, and of registers not even how much: what is the same in every run, wherever memory lies.
fn lines(rows: &[Row], setting: &Setting) -> String {
    let mut out = format!("# {setting}\n");
    for row in rows {
        let state =
            row.trouble().map_or("measured".to_owned(), |(word, why)| format!("{word}, {why}"));
        _ = write!(out, "{}: {state}", row.title());
        let measured = row.outcome.iter();
        for (column, cell) in measured.flat_map(|it| Column::ALL.iter().zip(&it.cells)) {
            let named = |left: &crate::measure::Left| match (left.whole, column) {
                (0, Column::Registers) | (1.., _) => left.secret.to_owned(),
                (0, _) => format!("part of {}", left.secret),
            };
            let left: Vec<String> = cell.left.iter().map(named).collect();
            let left = if left.is_empty() { "clean".to_owned() } else { left.join(", ") };
            _ = write!(out, " | {}: {left}", column.head());
        }
        out.push('\n');
        let causes = row.outcome.iter().flat_map(|measured| &measured.causes);
        causes.for_each(|cause| _ = writeln!(out, "  {}", cause.shape));
    }
    out
}

/// Breaks a text into lines at its spaces.
fn wrapped(text: &str, width: usize) -> impl Iterator<Item = String> + use<> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter()
}
