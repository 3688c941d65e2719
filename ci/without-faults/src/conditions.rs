//! What `#[cfg(..)]` says of planted faults.

use proc_macro2::TokenTree;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Lit, Meta, Token};

use crate::blank::Blanks;

/// What becomes of a thing without planted faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Stays,
    Goes,
}

/// Decides by the attributes, and takes those out that only spoke of faults.
pub(crate) fn fate_of(attributes: &[Attribute], blanks: &mut Blanks<'_>) -> Fate {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
        let Ok(condition) = attribute.parse_args::<Meta>() else { continue };
        match value_of(&condition) {
            Some(false) => return Fate::Goes,
            Some(true) => blanks.blank(attribute.span().byte_range()),
            None => blank_alternatives(&condition, blanks),
        }
    }
    Fate::Stays
}

/// Whether the condition holds, if that does not depend on anything but faults.
fn value_of(condition: &Meta) -> Option<bool> {
    match condition {
        Meta::NameValue(pair) if pair.path.is_ident("feature") => {
            let Expr::Lit(literal) = &pair.value else { return None };
            matches!(&literal.lit, Lit::Str(name) if name.value() == "faults").then_some(false)
        }
        Meta::List(list) => {
            let values: Vec<_> = parts(list)?.iter().map(value_of).collect();
            match list.path.get_ident()?.to_string().as_str() {
                "not" => values.first().copied().flatten().map(|value| !value),
                "all" if values.contains(&Some(false)) => Some(false),
                "any" if values.iter().all(|&value| value == Some(false)) => Some(false),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `any(feature = "homes", feature = "faults")` becomes `any(feature = "homes")`.
fn blank_alternatives(condition: &Meta, blanks: &mut Blanks<'_>) {
    let Meta::List(list) = condition else { return };
    for part in parts(list).into_iter().flatten() {
        if list.path.is_ident("any") && value_of(&part) == Some(false) {
            blanks.blank_with_comma(part.span().byte_range());
        }
    }
}

fn parts(list: &syn::MetaList) -> Option<Punctuated<Meta, Token![,]>> {
    list.parse_args_with(Punctuated::parse_terminated).ok()
}

/// The first word in code that speaks of faults, with its line.
pub(crate) fn first_trace(text: &str) -> Option<(usize, String)> {
    let tokens = text.parse::<proc_macro2::TokenStream>().expect("it was parsed before");
    trace_in(tokens)
}

fn trace_in(tokens: proc_macro2::TokenStream) -> Option<(usize, String)> {
    let mut is_document = false;
    for token in tokens {
        let word = match &token {
            // A comment that becomes an attribute is still a comment.
            TokenTree::Literal(_) if is_document => None,
            TokenTree::Group(group) => match trace_in(group.stream()) {
                None => continue,
                found => return found,
            },
            TokenTree::Ident(word) => Some(word.to_string()),
            TokenTree::Literal(literal) => Some(literal.to_string()),
            TokenTree::Punct(_) => None,
        };
        // `#[doc = "..."]`: the word, the sign, the text.
        is_document = match &token {
            TokenTree::Ident(word) => word == "doc",
            TokenTree::Punct(sign) => is_document && sign.as_char() == '=',
            _ => false,
        };
        if let Some(word) = word
            && word.to_lowercase().replace("default", "").contains("fault")
        {
            return Some((token.span().start().line, word));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::first_trace;

    fn check(text: &str, word: Option<&str>) {
        assert_eq!(first_trace(text).map(|(_, word)| word).as_deref(), word, "{text}");
    }

    #[test]
    fn a_trace_is_a_word_of_code() {
        check("/// No fault of its own.\nfn default() { a.unwrap_or_default(); } // fault", None);
        check("fn f() { write!(a, fault!(A)) }", Some("fault"));
        check("use a::{b, Fault};", Some("Fault"));
        check("#[cfg_attr(feature = \"faults\", b)] fn f() {}", Some("\"faults\""));
    }
}
