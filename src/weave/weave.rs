//! The copy of a package: honest sources in, sources with every fault in place out.

use std::collections::BTreeMap;

use crate::edits::{Edits, added_lines};
use crate::fault::{Change, Fault, Hunk, Target};
use crate::memory::Memory;
use crate::place::{functions, indented, place_in};
use crate::problem::Problem;
use crate::stack::with_room;
use crate::{paths, visibility};

/// The honest sources of a package, to become a module of the woven one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Package {
    /// Its folder below `src/`, which is the name of the module: `driver`.
    pub folder: String,
    /// The name of its library, by which other packages call it: `rekeylab_driver`.
    pub library: String,
    /// The text of every source file, by its path in the folder: `session.rs`.
    pub sources: BTreeMap<String, String>,
    /// The files whose public types the copy shares with the honest package, because callers of both
    /// need them to be the same types. No fault changes them.
    pub shared: Vec<String>,
}

/// The sources with every fault in place: the text of each file by its path, `driver/session.rs`.
///
/// # Errors
///
/// Every [`Problem`] there is, not the first alone.
pub fn weave(
    packages: &[Package],
    faults: &[Fault],
) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    with_room(|| weave_all(packages, faults))
}

fn weave_all(
    packages: &[Package],
    faults: &[Fault],
) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let mut by_source: BTreeMap<&str, Vec<(&Fault, &Hunk)>> = BTreeMap::new();
    for fault in faults {
        for hunk in &fault.hunks {
            by_source.entry(&hunk.source).or_default().push((fault, hunk));
        }
    }
    let libraries: Vec<(String, String)> =
        packages.iter().map(|package| (package.library.clone(), package.folder.clone())).collect();
    let (mut woven, mut problems) = (BTreeMap::new(), Vec::new());
    for package in packages {
        for (name, text) in &package.sources {
            let source = format!("{}/{name}", package.folder);
            let is_shared = package.shared.contains(name);
            let hunks = if is_shared { None } else { by_source.remove(source.as_str()) };
            let made = if is_shared {
                share(&source, text, &package.library)
            } else {
                weave_file(&source, text, &hunks.unwrap_or_default())
                    .map(|text| paths::rewrite(&text, &package.folder, &libraries))
            };
            match made {
                Ok(text) => drop(woven.insert(source, text)),
                Err(found) => problems.extend(found),
            }
        }
    }
    for (source, hunks) in by_source {
        problems.extend(hunks.iter().map(|(fault, hunk)| {
            Problem::new(
                &fault.file,
                hunk.line,
                format!("below src/ there is no {source} that a fault can change"),
            )
        }));
    }
    if problems.is_empty() { Ok(woven) } else { Err(problems) }
}

