//! Runs a subject several times and says what it left, in the same words each time or not at all.

use std::hint::black_box;

use keysan::sanitizer::{Finding, Moment, Place, causes};
use keysan::{Keysan, Layer};

use crate::bench::{Bench, Called, Known, Trouble};
use crate::lock;
use crate::subjects::{self, Subject};

/// How often each subject is measured, with other secrets each time.
pub(crate) const RUNS: u64 = 3;

/// How often a run may end because a crate drew a secret that cannot be told from chance.
const DRAWS_MAX: u64 = 8;

/// What one subject left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    /// By [`Column`].
    pub(crate) cells: [Cell; 6],
    pub(crate) causes: Vec<CauseLine>,
    /// The names of the secrets, in the order in which they came.
    pub(crate) secrets: Vec<&'static str>,
    pub(crate) calls: Vec<Called>,
    /// What was proven of the crate's answers.
    pub(crate) checks: Vec<&'static str>,
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) subject: &'static Subject,
    pub(crate) outcome: Result<Measured, Trouble>,
    /// What another run left, if that is something else.
    pub(crate) another: Option<Result<Measured, Trouble>>,
}

/// Where something was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Freed,
    Live,
    Stack,
    Registers,
    Statics,
    Given,
}

/// What was left in one kind of place, a line each secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) left: Vec<Left>,
}

/// The copies of one secret in one kind of place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) secret: &'static str,
    /// Copies from the first byte to the last.
    pub(crate) whole: usize,
    /// Copies of a part, and the longest of them by its first and last byte.
    pub(crate) parts: usize,
    pub(crate) longest: (u32, u32),
    /// Whether all of them are of calls in which the harness moved something.
    pub(crate) may_be_ours: bool,
}

/// What keysan calls a cause: the same secret, in the same kind of place, by the same call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CauseLine {
    pub(crate) shape: String,
    pub(crate) count: usize,
}

impl Row {
    /// The crate with its version, and which part of it.
    pub(crate) fn title(&self) -> String {
        let (name, version) = (self.subject.crate_name(), self.version());
        match self.subject.name.strip_prefix(name).map(str::trim) {
            _ if self.subject.is_control() => self.subject.name.to_owned(),
            Some(part) if !part.is_empty() => format!("{name} {version} {part}"),
            _ => format!("{name} {version}"),
        }
    }

    /// As the lock file has it; none for a control.
    pub(crate) fn version(&self) -> &'static str {
        let version = lock::version(self.subject.crate_name());
        version.unwrap_or(if self.subject.is_control() { "" } else { "of no known version" })
    }

    /// Why the row says nothing, if so: in a word, and at length.
    pub(crate) fn trouble(&self) -> Option<(&'static str, String)> {
        match &self.outcome {
            Err(Trouble::Refused(why)) => Some(("refused", why.clone())),
            Err(Trouble::Void(why)) => Some(("void", why.clone())),
            Err(Trouble::DrawAgain) => {
                Some(("refused", "each secret that it drew looks like something else".to_owned()))
            }
            Ok(measured) => match &self.another {
                Some(another) => {
                    let why = match another {
                        Ok(another) => difference(measured, another).unwrap_or_default(),
                        Err(_) => "another run could not be measured".to_owned(),
                    };
                    Some(("not the same twice", why))
                }
                None => self.broken_control(measured).map(|why| ("void", why)),
            },
        }
    }

    /// What is wrong with a control: one that leaves nothing must be clean, and the other one must be everywhere.
    fn broken_control(&self, measured: &Measured) -> Option<String> {
        if !self.subject.is_control() {
            return None;
        }
        let must_be_clean = self.subject.name == subjects::CLEAN_CONTROL;
        let is_wrong =
            |column: &&Column| measured.cells[**column as usize].is_clean() != must_be_clean;
        let column = Column::ALL.iter().find(is_wrong)?.head();
        Some(format!("the control is not as it must be: {column}"))
    }
}

impl Column {
    pub(crate) const ALL: [Column; 6] = [
        Column::Freed,
        Column::Live,
        Column::Stack,
        Column::Registers,
        Column::Statics,
        Column::Given,
    ];

