//! The dashboard as a browser gets it: what is served is what is written, and nobody else is answered.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

#[cfg(feature = "faults")]
use browser::Browser;
use desk::{Desk, Reproducer, Served};

#[cfg(feature = "faults")]
mod browser;
mod desk;

/// The head and the body of what is answered to a request.
fn answer(served: &Served, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(&served.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn get(served: &Served, path: &str, host: &str) -> (String, String) {
    let head = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    answer(served, &head)
}

const CORE: Reproducer = Reproducer {
    fault: None,
    invariant: "double-finish",
    file: "corpus/crashes/double-finish/finish-without-start-succeeds.seq",
    fingerprint: "df71-42b8",
};

#[test]
fn what_is_served_is_what_is_written_and_may_fetch_nothing() {
    let desk = Desk::new(&[CORE]);
    let written = desk.written();
    let served = Served::of(&desk);
    let paths = ["index.html", "findings/new-1.html", "finding/df71-42b8-core.html", "style.css"];
    for path in paths {
        let (head, body) = get(&served, path, &served.address);
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
        assert_eq!(body, written(path), "{path}");
    }
    let page = written("finding/df71-42b8-core.html");
    // The honest core does not show it.
    assert!(page.contains("this build does not show it"), "{page}");
    assert!(page.contains("finish-refresh s0"), "{page}");
    let top = desk.directory.path().display().to_string();
    for path in paths {
        assert!(!written(path).contains(&top), "{path} tells where it was made");
    }
}

#[test]
fn names_of_others_other_methods_and_paths_that_are_no_page_are_refused() {
    let desk = Desk::new(&[CORE]);
    let served = Served::of(&desk);
    let status = |head: &str| head.split(' ').nth(1).unwrap().to_owned();
    let (head, body) = get(&served, "index.html", "evil.example");
    assert_eq!(status(&head), "421", "{head}");
    assert!(!body.contains("finding"), "{body}");
    for path in ["nothing", "findings.sqlite", "../Cargo.toml", "finding/%2e%2e%2fa.html", "%00"] {
        assert_eq!(status(&get(&served, path, "localhost").0), "404", "{path}");
    }
    let post = "POST /index.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(status(&answer(&served, post).0), "405");
    // The port is taken now.
    let port = served.address.rsplit(':').next().unwrap();
    let output = desk.command(&["--port", port]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--port"), "{told}");
}

#[test]
fn somebody_who_says_stop_ends_it_in_order() {
    let desk = Desk::new(&[CORE]);
    let mut served = Served::of(&desk);
    let pid = served.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[cfg(feature = "faults")]
const RESIDUE: Reproducer = Reproducer {
    fault: Some("finish-leaves-random"),
    invariant: "key-residue",
    file: "corpus/crashes/key-residue/a-finish-leaves-its-random-number.seq",
    fingerprint: "75a2-c974",
};

#[cfg(feature = "faults")]
#[test]
fn a_finding_has_its_story_and_a_picture_of_where_the_secret_was_left() {
    let desk = Desk::new(&[RESIDUE]);
    let written = desk.written();
    let page = written("finding/75a2-c974-core-fault-finish-leaves-random.html");
    for said in [
        "violation: ",
        "reproduce: cargo run",
        "<svg class=\"lives\"",
        "class=\"left\"",
        "was left in",
    ] {
        assert!(page.contains(said), "{said:?} in {page}");
    }
}

/// In CI the browser must be installed.
#[cfg(feature = "faults")]
fn browser(width: u32, is_dark: bool) -> Option<Browser> {
    let browser = Browser::open(width, is_dark);
    if browser.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI needs chromedriver");
        // Not `eprintln!`, which a passing test keeps to itself.
        let text = b"skipped: there is no chromedriver\n";
        std::io::stderr().write_all(text).unwrap();
    }
    browser
}

#[cfg(feature = "faults")]
#[test]
fn somebody_filters_opens_a_finding_and_follows_the_life_of_a_secret() {
    let Some(browser) = browser(1200, false) else { return };
    let desk = Desk::new(&[CORE, RESIDUE]);
    let served = Served::of(&desk);
    browser.go(&format!("http://{}/", served.address));
    browser.click("nav a[href='findings/all-1.html']");
    let rows = "return [...document.querySelectorAll('table.list td:first-child')]\
                .filter(cell => cell.offsetParent).length";
    assert_eq!(browser.run(rows), 2);
    browser.type_into("#filter", "residue");
    assert_eq!(browser.run(rows), 1);
    browser.click("table.list tr:not([hidden]) a");
    assert_eq!(browser.run("return document.title"), "75a2-c974 key-residue");
    let left = "return document.querySelector('svg.lives .left title').textContent";
    let left = browser.run(left);
    assert!(left.as_str().unwrap().contains("finish-refresh s0: where it must not be: "), "{left}");
    let is_seen =
        "return document.querySelector('svg.lives .left rect').getBoundingClientRect().width";
    assert!(browser.run(is_seen).as_f64().unwrap() > 5.0);
    assert!(browser.picture_len() > 10_000);
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[cfg(feature = "faults")]
#[test]
fn somebody_compares_two_builds_and_looks_at_the_drills() {
    let Some(browser) = browser(1200, false) else { return };
    let desk = Desk::new(&[CORE, RESIDUE]);
    desk.is_mended(&CORE, "later");
    let drill = "{\"fault\":\"a-fault\",\"expected\":\"double-finish\",\"rang\":\"double-finish\",\
                 \"executions\":1234567,\"shortest\":3,\"is_right\":true}";
    desk.write("fuzz/findings/drills.json", &format!("{{\"drills\":[{drill}]}}"));
    let served = Served::of(&desk);
    browser.go(&format!("http://{}/", served.address));
    browser.click("nav a[href='builds/1.html']");
    let rows = "return document.querySelectorAll('table.list td:first-child').length";
    assert_eq!(browser.run(rows), 2);
    browser.click("table.list a[href*='compare/']");
    let mended = "return document.querySelector('h2').textContent + \
                  document.querySelector('table.list td a').textContent";
    let mended = browser.run(mended);
    let mended = mended.as_str().unwrap();
    assert!(mended.contains("the later one does not") && mended.contains("df71-42b8"), "{mended}");
    browser.click("nav a[href='../drills.html']");
    let cells = "return [...document.querySelectorAll('table.list td')].map(it => it.textContent)";
    let cells = browser.run(cells);
    let expected = ["right", "a-fault", "double-finish", "double-finish", "1,234,567", "3"];
    assert_eq!(cells, serde_json::json!(expected));
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[cfg(feature = "faults")]
#[test]
fn a_phone_in_the_dark_shows_all_of_it() {
    let Some(browser) = browser(400, true) else { return };
    let desk = Desk::new(&[RESIDUE]);
    let served = Served::of(&desk);
    let finding = "finding/75a2-c974-core-fault-finish-leaves-random.html";
    for path in ["index.html", "findings/all-1.html", finding, "builds/1.html", "campaigns/1.html"]
    {
        browser.go(&format!("http://{}/{path}", served.address));
        // What is too wide can be scrolled where it stands, and the page as a whole need not be.
        let is_narrow = "return document.documentElement.scrollWidth <= window.innerWidth";
        assert_eq!(browser.run(is_narrow), true, "{path}");
    }
    let ground = browser.run("return getComputedStyle(document.body).backgroundColor");
    assert_eq!(ground, "rgb(19, 19, 22)");
}
