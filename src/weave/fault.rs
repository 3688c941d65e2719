//! A fault as it is written: its sentence, the rule it breaks, and hunks of source.

use std::path::Path;
use std::{fs, io};

use proc_macro2::{TokenStream, TokenTree};

use crate::problem::Problem;
use crate::stack::with_room;

/// What is said of a hunk that no function can hold.
pub(crate) const NO_STATEMENTS: &str =
    "what it keeps and removes is neither whole statements nor an expression";
const A_FAULT_IS: &str = "a fault is a file <invariant>/<name>.fault";
/// What a head says that cannot be read, or a line that was meant as one.
const HEAD: &str =
    "a hunk begins with `@@`, a blank, a source file below src/, and a function or `struct Type`";
/// How much a hunk may keep and remove, or add, and how deeply its brackets may be nested: a compiler
/// crashes at some hundred blocks or some thousand operators in each other.
const TOKENS_MAX: usize = 1000;
const DEPTH_MAX: usize = 100;

/// A bug, written as the change that would introduce it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Its name, which is that of its file: kebab-case, unique over all invariants.
    pub name: String,
    /// The invariant that it must ring, which is the name of its folder.
    pub invariant: String,
    /// Its file, as a path from the top of the repository.
    pub file: String,
    /// What happens, in one sentence without a full stop.
    pub summary: String,
    /// The id of the rule that it breaks, or several with blanks between them.
    pub breaks: String,
    /// The changes, in the order of the file.
    pub hunks: Vec<Hunk>,
}

/// One change at one place of the sources.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hunk {
    /// The line of the fault's file on which it begins.
    pub line: usize,
    /// The source file: a package and a file in it, such as `driver/session.rs`.
    pub source: String,
    /// What is changed there.
    pub target: Target,
    /// The lines below the head.
    pub lines: Vec<Line>,
}

/// What a hunk changes in its source file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The body of a function: `Type::name`, or `name` outside any `impl`.
    Function(String),
    /// The fields of a struct: what the bug remembers.
    Fields(String),
    /// The file: items at its end.
    Items,
}

/// One line of a hunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Who says it.
    pub change: Change,
    /// The source, without the mark before it.
    pub source: String,
    /// Its line in the fault's file.
    pub line: usize,
}

/// Who says a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Both: it shows where the change stands.
    Kept,
    /// The honest source (`-`).
    Removed,
    /// The bug (`+`).
    Added,
}

impl Fault {
    /// Reads a fault from the text of its file, whose path from the top of the repository ends in
    /// `<invariant>/<name>.fault`.
    ///
    /// # Errors
    ///
    /// A [`Problem`] with the first line that cannot be understood.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problem> {
        with_room(|| Self::read(file, text))
    }

    fn read(file: &str, text: &str) -> Result<Self, Problem> {
        let problem = |line: usize, message: &str| Problem::new(file, line, message);
        let mut path = file.rsplit('/');
        let name = path.next().and_then(|name| name.strip_suffix(".fault"));
        let (Some(name), Some(invariant)) = (name, path.next()) else {
            return Err(problem(0, A_FAULT_IS));
        };
        if !is_kebab_case(name) {
            return Err(problem(0, "a fault's name is lower-case words joined by `-`"));
        }
        if !is_kebab_case(invariant) {
            return Err(problem(0, "a fault's folder is lower-case words joined by `-`"));
        }
        let mut lines = text.lines().zip(1..);
        let summary = lines.next().map(|(line, _)| line.trim()).filter(|line| !line.is_empty());
        let summary = summary.ok_or(problem(1, "the first line says what happens"))?;
        let breaks = lines.next().and_then(|(line, _)| line.strip_prefix("breaks "));
        let breaks = breaks.map(str::trim).filter(|ids| are_rules(ids)).ok_or(problem(
            2,
            "the second line is `breaks` and the id of a rule, such as S-03 or INV-12",
        ))?;
        let mut hunks: Vec<Hunk> = Vec::new();
        for (line, number) in lines {
            if let Some(head) = line.strip_prefix("@@ ") {
                hunks.push(Hunk::begin(head.trim(), number).map_err(|what| problem(number, what))?);
            } else if let Some(hunk) = hunks.last_mut() {
                hunk.lines.extend(Line::read(line, number).map_err(|what| problem(number, what))?);
            } else if line.trim_start().starts_with("@@") {
                return Err(problem(number, HEAD));
            }
            // What else stands before the first hunk explains the bug.
        }
        if hunks.is_empty() {
            return Err(problem(
                0,
                "it has no hunk: `@@ driver/session.rs Session::finish_refresh`",
            ));
        }
        for hunk in &hunks {
            hunk.check().map_err(|what| problem(hunk.line, what))?;
        }
        let fault = Self {
            name: name.to_owned(),
            invariant: invariant.to_owned(),
            file: file.to_owned(),
            summary: summary.to_owned(),
            breaks: breaks.to_owned(),
            hunks,
        };
        let variant = fault.variant();
        if !is_identifier(&variant) {
            let message = format!("its name becomes `{variant}`, which is a word of Rust");
            return Err(problem(0, &message));
        }
        Ok(fault)
    }

    /// Its name as a Rust type would be written: `FinishKeepsRandom`.
    #[must_use]
    pub fn variant(&self) -> String {
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        self.name.split('-').map(capital).collect()
    }
}