    pub(crate) fn head(self) -> &'static str {
        match self {
            Column::Freed => "heap, freed",
            Column::Live => "heap, live",
            Column::Stack => "dead stack",
            Column::Registers => "registers",
            Column::Statics => "statics",
            Column::Given => "text, output",
        }
    }

    /// `None` of a place that this table does not know.
    fn of(place: &Place) -> Option<Column> {
        Some(match place {
            Place::Heap { freed: None, .. } => Column::Live,
            Place::Heap { freed: Some(_), .. } | Place::FreedBlock { .. } => Column::Freed,
            Place::Stack { .. } => Column::Stack,
            Place::Register { .. } => Column::Registers,
            Place::Static { .. } => Column::Statics,
            Place::Output { .. } | Place::Text { .. } => Column::Given,
            _ => return None,
        })
    }
}

impl Left {
    /// In short: how many copies, or which bytes.
    pub(crate) fn in_words(&self) -> String {
        let Left { secret, whole, parts, longest: (first, last), may_be_ours } = *self;
        let times = |count: usize| if count > 1 { format!(" ×{count}") } else { String::new() };
        let counted = match (whole, parts) {
            (0, parts) => format!("{secret}, bytes {first} to {last}{}", times(parts)),
            (whole, 0) => format!("{secret}{}", times(whole)),
            (whole, 1) => format!("{secret}{} + 1 part", times(whole)),
            (whole, parts) => format!("{secret}{} + {parts} parts", times(whole)),
        };
        counted + if may_be_ours { " †" } else { "" }
    }
}

impl Cell {
    fn in_words(&self) -> String {
        let left: Vec<String> = self.left.iter().map(Left::in_words).collect();
        if left.is_empty() { "clean".to_owned() } else { left.join("; ") }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.left.is_empty()
    }
}

/// Measures a subject as often as [`RUNS`] says.
pub(crate) fn measure(keysan: &mut Keysan, subject: &'static Subject) -> Row {
    let outcome = once(keysan, subject, 0);
    let mut others = (1..RUNS).map(|number| once(keysan, subject, number));
    let another = others.find(|another| !is_same(&outcome, another));
    Row { subject, outcome, another }
}

/// Whether two runs left the same secrets in the same kinds of place, as many whole copies of each, by the same causes.
///
/// Of parts, only that there are some is compared. Where a copy was overwritten but for a few bytes, the next byte may
/// be the old one by chance, and then the part is longer, or one more is long enough to be seen.
fn is_same(one: &Result<Measured, Trouble>, other: &Result<Measured, Trouble>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => difference(one, other).is_none(),
        _ => one == other,
    }
}

/// What two runs differ in.
fn difference(one: &Measured, other: &Measured) -> Option<String> {
    let copies = |measured: &Measured, column: Column| -> Vec<(&'static str, usize)> {
        measured.cells[column as usize].left.iter().map(|left| (left.secret, left.whole)).collect()
    };
    let differs = |column: &&Column| copies(one, **column) != copies(other, **column);
    if let Some(column) = Column::ALL.iter().find(differs) {
        let words = |measured: &Measured| measured.cells[*column as usize].in_words();
        return Some(format!("{}: once {}, once {}", column.head(), words(one), words(other)));
    }
    let shapes = |measured: &Measured| -> Vec<String> {
        measured.causes.iter().map(|cause| cause.shape.clone()).collect()
    };
    let (shapes, others) = (shapes(one), shapes(other));
    let only = shapes.iter().find(|shape| !others.contains(shape));
    let only = only.or_else(|| others.iter().find(|shape| !shapes.contains(shape)));
    only.map(|shape| format!("only once: {shape}"))
}

/// One run; another one, if the crate drew a secret that keysan would not see whole.
fn once(keysan: &mut Keysan, subject: &'static Subject, number: u64) -> Result<Measured, Trouble> {
    let seed =
        subject.name.bytes().fold(number, |seed, byte| seed.rotate_left(8) ^ u64::from(byte));
    let mut outcome = Err(Trouble::DrawAgain);
    for again in 0..DRAWS_MAX {
        outcome = run(keysan, subject, seed ^ (again << 48));
        if outcome != Err(Trouble::DrawAgain) {
            break;
        }
    }
    outcome
}

