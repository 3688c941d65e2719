//! How many calls a second each stage from the driver to the verdict lets through, in one run.
//!
//! `cargo bench` prints a table, `cargo bench -- gated` only the stages with that in their name. Figures of one run can be compared with each other, not with
//! those of another machine or hour; the best of several rounds is shown.

#![allow(clippy::print_stdout, reason = "the table is what the benchmark is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use rekeylab::Workbench;
use rekeylab::executor::{Core, Executor};
use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::invariant::{Model, Verdict, judge};
use rekeylab::observation::{Layer, Layers, Trace};
use rekeylab::sequence::wire::{decode_into, encode_into};
use rekeylab::sequence::{CallKind, CallSequence, SequenceText};
use rekeylab_ddi::{
    Completion, CreateCryptoSession, CreateDevice, CryptoSessionDdi, CryptoSessionKeyExchange,
    CtrIv, DeviceHandle, Guid, Retire, SessionHandle, StartSessionKeyRefresh, SubmitBuffer,
};
use rekeylab_driver::{
    Adapter, Bounds, Entropy, EntropyError, KeyUnwrap, SoftwareEngine, UnwrapError,
};

#[global_allocator]
static ALLOCATOR: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();

/// Rounds of each stage; the best counts, because whatever else runs can only slow it down.
const ROUNDS: usize = 12;

fn main() {
    let sequences = mix();
    let calls: usize = sequences.iter().map(|sequence| sequence.calls.len()).sum();
    println!(
        "{} sequences of {:.1} calls: {}",
        sequences.len(),
        calls as f64 / sequences.len() as f64,
        shares(&sequences, calls)
    );
    println!("{:<34} {:>12} {:>10}", "stage", "M calls/s", "ns/call");

    let mut cycle = RefreshCycle::new();
    row("driver core alone, refresh cycle", calls, || {
        for _ in 0..calls / RefreshCycle::CALLS {
            cycle.turn();
        }
    });
    let mut executor = Executor::new();
    let mut trace = Trace::default();
    row("executor alone", calls, || {
        for sequence in &sequences {
            executor.execute(&Core, sequence, Layers::FAST, &mut trace);
        }
    });
    let traces: Vec<Trace> = sequences
        .iter()
        .map(|sequence| {
            let mut trace = Trace::default();
            executor.execute(&Core, sequence, Layers::FAST, &mut trace);
            trace
        })
        .collect();
    let (mut model, mut verdict) = (Model::default(), Verdict::default());
    row("invariants, on stored traces", calls, || {
        for trace in &traces {
            judge(trace, &mut model, &mut verdict);
            assert!(verdict.is_clean());
        }
    });
    let mut workbench = Workbench::new();
    row("executor and all invariants", calls, || {
        for sequence in &sequences {
            assert!(workbench.run_with(sequence, Layers::FAST).is_clean());
        }
    });
    row("the same, Debug read for 1 in 256", calls, || {
        for (index, sequence) in sequences.iter().enumerate() {
            let text =
                if index % 256 == 0 { Layers::FAST.with(Layer::Debug) } else { Layers::FAST };
            assert!(workbench.run_with(sequence, text).is_clean());
        }
    });
    row("gated lane: leftovers of every call", calls, || {
        for sequence in &sequences {
            assert!(workbench.run_with(sequence, Layers::GATED).is_clean());
        }
    });
    for layer in [Layer::Stack, Layer::Registers, Layer::Heap, Layer::Homes, Layer::Statics] {
        let layers = Layers::FAST.with(layer);
        row(&format!("fast lane and {layer}"), calls, || {
            for sequence in &sequences {
                assert!(workbench.run_with(sequence, layers).is_clean());
            }
        });
    }
    row("everything, always", calls, || {
        for sequence in sequences.iter().take(sequences.len() / 64) {
            assert!(workbench.run_with(sequence, Layers::ALL).is_clean());
        }
    });
    row("the same, Debug read always", calls, || {
        for sequence in sequences.iter().take(sequences.len() / 64) {
            assert!(workbench.run_with(sequence, Layers::FAST.with(Layer::Debug)).is_clean());
        }
    });

    let mut wire = Vec::new();
    let mut decoded = CallSequence::default();
    row("wire: encode and decode", calls, || {
        for sequence in &sequences {
            wire.clear();
            encode_into(sequence, &mut wire);
            decode_into(black_box(&wire), &mut decoded);
        }
    });
    let texts: Vec<String> =
        sequences.iter().map(|sequence| SequenceText::from(sequence).to_string()).collect();
    row("text: parse", calls, || {
        for text in &texts {
            black_box(SequenceText::parse(text).expect("it was printed"));
        }
    });
}

/// One session that is refreshed for ever, driven without a workbench.
struct RefreshCycle {
    adapter: Adapter,
    device: DeviceHandle,
    session: SessionHandle,
    iv: u64,
    surface: [u8; 96],
}

