//! The table of residues, as text or Markdown.

use std::io::{self, Write};

use crate::measure::{Residue, Tally};

/// How the table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Markdown,
}

/// A line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) has_c_heap: bool,
    /// `None` if the variant is not built.
    pub(crate) residue: Option<Residue>,
    /// Whether every run left the same.
    pub(crate) is_steady: bool,
}

const HEADS: [&str; 6] =
    ["variant", "stack depth", "dead stack", "freed heap", "registers", "follows the key"];

const LEGEND: [&str; 4] = [
    "the four counts: copies of key / round keys / inverse round keys / keystream blocks",
    "a+b: a full copies, and b words of 8 bytes that are fragments, or copies not aligned to words",
    "follows the key: words in dead stack / freed heap / registers that change with the key alone",
    "freed heap: the Rust heap; *: the library also uses C's, which was not looked into",
];

/// Writes the table with its legend below.
pub(crate) fn write(out: &mut dyn Write, format: Format, rows: &[Row]) -> io::Result<()> {
    let lines: Vec<[String; 6]> = rows.iter().map(cells).collect();
    let bullet = match format {
        Format::Text => write_text(out, &lines).map(|()| ""),
        Format::Markdown => write_markdown(out, &lines).map(|()| "- "),
    }?;
    writeln!(out)?;
    LEGEND.iter().try_for_each(|line| writeln!(out, "{bullet}{line}"))
}

fn write_text(out: &mut dyn Write, lines: &[[String; 6]]) -> io::Result<()> {
    let heads = HEADS.map(String::from);
    let all = || std::iter::once(&heads).chain(lines);
    let widths: [usize; 6] =
        std::array::from_fn(|column| all().map(|line| line[column].len()).max().unwrap_or(0));
    for (number, line) in all().enumerate() {
        let padded: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
        if number == 0 {
            writeln!(out, "{}", widths.map(|width| "-".repeat(width)).join("  "))?;
        }
    }
    Ok(())
}

fn write_markdown(out: &mut dyn Write, lines: &[[String; 6]]) -> io::Result<()> {
    writeln!(out, "| {} |", HEADS.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(HEADS.len()))?;
    lines.iter().try_for_each(|line| writeln!(out, "| {} |", line.join(" | ")))
}

fn cells(row: &Row) -> [String; 6] {
    let Some(residue) = row.residue else {
        return [row.name, "not built", "-", "-", "-", "-"].map(String::from);
    };
    let mut heap = residue.heap.map_or_else(|| String::from("no block"), |tally| in_words(&tally));
    if row.has_c_heap {
        heap.push('*');
    }
    let follows = residue.follows;
    let mut name = String::from(row.name);
    if !row.is_steady {
        name.push_str(" (varies)");
    }
    [
        name,
        format!("{} B", residue.depth),
        in_words(&residue.stack),
        heap,
        in_words(&residue.registers),
        format!("{} / {} / {}", follows.stack, follows.heap, follows.registers),
    ]
}

fn in_words(tally: &Tally) -> String {
    if tally.is_clean() {
        return String::from("clean");
    }
    let counts =
        std::array::from_fn::<_, 4, _>(|kind| match (tally.copies[kind], tally.parts[kind]) {
            (copies, 0) => copies.to_string(),
            (copies, parts) => format!("{copies}+{parts}"),
        });
    counts.join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Follows;

    fn rows() -> Vec<Row> {
        let leaking = Tally { copies: [1, 20, 0, 3], parts: [0, 4, 0, 0] };
        let residue = Residue {
            depth: 128,
            stack: leaking,
            heap: None,
            registers: Tally::default(),
            follows: Follows { stack: 50, heap: 0, registers: 2 },
        };
        let row = |name, residue| Row { name, has_c_heap: true, residue, is_steady: true };
        vec![row("leaky", Some(residue)), row("absent", None)]
    }

    fn check(format: Format, expected: &str) {
        let mut out = Vec::new();
        write(&mut out, format, &rows()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let (table, legend) = text.split_once("\n\n").unwrap();
        assert_eq!(table, expected);
        assert_eq!(legend.lines().count(), LEGEND.len());
    }

    #[test]
    fn text_stands_in_columns() {
        check(
            Format::Text,
            "\
variant  stack depth  dead stack        freed heap  registers  follows the key
-------  -----------  ----------------  ----------  ---------  ---------------
leaky    128 B        1 / 20+4 / 0 / 3  no block*   clean      50 / 0 / 2
absent   not built    -                 -           -          -",
        );
    }

    #[test]
    fn markdown_has_a_cell_for_every_head() {
        check(
            Format::Markdown,
            "\
| variant | stack depth | dead stack | freed heap | registers | follows the key |
|---|---|---|---|---|---|
| leaky | 128 B | 1 / 20+4 / 0 / 3 | no block* | clean | 50 / 0 / 2 |
| absent | not built | - | - | - | - |",
        );
    }
}
