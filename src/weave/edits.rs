//! Both readings in one text: the honest one, and each bug's behind the question whether it is planted.

use core::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use syn::Stmt;

use crate::fault::{Change, Fault, Hunk, Line};
use crate::place::{Kind, Place, block_of, bytes, tokens};
use crate::problem::Problem;

/// What all faults change in one source file.
#[derive(Debug, Default)]
pub(crate) struct Edits<'a> {
    /// In the order of the file; what contains another comes before it.
    places: Vec<Edit<'a>>,
}

/// Every reading that stands at one place beside the honest one.
#[derive(Debug)]
struct Edit<'a> {
    place: Place,
    readings: Vec<Reading<'a>>,
}

#[derive(Debug)]
struct Reading<'a> {
    fault: &'a Fault,
    hunk: &'a Hunk,
    /// The bug's lines, each with the comment that says where it comes from.
    added: String,
}

impl<'a> Edits<'a> {
    /// Adds what a fault says instead of what stands at a place, or beside it.
    ///
    /// # Errors
    ///
    /// When that is not Rust, does not bind what the place binds, lies in what the same fault changes
    /// already, or overlaps with what another changes.
    pub(crate) fn add(
        &mut self,
        fault: &'a Fault,
        hunk: &'a Hunk,
        place: Place,
    ) -> Result<(), Problem> {
        let problem = |message: String| Problem::new(&fault.file, hunk.line, message);
        let added = added_lines(fault, hunk);
        let block = block_of(&added).ok_or_else(|| {
            problem("what it adds is not Rust: neither statements nor an expression".into())
        })?;
        if let Kind::Binding { pattern, .. } = &place.kind
            && !block.stmts.last().is_some_and(|last| is_plain_let(last, pattern))
        {
            return Err(problem(format!("what it adds must end in `let {pattern} = ...;`")));
        }
        let overlaps = |edit: &&Edit<'_>| {
            let (one, other) = (&edit.place.range, &place.range);
            let is_apart = one.end <= other.start || other.end <= one.start;
            !is_apart && !contains(one, other) && !contains(other, one)
        };
        if let Some(other) = self.places.iter().find(overlaps) {
            let Reading { fault: other, hunk, .. } = &other.readings[0];
            let (file, line) = (&other.file, hunk.line);
            return Err(problem(format!(
                "it changes a part of what {file}:{line} changes, and more"
            )));
        }
        // Where the fault is the planted one, nothing else of it stands in what it changes.
        let is_unreachable = |edit: &&Edit<'_>| {
            contains(&edit.place.range, &place.range) || contains(&place.range, &edit.place.range)
        };
        let mut met = self.places.iter().filter(is_unreachable).flat_map(|edit| &edit.readings);
        if let Some(own) = met.find(|reading| core::ptr::eq(reading.fault, fault)) {
            return Err(problem(format!(
                "the hunk of line {} changes the same place, and only one of them could be taken",
                own.hunk.line
            )));
        }
        let reading = Reading { fault, hunk, added };
        match self.places.iter_mut().find(|edit| edit.place == place) {
            Some(edit) => edit.readings.push(reading),
            None => self.places.push(Edit { place, readings: vec![reading] }),
        }
        Ok(())
    }

    /// The text with every change in place.
    pub(crate) fn apply(mut self, text: &str) -> String {
        self.places.sort_by_key(|edit| {
            let Range { start, end } = edit.place.range;
            // At one position, an insertion comes first and then the longest.
            (start, end != start, core::cmp::Reverse(end))
        });
        render(text, 0..text.len(), &self.places)
    }
}

/// Whether a range lies within another. An insertion at an edge stands outside.
fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    if inner.is_empty() {
        return outer.start < inner.start && inner.end < outer.end;
    }
    outer.start <= inner.start && inner.end <= outer.end
}

/// A part of the text with the changes that lie in it.
fn render(text: &str, part: Range<usize>, edits: &[Edit<'_>]) -> String {
    let mut woven = String::new();
    let (mut at, mut index) = (part.start, 0);
    while let Some(edit) = edits.get(index) {
        let range = &edit.place.range;
        let inner = edits[index + 1..]
            .iter()
            .take_while(|other| contains(range, &other.place.range) && !range.is_empty())
            .count();
        woven.push_str(&text[at..range.start]);
        woven.push_str(&both(text, edit, &edits[index + 1..index + 1 + inner]));
        at = range.end;
        index += 1 + inner;
    }
    woven.push_str(&text[at..part.end]);
    woven
}

/// The honest reading of a place and every other, with the question which of them.
fn both(text: &str, edit: &Edit<'_>, inner: &[Edit<'_>]) -> String {
    let Edit { place: Place { range, kind }, readings } = edit;
    let mut woven = String::new();
    for Reading { fault, hunk, added } in readings {
        let origin = format!("// {}:{}", fault.file, hunk.line);
        let added = match kind {
            Kind::Binding { .. } => value_of(added),
            _ => added.clone(),
        };
        let ask = format!("if fault!({}) {{ {origin}\n{added}\n}}", fault.variant());
        woven.push_str(&match kind {
            Kind::Insertion => format!("\n{ask}\n"),
            _ => format!("{ask} else "),
        });
    }
    match kind {
        Kind::Insertion => woven,
        Kind::Statements => format!("{woven}{{\n{}\n}}", render(text, range.clone(), inner)),
        Kind::Expression => format!("({woven}{{ {} }})", render(text, range.clone(), inner)),
        Kind::Binding { head, value, .. } => {
            format!("{head}{woven}{{ {} }};", render(text, value.clone(), inner))
        }
    }
}

/// Whether a statement binds this pattern to a value and says no more, so that the value is all of it.
fn is_plain_let(statement: &Stmt, pattern: &str) -> bool {
    let Stmt::Local(local) = statement else { return false };
    let is_whole = local.init.as_ref().is_some_and(|init| init.diverge.is_none());
    tokens(&local.pat) == pattern && is_whole && local.attrs.is_empty()
}

/// The lines of the bug, each with where it comes from, but for those that end within a string.
pub(crate) fn added_lines(fault: &Fault, hunk: &Hunk) -> String {
    let mut within = Vec::new();
    if let Ok(added) = hunk.text(|change| change == Change::Added).parse() {
        find_broken_lines(added, &mut within);
    }
    let added = hunk.lines.iter().filter(|line| line.change == Change::Added);
    let with_origin = |(line, number): (&Line, usize)| {
        if within.iter().any(|range| range.contains(&number)) {
            return line.source.clone();
        }
        format!("{} // {}:{}", line.source, fault.file, line.line)
    };
    added.zip(1..).map(with_origin).collect::<Vec<_>>().join("\n")
}

/// Notes the lines, counted from 1, whose ends lie within a token.
fn find_broken_lines(code: TokenStream, found: &mut Vec<Range<usize>>) {
    for token in code {
        match token {
            TokenTree::Group(group) => find_broken_lines(group.stream(), found),
            token => found.push(token.span().start().line..token.span().end().line),
        }
    }
}

/// Statements that end in a `let`, as a block that has the bound value.
fn value_of(added: &str) -> String {
    let braced = format!("{{{added}\n}}");
    let block = syn::parse_str::<syn::Block>(&braced).expect("it was parsed when it was added");
    let Some(Stmt::Local(local)) = block.stmts.last() else { unreachable!("it ends in a `let`") };
    let value = local.init.as_ref().expect("the `let` has a value");
    let (whole, value) = (bytes(local), bytes(&value.expr));
    let behind = braced[whole.end..braced.len() - 1].trim_end();
    format!("{}{}{behind}", &braced[1..whole.start], &braced[value])
}
