//! Takes every trace of planted faults out of one file of the core.
//!
//! What a `cfg` keeps away goes here; what depends on `fault!(..)` is decided in [`fold`](crate::fold).

use std::collections::BTreeMap;
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, Block, Expr, Item, Stmt};

use crate::blank::Blanks;
use crate::conditions::{Fate, fate_of};
use crate::fold::Value;

/// Functions that only planted faults call, beside those that say so in a `cfg`. The compiler finds
/// whatever is missing here, because nothing in the copy may be unused.
const ONLY_FAULTS_CALL: [&str; 2] = ["forget", "has_drawn"];

/// The file without faults, or with `left_in` always planted; all else keeps its line and column.
pub(crate) fn strip(text: &str, left_in: Option<&str>) -> syn::Result<String> {
    let file = syn::parse_file(text)?;
    let mut strip = Strip { blanks: Blanks::new(text), known: BTreeMap::new(), left_in };
    strip.visit_file(&file);
    Ok(strip.blanks.finish())
}

/// One file on its way to be one without faults.
pub(crate) struct Strip<'a> {
    pub(crate) blanks: Blanks<'a>,
    /// Local variables that only faults would make anything else.
    pub(crate) known: BTreeMap<String, Value>,
    /// A fault that stays, always planted: a copy with it in must be told from the core.
    pub(crate) left_in: Option<&'a str>,
}

