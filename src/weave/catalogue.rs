//! The list of the faults as Rust source: an enum, and what is known of each.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proc_macro2::{TokenStream, TokenTree};

use crate::fault::{Change, Fault, Target};
use crate::stack::with_room;

/// How many calls the shortest reproducer of each fault has, by the fault's name.
pub type Reproduced = BTreeMap<String, usize>;

/// The source of `enum Fault` with what is known of each fault, and of a function that clears what
/// faults keep outside any driver.
///
/// Its user has a trait `crate::memory::Forget` for the types of such statics.
#[must_use]
pub fn catalogue(faults: &[Fault], reproduced: &Reproduced) -> String {
    with_room(|| catalogue_of(faults, reproduced))
}

fn catalogue_of(faults: &[Fault], reproduced: &Reproduced) -> String {
    let mut source = String::new();
    let out = &mut source;
    line(out, "/// A bug that can be planted in the core.");
    line(out, "#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]");
    line(out, "pub enum Fault {");
    for fault in faults {
        line(out, &format!("#[doc = {:?}] {},", fault.summary, fault.variant()));
    }
    line(out, "}");
    line(out, "impl Fault {");
    line(out, "/// Every fault, in the order of invariant and name.");
    let all: Vec<String> =
        faults.iter().map(|fault| format!("Self::{}", fault.variant())).collect();
    line(out, &format!("pub const ALL: &[Self] = &[{}];", all.join(", ")));
    let text = |of: fn(&Fault) -> &str| move |fault: &Fault| format!("{:?}", of(fault));
    method(
        out,
        faults,
        "Its name on the command line.",
        "name",
        "&'static str",
        text(|it| &it.name),
    );
    method(
        out,
        faults,
        "The rule that it breaks.",
        "breaks",
        "&'static str",
        text(|it| &it.breaks),
    );
    method(
        out,
        faults,
        "The invariant that it must ring, and no other.",
        "rings",
        "&'static str",
        text(|it| &it.invariant),
    );
    method(
        out,
        faults,
        "What goes wrong, in one sentence.",
        "summary",
        "&'static str",
        text(|it| &it.summary),
    );
    method(
        out,
        faults,
        "Its file, as a path from the top of the repository.",
        "file",
        "&'static str",
        text(|it| &it.file),
    );
    let shortest = |fault: &Fault| format!("{:?}", reproduced.get(&fault.name));
    method(
        out,
        faults,
        "The length of its shortest reproducer in calls, if one is stored.",
        "shortest",
        "Option<usize>",
        shortest,
    );
    let keeps_statics = |fault: &Fault| (!statics(fault).is_empty()).to_string();
    method(
        out,
        faults,
        "Whether it leaves something in statics or thread-locals, outside any driver.",
        "keeps_statics",
        "bool",
        keeps_statics,
    );
    let is_shared = |fault: &Fault| statics(fault).iter().any(|kept| !kept.is_local).to_string();
    method(
        out,
        faults,
        "Whether it leaves something where all threads see it: beside it, none can be drilled.",
        "is_seen_by_other_threads",
        "bool",
        is_shared,
    );
    line(out, "}");
    line(out, "/// Clears what faults keep in statics, and in thread-locals of this thread.");
    line(out, "pub(crate) fn forget_statics() {");
    for kept in faults.iter().flat_map(statics) {
        line(out, &format!("crate::memory::Forget::forget(&{});", kept.path));
    }
    line(out, "}");
    source
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes any text");
}

fn method(
    out: &mut String,
    faults: &[Fault],
    doc: &str,
    name: &str,
    answer: &str,
    of: impl Fn(&Fault) -> String,
) {
    line(
        out,
        &format!("/// {doc}\n#[must_use] pub const fn {name}(self) -> {answer} {{ match self {{"),
    );
    for fault in faults {
        line(out, &format!("Self::{} => {},", fault.variant(), of(fault)));
    }
    line(out, "} }");
}

/// A static that a fault adds.
struct Static {
    path: String,
    is_local: bool,
}

fn statics(fault: &Fault) -> Vec<Static> {
    let mut found = Vec::new();
    for hunk in fault.hunks.iter().filter(|hunk| hunk.target == Target::Items) {
        let module =
            hunk.source.trim_end_matches(".rs").trim_end_matches("/lib").replace('/', "::");
        let added = hunk.text(|change| change == Change::Added);
        let Ok(items) = syn::parse_file(&added) else { continue };
        for item in items.items {
            let (names, is_local) = match item {
                syn::Item::Static(item) => (vec![item.ident.to_string()], false),
                syn::Item::Macro(item) if item.mac.path.is_ident("thread_local") => {
                    (names_of_statics(item.mac.tokens), true)
                }
                _ => continue,
            };
            let path = |name| Static { path: format!("crate::{module}::{name}"), is_local };
            found.extend(names.into_iter().map(path));
        }
    }
    found
}

/// Every name behind the word `static`.
fn names_of_statics(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_static = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "static");
    let pairs = tokens.windows(2).filter(|pair| is_static(&pair[0]));
    pairs.map(|pair| pair[1].to_string()).collect()
}
