use std::fs;

use super::*;
use crate::store::{Body, Build, Origin, Sighted};

/// A store with findings of these drivers and texts, and a program that runs none of them.
fn dashboard(folder: &std::path::Path, found: &[(&str, &str, &str)]) -> Dashboard {
    let mut store = Store::open(folder).unwrap();
    let origin = Origin {
        build: Build::named("0123456789abcdef0123456789abcdef01234567+faults"),
        machine: "a machine".to_owned(),
        lane: "fuzz".to_owned(),
    };
    for &(driver, fingerprint, happened) in found {
        let text = "# rekeylab sequence 1\ncreate-device -> ok\n";
        let fingerprint = fingerprint.parse().unwrap();
        let invariant = "double-finish";
        let sighted = Sighted { fingerprint, invariant, happened, text, path: None };
        store.note_sighted(driver, &sighted, &origin).unwrap();
    }
    drop(store);
    Dashboard::open(Sources {
        root: folder.to_owned(),
        program: folder.join("nothing"),
        findings: folder.to_owned(),
        sheet: None,
        coverage: folder.join("coverage.html"),
    })
    .unwrap()
}

fn text(dashboard: &Dashboard, path: &str) -> String {
    let page = dashboard.page(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    String::from_utf8(page.body).unwrap()
}

#[test]
fn every_link_of_every_page_leads_to_a_page() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("coverage.html"), "covered").unwrap();
    let names: Vec<String> = (0..250).map(|number| format!("0000-{number:04x}")).collect();
    let found: Vec<_> = names.iter().map(|name| ("core", name.as_str(), "answered")).collect();
    let dashboard = dashboard(folder.path(), &found);
    let paths = dashboard.paths().unwrap();
    assert!(paths.contains(&"findings/all-3.html".to_owned()), "{paths:?}");
    assert_eq!(paths.iter().filter(|path| path.starts_with("finding/")).count(), 250);
    let mut link_count = 0;
    for path in paths.iter().filter(|path| path.ends_with(".html")) {
        let page = text(&dashboard, path);
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let links = ["href=\"", "src=\""].map(|mark| page.split(mark).skip(1));
        for link in links.into_iter().flatten() {
            let link = link.split('"').next().unwrap();
            let leads = match link.strip_prefix("../") {
                Some(link) => link.to_owned(),
                None if folder.is_empty() => link.to_owned(),
                None => format!("{folder}/{link}"),
            };
            assert!(paths.contains(&leads), "{path} leads to {link}, which is {leads}");
            link_count += 1;
        }
    }
    assert!(link_count > 1000, "{link_count}");
}

#[test]
fn what_a_driver_says_is_text_and_no_markup() {
    let folder = tempfile::tempdir().unwrap();
    let evil = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>";
    let driver = "<b>\"driver\"</b>";
    let dashboard = dashboard(folder.path(), &[(driver, "5f0c-91ab", evil)]);
    for path in dashboard.paths().unwrap().iter().filter(|path| path.ends_with(".html")) {
        let page = text(&dashboard, path);
        let is_clean = !page.contains("alert(1)</script>")
            && !page.contains("<img")
            && !page.contains("<b>\"");
        assert!(is_clean, "{path}: {page}");
    }
    let page = text(&dashboard, "finding/5f0c-91ab--b--driver---b-.html");
    assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
    assert!(page.contains("its reproducer is not on this machine"), "{page}");
}

#[test]
fn states_are_told_as_they_are_now_and_new_events_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let dashboard =
        dashboard(folder.path(), &[("core", "5f0c-91ab", "a"), ("core", "5f0c-91ac", "b")]);
    assert!(text(&dashboard, "index.html").contains("<b>2</b> <span class=\"state new\">"));
    let body = Body::Ignored { by: "me".to_owned(), why: "so it is".to_owned(), until: None };
    Store::open(folder.path()).unwrap().note("core", "5f0c-91ab".parse().unwrap(), body).unwrap();
    let page = text(&dashboard, "findings/ignored-1.html");
    assert!(page.contains("5f0c-91ab") && !page.contains("5f0c-91ac"), "{page}");
    let page = text(&dashboard, "finding/5f0c-91ab-core.html");
    assert!(page.contains("ignored by me: so it is"), "{page}");
    let forgotten = "5f0c-91ac".parse().unwrap();
    Store::open(folder.path()).unwrap().note("core", forgotten, Body::Forgotten {}).unwrap();
    assert!(text(&dashboard, "index.html").contains("<b>1</b> <span class=\"state all\">"));
}

