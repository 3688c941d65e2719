//! Understands what a worker prints: libFuzzer's lines, and the target's own.

use std::path::PathBuf;

/// One line of a worker's standard error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// `#123 NEW cov: 12 ft: 34 corp: 5/67b lim: 8 exec/s: 890 rss: 12Mb ...`
    Status(Status),
    /// `rekeylab: executions=N calls=M debug=D differential=F`
    Counts(Counts),
    /// `rekeylab: not-looked-into=stack,registers`: layers of its lane that it cannot look into.
    NotLookedInto(Vec<String>),
    /// `rekeylab: cannot-write=DIRECTORY: WHY`: an input that could not be handed over.
    NotWritten(String),
    /// `artifact_prefix='…'; Test unit written to …`
    Artifact(PathBuf),
    /// `==12==ERROR: KeySanitizer: double-finish on address …`: who stopped it, and for what.
    Sanitizer {
        /// The sanitizer, as it calls itself.
        name: String,
        /// What it found.
        kind: String,
    },
    /// `stat::number_of_executed_units: N`
    FinalExecutions(u64),
    /// Anything else.
    Other,
}

/// What libFuzzer says about itself; what a line leaves out is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Inputs run so far.
    pub executions: u64,
    /// Edges reached.
    pub coverage: Option<u64>,
    /// Features reached.
    pub features: Option<u64>,
    /// Inputs in the working set.
    pub corpus: Option<u64>,
    /// Memory, in MiB.
    pub rss_mib: Option<u64>,
    /// Whether it says that the whole working set has been read.
    pub is_all_read: bool,
}

/// What the target counts by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Sequences run so far.
    pub executions: u64,
    /// Calls made so far.
    pub calls: u64,
    /// Sequences so far for which `Debug` text was looked into.
    pub debug: u64,
    /// Sequences so far for which runs were compared.
    pub differential: u64,
}

impl core::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            executions: self.executions.saturating_add(other.executions),
            calls: self.calls.saturating_add(other.calls),
            debug: self.debug.saturating_add(other.debug),
            differential: self.differential.saturating_add(other.differential),
        }
    }
}

/// Understands one line.
#[must_use]
pub fn parse_line(line: &str) -> Line {
    let line = line.trim_end();
    if let Some(rest) = line.strip_prefix('#') {
        return status(rest).map_or(Line::Other, Line::Status);
    }
    if let Some(layers) = line.strip_prefix("rekeylab: not-looked-into=") {
        return Line::NotLookedInto(layers.split(',').map(str::to_owned).collect());
    }
    if let Some(what) = line.strip_prefix("rekeylab: cannot-write=") {
        return Line::NotWritten(what.to_owned());
    }
    if let Some(rest) = line.strip_prefix("rekeylab: ") {
        return counts(rest).map_or(Line::Other, Line::Counts);
    }
    if let Some(rest) = line.strip_prefix("stat::number_of_executed_units:") {
        return rest.trim().parse().map_or(Line::Other, Line::FinalExecutions);
    }
    if let Some((_, path)) = line.split_once("; Test unit written to ") {
        return Line::Artifact(PathBuf::from(path));
    }
    sanitizer(line).unwrap_or(Line::Other)
}

fn status(rest: &str) -> Option<Status> {
    let mut words = rest.split_ascii_whitespace();
    let mut status = Status { executions: words.next()?.parse().ok()?, ..Status::default() };
    while let Some(word) = words.next() {
        let field = match word {
            "INITED" => {
                status.is_all_read = true;
                continue;
            }
            "cov:" => &mut status.coverage,
            "ft:" => &mut status.features,
            "corp:" => &mut status.corpus,
            "rss:" => &mut status.rss_mib,
            _ => continue,
        };
        *field = words.next().and_then(leading_number);
    }
    Some(status)
}

/// The number that a word begins with: `5/67b` is 5, `12Mb` is 12.
fn leading_number(word: &str) -> Option<u64> {
    let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    word[..end].parse().ok()
}