impl Hunk {
    fn begin(head: &str, line: usize) -> Result<Self, &'static str> {
        let (source, place) = head.split_once(' ').unwrap_or((head, ""));
        if !source.ends_with(".rs") {
            return Err(HEAD);
        }
        let target = match place.trim() {
            "" => Target::Items,
            place => match place.strip_prefix("struct ") {
                Some(name) => Target::Fields(name.trim().to_owned()),
                None => Target::Function(place.to_owned()),
            },
        };
        let is_named = match &target {
            Target::Function(name) => {
                name.split("::").count() <= 2 && name.split("::").all(is_identifier)
            }
            Target::Fields(name) => is_identifier(name),
            Target::Items => true,
        };
        if !is_named {
            return Err(HEAD);
        }
        Ok(Self { line, source: source.to_owned(), target, lines: Vec::new() })
    }

    /// The lines of one kind, or of two.
    pub(crate) fn text(&self, is_wanted: impl Fn(Change) -> bool) -> String {
        let wanted = self.lines.iter().filter(|line| is_wanted(line.change));
        wanted.map(|line| line.source.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// What the honest source says: the lines that are kept and those that are removed.
    #[must_use]
    pub fn old(&self) -> String {
        self.text(|change| change != Change::Added)
    }

    fn check(&self) -> Result<(), &'static str> {
        let is_changed = |line: &Line| line.change != Change::Kept;
        let first = self.lines.iter().position(is_changed).ok_or("the hunk changes nothing")?;
        let last = self.lines.iter().rposition(is_changed).unwrap_or(first);
        match &self.target {
            Target::Function(_) if !self.lines[first..=last].iter().all(is_changed) => {
                Err("a hunk is one change; lines that are kept stand before and behind it")
            }
            Target::Function(_) if self.old().trim().is_empty() => {
                Err("nothing says where the change stands; keep a line before or behind it")
            }
            Target::Fields(_) | Target::Items
                if self.lines.iter().any(|line| line.change != Change::Added) =>
            {
                Err("fields and items are only added")
            }
            _ => self.check_tokens(),
        }
    }

    /// Whether what it shows is more than comments, and what it says another thing than that.
    fn check_tokens(&self) -> Result<(), &'static str> {
        let is_removed = |change| change == Change::Removed;
        let is_added = |change| change == Change::Added;
        let old = code_of(&self.old(), NO_STATEMENTS)?;
        let removed = code_of(&self.text(is_removed), NO_STATEMENTS)?;
        let added = code_of(
            &self.text(is_added),
            "what it adds is not Rust: brackets or quotes do not match",
        )?;
        let is_shown = |code: &TokenStream, is_wanted: &dyn Fn(Change) -> bool| {
            !code.is_empty() || !self.lines.iter().any(|line| is_wanted(line.change))
        };
        if !is_shown(&old, &|change| !is_added(change)) || !is_shown(&removed, &is_removed) {
            return Err("comments cannot be matched; show the statements beside them");
        }
        if removed.to_string() == added.to_string() {
            return Err("the hunk changes nothing");
        }
        Ok(())
    }
}