/// A file that only names the public items of the honest one.
fn share(source: &str, text: &str, library: &str) -> Result<String, Vec<Problem>> {
    let file = parse(source, text)?;
    let names = file.items.iter().filter_map(|item| match item {
        syn::Item::Const(it) if is_public(&it.vis) => Some(it.ident.to_string()),
        syn::Item::Enum(it) if is_public(&it.vis) => Some(it.ident.to_string()),
        syn::Item::Fn(it) if is_public(&it.vis) => Some(it.sig.ident.to_string()),
        syn::Item::Struct(it) if is_public(&it.vis) => Some(it.ident.to_string()),
        syn::Item::Trait(it) if is_public(&it.vis) => Some(it.ident.to_string()),
        syn::Item::Type(it) if is_public(&it.vis) => Some(it.ident.to_string()),
        _ => None,
    });
    let names = names.collect::<Vec<_>>().join(", ");
    Ok(format!(
        "//! What the copy shares with the honest package.\n\npub use ::{library}::{{{names}}};\n"
    ))
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

/// One file with everything that faults change in it. Each step works on the text of the one before.
fn weave_file(source: &str, text: &str, hunks: &[(&Fault, &Hunk)]) -> Result<String, Vec<Problem>> {
    let text = with_items(source, text, hunks)?;
    let text = with_fields(source, &text, hunks)?;
    let text = opened(source, &text)?;
    with_changes(source, &text, hunks)
}

fn parse(source: &str, text: &str) -> Result<syn::File, Vec<Problem>> {
    syn::parse_file(text).map_err(|error| {
        let line = error.span().start().line;
        vec![Problem::new(&format!("src/{source}"), line, format!("cannot be parsed: {error}"))]
    })
}

fn with_items(source: &str, text: &str, hunks: &[(&Fault, &Hunk)]) -> Result<String, Vec<Problem>> {
    let (mut woven, mut problems) = (text.to_owned(), Vec::new());
    for (fault, hunk) in hunks.iter().filter(|(_, hunk)| hunk.target == Target::Items) {
        let wrong = match syn::parse_file(&hunk.text(|change| change == Change::Added)) {
            Ok(file) if file.attrs.is_empty() && file.shebang.is_none() => None,
            Ok(_) => Some("they begin with something about the whole file".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        problems.extend(wrong.map(|wrong| {
            Problem::new(&fault.file, hunk.line, format!("these are no items: {wrong}"))
        }));
        woven.push_str(&format!("\n{}\n", added_lines(fault, hunk)));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    parse(source, &woven).map(|_| woven)
}

fn with_fields(
    source: &str,
    text: &str,
    hunks: &[(&Fault, &Hunk)],
) -> Result<String, Vec<Problem>> {
    let (mut memory, mut problems) = (Memory::default(), Vec::new());
    for (fault, hunk) in hunks {
        if let Target::Fields(holder) = &hunk.target {
            problems.extend(memory.add(fault, hunk, holder).err());
        }
    }
    let insertions = memory.insertions(&parse(source, text)?, source);
    match insertions {
        Ok(insertions) if problems.is_empty() => {
            let mut woven = text.to_owned();
            let removed = insertions.gone.into_iter().map(|range| (range, String::new()));
            let added = insertions.at.into_iter().map(|(at, text)| (at..at, text));
            let mut changes: Vec<_> = removed.chain(added).collect();
            changes.sort_by_key(|(range, _)| (range.start, range.end));
            for (range, text) in changes.into_iter().rev() {
                woven.replace_range(range, &text);
            }
            Ok(woven + &insertions.end)
        }
        Ok(_) => Err(problems),
        Err(found) => Err(problems.into_iter().chain(found).collect()),
    }
}

fn opened(source: &str, text: &str) -> Result<String, Vec<Problem>> {
    let mut woven = text.to_owned();
    for place in visibility::private_places(&parse(source, text)?).into_iter().rev() {
        woven.insert_str(place, "pub(crate) ");
    }
    Ok(woven)
}

fn with_changes(
    source: &str,
    text: &str,
    hunks: &[(&Fault, &Hunk)],
) -> Result<String, Vec<Problem>> {
    let file = parse(source, text)?;
    let (mut edits, mut problems) = (Edits::default(), Vec::new());
    for (fault, hunk) in hunks {
        let Target::Function(name) = &hunk.target else { continue };
        let place = match &functions(&file, name)[..] {
            [function] => place_in(&function.body, text, hunk),
            [] => Err("there is no such function".to_owned()),
            _ => Err("there is more than one function of this name".to_owned()),
        };
        let added = match place {
            Ok(place) => edits.add(fault, hunk, place),
            Err(what) => {
                let old = if what.contains('\n') {
                    String::new()
                } else {
                    format!("\n{}", indented(&hunk.old()))
                };
                let message = format!("src/{source}, {name}: {what}{old}");
                Err(Problem::new(&fault.file, hunk.line, message))
            }
        };
        problems.extend(added.err());
    }
    if problems.is_empty() { Ok(edits.apply(text)) } else { Err(problems) }
}