#[test]
fn a_path_that_is_no_page_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let dashboard = dashboard(folder.path(), &[("core", "5f0c-91ab", "a")]);
    for path in [
        "nothing",
        "findings/all-0.html",
        "findings/all-2.html",
        "findings/none-1.html",
        "findings/all.html",
        "finding/5f0c-91ab.html",
        "campaign/..html",
        "campaign/../../etc/passwd.html",
        "../findings.sqlite",
        "findings.sqlite",
        "coverage.html",
        "campaigns/2.html",
        "campaigns/x.html",
    ] {
        assert!(matches!(dashboard.page(path), Err(PageError::NotThere)), "{path}");
    }
}

#[test]
fn two_builds_are_compared_by_what_each_shows() {
    let folder = tempfile::tempdir().unwrap();
    let dashboard =
        dashboard(folder.path(), &[("core", "0000-0001", "old"), ("core", "0000-0002", "both")]);
    let mut store = Store::open(folder.path()).unwrap();
    let later = Origin {
        build: Build::named("later"),
        machine: "a machine".to_owned(),
        lane: "known bugs again".to_owned(),
    };
    let tried = |shown| Body::Tried { shown, votes: 3, origin: later.clone() };
    store.note("core", "0000-0001".parse().unwrap(), tried(0)).unwrap();
    store.note("core", "0000-0002".parse().unwrap(), tried(2)).unwrap();
    let sighted = Sighted {
        fingerprint: "0000-0003".parse().unwrap(),
        invariant: "double-finish",
        happened: "fresh",
        text: "",
        path: None,
    };
    store.note_sighted("core", &sighted, &later).unwrap();
    let list = text(&dashboard, "builds/1.html");
    let link = list.split("href=\"../compare/").nth(1).unwrap().split('"').next().unwrap();
    assert!(link.ends_with("...later.html"), "{link}");
    let page = text(&dashboard, &format!("compare/{link}"));
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text:?} is not in {page}"));
    let gone = place("The earlier one shows it, the later one does not: 1");
    let both = place("Both show it: 1");
    let fresh = place("The later one shows it, the earlier one was not asked: 1");
    assert!(gone < place("0000-0001") && place("0000-0001") < both, "{page}");
    assert!(both < place("0000-0002") && place("0000-0002") < fresh, "{page}");
    assert!(fresh < place("0000-0003"), "{page}");
    assert!(dashboard.page("compare/later...none.html").is_err());
}

#[test]
fn the_last_drills_are_a_page_and_what_is_no_json_is_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let dashboard = dashboard(folder.path(), &[]);
    assert!(dashboard.page("drills.html").is_err());
    let drill = "{\"fault\":\"a-fault\",\"expected\":\"double-finish\",\"rang\":null,\"executions\":7,\
                 \"shortest\":null,\"is_right\":false}";
    fs::write(folder.path().join(DRILLS), format!("{{\"drills\":[{drill}]}}")).unwrap();
    let page = text(&dashboard, "drills.html");
    assert!(
        page.contains("a-fault") && page.contains("0 of 1") && page.contains("wrong"),
        "{page}"
    );
    assert!(text(&dashboard, "index.html").contains("drills.html"));
    fs::write(folder.path().join(DRILLS), "{").unwrap();
    assert!(!text(&dashboard, "drills.html").contains("a-fault"));
}

#[test]
fn a_collector_gets_the_findings_by_state() {
    let folder = tempfile::tempdir().unwrap();
    let dashboard = dashboard(folder.path(), &[("core", "0000-0001", "answered")]);
    let page = dashboard.page("metrics").unwrap();
    assert!(page.kind.starts_with("application/openmetrics-text"), "{}", page.kind);
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("rekeylab_findings{driver=\"core\",state=\"new\"} 1"), "{text}");
}