impl RefreshCycle {
    /// Submit, start, submit, finish, retire.
    const CALLS: usize = 5;

    fn new() -> Self {
        let mut adapter =
            Adapter::new(CountingEntropy(0), SoftwareEngine, FixedKey, Bounds::default());
        let mut device = CreateDevice::default();
        assert!(adapter.create_device(&mut device).is_ok());
        let mut session = CreateCryptoSession {
            crypto_type: Guid::CRYPTO_TYPE_AES128_CTR,
            decode_profile: Guid::NULL,
            session: SessionHandle::NULL,
        };
        let device = device.device;
        assert!(adapter.create_crypto_session(device, &mut session).is_ok());
        let session = session.session;
        let blob = [0; 32];
        let exchange = CryptoSessionKeyExchange { session, blob: Some(&blob), blob_len: 32 };
        assert!(adapter.crypto_session_key_exchange(device, &exchange).is_ok());
        Self { adapter, device, session, iv: 0, surface: [0; 96] }
    }

    fn turn(&mut self) {
        self.submit();
        let mut random = [0; 16];
        let mut start = StartSessionKeyRefresh {
            session: self.session,
            random_number: Some(&mut random),
            random_number_len: 16,
        };
        assert!(self.adapter.start_session_key_refresh(self.device, &mut start).is_ok());
        self.submit();
        assert!(self.adapter.finish_session_key_refresh(self.device, self.session).is_ok());
        let mut completions = [Completion::EMPTY; 2];
        let mut retire = Retire {
            count: 2,
            completions: &mut completions,
            completed_count: 0,
            surface: &mut self.surface,
            surface_len: 0,
        };
        assert!(self.adapter.retire(&mut retire).is_ok());
        assert_eq!(retire.completed_count, 2);
    }

    fn submit(&mut self) {
        self.iv += 1;
        let (iv, data) = (CtrIv::new(self.iv, 0), [0x5A; 48]);
        let mut submit = SubmitBuffer {
            session: self.session,
            iv: Some(&iv),
            data: Some(&data),
            data_len: 48,
            fence: 0,
        };
        assert!(self.adapter.submit_buffer(self.device, &mut submit).is_ok());
    }
}

/// Numbers that differ, which is all that the core asks of a test.
struct CountingEntropy(u128);

impl Entropy for CountingEntropy {
    fn fill(&mut self, random: &mut [u8; 16]) -> Result<(), EntropyError> {
        self.0 += 1;
        *random = self.0.to_le_bytes();
        Ok(())
    }
}

/// A mechanism that always yields the same key.
struct FixedKey;

impl KeyUnwrap for FixedKey {
    fn exchange_type(&self) -> Guid {
        Guid::KEY_EXCHANGE_PLAIN
    }

    fn blob_len(&self) -> usize {
        32
    }

    fn unwrap_key(&mut self, _blob: &[u8], key: &mut [u8; 16]) -> Result<(), UnwrapError> {
        *key = *b"a worthless key.";
        Ok(())
    }
}

/// Generated sequences of at least 24 calls in which the refresh cycle has its share.
fn mix() -> Vec<CallSequence> {
    let options = SearchOptions { repetition: false, ..SearchOptions::default() };
    (0..4096)
        .map(|seed| generate_from_seed(seed, &options))
        .filter(|sequence| {
            let has = |kind| sequence.calls.iter().any(|call| call.kind() == kind);
            sequence.calls.len() >= 24
                && has(CallKind::FinishRefresh)
                && has(CallKind::SubmitBuffer)
                && has(CallKind::Retire)
                && has(CallKind::DestroySession)
        })
        .collect()
}

fn shares(sequences: &[CallSequence], calls: usize) -> String {
    let share = |kind: &CallKind| {
        let of_kind = |sequence: &CallSequence| {
            sequence.calls.iter().filter(|call| call.kind() == *kind).count()
        };
        let count: usize = sequences.iter().map(of_kind).sum();
        format!("{} {:.0} %", kind.word(), 100.0 * count as f64 / calls as f64)
    };
    CallKind::ALL.iter().map(share).collect::<Vec<_>>().join(", ")
}

/// Prints the best round of a stage. A stage that takes only a 64th of the mix counts as that much.
fn row(stage: &str, calls: usize, mut round: impl FnMut()) {
    let mut wanted = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    if wanted.peek().is_some() && !wanted.any(|word| stage.contains(&word)) {
        return;
    }
    round();
    let times = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed()
    });
    let best = times.min().unwrap_or(Duration::MAX).as_secs_f64();
    let calls = if stage.ends_with("always") { calls as f64 / 64.0 } else { calls as f64 };
    println!("{stage:<34} {:>12.2} {:>10.1}", calls / best / 1e6, best / calls * 1e9);
}
