//! Checks a small key holder with keysan: it has three leaks, and all three are found.
//!
//! So are copies that the compiler left in registers and on the stack, which differ between builds.
//!
//! `cargo run -p keysan --example check_a_library` prints the findings, and fails if one of the
//! three is missing.
#![expect(clippy::print_stdout, reason = "an example tells its reader what it found")]

use std::process::ExitCode;

use keysan::Keysan;
use keysan::heap::ScanningAllocator;

// Freed blocks are seen by the allocator, so a program that is to be checked needs this one.
#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// The library under test: holds a key for a session.
mod toy {
    use std::fmt::Write;
    use std::hint::black_box;
    use std::sync::atomic::{AtomicU8, Ordering};

    // Leak 2: the last key that was used stays in a static.
    static LAST_KEY: [AtomicU8; 16] = [const { AtomicU8::new(0) }; 16];

    pub(super) struct Session {
        key: Box<[u8; 16]>,
    }

    impl Session {
        pub(super) fn start(key: &[u8; 16]) -> Session {
            let mut home = Box::new([0; 16]);
            home.copy_from_slice(key);
            Session { key: home }
        }

        /// Where the key lives, for the test.
        pub(super) fn key_home(&self) -> *const u8 {
            self.key.as_ptr()
        }

        pub(super) fn encrypt(&self, payload: &mut [u8], log: &mut String) {
            // The black box keeps the optimiser from removing a static that nobody reads.
            for (last, byte) in black_box(&LAST_KEY).iter().zip(self.key.iter()) {
                last.store(*byte, Ordering::Relaxed);
            }
            for (byte, key) in payload.iter_mut().zip(self.key.iter().cycle()) {
                *byte ^= key.rotate_left(3);
            }
            // Leak 3: the key is printed.
            _ = writeln!(log, "encrypted {} bytes\nwith {:02x?}", payload.len(), self.key);
        }

        // Leak 1: the key is dropped and not wiped.
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // One sanitizer for each thread. Where it cannot look, it says so.
    let mut keysan = Keysan::open()?;
    keysan.watch_statics(|symbol| symbol.contains("::toy::"))?;
    for spot in keysan.blind_spots() {
        println!("not looked into: {spot}");
    }

    // A secret has a name. A real test draws its bytes from a seeded generator.
    let bytes = 0x3ac5_910e_77d2_48bf_06e9_5c83_1df4_a06b_u128.to_be_bytes();
    let key = keysan.register("session key", &bytes)?;

    // Calls go through keysan, with secrets passed by reference.
    let mut session = Some(keysan.call("start", || toy::Session::start(&bytes)));

    // While the session lives, the key belongs in its home and nowhere else.
    if let Some(session) = &session {
        keysan.allow(key, session.key_home())?;
    }
    keysan.scan("after start");

    // What a call gives out is passed for inspection.
    let mut payload = *b"thirty-two bytes of nothing much";
    let mut log = String::new();
    if let Some(session) = &session {
        keysan.call("encrypt", || session.encrypt(&mut payload, &mut log));
    }
    keysan.look_at_output("ciphertext", &payload);
    keysan.look_at_text("log", &log);

    // Set to `None` in the call: moving the session into it would make a copy of our own.
    keysan.call("stop", || session = None);
    keysan.retire(key, "the session is over");
    keysan.scan("after stop");

    // An error here would mean that some look was none.
    let findings = keysan.findings()?;
    for finding in findings {
        println!("{finding}");
    }

    let is_found = |part: &str| findings.iter().any(|finding| finding.to_string().contains(part));
    let mut expected = vec!["text log"];
    if keysan.looks_into(keysan::Layer::FreedBlocks) {
        expected.push("heap block of 16 bytes");
    }
    if keysan.looks_into(keysan::Layer::Statics) {
        expected.push("::toy::LAST_KEY");
    }
    let missing: Vec<_> = expected.into_iter().filter(|part| !is_found(part)).collect();
    if !missing.is_empty() {
        println!("missing: {missing:?}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