fn run(keysan: &mut Keysan, subject: &Subject, seed: u64) -> Result<Measured, Trouble> {
    (subject.run)(&mut Bench::new(None, !seed))?;
    keysan.clear();
    let mut bench = Bench::new(Some(keysan), seed);
    (subject.run)(&mut bench)?;
    bench.end()?;
    let Bench { secrets, calls, checks, .. } = bench;
    let findings = keysan.findings().map_err(|void| Trouble::Void(void.to_string()))?;
    if keysan.unlisted_count() > 0 {
        return Err(Trouble::Void("more was found than the list of findings holds".to_owned()));
    }
    if let Some(spot) = keysan.blind_spots().first() {
        return Err(Trouble::Void(format!("not looked into: {spot}")));
    }
    if findings.iter().any(|finding| Column::of(&finding.place).is_none()) {
        return Err(Trouble::Void("something was found where this table has no column".to_owned()));
    }
    let mut lines: Vec<CauseLine> = causes(findings)
        .into_iter()
        .map(|cause| CauseLine { shape: cause.shape, count: cause.findings.len() })
        .collect();
    lines.sort_by(|one, other| one.shape.cmp(&other.shape));
    let cells = cells(findings, &secrets, &calls);
    rings(keysan, &secrets)?;
    let secrets = secrets.iter().map(|known| known.name).collect();
    Ok(Measured { cells, causes: lines, secrets, calls, checks })
}

/// Puts the findings into columns, a line each secret.
fn cells(findings: &[Finding], secrets: &[Known], calls: &[Called]) -> [Cell; 6] {
    Column::ALL.map(|column| {
        let of_secret = |known: &Known| {
            let mut left = Left {
                secret: known.name,
                whole: 0,
                parts: 0,
                longest: (0, 0),
                may_be_ours: matches!(column, Column::Stack | Column::Registers),
            };
            let is_meant = |finding: &&Finding| {
                finding.secret == known.name && Column::of(&finding.place) == Some(column)
            };
            for finding in findings.iter().filter(is_meant) {
                let (start, end) = (*finding.bytes.start(), *finding.bytes.end());
                if start == 0 && end as usize + 1 == known.bytes.len() {
                    left.whole += 1;
                } else {
                    left.parts += 1;
                    let (first, last) = left.longest;
                    if left.parts == 1 || end - start > last - first {
                        left.longest = (start, end);
                    }
                }
                left.may_be_ours &= is_by_a_move(&finding.seen, calls);
            }
            (left.whole + left.parts > 0).then_some(left)
        };
        Cell { left: secrets.iter().filter_map(of_secret).collect() }
    })
}

fn is_by_a_move(seen: &Moment, calls: &[Called]) -> bool {
    let Moment::Call { name, .. } = seen else { return false };
    calls.iter().any(|called| called.has_moved && called.name == name)
}

/// The control of each run: what keeps each of its secrets on purpose must be found keeping it.
fn rings(keysan: &mut Keysan, secrets: &[Known]) -> Result<(), Trouble> {
    keysan.clear();
    for known in secrets {
        let registered = keysan.register(known.name, &known.bytes);
        registered.map_err(|why| Trouble::Refused(format!("{}: {why}", known.name)))?;
        keysan.call("control", || {
            let mut local = [0; 64];
            let len = known.bytes.len().min(local.len());
            local[..len].copy_from_slice(&known.bytes[..len]);
            black_box(&local);
            drop(black_box(known.bytes.clone()));
        });
    }
    let findings = keysan.findings().map_err(|void| Trouble::Void(void.to_string()))?;
    for known in secrets {
        for layer in [Layer::Heap, Layer::Stack] {
            let is_found =
                |finding: &Finding| finding.secret == known.name && finding.place.layer() == layer;
            if !findings.iter().any(is_found) {
                let name = known.name;
                return Err(Trouble::Void(format!(
                    "{name}, left on purpose, is not found: {layer}"
                )));
            }
        }
    }
    Ok(())
}
