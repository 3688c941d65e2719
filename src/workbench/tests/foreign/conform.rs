//! Rule by rule: the core behind its table meets them, the sample chooses what it declares, and no bug is
//! learnt as a choice.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::sample::{Form, built, top};
use crate::table::library;

/// What is said of a driver: how it ends, the rules by their words, and the points of its choice.
struct Said {
    code: Option<i32>,
    rules: BTreeMap<String, Vec<String>>,
    otherwise: Vec<String>,
    err: String,
}

impl Said {
    /// Of the sample with this bug.
    fn of_sample(bug: &str) -> Self {
        Self::of(&built().sheet(bug))
    }

    fn of(sheet: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["conform", "--format", "json", "--driver"]).arg(sheet).current_dir(top());
        let output = command.output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let said: Value = serde_json::from_slice(&output.stdout).expect(&err);
        let mut rules: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for rule in said["rules"].as_array().unwrap() {
            let text = |key: &str| rule[key].as_str().unwrap().to_owned();
            rules.entry(text("word")).or_default().push(text("id"));
        }
        let otherwise = said["otherwise"].as_array().unwrap().iter();
        let otherwise = otherwise.map(|id| id.as_str().unwrap().to_owned()).collect();
        Self { code: output.status.code(), rules, otherwise, err }
    }

    fn with(&self, word: &str) -> &[String] {
        self.rules.get(word).map_or(&[], Vec::as_slice)
    }
}

#[test]
fn the_core_behind_its_table_breaks_no_rule_and_chooses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let sheet = directory.path().join("sheet.toml");
    let text = format!(
        "name = \"the core\"\nlibrary = \"{}\"\nhandles = \"checked\"\n\
         [environment]\nREKEYLAB_UMD_BOUNDS = \"3,1024,4096\"\n\
         [limits]\ndevices = 4\nsessions = 8\ngenerations = 3\nqueue-commands = 32\n\
         buffer-bytes = 1024\nqueue-bytes = 4096\n\
         [key-exchange]\nbefore = \"plain test key: \"\n[choices]\nrefusals = \"as-the-core\"\ncapabilities = true\nread-back-keys = true\n",
        library().display()
    );
    fs::write(&sheet, text).unwrap();
    let said = Said::of(&sheet);
    for word in ["broken", "hidden", "unsteady", "otherwise"] {
        assert_eq!(said.with(word), [""; 0], "{word}: {}", said.err);
    }
    assert!(said.with("met").len() > 40, "{:?}", said.rules);
    assert_eq!(said.code, Some(5));
}

#[test]
fn the_sample_is_seen_to_choose_what_its_data_sheet_declares() {
    let said = Said::of_sample("");
    let declared = ["S-01", "S-07", "S-08", "S-11", "S-26", "S-30", "S-48", "S-54"];
    assert_eq!(said.otherwise, declared, "{}", said.err);
    for word in ["broken", "hidden", "unsteady"] {
        assert_eq!(said.with(word), [""; 0], "{word}");
    }
    assert_eq!(said.code, Some(5));
}

#[test]
fn counters_of_read_backs_are_asked_where_surfaces_are_read_by_them() {
    let lock = Said::of_sample("");
    let form = Form { top: "read-back = \"encryption-blt\"", ..Form::default() };
    let read_back = built().driven("read-back-to-conform", form);
    let said = Said::of(&read_back.sheet(""));
    let apart = Said::of(&read_back.sheet("readback-iv-apart"));
    for id in ["R-29", "S-29"].map(str::to_owned) {
        assert!(lock.with("not-asked").contains(&id), "{:?}", lock.rules);
        assert!(said.with("met").contains(&id), "{:?}", said.rules);
        assert!(apart.with("broken").contains(&id), "{:?}", apart.rules);
    }
    assert_eq!(said.otherwise, lock.otherwise, "{}", said.err);
    assert_eq!((said.code, apart.code), (Some(5), Some(3)));
}

#[test]
fn random_numbers_that_are_not_random_are_broken_and_so_is_what_hides_other_rules() {
    for (bug, rule) in [
        ("random-constant", "S-14"),
        ("random-from-clock", "S-14"),
        ("early-finish-throws", "INV-10"),
    ] {
        let said = Said::of_sample(bug);
        let broken = said.with("broken");
        assert!(broken.iter().any(|id| id == rule), "{bug}: {broken:?}");
        assert_eq!(said.code, Some(3), "{bug}");
    }
    // Memory is no answer: what is left in a register hides no rule.
    let said = Said::of_sample("key-in-register");
    assert_eq!(said.with("hidden"), [""; 0]);
    assert!(said.with("broken").iter().any(|id| id == "INV-06"), "{:?}", said.rules);
}

