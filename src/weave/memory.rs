//! What bugs remember: fields of the woven types that the honest ones do not have.

use std::collections::BTreeMap;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, Fields, ImplItem, Item, ItemImpl, ItemStruct, Pat, Stmt};

use crate::fault::{Change, Fault, Hunk};
use crate::place::{bytes, is_test, tokens};
use crate::problem::Problem;

/// Insertions into a source file by position, each to be made before what stands there; and what is
/// added at its end.
#[derive(Debug, Default)]
pub(crate) struct Insertions {
    pub(crate) at: BTreeMap<usize, String>,
    /// Ranges that are left out.
    pub(crate) gone: Vec<core::ops::Range<usize>>,
    pub(crate) end: String,
}

/// The fields that faults add to the structs of one file.
#[derive(Debug, Default)]
pub(crate) struct Memory<'a> {
    structs: BTreeMap<&'a str, Vec<Field<'a>>>,
}

#[derive(Debug)]
struct Field<'a> {
    name: String,
    r#type: String,
    fault: &'a Fault,
    line: usize,
}

impl<'a> Memory<'a> {
    /// Adds the fields of a hunk to the struct.
    ///
    /// # Errors
    ///
    /// When they are no fields or more than that, or another fault has one of the same name with
    /// another type.
    pub(crate) fn add(
        &mut self,
        fault: &'a Fault,
        hunk: &'a Hunk,
        holder: &'a str,
    ) -> Result<(), Problem> {
        let problem = |message: String| Problem::new(&fault.file, hunk.line, message);
        let added = hunk.text(|change| change == Change::Added);
        let parsed = syn::parse_str::<ItemStruct>(&format!("struct S {{{added}\n}}"))
            .map_err(|error| problem(format!("these are no fields of a struct: {error}")))?;
        for field in &parsed.fields {
            let Some(ident) = &field.ident else { continue };
            let (name, r#type) = (ident.to_string(), tokens(&field.ty));
            if field.attrs.iter().any(|attribute| !attribute.path().is_ident("doc")) {
                let message = format!("{holder}.{name} has an attribute, which would be lost");
                return Err(problem(message));
            }
            let fields = self.structs.entry(holder).or_default();
            match fields.iter().find(|other| other.name == name) {
                Some(other) if other.r#type != r#type => {
                    return Err(problem(format!(
                        "{holder}.{name} is {} in {}",
                        other.r#type, other.fault.file
                    )));
                }
                Some(_) => {}
                None => fields.push(Field { name, r#type, fault, line: hunk.line }),
            }
        }
        Ok(())
    }

    /// Where in the file the fields have to be declared, made, taken apart, written and left out.
    ///
    /// # Errors
    ///
    /// A struct that the file does not have, one that has such a field, or one whose state nobody writes.
    pub(crate) fn insertions(
        &self,
        file: &syn::File,
        source: &str,
    ) -> Result<Insertions, Vec<Problem>> {
        let mut insertions = Insertions::default();
        let mut problems = Vec::new();
        for (holder, fields) in &self.structs {
            let mut visit = Visitor {
                holder,
                fields,
                is_inside: false,
                insertions: &mut insertions,
                is_declared: false,
                is_written: false,
                honest: Vec::new(),
            };
            visit.visit_file(file);
            let taken = |field: &&Field<'_>| visit.honest.contains(&field.name);
            problems.extend(fields.iter().filter(taken).map(
                |Field { name, fault, line, .. }| {
                    let message = format!("{holder}.{name} is a field of src/{source} already");
                    Problem::new(&fault.file, *line, message)
                },
            ));
            let (is_declared, is_written) = (visit.is_declared, visit.is_written);
            let Field { fault, line, .. } = &fields[0];
            if !is_declared {
                let message = format!("src/{source} has no struct {holder} with named fields");
                problems.push(Problem::new(&fault.file, *line, message));
            } else if !is_written {
                problems.push(Problem::new(
                    &fault.file,
                    *line,
                    format!(
                        "src/{source}: {holder} has no `write_state`, so two states that differ in what \
                         the bug remembers would be taken for one"
                    ),
                ));
            }
        }
        if problems.is_empty() { Ok(insertions) } else { Err(problems) }
    }
}

struct Visitor<'a> {
    holder: &'a str,
    fields: &'a [Field<'a>],
    /// Whether this is an `impl` of the struct, where it is called `Self`.
    is_inside: bool,
    insertions: &'a mut Insertions,
    is_declared: bool,
    is_written: bool,
    /// The fields that the honest struct has.
    honest: Vec<String>,
}

