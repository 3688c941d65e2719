//! Rubbish in: an error that names the file and the place, exit code 2, and never a panic.

use crate::harness::{CLEAN, Desk, WRONG};

/// Runs the file through every command that reads one; each must refuse it in the same words.
fn check(desk: &Desk, file: &str, says: &str) {
    check_in(&["run", "replay", "minimize", "show"], desk, file, says);
}

/// The same, through some of them.
fn check_in(commands: &[&str], desk: &Desk, file: &str, says: &str) {
    for command in commands {
        let ran = desk.run(&format!("{command} {file}"));
        assert_eq!(ran.code, 2, "{command}: {ran:?}");
        assert!(ran.err.contains(says), "{command} says {:?}, not {says:?}", ran.err);
        assert!(!ran.err.contains("panicked"), "{command}: {}", ran.err);
        assert_eq!(ran.text(), "", "{command}");
    }
}

#[test]
fn a_missing_file_is_named() {
    check(&Desk::new(), "nothing.seq", "cannot read nothing.seq: No such file");
}

#[test]
fn a_text_that_breaks_off_is_placed_by_line_and_column() {
    let desk = Desk::new();
    desk.file("cut.seq", "# rekeylab sequence 1\nd0 = create-device\ns0 = create-se");
    check(&desk, "cut.seq", "cut.seq:3:6: expected ");
}

#[test]
fn an_empty_text_is_refused_because_it_could_never_fail() {
    let desk = Desk::new();
    desk.file("empty.seq", "");
    check(&desk, "empty.seq", "empty.seq:1:1: the text holds no call");
}

#[test]
fn bytes_under_the_name_of_a_text_are_refused() {
    let desk = Desk::new();
    desk.file("wire.seq", [0x01, 0xFF, 0xFE, 0x00]);
    check(&desk, "wire.seq", "wire.seq:1:2: byte 0xff is not UTF-8 text");
}

#[test]
fn invalid_utf8_inside_a_text_is_placed_by_line_and_column() {
    let desk = Desk::new();
    desk.file("latin", b"# rekeylab sequence 1\n# caf\xE9\ncreate-device\n");
    check(&desk, "latin", "latin:2:6: byte 0xe9 is not UTF-8 text");
}

#[test]
fn a_file_longer_than_any_sequence_is_not_read() {
    let desk = Desk::new();
    desk.file("huge.seq", vec![b'#'; (1 << 20) + 1]);
    let says = "cannot read huge.seq: it is longer than 1048576 bytes";
    check_in(&["run", "replay", "show"], &desk, "huge.seq", says);
    check_in(&["run", "replay", "show"], &desk, "huge.seq", "try: `rekeylab minimize` takes a log");
    // A log may be longer, but not endless.
    desk.file("endless.seq", vec![b'#'; (1 << 26) + 1]);
    let says = "cannot read endless.seq: it is longer than 67108864 bytes";
    check_in(&["minimize"], &desk, "endless.seq", says);
}

#[test]
fn a_log_of_too_many_calls_is_sent_to_minimize_which_takes_it() {
    let desk = Desk::new();
    desk.file("log.seq", format!("# rekeylab sequence 1\n{}", "retire 1\n".repeat(1100)));
    let says = "log.seq:1026:1: expected at most 1024 calls, found one more\n  try: `rekeylab minimize` \
                takes a log of up to 1000000 calls and cuts it";
    check_in(&["run", "replay", "show"], &desk, "log.seq", says);
    check_in(&["minimize"], &desk, "log.seq", "log.seq breaks no invariant");
}

#[test]
fn each_mistake_in_a_text_is_answered_with_its_own_way_out() {
    let desk = Desk::new();
    for (text, way_out) in [
        ("retire 1 -> E_NOSUCH", "the names are listed by `rekeylab list codes`"),
        (
            "# rekeylab sequence 2\nretire 1",
            "this build reads version 1, which begins \"# rekeylab",
        ),
        ("fly-away s0", "the calls and their arguments are listed by `rekeylab list calls`"),
        ("begin-frame d0", "the calls that this version runs are listed by `rekeylab list calls`"),
    ] {
        desk.file("wrong.seq", text);
        check(&desk, "wrong.seq", &format!("try: {way_out}"));
    }
    let listed = desk.run("list codes");
    assert!(listed.text().contains("D3DDDIERR_INVALIDHANDLE"), "{listed:?}");
    assert!(listed.text().contains("0x88760873"), "{listed:?}");
}

#[test]
fn utf16_is_named_and_how_to_convert_it() {
    let desk = Desk::new();
    let text = "# rekeylab sequence 1\nd0 = create-device\n";
    let wide = |bytes: fn(u16) -> [u8; 2], mark: [u8; 2]| {
        mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect::<Vec<u8>>()
    };
    for (name, bytes) in [
        ("little.seq", wide(u16::to_le_bytes, [0xFF, 0xFE])),
        ("big.seq", wide(u16::to_be_bytes, [0xFE, 0xFF])),
        ("without-a-name", wide(u16::to_le_bytes, [0xFF, 0xFE])),
    ] {
        desk.file(name, bytes);
        check(&desk, name, &format!("{name}:1:1: the text is UTF-16, and not UTF-8"));
        check(&desk, name, &format!("try: convert it: iconv -f UTF-16 -t UTF-8 {name} > "));
    }
}

