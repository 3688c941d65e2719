//! Opens what is private to the whole package, because a bug may reach where honest code need not.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Fields, Ident, Item, ItemImpl, Visibility};

/// Where `pub(crate) ` has to be put, as byte positions in the file.
pub(crate) fn private_places(file: &syn::File) -> Vec<usize> {
    let mut places = Places::default();
    places.visit_file(file);
    places.found
}

#[derive(Default)]
struct Places {
    found: Vec<usize>,
}

impl Places {
    fn open(&mut self, visibility: &Visibility, before: Span) {
        if matches!(visibility, Visibility::Inherited) {
            self.found.push(before.byte_range().start);
        }
    }

    fn open_fields(&mut self, fields: &Fields) {
        for field in fields {
            let before = field.ident.as_ref().map_or_else(|| field.ty.span(), Ident::span);
            self.open(&field.vis, before);
        }
    }
}

impl<'ast> Visit<'ast> for Places {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Const(it) => self.open(&it.vis, it.const_token.span),
            Item::Enum(it) => self.open(&it.vis, it.enum_token.span),
            Item::Fn(it) => self.open(&it.vis, it.sig.span()),
            Item::Mod(it) => {
                self.open(&it.vis, it.mod_token.span);
                visit::visit_item_mod(self, it);
            }
            Item::Static(it) => self.open(&it.vis, it.static_token.span),
            Item::Struct(it) => {
                self.open(&it.vis, it.struct_token.span);
                self.open_fields(&it.fields);
            }
            Item::Trait(it) => self.open(&it.vis, it.trait_token.span),
            Item::Type(it) => self.open(&it.vis, it.type_token.span),
            Item::Impl(ItemImpl { trait_: None, items, .. }) => {
                for item in items {
                    match item {
                        syn::ImplItem::Fn(it) => self.open(&it.vis, it.sig.span()),
                        syn::ImplItem::Const(it) => self.open(&it.vis, it.const_token.span),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::private_places;

    #[test]
    fn what_is_private_is_opened_and_nothing_else_is_touched() {
        let text = "struct S { a: u8, pub b: u8 } pub struct T(u8); const fn f() {} \
                    impl S { fn g(&self) {} pub fn h() {} } impl Drop for S { fn drop(&mut self) {} } \
                    mod m { const C: u8 = 0; }";
        let mut opened = text.to_owned();
        let file = syn::parse_file(text).unwrap();
        for place in private_places(&file).into_iter().rev() {
            opened.insert_str(place, "pub(crate) ");
        }
        assert_eq!(
            opened,
            "pub(crate) struct S { pub(crate) a: u8, pub b: u8 } pub struct T(pub(crate) u8); \
             pub(crate) const fn f() {} impl S { pub(crate) fn g(&self) {} pub fn h() {} } \
             impl Drop for S { fn drop(&mut self) {} } pub(crate) mod m { pub(crate) const C: u8 = 0; }"
        );
    }
}
