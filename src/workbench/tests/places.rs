//! A new call has few places: outside them, nothing goes through the calls one by one.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rekeylab::sequence::CallKind;
use syn::visit::{self, Visit};

/// Where every call is named: its descriptor, its performance, and its place in the model.
const PLACES: [&str; 4] = [
    "executor/run.rs",
    "invariant/model/predict.rs",
    "invariant/model/replay.rs",
    "sequence/call.rs",
];

/// A file that names this many of the calls goes through them one by one.
const MANY: usize = 11;

/// Files that name many calls because they choose some, and need not name a new one.
const CHOOSING: [&str; 3] = ["exhaust/alphabet.rs", "foreign/cpp.rs", "generate/cycle.rs"];

#[test]
fn a_call_is_named_in_its_few_places_and_elsewhere_only_where_it_matters() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names: BTreeSet<String> = CallKind::ALL.iter().map(|kind| format!("{kind:?}")).collect();
    let mut found = BTreeSet::new();
    for path in sources(root) {
        let text = fs::read_to_string(&path).unwrap();
        let mut calls = Named { names: &names, named: BTreeSet::new() };
        calls.visit_file(&syn::parse_file(&text).unwrap());
        let file = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        // A descriptor is in a macro, which is not read.
        if calls.named.len() >= MANY || file == "sequence/call.rs" {
            found.insert(file);
        }
    }
    let expected: BTreeSet<String> =
        PLACES.iter().chain(&CHOOSING).map(|&file| file.to_owned()).collect();
    assert_eq!(found, expected);
}

struct Named<'a> {
    names: &'a BTreeSet<String>,
    named: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Named<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [.., holder, name] = &segments[..]
            && ["Call", "CallKind"].contains(&holder.as_str())
            && self.names.contains(name)
        {
            self.named.insert(name.clone());
        }
        visit::visit_path(self, path);
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests" || name == "testing");
        if path.is_dir() && !is_test {
            paths.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            paths.push(path);
        }
    }
    paths
}
