//! Decides what depends on `fault!(..)`, as if it were `false`.
//!
//! The compiler would do the same. It is done by hand so that neither the macro nor an `if false` is
//! left for it to remove: what it makes of them is the question.

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit as _};
use syn::{BinOp, Expr, Token, UnOp};

use crate::strip::{Strip, range};

/// What is known of an expression without faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    Unknown,
    Bool(bool),
    Zero,
    /// Nothing of it is left.
    Gone,
}

impl Strip<'_> {
    /// What the expression comes to; what can be decided inside of it is.
    pub(crate) fn fold(&mut self, expr: &Expr) -> Value {
        match expr {
            Expr::Macro(call) if call.mac.path.is_ident("fault") => {
                Value::Bool(self.left_in.is_some_and(|name| call.mac.tokens.to_string() == name))
            }
            Expr::Macro(call) => self.fold_macro(&call.mac),
            Expr::Paren(inner) => self.fold(&inner.expr),
            Expr::Path(path) => {
                let name = path.path.get_ident().map(ToString::to_string);
                name.and_then(|name| self.known.get(&name).copied()).unwrap_or(Value::Unknown)
            }
            Expr::Unary(not) if matches!(not.op, UnOp::Not(_)) => match self.fold(&not.expr) {
                Value::Bool(value) => Value::Bool(!value),
                _ => Value::Unknown,
            },
            Expr::Binary(binary) => self.fold_binary(binary),
            Expr::Call(call) if is_number_from(&call.func) && call.args.len() == 1 => {
                match self.fold(&call.args[0]) {
                    Value::Bool(false) => Value::Zero,
                    value => self.keep(&call.args[0], value),
                }
            }
            Expr::If(choice) => self.fold_if(choice),
            _ => {
                visit::visit_expr(self, expr);
                Value::Unknown
            }
        }
    }

    /// The arguments of a macro are expressions to us wherever they can be.
    pub(crate) fn fold_macro(&mut self, call: &syn::Macro) -> Value {
        let Ok(arguments) = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated)
        else {
            return Value::Unknown;
        };
        for (index, argument) in arguments.iter().enumerate() {
            let value = self.fold(argument);
            if index == 0 && value == Value::Bool(true) && call.path.is_ident("assert") {
                return Value::Gone;
            }
            self.keep(argument, value);
        }
        Value::Unknown
    }

    fn fold_binary(&mut self, binary: &syn::ExprBinary) -> Value {
        use Value::{Bool, Unknown, Zero};

        let (left, right) = (self.fold(&binary.left), self.fold(&binary.right));
        let (left_range, right_range) = (range(&binary.left), range(&binary.right));
        let mut only_left = || {
            self.blanks.blank(left_range.end..right_range.end);
            left
        };
        match (&binary.op, left, right) {
            (BinOp::And(_), Bool(false), _) | (BinOp::And(_), _, Bool(false)) => Bool(false),
            (BinOp::Or(_), Bool(true), _) | (BinOp::Or(_), _, Bool(true)) => Bool(true),
            (BinOp::And(_), _, Bool(true)) | (BinOp::Or(_), _, Bool(false)) => only_left(),
            (BinOp::Add(_) | BinOp::Sub(_), _, Zero) => only_left(),
            (BinOp::And(_), Bool(true), _)
            | (BinOp::Or(_), Bool(false), _)
            | (BinOp::Add(_), Zero, _) => {
                self.blanks.blank(left_range.start..right_range.start);
                right
            }
            (BinOp::Mul(_), Zero, _) | (BinOp::Mul(_), _, Zero) => Zero,
            _ => {
                self.keep(&binary.left, left);
                self.keep(&binary.right, right);
                Unknown
            }
        }
    }

    fn fold_if(&mut self, choice: &syn::ExprIf) -> Value {
        let start = range(&choice.if_token).start;
        let condition = self.fold(&choice.cond);
        let other = choice.else_branch.as_ref();
        match condition {
            Value::Bool(false) => {
                let Some((_, other)) = other else { return Value::Gone };
                self.blanks.blank(start..range(other).start);
                self.fold(other)
            }
            Value::Bool(true) => {
                self.visit_block(&choice.then_branch);
                let body = range(&choice.then_branch);
                self.blanks.blank(start..body.start);
                self.blanks.blank(body.end..range(choice).end);
                Value::Unknown
            }
            value => {
                self.keep(&choice.cond, value);
                self.visit_block(&choice.then_branch);
                if let Some((word, other)) = other
                    && self.fold(other) == Value::Gone
                {
                    self.blanks.blank(range(word).start..range(other).end);
                }
                Value::Unknown
            }
        }
    }

    /// Writes a value down where nothing around it could take it in.
    pub(crate) fn keep(&mut self, expr: &Expr, value: Value) -> Value {
        match value {
            Value::Unknown => {}
            Value::Bool(false) => self.blanks.replace(range(expr), "false"),
            Value::Bool(true) => self.blanks.replace(range(expr), "true"),
            Value::Zero => self.blanks.replace(range(expr), "0"),
            Value::Gone => self.blanks.blank(range(expr)),
        }
        Value::Unknown
    }
}

/// `u32::from` and the like, which make a number of a decision.
fn is_number_from(function: &Expr) -> bool {
    let Expr::Path(path) = function else { return false };
    let names: Vec<_> = path.path.segments.iter().map(|part| part.ident.to_string()).collect();
    matches!(&names[..], [number, from] if from == "from" && ["u32", "u64", "usize"].contains(&&**number))
}
