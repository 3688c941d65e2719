//! The rule list is complete, and every reference in it leads to its id.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

mod files;

use std::collections::BTreeSet;
use std::fs;

use rekeylab::rules::{ALL, OUT_OF_REACH, by_id};

/// Every id there is: S-77 was never given.
fn every_id() -> BTreeSet<String> {
    let ids = |letters: &'static str, last: u32| {
        (1..=last).map(move |number| format!("{letters}-{number:02}"))
    };
    let mut ids: BTreeSet<String> =
        ids("R", 69).chain(ids("S", 80)).chain(ids("INV", 14)).collect();
    ids.remove("S-77");
    ids
}

/// The order of the ids: stated rules, silent points, invariants, each by number.
fn place(id: &str) -> (usize, u32) {
    let (letters, number) = id.split_once('-').unwrap();
    let kind = ["R", "S", "INV"].iter().position(|&kind| kind == letters).unwrap();
    (kind, number.parse().unwrap())
}

#[test]
fn every_id_is_in_reach_or_has_a_reason_not_to_be() {
    let ids: Vec<&str> =
        ALL.iter().map(|rule| rule.id).chain(OUT_OF_REACH.iter().map(|&(id, _)| id)).collect();
    let listed: BTreeSet<String> = ids.iter().map(|&id| id.to_owned()).collect();
    assert_eq!(listed.len(), ids.len(), "an id stands there twice");
    assert_eq!(listed, every_id());
}

#[cfg(feature = "faults")]
#[test]
fn every_fault_breaks_rules_that_there_are() {
    let ids = every_id();
    for fault in rekeylab_faults::Fault::ALL {
        for id in fault.breaks().split_whitespace() {
            assert!(ids.contains(id), "{} breaks {id}, which is no rule", fault.name());
        }
    }
}

#[test]
fn the_lists_are_in_the_order_of_the_ids() {
    assert!(ALL.is_sorted_by_key(|rule| place(rule.id)));
    assert!(OUT_OF_REACH.is_sorted_by_key(|&(id, _)| place(id)));
}

#[test]
fn every_rule_is_found_by_its_id_and_said_in_one_line() {
    for rule in ALL {
        assert_eq!(by_id(rule.id), Some(rule));
        assert!(!rule.says.is_empty() && rule.says.len() <= 100, "{}: {:?}", rule.id, rule.says);
        assert!(!rule.says.contains('\n') && !rule.says.ends_with('.'), "{}", rule.id);
    }
    for (id, reason) in OUT_OF_REACH {
        assert_eq!(by_id(id), None);
        assert!(!reason.is_empty(), "{id}");
    }
}

#[test]
fn the_code_that_decides_a_rule_exists_and_cites_it() {
    let mut problems = Vec::new();
    for rule in ALL {
        let (file, item) = rule.decided_by.split_once(": ").expect("a file and an item");
        match fs::read_to_string(files::top().join(file)) {
            Err(error) => problems.push(format!("{}: {file}: {error}", rule.id)),
            Ok(code) => {
                if !declares(&code, item) {
                    problems.push(format!("{}: {file} declares no {item}", rule.id));
                }
                if !comments(&code, "//").any(|comment| cites(comment, rule.id)) {
                    problems.push(format!("{}: no comment in {file} cites it", rule.id));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_shows_a_rule_exists_and_names_it() {
    let mut problems = Vec::new();
    for rule in ALL {
        let (file, test) = match rule.shown_by.split_once(": ") {
            Some((file, test)) => (file, Some(test)),
            None => (rule.shown_by, None),
        };
        let Ok(text) = fs::read_to_string(files::top().join(file)) else {
            problems.push(format!("{}: there is no {file}", rule.id));
            continue;
        };
        match test {
            Some(test) => {
                let is_test = text.contains(&format!("#[test]\n    fn {test}()"))
                    || text.contains(&format!("#[test]\nfn {test}()"));
                if !is_test {
                    problems.push(format!("{}: {file} has no test {test}", rule.id));
                }
            }
            None => {
                if !comments(&text, "#").any(|comment| cites(comment, rule.id)) {
                    problems.push(format!("{}: no comment in {file} cites it", rule.id));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_id_is_cited_anywhere_that_does_not_exist_or_is_out_of_reach() {
    let ids = every_id();
    let mut problems = Vec::new();
    for file in files::sequences("corpus") {
        for comment in comments(&file.parsed.to_string(), "#") {
            for id in comment.split(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
                let is_id = ["R-", "S-", "INV-"].iter().any(|kind| {
                    id.strip_prefix(kind).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
                });
                if is_id && (!ids.contains(id) || by_id(id).is_none()) {
                    problems.push(format!("{} cites {id}", file.path));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// What stands behind the comment sign, line by line.
fn comments<'a>(text: &'a str, sign: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.split_once(sign).map(|(_, comment)| comment))
}

/// Whether a comment names the id, by itself or within a span such as "R-24 to R-27".
fn cites(comment: &str, id: &str) -> bool {
    let words: Vec<&str> = comment
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty())
        .collect();
    let spans = words.windows(3).filter(|span| span[1] == "to");
    words.contains(&id) || spans.into_iter().any(|span| is_between(span[0], id, span[2]))
}

fn is_between(first: &str, id: &str, last: &str) -> bool {
    let split = |id: &'_ str| {
        let (letters, number) = id.split_once('-')?;
        Some((letters.to_owned(), number.parse::<u32>().ok()?))
    };
    match (split(first), split(id), split(last)) {
        (Some(first), Some(id), Some(last)) => {
            first.0 == id.0 && id.0 == last.0 && (first.1..=last.1).contains(&id.1)
        }
        _ => false,
    }
}

/// Whether the code declares an item of this name.
fn declares(code: &str, item: &str) -> bool {
    ["fn", "struct", "enum", "trait", "const"].iter().any(|keyword| {
        code.match_indices(&format!("{keyword} {item}")).any(|(at, found)| {
            let next = code[at + found.len()..].chars().next();
            next.is_none_or(|next| !next.is_alphanumeric() && next != '_')
        })
    })
}