#[test]
fn the_page_says_the_same_and_takes_no_text_for_markup() {
    let directory = tempfile::tempdir().unwrap();
    let (sheet, page) = (directory.path().join("sheet.toml"), directory.path().join("page.html"));
    let text = fs::read_to_string(built().sheet("")).unwrap();
    fs::write(&sheet, text.replace("the vendor's driver", "<script>alert(1)</script>")).unwrap();
    let conform = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        command.args(["conform", "--driver"]).arg(&sheet).arg("--page").arg(&page);
        command.current_dir(top()).output().unwrap().status.code()
    };
    assert_eq!(conform(), Some(5));
    let written = fs::read_to_string(&page).unwrap();
    assert!(!written.contains("<script"), "{written}");
    assert!(written.contains("<title>&#60;script&#62;alert(1)"), "{written}");
    assert!(written.contains("8 otherwise") && written.contains("<b>S-26</b>"), "{written}");
    assert!(written.contains("S-01, S-07, S-08, S-11, S-26, S-30, S-48, S-54"), "{written}");
    // Nothing is fetched from elsewhere, and nothing is replaced unasked.
    assert!(!written.contains("http"), "{written}");
    fs::write(&page, "mine").unwrap();
    assert_eq!(conform(), Some(2));
    assert_eq!(fs::read_to_string(&page).unwrap(), "mine");
}

#[test]
fn what_was_learnt_is_a_profile_under_which_the_corpus_holds() {
    let directory = tempfile::tempdir().unwrap();
    let profile = directory.path().join("choices.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
    command.args(["conform", "--driver"]).arg(built().sheet("")).arg("-o").arg(&profile);
    assert_eq!(command.current_dir(top()).output().unwrap().status.code(), Some(5));
    let text = fs::read_to_string(built().sheet("")).unwrap();
    let (before, after) = text.split_once("[choices]").unwrap();
    let limits = &after[after.find("[limits]").unwrap()..];
    let sheet = directory.path().join("sheet.toml");
    fs::write(&sheet, format!("profile = \"choices.toml\"\n{before}\n{limits}")).unwrap();
    let replay = |sheet: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeylab"));
        let output = command.args(["replay", "--driver"]).arg(sheet).current_dir(top()).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, err) = replay(&sheet);
    assert_eq!(code, Some(5), "{err}");
    // Both at once is one too many.
    fs::write(&sheet, format!("profile = \"choices.toml\"\n{text}")).unwrap();
    let (code, err) = replay(&sheet);
    assert!(code == Some(2) && err.contains("[choices]"), "{err}");
}

#[test]
fn no_bug_is_learnt_as_a_choice() {
    let broken = |bug: &str| {
        let said = Said::of_sample(bug);
        assert_eq!(said.code, Some(3), "{bug}: {:?}", said.rules);
        said.with("broken").to_vec()
    };
    assert!(broken("finish-without-start").contains(&"S-02".to_owned()));
    assert!(broken("finish-twice").contains(&"S-03".to_owned()));
    assert!(broken("start-switches-key").contains(&"R-19".to_owned()));
    assert!(broken("queue-reads-key-late").contains(&"S-17".to_owned()));
    assert!(broken("caps-promise-read-back-keys").contains(&"INV-11".to_owned()));
    assert!(broken("random-constant").contains(&"S-12".to_owned()));
    for bug in ["exchange-restarts-counters", "refresh-shared-by-sessions", "early-finish-throws"] {
        broken(bug);
    }
}

/// A driver of stubs, in C: everything answers what it was compiled with.
const STUBS: &str = r"
#include <stddef.h>
#include <stdint.h>
static int32_t stub(void) { return ANSWER; }
static int32_t create_device(void *adapter, void *args) {
    (void)adapter;
    void **table = *(void ***)((char *)args + 72);
    for (int i = 0; i < 129; ++i) table[i] = IS_FILLED ? (void *)stub : NULL;
    table[91] = (void *)stub;
    return 0;
}
static int32_t close_adapter(void *adapter) { (void)adapter; return 0; }
int32_t OpenAdapter(void *args) {
    void **table = *(void ***)((char *)args + 24);
    table[0] = (void *)stub;
    table[1] = (void *)create_device;
    table[2] = (void *)close_adapter;
    *(uint32_t *)((char *)args + 32) = 0x2003;
    return 0;
}
";

#[test]
fn of_stubs_it_is_said_that_they_offer_nothing_or_break_what_they_claim() {
    let directory = tempfile::tempdir().unwrap();
    let said = |name: &str, answer: &str, is_filled: &str| {
        let at = |extension: &str| directory.path().join(format!("{name}.{extension}"));
        fs::write(at("c"), STUBS).unwrap();
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC"]).arg(format!("-DANSWER={answer}"));
        command.arg(format!("-DIS_FILLED={is_filled}")).arg(at("c")).arg("-o").arg(at("so"));
        assert!(command.status().unwrap().success());
        let text =
            format!("name = \"{name}\"\nlibrary = \"{name}.so\"\n[key-exchange]\nbefore = \"x\"\n");
        fs::write(at("toml"), text).unwrap();
        Said::of(&at("toml"))
    };
    // Without a table entry, or with one that says so, nothing is offered and nothing broken.
    for (name, answer, is_filled) in [("null", "0", "0"), ("notimpl", "(int32_t)0x80004001", "1")] {
        let said = said(name, answer, is_filled);
        assert!(said.with("not-offered").len() > 40, "{name}: {:?}", said.rules);
        assert_eq!((said.with("broken"), said.code), (&[][..], Some(5)), "{name}");
    }
    // A session that was promised and has no handle is no session.
    let ok = said("ok", "0", "1");
    assert!(ok.code == Some(3) && !ok.with("broken").is_empty(), "{:?}", ok.rules);
}