fn counts(rest: &str) -> Option<Counts> {
    let field = |key: &str| {
        let mut pairs = rest.split_ascii_whitespace().filter_map(|word| word.split_once('='));
        pairs.find(|pair| pair.0 == key)?.1.parse().ok()
    };
    Some(Counts {
        executions: field("executions")?,
        calls: field("calls")?,
        // A target of another driver may be older than these.
        debug: field("debug").unwrap_or(0),
        differential: field("differential").unwrap_or(0),
    })
}

fn sanitizer(line: &str) -> Option<Line> {
    let (pid, rest) = line.trim_start().strip_prefix("==")?.split_once("==")?;
    if pid.is_empty() || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start().strip_prefix("ERROR: ")?;
    let (name, what) = rest.split_once(": ")?;
    let kind = what.split_ascii_whitespace().next()?;
    Some(Line::Sanitizer { name: name.to_owned(), kind: kind.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(line: &str) -> Status {
        match parse_line(line) {
            Line::Status(status) => status,
            other => panic!("{line:?} is {other:?}"),
        }
    }

    #[test]
    fn every_status_line_of_libfuzzer_is_understood() {
        let full = Status {
            executions: 123,
            coverage: Some(12),
            features: Some(34),
            corpus: Some(5),
            rss_mib: Some(12),
            is_all_read: false,
        };
        assert_eq!(
            status_of(
                "#123\tNEW    cov: 12 ft: 34 corp: 5/67b lim: 8 exec/s: 890 rss: 12Mb L: 3/4 MS: 1 -"
            ),
            full
        );
        assert_eq!(
            status_of("#123\tpulse  cov: 12 ft: 34 corp: 5/67Kb lim: 8 exec/s: 8 rss: 12Mb"),
            full
        );
        let bare = Status { executions: 2, ..Status::default() };
        assert_eq!(status_of("#2\tINITED exec/s: 0 "), Status { is_all_read: true, ..bare });
        assert_eq!(status_of("#2\tDONE   cov: "), bare);
    }

    #[test]
    fn the_lines_of_the_target_and_of_the_end_are_understood() {
        assert_eq!(
            parse_line("rekeylab: executions=65536 calls=1200000 debug=272 differential=512\n"),
            Line::Counts(Counts {
                executions: 65536,
                calls: 1_200_000,
                debug: 272,
                differential: 512
            })
        );
        assert_eq!(parse_line("stat::number_of_executed_units: 981"), Line::FinalExecutions(981));
        assert_eq!(
            parse_line("artifact_prefix='/tmp/a b/'; Test unit written to /tmp/a b/crash-0a1b"),
            Line::Artifact(PathBuf::from("/tmp/a b/crash-0a1b"))
        );
        let named =
            |name: &str, kind: &str| Line::Sanitizer { name: name.into(), kind: kind.into() };
        assert_eq!(
            parse_line("==7==ERROR: KeySanitizer: double-finish on address 0x000000000005 x"),
            named("KeySanitizer", "double-finish")
        );
        assert_eq!(
            parse_line("==8== ERROR: libFuzzer: deadly signal"),
            named("libFuzzer", "deadly")
        );
        assert_eq!(
            parse_line("==9==ERROR: AddressSanitizer: heap-use-after-free on address 0x6 at pc"),
            named("AddressSanitizer", "heap-use-after-free")
        );
    }

    #[test]
    fn anything_else_is_something_else() {
        for line in [
            "",
            "#",
            "# comment",
            "#x NEW",
            "#99999999999999999999999 NEW",
            "rekeylab: ",
            "rekeylab: executions=1 calls=x",
            "stat::number_of_executed_units: many",
            "==",
            "====ERROR: a: b",
            "==1==ERROR: ",
            "==1==ERROR: a:",
            "INFO: Seed: 1",
            "\u{FFFD}\u{FFFD}",
            "violation: double-finish",
        ] {
            assert_eq!(parse_line(line), Line::Other, "{line:?}");
        }
    }
}