/// The tokens of a part of a hunk, which are not nested more deeply than a compiler can bear.
fn code_of(text: &str, wrong: &'static str) -> Result<TokenStream, &'static str> {
    let code: TokenStream = text.parse().map_err(|_| wrong)?;
    let (mut parts, mut count) = (vec![(code.clone(), 0)], 0);
    while let Some((part, depth)) = parts.pop() {
        for token in part {
            count += 1;
            if let TokenTree::Group(group) = token {
                parts.push((group.stream(), depth + 1));
            }
            if count > TOKENS_MAX || depth > DEPTH_MAX {
                return Err(
                    "a hunk has at most 1000 tokens, and none within more than 100 brackets",
                );
            }
        }
    }
    Ok(code)
}

impl Line {
    /// `None` is a line that says nothing.
    fn read(text: &str, line: usize) -> Result<Option<Self>, &'static str> {
        let Some(mark) = text.chars().next() else { return Ok(None) };
        let change = match mark {
            '-' => Change::Removed,
            '+' => Change::Added,
            ' ' if text.trim().is_empty() => return Ok(None),
            ' ' => Change::Kept,
            _ => return Err("a line of a hunk begins with a blank, `-` or `+`"),
        };
        Ok(Some(Self { change, source: text[1..].to_owned(), line }))
    }
}

fn is_kebab_case(name: &str) -> bool {
    name.split('-').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

fn is_identifier(word: &str) -> bool {
    syn::parse_str::<syn::Ident>(word).is_ok()
}

/// Whether these are ids of rules, with blanks between them: `R-01`, `S-02`, `INV-03`.
fn are_rules(ids: &str) -> bool {
    let is_rule = |id: &str| {
        let number = ["R-", "S-", "INV-"].iter().find_map(|kind| id.strip_prefix(kind));
        number.is_some_and(|it| it.len() == 2 && it.bytes().all(|b| b.is_ascii_digit()))
    };
    !ids.is_empty() && ids.split_whitespace().all(is_rule)
}

/// Reads every fault below `<top>/<folder>`, in the order of invariant and name.
///
/// # Errors
///
/// Every [`Problem`] of every file; two faults of one name are one. What begins with a dot is no fault
/// but what editors and systems keep there.
pub fn read_folder(top: &Path, folder: &str) -> Result<Vec<Fault>, Vec<Problem>> {
    let unreadable =
        |path: &str, error: io::Error| Problem::new(path, 0, format!("cannot be read: {error}"));
    let names = |path: &str| -> Result<Vec<String>, Problem> {
        let entries = fs::read_dir(top.join(path)).map_err(|error| unreadable(path, error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(path, error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    };
    let (mut faults, mut problems): (Vec<Fault>, Vec<Problem>) = (Vec::new(), Vec::new());
    for invariant in names(folder).map_err(|problem| vec![problem])? {
        let path = format!("{folder}/{invariant}");
        if !top.join(&path).is_dir() {
            problems.push(Problem::new(&path, 0, A_FAULT_IS));
            continue;
        }
        for name in names(&path).map_err(|problem| vec![problem])? {
            let file = format!("{path}/{name}");
            let fault = fs::read(top.join(&file))
                .map_err(|error| unreadable(&file, error))
                .and_then(|bytes| Fault::parse(&file, text_of(&file, &bytes)?));
            match fault {
                Ok(fault) => match faults.iter().find(|other| other.name == fault.name) {
                    Some(other) => problems.push(Problem::new(
                        &file,
                        0,
                        format!("its name is that of {}", other.file),
                    )),
                    None => faults.push(fault),
                },
                Err(problem) => problems.push(problem),
            }
        }
    }
    if problems.is_empty() { Ok(faults) } else { Err(problems) }
}

fn text_of<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Problem::new(file, line, "it is no UTF-8")
    })
}