#[test]
fn the_most_calls_are_told_where_somebody_looks_for_them() {
    let desk = Desk::new();
    for line in ["run --help", "minimize --help", "list calls"] {
        let ran = desk.run(line);
        let words: Vec<&str> = ran.text().split_whitespace().collect();
        assert!(words.join(" ").contains("sequence has at most 1024 calls"), "{line}: {ran:?}");
    }
}

#[test]
fn standard_input_is_bounded_too() {
    let ran = Desk::new().run_with("run -", &vec![b'#'; (1 << 20) + 1]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("cannot read -: it is longer than 1048576 bytes"), "{ran:?}");
}

#[test]
fn a_directory_named_like_a_sequence_is_named() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path().join("x.seq")).unwrap();
    for command in ["run", "minimize", "show"] {
        let ran = desk.run(&format!("{command} x.seq"));
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("cannot read x.seq: it is a directory, not a file"), "{ran:?}");
    }
    // Below a directory that is searched, it is a file that cannot be read.
    let ran = desk.run("replay .");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("x.seq: it is a directory"), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_named_and_the_rest_still_runs() {
    let desk = Desk::new();
    desk.file("set/good.seq", CLEAN);
    std::os::unix::fs::symlink("nowhere", desk.path().join("set/lost.seq")).unwrap();
    let ran = desk.run("replay set");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cannot read set/lost.seq: No such file"), "{ran:?}");
    assert!(ran.err.contains("1 held"), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn a_ring_of_links_is_walked_once() {
    let desk = Desk::new();
    desk.file("set/inner/good.seq", CLEAN);
    std::os::unix::fs::symlink("..", desk.path().join("set/inner/up")).unwrap();
    std::os::unix::fs::symlink("self.seq", desk.path().join("set/self.seq")).unwrap();
    let ran = desk.run("replay set");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cannot read set/self.seq: "), "{ran:?}");
    assert!(ran.err.contains("replayed 1 file: 1 held"), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn a_pipe_does_not_hang_the_command() {
    let desk = Desk::new();
    let status = std::process::Command::new("mkfifo").arg(desk.path().join("pipe.seq")).status();
    assert!(status.unwrap().success());
    check(&desk, "pipe.seq", "cannot read pipe.seq: it is a pipe, a socket or a device");
    let ran = desk.run("replay .");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("pipe.seq: it is a pipe"), "{ran:?}");
}

#[test]
fn a_deep_tree_is_searched_to_the_bottom() {
    let desk = Desk::new();
    let deep = "d/".repeat(500);
    desk.file(&format!("{deep}bottom.seq"), WRONG);
    let ran = desk.run("replay d");
    assert_eq!(ran.code, 3);
    assert!(ran.text().contains("bottom.seq:3: finish-refresh s0: expected ok"), "{ran:?}");
}

#[test]
fn a_directory_without_sequences_is_not_a_success() {
    let desk = Desk::new();
    desk.file("set/readme.md", "nothing");
    let ran = desk.run("replay set");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("set: no sequence file in this directory"), "{ran:?}");
    assert!(ran.err.contains("try: "), "{ran:?}");
}

#[test]
fn any_bytes_without_a_name_are_a_sequence() {
    let desk = Desk::new();
    let mut bytes = Vec::new();
    for length in 0..200_u8 {
        desk.file(&format!("set/{length}"), &bytes);
        bytes.push(length.wrapping_mul(37));
    }
    let ran = desk.run("replay set");
    assert!(ran.code == 0 || ran.code == 3, "{ran:?}");
    assert!(ran.err.contains("replayed 200 files"), "{ran:?}");
}

#[test]
fn a_wrong_flag_or_word_is_answered_with_usage() {
    let desk = Desk::new();
    for line in [
        "no-such-command",
        "run",
        "run --no-such-flag x",
        "list nonsense",
        "fuzz --time never",
        "fuzz --jobs 0",
        "fuzz --sanitizer thread",
        "show x --as html",
        "minimize",
        "minimize x --force",
        "--format xml list calls",
        "canary --seeds 0",
    ] {
        let ran = desk.run(line);
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
        assert!(ran.err.contains("error: "), "{line}: {ran:?}");
        assert_eq!(ran.text(), "", "{line}");
    }
}

#[test]
fn a_fuzz_target_that_nobody_wrote_is_answered_with_those_there_are() {
    let desk = Desk::new();
    desk.file("Cargo.toml", "");
    desk.file("fuzz/Cargo.toml", "");
    desk.file("fuzz/fuzz_targets/one.rs", "");
    let ran = desk.run("fuzz --target two");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("no fuzz target \"two\"; there are: one"), "{ran:?}");
    assert!(!desk.path().join("fuzz/corpus").exists(), "nothing is left behind");
}