impl Visitor<'_> {
    /// Puts something for each field behind the last of a list.
    fn behind(&mut self, last: &impl Spanned, what: impl Fn(&Field<'_>) -> String) {
        let text: String = self.fields.iter().map(|field| format!(", {}", what(field))).collect();
        self.insertions.at.entry(bytes(last).end).or_default().push_str(&text);
    }

    fn is_holder(&self, path: &syn::Path) -> bool {
        self.is_inside && path.is_ident("Self") || path.is_ident(self.holder)
    }

    /// `Debug` shows what the honest type has, and not what a bug remembers.
    fn write_debug(&mut self, item: &ItemStruct) {
        let derive = item.attrs.iter().find(|attribute| attribute.path().is_ident("derive"));
        let Some(derive) = derive.filter(|it| tokens(it).contains("Debug")) else { return };
        let Ok(list) = derive.meta.require_list() else { return };
        let kept: Vec<String> = tokens(&list.tokens)
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty() && name != "Debug")
            .collect();
        self.insertions.gone.push(bytes(derive));
        if !kept.is_empty() {
            let derive = format!("#[derive({})]", kept.join(", "));
            self.insertions
                .at
                .entry(bytes(&item.struct_token).start)
                .or_default()
                .push_str(&derive);
        }
        let fields = item.fields.iter().filter_map(|field| field.ident.as_ref());
        let shown: String =
            fields.map(|name| format!(".field(\"{name}\", &self.{name})")).collect();
        self.insertions.end.push_str(&format!(
            "\nimpl core::fmt::Debug for {holder} {{\n    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {{\n        \
             f.debug_struct(\"{holder}\"){shown}.finish()\n    }}\n}}\n",
            holder = self.holder
        ));
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(item) if is_test(&item.attrs) => {}
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        if item.ident == self.holder
            && let Fields::Named(named) = &item.fields
            && let Some(last) = named.named.last()
        {
            self.is_declared = true;
            let names = named.named.iter().filter_map(|field| field.ident.as_ref());
            self.honest.extend(names.map(ToString::to_string));
            let declare =
                |field: &Field<'_>| format!("pub(crate) {}: {}", field.name, field.r#type);
            self.behind(last, declare);
            self.write_debug(item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let syn::Type::Path(path) = &*item.self_ty else { return };
        self.is_inside = path.path.segments.last().is_some_and(|last| last.ident == self.holder);
        for item in item.items.iter().filter(|_| self.is_inside) {
            if let ImplItem::Fn(function) = item
                && function.sig.ident == "write_state"
            {
                self.is_written = true;
                // Behind all that the honest function does, where the fields are taken apart and the
                // sink is one.
                let end = bytes(&function.block).end - 1;
                let writes: String = self
                    .fields
                    .iter()
                    .map(|field| format!("sink.remembered({});\n", field.name))
                    .collect();
                let begin = match function.block.stmts.last() {
                    Some(Stmt::Expr(_, None)) => ";\n",
                    _ => "",
                };
                self.insertions.at.entry(end).or_default().push_str(&format!("{begin}{writes}"));
            }
        }
        visit::visit_item_impl(self, item);
        self.is_inside = false;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let is_writing = item.sig.ident == "write_state";
        for statement in &item.block.stmts {
            if let Stmt::Local(local) = statement
                && let Pat::Struct(pattern) = &local.pat
                && pattern.rest.is_none()
                && self.is_holder(&pattern.path)
                && let Some(last) = pattern.fields.last()
            {
                let bind = |field: &Field<'_>| {
                    if is_writing { field.name.clone() } else { format!("{}: _", field.name) }
                };
                self.behind(last, bind);
            }
        }
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        if let Expr::Struct(made) = expression
            && made.dot2_token.is_none()
            && self.is_holder(&made.path)
            && let Some(last) = made.fields.last()
        {
            self.behind(last, |field| format!("{}: Default::default()", field.name));
        }
        visit::visit_expr(self, expression);
    }
}
