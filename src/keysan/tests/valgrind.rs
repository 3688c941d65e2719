//! Memcheck sees a secret in any encoding. Under Valgrind each test runs again; outside it, nothing
//! is ever tainted. In CI Valgrind must be installed.

use std::hint::black_box;
#[cfg(target_arch = "x86_64")]
use std::{
    io::Write,
    process::{Command, Stdio},
};

use keysan::valgrind::{Unaddressable, is_running, mark_public, mark_secret, tainted_bytes};

fn tainted(bytes: &[u8]) -> Result<usize, Unaddressable> {
    tainted_bytes(bytes.as_ptr(), bytes.len())
}

/// `count` under Valgrind, and none without it.
fn check_tainted(bytes: &[u8], count: usize) {
    assert_eq!(tainted(bytes), Ok(if is_running() { count } else { 0 }));
}

fn secret_key() -> Box<[u8; 16]> {
    let key = Box::new(black_box([0x5d; 16]));
    mark_secret(&*key);
    key
}

#[test]
fn a_marked_key_is_tainted_until_it_is_public() {
    let key = secret_key();
    check_tainted(&*key, 16);
    mark_public(&key[..4]);
    check_tainted(&*key, 12);
    mark_public(&*key);
    check_tainted(&*key, 0);
}

#[test]
fn a_copy_in_another_encoding_is_tainted() {
    let key = secret_key();
    let mut block = vec![0u8; 1000];
    for (place, byte) in block[600..].iter_mut().zip(black_box(&*key)) {
        *place = byte.rotate_left(3) ^ 0x5a;
    }
    check_tainted(black_box(&block), 16);
    check_tainted(&block[..600], 0);
    check_tainted(&block[600..616], 16);
    block.fill(0);
    check_tainted(black_box(&block), 0);
}

#[test]
fn a_key_spread_over_words_is_tainted() {
    let key = secret_key();
    let words: Vec<u64> = black_box(&*key).iter().map(|byte| u64::from(*byte) << 17).collect();
    let start = black_box(&words).as_ptr().cast();
    let count = tainted_bytes(start, 8 * words.len());
    assert_eq!(count, Ok(if is_running() { 32 } else { 0 }));
}

#[test]
fn freed_memory_has_no_taint() {
    let block = black_box(vec![1u8; 64]);
    let start = block.as_ptr();
    drop(block);
    assert_eq!(tainted_bytes(start, 64), if is_running() { Err(Unaddressable) } else { Ok(0) });
}

/// Runs this program's other tests under Valgrind, where keysan can talk to it.
#[cfg(target_arch = "x86_64")]
#[test]
fn all_this_is_true_under_valgrind() {
    let program = std::env::current_exe().expect("runs from a file");
    let valgrind = Command::new("valgrind")
        .args(["--quiet", "--error-exitcode=9", "--leak-check=no"])
        .arg(program)
        .args(["--test-threads=1", "--skip", "all_this_is_true_under_valgrind"])
        .env("KEYSAN_UNDER_VALGRIND", "1")
        .stdin(Stdio::null())
        .output();
    let Ok(output) = valgrind else {
        assert!(std::env::var_os("CI").is_none(), "valgrind is not installed, and CI needs it");
        // Not `eprintln!`, which a passing test keeps to itself.
        let said = b"skipped: valgrind is not installed, only what holds without it was tested\n";
        return std::io::stderr().write_all(said).expect("stderr can be written to");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("test valgrind_is_noticed ... ok"), "{said}");
}

#[test]
fn valgrind_is_noticed() {
    assert_eq!(is_running(), std::env::var_os("KEYSAN_UNDER_VALGRIND").is_some());
}
