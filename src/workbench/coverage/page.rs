//! Coverage as a page for a browser, which fetches nothing.

use std::collections::BTreeMap;

use askama::Template;

use super::difference::{Change, Difference};
use super::lines::{Coverage, FileCoverage};
use super::reasons::Reasons;

/// What is compared with: how it is called, and what differs.
pub type Base<'a> = (&'a str, &'a [Difference]);

/// The page: every file with every line, why some are never run, and what is not as in the base, if there is one.
#[must_use]
pub fn page(of: &str, coverage: &Coverage, reasons: &Reasons, base: Option<Base<'_>>) -> String {
    let (base, differences) = base.map_or(("", &[][..]), |(name, differences)| (name, differences));
    let changes: BTreeMap<(&str, u32), Change> =
        differences.iter().map(|it| ((it.file.as_str(), it.line), it.change)).collect();
    let files: Vec<Shown<'_>> =
        coverage.files.iter().map(|(path, file)| shown(path, file, reasons, &changes)).collect();
    let page = Page { of, base, differences, files };
    // It writes into memory, and puts nothing in but text and numbers.
    page.render().unwrap_or_default()
}

#[derive(Debug, Template)]
#[template(path = "coverage.html")]
struct Page<'a> {
    of: &'a str,
    base: &'a str,
    differences: &'a [Difference],
    files: Vec<Shown<'a>>,
}

/// One file.
#[derive(Debug)]
struct Shown<'a> {
    path: &'a str,
    id: String,
    reached: usize,
    all: usize,
    lines: Vec<Line<'a>>,
}

/// One line of it.
#[derive(Debug)]
struct Line<'a> {
    number: u32,
    count: String,
    class: &'static str,
    text: &'a str,
    /// Why it is never run, if somebody said so.
    reason: &'a str,
}

fn shown<'a>(
    path: &'a str,
    file: &'a FileCoverage,
    reasons: &'a Reasons,
    changes: &BTreeMap<(&str, u32), Change>,
) -> Shown<'a> {
    let last = file.counts.keys().next_back().copied().unwrap_or(0) as usize;
    let mut before = None;
    // Behind the last line that has code come the tests.
    let lines = file.text.lines().take(last + 1).zip(1..).map(|(text, number)| {
        let count = file.counts.get(&number);
        let class = match (count, changes.get(&(path, number))) {
            (_, Some(Change::Lost)) => "never lost",
            (_, Some(Change::Gained)) => "run gained",
            (Some(0), _) => "never",
            (Some(_), _) => "run",
            (None, _) => "",
        };
        let reason = reasons.reason(path, file, number).filter(|_| count == Some(&0));
        // Said once for lines that follow one another, whatever stands between them that is no code.
        let is_new = reason != before;
        if count.is_some() {
            before = reason;
        }
        let reason = reason.filter(|_| is_new).map_or("", |reason| &reason.why);
        let count = count.map(u64::to_string).unwrap_or_default();
        Line { number, count, class, text, reason }
    });
    Shown {
        path,
        id: path.replace(['/', '.'], "-"),
        reached: file.reached_count(),
        all: file.counts.len(),
        lines: lines.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_source_is_text_and_no_markup() {
        let counts = BTreeMap::from([(1, 0), (2, 7)]);
        let text = "let a = \"<script>alert(1)</script>\";\nb();\n".to_owned();
        let file = FileCoverage { counts, text };
        let coverage = Coverage { files: BTreeMap::from([("src/a.rs".to_owned(), file)]) };
        let lost = Difference {
            file: "src/a.rs".to_owned(),
            line: 1,
            text: "<b>".to_owned(),
            change: Change::Lost,
        };
        let code = "let a = \"<script>alert(1)</script>\";";
        let reasons = Reasons::parse(&format!("src/a.rs: {code}\t<i>why</i>\n")).unwrap();
        let page = page("this tree", &coverage, &reasons, Some(("main", &[lost])));
        assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
        assert!(!page.contains("<i>why") && page.contains("why"), "{page}");
        assert!(page.contains("class=\"never lost\"") && page.contains("1 of 2"), "{page}");
    }
}
