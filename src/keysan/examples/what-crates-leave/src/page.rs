//! The table as a page that stands alone: one file, no scripts, nothing loaded from elsewhere.

use std::fmt::{self, Write};

use crate::measure::{Cell, Column, Left, Measured, RUNS, Row};
use crate::setting::Setting;
use crate::table;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn page(rows: &[Row], setting: &Setting) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    _ = write_page(&mut out, rows, setting);
    out
}

fn write_page(out: &mut String, rows: &[Row], setting: &Setting) -> fmt::Result {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>What crates leave of their keys</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>"
    )?;
    write_head(out, rows)?;
    write_legend(out)?;
    out.push_str("<div class=\"sheet wide\" tabindex=\"0\" role=\"region\" aria-label=\"The table\">\n<table>\n<thead><tr>");
    out.push_str("<th scope=\"col\">Crate, and the life of its secrets</th>");
    for column in Column::ALL {
        write!(out, "<th scope=\"col\">{}</th>", capitalised(column.head()))?;
    }
    out.push_str("</tr></thead>\n");
    let (controls, crates): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.subject.is_control());
    let in_order: Vec<&Row> = crates.into_iter().chain(controls).collect();
    for group in in_order.chunk_by(|one, other| one.subject.kind == other.subject.kind) {
        let Some(first) = group.first() else { continue };
        let kind = capitalised(first.subject.kind.in_words());
        let span = Column::ALL.len() + 1;
        writeln!(
            out,
            "<tbody class=\"group\"><tr><th scope=\"rowgroup\" colspan=\"{span}\">{kind}</th></tr>"
        )?;
        group.iter().try_for_each(|row| write_row(out, row))?;
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n</div>\n");
    write_foot(out, setting)?;
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

fn write_head(out: &mut String, rows: &[Row]) -> fmt::Result {
    let crates: Vec<&Row> = rows.iter().filter(|row| !row.subject.is_control()).collect();
    let measured: Vec<&Measured> =
        crates.iter().filter_map(|row| row.outcome.as_ref().ok()).collect();
    let with =
        |column: Column| measured.iter().filter(|it| !it.cells[column as usize].is_clean()).count();
    let clean = measured.iter().filter(|it| it.cells.iter().all(Cell::is_clean)).count();
    let trouble = rows.iter().filter(|row| row.trouble().is_some()).count();
    out.push_str("<h1>What crates leave of their keys</h1>\n");
    writeln!(
        out,
        "<p class=\"lead\">Each crate is given secrets, uses them and lets them go. Then keysan looks for what \
         stayed: in heap blocks, on the dead stack, in registers, statics and text. {}</p>",
        escaped(&table::summary(rows))
    )?;
    let all = crates.len();
    let tile = |out: &mut String, class: &str, count: usize, what: &str| {
        writeln!(
            out,
            "<li class=\"{class}\"><b>{count} <small>of {all}</small></b><span>{what}</span></li>"
        )
    };
    out.push_str("<ul class=\"tiles\">\n");
    tile(out, "good", clean, "leave nothing that was looked for")?;
    tile(out, "bad", with(Column::Freed), "leave secrets in freed heap blocks")?;
    tile(out, "", with(Column::Stack), "leave copies on the dead stack")?;
    tile(out, "", with(Column::Registers), "leave parts in registers")?;
    tile(
        out,
        "",
        with(Column::Statics) + with(Column::Given),
        "leave some in statics or print them",
    )?;
    let (class, word) = if trouble == 0 {
        ("good", "rows are void, refused or unsteady")
    } else {
        ("bad", "rows say nothing")
    };
    writeln!(
        out,
        "<li class=\"{class}\"><b>{trouble} <small>of {}</small></b><span>{word}</span></li>\n</ul>",
        rows.len()
    )
}

fn write_legend(out: &mut String) -> fmt::Result {
    let signs = [
        ("whole", "●", "key ×2", "whole copies, and how many"),
        ("part", "◐", "key, bytes 0 to 15", "a part of it"),
        ("moved", "†", "key", "only where the harness has moved the value, as any caller does"),
        ("clean", "✓", "clean", "nothing was found"),
    ];
    out.push_str("<ul class=\"legend\" aria-label=\"What the signs mean\">\n");
    for (class, sign, text, meaning) in signs {
        writeln!(out, "<li>{}<span>{meaning}</span></li>", chip(class, sign, text))?;
    }
    out.push_str("</ul>\n");
    Ok(())
}

fn write_row(out: &mut String, row: &Row) -> fmt::Result {
    let subject = row.subject;
    let part = subject.name.strip_prefix(subject.crate_name()).unwrap_or_default();
    write!(
        out,
        "<tr class=\"row\"><th scope=\"row\"><span class=\"name\">{}</span>\
         <span class=\"version mono\">{}</span>{}<span class=\"life\">{}</span>",
        escaped(subject.crate_name()),
        row.version(),
        escaped(part),
        escaped(&capitalised(subject.life)),
    )?;
    if let Some((word, why)) = row.trouble() {
        write!(out, "<span class=\"trouble\">{word}</span> {}", escaped(&why))?;
    }
    out.push_str("</th>");
    for column in Column::ALL {
        let is_narrow = matches!(column, Column::Live | Column::Statics | Column::Given);
        let class = if is_narrow { "cell narrow" } else { "cell" };
        write!(out, "<td class=\"{class}\">")?;
        match &row.outcome {
            Err(_) => out.push_str("not known"),
            Ok(measured) => match &measured.cells[column as usize].left[..] {
                [] => out.push_str(&chip("clean", "✓", "clean")),
                left => left.iter().for_each(|left| out.push_str(&chip_of(left))),
            },
        }
        out.push_str("</td>");
    }
    let span = Column::ALL.len() + 1;
    write!(out, "</tr>\n<tr class=\"more\"><td colspan=\"{span}\">")?;
    if let Ok(measured) = &row.outcome {
        write_details(out, row, measured)?;
    }
    out.push_str("</td></tr>\n");
    Ok(())
}

/// What a click opens.
fn write_details(out: &mut String, row: &Row, measured: &Measured) -> fmt::Result {
    let counted =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    writeln!(
        out,
        "<details><summary>{}, {}, {}</summary><div class=\"inside\">",
        counted(measured.causes.len(), "cause"),
        counted(measured.secrets.len(), "secret"),
        counted(measured.calls.len(), "call"),
    )?;
    if !row.subject.note.is_empty() {
        writeln!(out, "<p class=\"note\">{}</p>", escaped(row.subject.note))?;
    }
    out.push_str("<div><h3>Causes, and how many findings each has</h3><ul>");
    for cause in &measured.causes {
        write!(out, "<li><code>{}</code> ×{}</li>", escaped(&cause.shape), cause.count)?;
    }
    if measured.causes.is_empty() {
        out.push_str("<li>none</li>");
    }
    out.push_str("</ul><h3>Proven</h3><ul>");
    for check in &measured.checks {
        write!(out, "<li>{}</li>", escaped(check))?;
    }
    write!(
        out,
        "<li>{RUNS} runs with other secrets left the same; each secret was found where it was kept on purpose</li>"
    )?;
    out.push_str("</ul></div><div><h3>Secrets that were looked for</h3><ul>");
    for secret in &measured.secrets {
        write!(out, "<li>{}</li>", escaped(secret))?;
    }
    out.push_str("</ul><h3>Calls</h3><ol>");
    for calls in measured.calls.chunk_by(|one, other| one == other) {
        let Some(call) = calls.first() else { continue };
        let moved = if call.has_moved { " †" } else { "" };
        let times =
            if calls.len() > 1 { format!(", {} times", calls.len()) } else { String::new() };
        write!(out, "<li>{}{moved}{times}</li>", escaped(call.name))?;
    }
    out.push_str("</ol></div></div></details>");
    Ok(())
}

fn write_foot(out: &mut String, setting: &Setting) -> fmt::Result {
    out.push_str(
        "<div class=\"below\">\n<section><h2>What a finding is</h2><p>A copy that outlives its secret: eight bytes of it \
         in a row, or fifteen on heap and stack. It can reach a crash dump, a later overread, or the next owner of the \
         memory. It does not say that anyone can read it, and several crates document theirs.</p></section>\n\
         <section><h2>What clean is not</h2><p>Other forms of a key are not seen: bit-sliced, in Montgomery form, XORed \
         with a pad. Nor is what was gone when the call returned, or what C allocates. Clean here is clean in this build.</p></section>\n\
         <section><h2>Why to believe it</h2><p>Every answer was checked, every secret was kept on purpose and found, and \
         every row was the same each time. The controls are the last two rows: one touches nothing, one leaves its key \
         everywhere.</p></section>\n</div>\n",
    );
    writeln!(out, "<footer>Measured with {}.</footer>", escaped(&setting.to_string()))
}

fn chip_of(left: &Left) -> String {
    let words = left.in_words();
    match (left.may_be_ours, left.whole) {
        (true, _) => chip("moved", "†", words.trim_end_matches(" †")),
        (false, 0) => chip("part", "◐", &words),
        (false, _) => chip("whole", "●", &words),
    }
}

fn chip(class: &str, sign: &str, text: &str) -> String {
    let text = escaped(text);
    format!("<span class=\"chip {class}\"><i aria-hidden=\"true\">{sign}</i>{text}</span>")
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_taken_for_markup() {
        assert_eq!(escaped("<Vec> & \"x\""), "&lt;Vec&gt; &amp; &quot;x&quot;");
        assert!(!chip("whole", "●", "<i>").contains("<i>"));
    }
}
