//! Where in a function a hunk belongs: the run of statements, or the expression, that it shows.

use core::ops::Range;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, BinOp, Block, Expr, MacroDelimiter, Pat, Stmt, Type};

use crate::fault::{Change, Hunk, NO_STATEMENTS};

const NO_VALUE: &str =
    "here it is no value but a place, which may be written; replace the whole statement";
const BEHIND_VALUE: &str =
    "behind the value of a block, nothing can be added; add it before, or replace the value";
const UNSEEN: &str = "what stands behind would not see what this declares; replace all to the end of its \
                      block, or one `let` alone";

/// The place of a hunk, in bytes of the source file, and what kind of change it is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
}

/// How both readings can stand at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The bug adds statements; the range is empty.
    Insertion,
    /// The bug has other statements.
    Statements,
    /// The bug binds something else by one `let`: everything before and behind the bound expression.
    Binding {
        /// `let PATTERN = `, as the source has it.
        head: String,
        /// The pattern, as tokens.
        pattern: String,
        /// Where the bound expression stands.
        value: Range<usize>,
    },
    /// The bug has another expression.
    Expression,
}

/// A function of a file.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) body: Block,
}

/// Every function of the file with this name: `Type::name`, or `name` outside any `impl`.
pub(crate) fn functions(file: &syn::File, name: &str) -> Vec<Function> {
    let mut find = FindFunctions { name, holder: String::new(), found: Vec::new() };
    find.visit_file(file);
    find.found
}

/// Finds the place of a hunk in the body of a function.
///
/// # Errors
///
/// Why there is not exactly one, in words.
pub(crate) fn place_in(body: &Block, text: &str, hunk: &Hunk) -> Result<Place, String> {
    let old = hunk.old();
    let statements = block_of(&old).map(|block| block.stmts).unwrap_or_default();
    let old_tokens: Vec<String> = statements.iter().map(tokens).collect();
    // With lines that are kept around it, a hunk shows statements.
    let is_bare = hunk.lines.iter().all(|line| line.change != Change::Kept);
    let expression = is_bare.then(|| syn::parse_str::<Expr>(&old).ok()).flatten();
    if statements.is_empty() && expression.is_none() {
        return Err(NO_STATEMENTS.into());
    }
    let expression = expression.map(|expression| tokens(&expression));
    let mut find = FindPlaces {
        old: &old_tokens,
        expression,
        runs: Vec::new(),
        places: Vec::new(),
        written: Vec::new(),
    };
    find.visit_block(body);
    let FindPlaces { runs, mut places, written, .. } = find;
    // An expression that is the whole statement is one place.
    places.retain(|place| !runs.iter().any(|run| range_of(&run.statements) == *place));
    match (&runs[..], &places[..]) {
        ([run], []) => in_run(run, text, hunk),
        ([], [range]) if written.contains(range) => Err(NO_VALUE.into()),
        ([], [range]) => Ok(Place { range: range.clone(), kind: Kind::Expression }),
        (runs, places) => Err(format!(
            "these lines stand there {} times and not once:\n{}",
            runs.len() + places.len(),
            indented(&old)
        )),
    }
}

fn in_run(run: &Run, text: &str, hunk: &Hunk) -> Result<Place, String> {
    let Run { statements: run, is_at_end } = run;
    // What stands before the change is kept, and is whole statements, or the run could not be cut.
    let before: String = hunk
        .lines
        .iter()
        .take_while(|line| line.change == Change::Kept)
        .map(|line| line.source.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let removed = hunk.text(|change| change == Change::Removed);
    let count = |code: &str| {
        let block = block_of(code);
        block.map(|block| block.stmts.len()).ok_or("the change begins or ends within a statement")
    };
    let (before, removed) = (count(&before)?, count(&removed)?);
    let gone = &run[before..(before + removed).min(run.len())];
    if gone.is_empty() {
        let at = match before.checked_sub(1) {
            Some(last) if is_value(&run[last]) => {
                return Err(BEHIND_VALUE.into());
            }
            Some(last) => bytes(&run[last]).end,
            None => bytes(&run[0]).start,
        };
        return Ok(Place { range: at..at, kind: Kind::Insertion });
    }
    let range = range_of(gone);
    let is_seen_behind = !is_at_end || before + removed < run.len();
    let kind = match gone {
        [Stmt::Local(local)] => {
            let init = local.init.as_ref().ok_or("a `let` without a value cannot be replaced")?;
            if init.diverge.is_some() {
                return Err("of a `let ... else`, replace the expression alone".into());
            }
            let value = bytes(&init.expr);
            Kind::Binding {
                head: text[range.start..value.start].to_owned(),
                pattern: tokens(&local.pat),
                value,
            }
        }
        _ if is_seen_behind && gone.iter().any(is_declaration) => {
            return Err(UNSEEN.into());
        }
        _ => Kind::Statements,
    };
    Ok(Place { range, kind })
}

fn is_declaration(statement: &Stmt) -> bool {
    matches!(statement, Stmt::Local(_) | Stmt::Item(_))
}

/// Whether a statement is the value of its block for sure: one without a semicolon that needs one.
fn is_value(statement: &Stmt) -> bool {
    match statement {
        Stmt::Expr(expression, None) => !matches!(
            expression,
            Expr::If(_)
                | Expr::Match(_)
                | Expr::Block(_)
                | Expr::Unsafe(_)
                | Expr::While(_)
                | Expr::Loop(_)
                | Expr::ForLoop(_)
                | Expr::Const(_)
        ),
        Stmt::Macro(made) => {
            made.semi_token.is_none() && !matches!(made.mac.delimiter, MacroDelimiter::Brace(_))
        }
        _ => false,
    }
}

/// From the first of these statements to the last; there is one.
fn range_of(statements: &[Stmt]) -> Range<usize> {
    bytes(&statements[0]).start..bytes(&statements[statements.len() - 1]).end
}

/// The source as a block, if it is one.
pub(crate) fn block_of(source: &str) -> Option<Block> {
    // The line feed ends a comment.
    syn::parse_str(&format!("{{{source}\n}}")).ok()
}

pub(crate) fn tokens(syntax: &impl ToTokens) -> String {
    syntax.to_token_stream().to_string()
}

pub(crate) fn bytes(syntax: &impl Spanned) -> Range<usize> {
    syntax.span().byte_range()
}

pub(crate) fn indented(source: &str) -> String {
    source.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Whether an item is only there in tests.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| tokens(attribute) == "# [cfg (test)]")
}