impl Strip<'_> {
    /// Takes something out that has a `cfg` that never holds, and says so.
    fn drop_if_gone(&mut self, attributes: &[syn::Attribute], node: &impl Spanned) -> bool {
        let is_gone = fate_of(attributes, &mut self.blanks) == Fate::Goes;
        if is_gone {
            self.blanks.blank_with_comma(range(node));
        }
        is_gone
    }

    fn visit_statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Local(local) => {
                if self.drop_if_gone(&local.attrs, statement) {
                    return;
                }
                let syn::Pat::Ident(name) = &local.pat else {
                    return visit::visit_local(self, local);
                };
                let Some(init) = local.init.as_ref().filter(|init| init.diverge.is_none()) else {
                    return visit::visit_local(self, local);
                };
                let value = self.fold(&init.expr);
                if matches!(value, Value::Bool(_) | Value::Zero) && name.mutability.is_none() {
                    self.known.insert(name.ident.to_string(), value);
                    self.blanks.blank(range(statement));
                } else {
                    self.known.remove(&name.ident.to_string());
                    self.keep(&init.expr, value);
                }
            }
            Stmt::Item(item) => self.visit_item(item),
            Stmt::Expr(expr, _) => {
                if self.drop_if_gone(attributes_of(expr), statement) {
                    return;
                }
                match self.fold(expr) {
                    Value::Gone => self.blanks.blank(range(statement)),
                    value => _ = self.keep(expr, value),
                }
            }
            Stmt::Macro(call) => {
                if !self.drop_if_gone(&call.attrs, statement)
                    && self.fold_macro(&call.mac) == Value::Gone
                {
                    self.blanks.blank(range(statement));
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Strip<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, is_about_faults): (&[_], _) = match item {
            Item::Mod(item) => (&item.attrs, item.ident == "fault"),
            Item::Use(item) => (&item.attrs, is_use_of_faults(&item.tree)),
            Item::Fn(item) => {
                (&item.attrs, ONLY_FAULTS_CALL.iter().any(|name| item.sig.ident == name))
            }
            Item::Const(item) => (&item.attrs, false),
            Item::Enum(item) => (&item.attrs, false),
            Item::Impl(item) => (&item.attrs, false),
            Item::Macro(item) => (&item.attrs, false),
            Item::Static(item) => (&item.attrs, false),
            Item::Struct(item) => (&item.attrs, false),
            Item::Trait(item) => (&item.attrs, false),
            Item::Type(item) => (&item.attrs, false),
            _ => (&[], false),
        };
        if is_about_faults {
            self.blanks.blank(range(item));
        } else if !self.drop_if_gone(attributes, item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if ONLY_FAULTS_CALL.iter().any(|name| item.sig.ident == name) {
            self.blanks.blank(range(item));
        } else if !self.drop_if_gone(&item.attrs, item) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        if !self.drop_if_gone(&item.attrs, item) {
            visit::visit_impl_item_const(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        self.drop_if_gone(&field.attrs, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !self.drop_if_gone(&variant.attrs, variant) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if !self.drop_if_gone(&field.attrs, field) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_field_pat(&mut self, field: &'ast syn::FieldPat) {
        self.drop_if_gone(&field.attrs, field);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if self.drop_if_gone(&arm.attrs, arm) {
            return;
        }
        if let Some((word, guard)) = &arm.guard {
            match self.fold(guard) {
                Value::Bool(false) => return self.blanks.blank_with_comma(range(arm)),
                Value::Bool(true) => self.blanks.blank(range(word).start..range(guard).end),
                value => _ = self.keep(guard, value),
            }
        }
        self.visit_expr(&arm.body);
    }

    fn visit_block(&mut self, block: &'ast Block) {
        let known_outside = self.known.clone();
        for statement in &block.stmts {
            self.visit_statement(statement);
        }
        self.known = known_outside;
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        let value = self.fold(expr);
        self.keep(expr, value);
    }
}

/// Where something stands in its file, in bytes.
pub(crate) fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

fn is_use_of_faults(tree: &syn::UseTree) -> bool {
    match tree {
        syn::UseTree::Path(path) => path.ident == "fault" || is_use_of_faults(&path.tree),
        _ => false,
    }
}

/// The attributes of a statement that is an expression; the parser gives them to the leftmost part.
fn attributes_of(expr: &Expr) -> &[syn::Attribute] {
    match expr {
        Expr::Assign(expr) => attributes_of(&expr.left),
        Expr::Binary(expr) => attributes_of(&expr.left),
        Expr::Block(expr) => &expr.attrs,
        Expr::Call(expr) => &expr.attrs,
        Expr::Field(expr) => &expr.attrs,
        Expr::ForLoop(expr) => &expr.attrs,
        Expr::If(expr) => &expr.attrs,
        Expr::Index(expr) => &expr.attrs,
        Expr::Macro(expr) => &expr.attrs,
        Expr::Match(expr) => &expr.attrs,
        Expr::MethodCall(expr) => &expr.attrs,
        Expr::Path(expr) => &expr.attrs,
        Expr::Return(expr) => &expr.attrs,
        Expr::While(expr) => &expr.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::strip;

    /// What is left of a statement, with its spaces run together.
    fn check(statement: &str, left: &str) {
        let text = strip(&format!("fn f() {{ {statement} }}"), None).unwrap();
        let words: Vec<_> = text.split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            format!("fn f() {{ {left} }}").replace("  ", " "),
            "{statement}"
        );
    }

    #[test]
    fn a_condition_is_left_without_its_fault() {
        check("if fault!(A) { a(); }", "");
        check("if !fault!(A) { a(); }", "{ a(); }");
        check("if fault!(A) { a() } else { b() }", "{ b() }");
        check("if a { b() } else if fault!(A) { c() }", "if a { b() }");
        check("if !(fault!(A) && a) { b(); }", "{ b(); }");
        check("if (a || fault!(A)) && b { c(); }", "if (a ) && b { c(); }");
        check("if let Some(a) = b && !fault!(A) { c(); }", "if let Some(a) = b { c(); }");
        check("assert!(!fault!(A) || a, \"words\");", "");
    }

    #[test]
    fn an_arm_goes_with_its_fault() {
        check("match a { B if fault!(A) && c => d, e => e }", "match a { e => e }");
        check("match a { B if !fault!(A) => d, e => e }", "match a { B => d, e => e }");
    }

    #[test]
    fn a_number_is_left_without_its_fault() {
        check("let a = b + usize::from(fault!(A)) * 16 - u32::from(fault!(B)) ;", "let a = b ;");
        check("let a = u32::from(fault!(A)); let b = c - a ;", "let b = c ;");
        check("let a = fault!(A); { let a = b(); c(a); }", "{ let a = b(); c(a); }");
    }

    #[test]
    fn what_nothing_takes_in_is_written_down() {
        check("let mut a = fault!(A) ;", "let mut a = false ;");
        check("a(!fault!(A) )", "a(true )");
    }

    #[test]
    fn a_cfg_is_obeyed() {
        check("#[cfg(feature = \"faults\")] a.b(); c();", "c();");
        check("#[cfg(feature = \"faults\")] { a(); } c();", "c();");
        check("#[cfg(not(feature = \"faults\"))] let a = 1; c();", "let a = 1; c();");
        check("let A { b, #[cfg(feature = \"faults\")] c, } = d;", "let A { b, } = d;");
        check(
            "#[cfg(any(feature = \"homes\", feature = \"faults\"))] a();",
            "#[cfg(any(feature = \"homes\", ))] a();",
        );
    }

    #[test]
    fn every_other_character_stays_where_it_is() {
        let text =
            "fn f() {\n    // é\n    if fault!(A) {\n        a();\n    }\n    b(); // c\n}\n";
        let left = text.replace("if fault!(A) {", "              ");
        let left = left.replace("    a();\n    }", "        \n     ");
        assert_eq!(strip(text, None).unwrap(), left);
    }

    #[test]
    fn the_fault_that_is_left_in_is_always_planted() {
        let text = strip("fn f() { if fault!(A) { a(); } if fault!(B) { b(); } }", Some("B"));
        assert_eq!(text.unwrap().split_whitespace().collect::<String>(), "fnf(){{b();}}");
    }
}
