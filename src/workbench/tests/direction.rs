//! The workbench's modules depend on each other in one direction only.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// Each module, and the modules it may use. The compiler holds the same between packages.
const DIRECTION: &[(&str, &[&str])] = &[
    ("build", &[]),
    ("sequence", &[]),
    ("generate", &["sequence"]),
    ("minimize", &["sequence"]),
    ("observation", &["sequence"]),
    ("watchdog", &["sequence", "observation"]),
    ("executor", &["sequence", "observation", "watchdog"]),
    ("invariant", &["sequence", "observation"]),
    ("report", &["sequence", "observation", "invariant"]),
    ("corpus", &["sequence", "observation", "invariant", "report"]),
    ("search", &["sequence", "generate", "observation"]),
    ("exhaust", &["sequence", "observation", "watchdog", "executor", "invariant"]),
    ("rules", &[]),
    ("exit", &[]),
    ("drill", &["observation"]),
    (
        "workbench",
        &[
            "sequence",
            "minimize",
            "search",
            "observation",
            "watchdog",
            "executor",
            "invariant",
            "report",
        ],
    ),
    (
        "fuzzing",
        &[
            "sequence",
            "generate",
            "search",
            "observation",
            "watchdog",
            "executor",
            "invariant",
            "report",
            "workbench",
        ],
    ),
    (
        "store",
        &[
            "sequence",
            "observation",
            "watchdog",
            "executor",
            "invariant",
            "report",
            "corpus",
            "workbench",
        ],
    ),
    ("program", &[]),
    (
        "campaign",
        &[
            "sequence",
            "minimize",
            "observation",
            "watchdog",
            "executor",
            "invariant",
            "report",
            "corpus",
            "fuzzing",
            "workbench",
            "store",
            "program",
        ],
    ),
    ("foreign", &["sequence", "observation", "executor", "report", "watchdog", "program"]),
    ("conform", &["sequence", "observation", "executor", "invariant", "rules", "workbench"]),
    ("revision", &[]),
    ("child", &["campaign", "program"]),
    ("gate", &["report", "corpus", "campaign", "child", "exit", "revision"]),
    ("telemetry", &["report", "corpus", "campaign", "store"]),
    ("dashboard", &["report", "campaign", "child", "store", "telemetry"]),
    ("coverage", &["campaign", "exit"]),
    ("bisect", &[]),
    (
        "cli",
        &[
            "sequence",
            "generate",
            "search",
            "observation",
            "watchdog",
            "executor",
            "invariant",
            "report",
            "corpus",
            "exhaust",
            "rules",
            "drill",
            "campaign",
            "fuzzing",
            "workbench",
            "exit",
            "gate",
            "store",
            "bisect",
            "foreign",
            "conform",
            "coverage",
            "dashboard",
            "revision",
            "program",
            "telemetry",
        ],
    ),
];

/// What the crate's root gives out under a name of its own, and where it comes from.
const AT_THE_ROOT: &[(&str, &str)] = &[("Workbench", "workbench")];

/// The only module that may touch a driver.
const TOUCHES_DRIVERS: &str = "executor";

#[test]
fn modules_depend_in_one_direction_only() {
    let mut wrong = Vec::new();
    for file in sources() {
        let module = file.module[0].clone();
        let Some((_, allowed)) = DIRECTION.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: list it: (\"{module}\", &[...]),", file.path));
            continue;
        };
        for used in used_modules(&file.module, &file.text) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} uses {used}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_listed_module_exists_and_uses_no_later_one() {
    let modules: BTreeSet<String> =
        sources().into_iter().map(|file| file.module[0].clone()).collect();
    for (index, (module, allowed)) in DIRECTION.iter().enumerate() {
        assert!(modules.contains(*module), "there is no module {module}");
        for used in *allowed {
            let place = DIRECTION.iter().position(|(name, _)| name == used);
            assert!(place.is_some_and(|place| place < index), "{module} may not use {used}");
        }
    }
}

#[test]
fn only_the_executor_touches_a_driver() {
    for file in sources().iter().filter(|file| file.module[0] != TOUCHES_DRIVERS) {
        // Its tests may not, either, and no other name for the package helps.
        let code = file.text.lines().filter_map(|line| line.split("//").next());
        assert!(!code.collect::<String>().contains("rekeylab_driver"), "{}", file.path);
    }
}

/// A source file of the library.
struct Source {
    path: String,
    /// Its module below the crate, the root left out.
    module: Vec<String>,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(root, &mut paths);
    let mut sources = Vec::new();
    for path in paths {
        let below = path.strip_prefix(root).unwrap().with_extension("");
        let mut module: Vec<String> =
            below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        if !["lib", "main", "tests"].contains(&module[0].as_str())
            && !module.contains(&"tests".to_owned())
        {
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source { path: path.display().to_string(), module, text });
        }
    }
    sources
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// The top-level modules of the crate that a file of this module uses outside its tests.
fn used_modules(module: &[String], text: &str) -> BTreeSet<String> {
    let from_root = paths(module, text).into_iter().filter(|path| path[0] == "crate");
    from_root
        // By the crate as a whole, under whatever name, any module can be reached.
        .map(|path| path.into_iter().nth(1).unwrap_or_else(|| "the whole crate".to_owned()))
        .map(|name| {
            let at_the_root = AT_THE_ROOT.iter().find(|(own, _)| *own == name);
            at_the_root.map_or(name, |(_, module)| (*module).to_owned())
        })
        .collect()
}

