//! Where in a function a hunk belongs: the run of statements, or the expression, that it shows.

use core::ops::Range;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, Stmt};

use crate::fault::{Change, Hunk};

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
        return Err(
            "what it keeps and removes is neither whole statements nor an expression".into()
        );
    }
    let expression = expression.map(|expression| tokens(&expression));
    let mut find =
        FindPlaces { old: &old_tokens, expression, runs: Vec::new(), places: Vec::new() };
    find.visit_block(body);
    match (&find.runs[..], &find.places[..]) {
        ([run], _) => in_run(run, text, hunk),
        ([], [range]) => Ok(Place { range: range.clone(), kind: Kind::Expression }),
        (runs, places) => Err(format!(
            "these lines stand there {} times and not once:\n{}",
            runs.len().max(places.len()),
            indented(&old)
        )),
    }
}

fn in_run(run: &[Stmt], text: &str, hunk: &Hunk) -> Result<Place, String> {
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
    let Some((first, last)) = gone.first().zip(gone.last()) else {
        let at = match before.checked_sub(1) {
            Some(last) => bytes(&run[last]).end,
            None => bytes(&run[0]).start,
        };
        return Ok(Place { range: at..at, kind: Kind::Insertion });
    };
    let range = bytes(first).start..bytes(last).end;
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
        _ => Kind::Statements,
    };
    Ok(Place { range, kind })
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
    runs: Vec<Vec<Stmt>>,
    places: Vec<Range<usize>>,
}

impl<'ast> Visit<'ast> for FindPlaces<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        if !self.old.is_empty() {
            for run in block.stmts.windows(self.old.len()) {
                if run.iter().map(tokens).eq(self.old.iter().cloned()) {
                    self.runs.push(run.to_vec());
                }
            }
        }
        visit::visit_block(self, block);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        if self.expression.as_deref() == Some(&tokens(expression)) {
            self.places.push(bytes(expression));
        }
        visit::visit_expr(self, expression);
    }
}
