//! Paths in a package that has become a module: `crate::state` is `crate::driver::state` there.

use core::ops::Range;

use proc_macro2::{TokenStream, TokenTree};

/// Rewrites every path that begins with `crate` for the module `package`, and every one that begins
/// with the library of another package in `libraries` (library, module).
///
/// Works on tokens, so macros count and strings and comments do not.
pub(crate) fn rewrite(text: &str, package: &str, libraries: &[(String, String)]) -> String {
    let Ok(tokens) = text.parse::<TokenStream>() else { return text.to_owned() };
    let mut found = Vec::new();
    find(tokens, package, libraries, &mut found);
    let mut rewritten = text.to_owned();
    for (range, path) in found.into_iter().rev() {
        rewritten.replace_range(range, &path);
    }
    rewritten
}

/// Notes what is to be replaced, in the order of the text.
fn find(
    tokens: TokenStream,
    package: &str,
    libraries: &[(String, String)],
    found: &mut Vec<(Range<usize>, String)>,
) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_punct = |index: usize, c: char| matches!(tokens.get(index), Some(TokenTree::Punct(punct)) if punct.as_char() == c);
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => find(group.stream(), package, libraries, found),
            TokenTree::Ident(ident) if is_punct(index + 1, ':') && is_punct(index + 2, ':') => {
                // `a::crate` does not exist, and `a::library` names something else.
                let begins_path =
                    !(index >= 2 && is_punct(index - 1, ':') && is_punct(index - 2, ':'));
                let name = ident.to_string();
                let module = if name == "crate" {
                    Some(package)
                } else {
                    let is_it = |(library, _): &&(String, String)| *library == name;
                    libraries.iter().find(is_it).map(|(_, module)| module.as_str())
                };
                if let Some(module) = module
                    && begins_path
                {
                    found.push((ident.span().byte_range(), format!("crate::{module}")));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn paths_lead_to_the_module_that_the_package_has_become() {
        let libraries = [("the_cipher".to_owned(), "cipher".to_owned())];
        let text = "use crate::state::State; // crate::state\npub(crate) fn f() { the_cipher::g(m!(crate::x)); self.crate_; \"crate::y\" }";
        let woven = "use crate::driver::state::State; // crate::state\npub(crate) fn f() { crate::cipher::g(m!(crate::driver::x)); self.crate_; \"crate::y\" }";
        assert_eq!(rewrite(text, "driver", &libraries), woven);
    }

    #[test]
    fn a_macro_names_its_own_package() {
        assert_eq!(rewrite("$crate::x", "driver", &[]), "$crate::driver::x");
    }
}