/// Every path of a file, with `self` and `super` resolved from its module on: then it begins with
/// `crate`.
fn paths(module: &[String], text: &str) -> Vec<Vec<String>> {
    let mut paths = Paths { module: module.to_vec(), found: Vec::new() };
    paths.visit_file(&syn::parse_file(text).unwrap());
    paths.found
}

struct Paths {
    module: Vec<String>,
    found: Vec<Vec<String>>,
}

impl Paths {
    fn note(&mut self, path: Vec<String>) {
        let Some(first) = path.first() else { return };
        if !["self", "super"].contains(&first.as_str()) {
            self.found.push(path);
            return;
        }
        let mut resolved = self.module.clone();
        let mut rest = path.into_iter().peekable();
        while let Some(step) = rest.next_if(|step| step == "self" || step == "super") {
            if step == "super" {
                resolved.pop();
            }
        }
        resolved.insert(0, "crate".to_owned());
        self.found.push(resolved.into_iter().chain(rest).collect());
    }

    fn note_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.note(with(&name.ident)),
            UseTree::Rename(name) => self.note(with(&name.ident)),
            UseTree::Glob(_) => self.note(before.to_vec()),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.note_tree(before, tree));
            }
        }
    }

    /// Paths in the tokens of a macro, behind what stands before the group that they are in.
    fn note_tokens(&mut self, before: &[String], tokens: TokenStream) {
        let mut path: Vec<String> = before.to_vec();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    let opened = core::mem::replace(&mut path, before.to_vec());
                    if colons == 2 {
                        self.note_tokens(&opened, group.stream());
                    } else {
                        self.note(opened);
                        self.note_tokens(&[], group.stream());
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(ident) => {
                    if colons != 2 && path.len() > before.len() {
                        self.note(core::mem::replace(&mut path, before.to_vec()));
                    }
                    path.push(ident.to_string());
                }
                _ => {
                    let path = core::mem::replace(&mut path, before.to_vec());
                    // Alone and not before `::*`, it says who may see something.
                    if !is_visibility(&path) || colons == 2 {
                        self.note(path);
                    }
                }
            }
            colons = 0;
        }
        if !is_visibility(&path) {
            self.note(path);
        }
    }
}

/// Whether this may be what stands in `pub(crate)` or `pub(super)`.
fn is_visibility(path: &[String]) -> bool {
    matches!(path, [word] if ["crate", "super", "self"].contains(&word.as_str()))
}

/// Tests may look at whatever they like.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(it) if is_test(&it.attrs) => {}
            Item::Use(it) if is_test(&it.attrs) => {}
            Item::Fn(it) if is_test(&it.attrs) => {}
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    /// What may see an item is not what the item uses.
    fn visit_visibility(&mut self, _visibility: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.note(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        self.note_tokens(&[], it.tokens.clone());
        visit::visit_macro(self, it);
    }
}

#[track_caller]
fn check(text: &str, used: &[&str]) {
    let module = ["report".to_owned(), "human".to_owned()];
    let expected: BTreeSet<String> = used.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(used_modules(&module, text), expected, "{text}");
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    check("use crate::executor::Core;", &["executor"]);
    check("use crate::{executor::Core, corpus};", &["corpus", "executor"]);
    check("use super::super::executor;", &["executor"]);
    check("use super::super::{executor::*, report as told};", &["executor", "report"]);
    check("use super::json;", &["report"]);
    check("fn f() -> crate::executor::Core { crate::corpus::f() }", &["corpus", "executor"]);
    check("fn f() { super::super::corpus::f() }", &["corpus"]);
    check("fn f() { println!(\"{}\", crate::corpus::NAME) }", &["corpus"]);
    check("mod inner { use super::super::super::executor::Core; }", &["executor"]);
    check("use crate::Workbench;", &["workbench"]);
    check("fn f() { m! { use crate::{executor::Core, corpus}; } }", &["corpus", "executor"]);
    check("use crate::*;", &["the whole crate"]);
    check("macro_rules! m { () => { use crate::*; pub(crate) fn f() {} } }", &["the whole crate"]);
    check("macro_rules! m { () => { pub(crate) fn f() {} pub(super) fn g() {} } }", &[]);
    check("use super::super::{self as root};", &["the whole crate"]);
    check("use crate as root;", &["the whole crate"]);
    check("pub(crate) fn f() {}", &[]);
}

#[test]
fn what_only_tests_name_and_what_is_elsewhere_is_not() {
    check("#[cfg(test)] mod tests { use crate::executor::Core; }", &[]);
    check("#[cfg(test)] use crate::executor::Core;", &[]);
    check("use std::executor; // crate::executor", &[]);
    check("fn f() -> &'static str { \"crate::executor\" }", &[]);
}
