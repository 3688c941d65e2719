//! How fast a secret set scans what memory usually holds, registers and clears, in one run.
//!
//! `cargo bench -p keysan` prints a table. Figures of one run can be compared with each other, not
//! with those of another machine or hour; the best of several rounds is shown.

#![allow(clippy::print_stdout, reason = "the table is what the benchmark is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use keysan::{Backend, Looked, PAINT_WORD, SecretSet};

/// Rounds of each figure; the best counts, because whatever else runs can only slow it down.
const ROUNDS: usize = 12;

/// A buffer that stays in the second-level cache, and one that does not, in bytes.
const LENGTHS: [usize; 2] = [64 << 10, 4 << 20];

/// Bytes scanned in each round of a throughput.
const ROUND_BYTES: usize = 16 << 20;

/// Secrets in the sets, the first like one key, the second like one sequence.
const COUNTS: [u64; 3] = [1, 16, 256];

fn main() {
    let backends: Vec<Backend> =
        Backend::ALL.into_iter().filter(|backend| backend.is_available()).collect();
    print!("{:<12} {:>8}", "GB/s", "secrets");
    for (backend, length) in pairs(&backends) {
        print!(" {:>16}", format!("{backend:?} {} KiB", length >> 10));
    }
    println!();
    for kind in Kind::ALL {
        let memory: Vec<Vec<u8>> = LENGTHS.iter().map(|&length| kind.bytes(length)).collect();
        for count in COUNTS {
            print!("{:<12} {count:>8}", kind.name());
            for backend in &backends {
                let set = set_of(count).with_backend(*backend);
                for bytes in &memory {
                    print!(" {:>16.1}", throughput(&set, bytes));
                }
            }
            println!();
        }
    }
    println!("\n{:<50} {:>8}", "ns", "each");
    for count in COUNTS {
        registering(count);
    }
    let stack = Kind::DeadStack.bytes(512);
    for backend in backends {
        let set = set_of(16).with_backend(backend);
        let row = |what: &str, each| println!("{:<50} {each:>8.1}", format!("{what}, {backend:?}"));
        row("scan 512 bytes of dead stack", scan_time(&set, &stack, 0));
        let mut guarded = stack.clone();
        let place = guarded[320..].first_chunk_mut().expect("there are 512 bytes");
        set.plant_canary(place);
        row("the same with a canary", scan_time(&set, &guarded, 2));
    }
}

/// What memory holds.
#[derive(Clone, Copy)]
enum Kind {
    /// Noise: every word has to be looked up.
    Random,
    /// Pointers, small numbers and zeros in one half, noise in the other.
    Heap,
    /// Pointers, paint, and one word of noise in sixteen.
    DeadStack,
    /// Nothing.
    Zeros,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Random, Kind::Heap, Kind::DeadStack, Kind::Zeros];

    fn name(self) -> &'static str {
        match self {
            Kind::Random => "random",
            Kind::Heap => "heap",
            Kind::DeadStack => "dead stack",
            Kind::Zeros => "zeros",
        }
    }

    fn bytes(self, length: usize) -> Vec<u8> {
        let mut random = Random(7);
        let pointer = |noise: u64| 0x7f3a_0000_0000 | noise >> 32;
        let word = |_| {
            let (noise, choice) = (random.next(), random.next() >> 60);
            match (self, choice) {
                (Kind::Zeros, _) | (Kind::Heap, 0 | 1) => 0,
                (Kind::Heap, 2..=4) | (Kind::DeadStack, 1..=7) => pointer(noise),
                (Kind::Heap, 5..=7) => noise >> 56,
                (Kind::DeadStack, 8..) => PAINT_WORD,
                (Kind::Random | Kind::Heap | Kind::DeadStack, _) => noise,
            }
        };
        (0..length / 8).map(word).flat_map(u64::to_le_bytes).collect()
    }
}

fn pairs(backends: &[Backend]) -> impl Iterator<Item = (Backend, usize)> {
    backends.iter().flat_map(|&backend| LENGTHS.map(|length| (backend, length)))
}

fn set_of(count: u64) -> SecretSet {
    let mut set = SecretSet::new();
    for (secret, tag) in secrets(count).iter().zip(0..) {
        set.register(secret, tag).expect("no more than the set holds");
    }
    set
}

fn secrets(count: u64) -> Vec<[u8; 16]> {
    let mut random = Random(1 << 40);
    let mut half = || u128::from(random.next());
    (0..count).map(|_| (half() << 64 | half()).to_le_bytes()).collect()
}

fn throughput(set: &SecretSet, bytes: &[u8]) -> f64 {
    let turns = ROUND_BYTES / bytes.len();
    ROUND_BYTES as f64 / best(|| (0..turns).for_each(|_| scan(set, bytes, 0))) / 1e9
}

/// Nanoseconds for one scan of a few bytes.
fn scan_time(set: &SecretSet, bytes: &[u8], canaries: u32) -> f64 {
    const TURNS: u32 = 100_000;
    best(|| (0..TURNS).for_each(|_| scan(set, bytes, canaries))) * 1e9 / f64::from(TURNS)
}

fn scan(set: &SecretSet, bytes: &[u8], canaries: u32) {
    let looked = set.scan_aligned(black_box(bytes), &mut |_| panic!("there is no secret"));
    assert_eq!(looked, Looked { bytes: bytes.len(), canaries });
}

/// Prints what registering and clearing some secrets costs for each of them.
fn registering(count: u64) {
    let secrets = secrets(count);
    let mut set = SecretSet::new();
    let turns = 65_536 / secrets.len();
    let mut row = |what: &str, is_full: bool| {
        let seconds = best(|| {
            for _ in 0..turns {
                for (secret, tag) in black_box(&secrets).iter().zip(0..) {
                    let registered = if is_full {
                        set.register(secret, tag)
                    } else {
                        set.register_words(secret, tag)
                    };
                    registered.expect("no more than the set holds");
                }
                set.clear();
            }
        });
        let each = seconds * 1e9 / (turns * secrets.len()) as f64;
        println!("{:<50} {each:>8.1}", format!("{what} {count}, and their share of a clear"));
    };
    row("register", true);
    row("register_words", false);
}

/// The best round, in seconds.
fn best(mut round: impl FnMut()) -> f64 {
    round();
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed()
    });
    times.min().unwrap_or(Duration::MAX).as_secs_f64()
}

/// A stream of numbers that look random (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