struct FindFunctions<'a> {
    name: &'a str,
    /// `Type::` inside an `impl`.
    holder: String,
    found: Vec<Function>,
}

impl<'ast> Visit<'ast> for FindFunctions<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let syn::Type::Path(path) = &*item.self_ty else { return };
        let Some(last) = path.path.segments.last() else { return };
        let outer = core::mem::replace(&mut self.holder, format!("{}::", last.ident));
        visit::visit_item_impl(self, item);
        self.holder = outer;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if format!("{}{}", self.holder, item.sig.ident) == self.name {
            self.found.push(Function { body: item.block.clone() });
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if self.holder.is_empty() && item.sig.ident == self.name {
            self.found.push(Function { body: (*item.block).clone() });
        }
    }
}

/// Finds every place where the old statements stand in a row, or the old expression stands.
struct FindPlaces<'a> {
    old: &'a [String],
    expression: Option<String>,
    runs: Vec<Run>,
    places: Vec<Range<usize>>,
    /// Where no value is meant but a place: a value there would be written in its stead.
    written: Vec<Range<usize>>,
}

/// Statements in a row that are the old ones.
struct Run {
    statements: Vec<Stmt>,
    /// Whether nothing stands behind them in their block.
    is_at_end: bool,
}

impl FindPlaces<'_> {
    fn note_written(&mut self, mut place: &Expr) {
        loop {
            let inner = match place {
                Expr::Path(_) => None,
                Expr::Field(it) => Some(&*it.base),
                Expr::Index(it) => Some(&*it.expr),
                Expr::Paren(it) => Some(&*it.expr),
                // A value, and what is written in it goes with it.
                _ => return,
            };
            self.written.push(bytes(place));
            let Some(inner) = inner else { return };
            place = inner;
        }
    }
}

impl<'ast> Visit<'ast> for FindPlaces<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        if !self.old.is_empty() {
            for (first, run) in block.stmts.windows(self.old.len()).enumerate() {
                if run.iter().map(tokens).eq(self.old.iter().cloned()) {
                    let is_at_end = first + run.len() == block.stmts.len();
                    self.runs.push(Run { statements: run.to_vec(), is_at_end });
                }
            }
        }
        visit::visit_block(self, block);
    }

    // What stands in a type or a pattern is no value that could be chosen while the driver runs.
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}

    fn visit_expr(&mut self, expression: &'ast Expr) {
        if self.expression.as_deref() == Some(&tokens(expression)) {
            self.places.push(bytes(expression));
        }
        match expression {
            Expr::Assign(it) => {
                self.written.push(bytes(&it.left));
                self.note_written(&it.left);
            }
            Expr::Binary(it) if is_assignment(it.op) => {
                self.written.push(bytes(&it.left));
                self.note_written(&it.left);
            }
            Expr::Reference(it) if it.mutability.is_some() => self.note_written(&it.expr),
            // The method may take it by `&mut self`.
            Expr::MethodCall(it) => self.note_written(&it.receiver),
            Expr::Struct(it) => {
                let shorthands = it.fields.iter().filter(|field| field.colon_token.is_none());
                self.written.extend(shorthands.map(|field| bytes(&field.expr)));
            }
            _ => {}
        }
        visit::visit_expr(self, expression);
    }
}

fn is_assignment(operator: BinOp) -> bool {
    matches!(
        operator,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}
