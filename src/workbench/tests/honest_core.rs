//! The honest core is silent, with the bounds of a workbench and with those of a product.
//!
//! Each lane has a short run here. The long runs, on which the claim of the lanes rests, take ten
//! minutes:
//! `cargo test --release -p rekeylab --test honest_core -- --ignored --test-threads 1`
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use keysan::heap::ScanningAllocator;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rekeylab::Workbench;
use rekeylab::generate::{SearchOptions, go_on};
use rekeylab::observation::Layers;
use rekeylab::search::Search;
use rekeylab::sequence::words::BoundsChoice;
use rekeylab::sequence::{Call, CallSequence, SequenceText};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// How many of a run's calls are made with the bounds of a product: 1 in this.
const PRODUCT_SHARE: u64 = 10;

/// Makes that many calls, those of a search first, and fails at the first alarm, or the first layer that
/// was asked for and not looked into.
fn is_silent_for(calls_wanted: u64, layers: Layers) {
    let options = SearchOptions::default();
    let mut workbench = Workbench::new();
    let mut search = Search::new(13, options);
    let mut calls = 0;
    while calls < calls_wanted - calls_wanted / PRODUCT_SHARE {
        let sequence = search.propose();
        expect_silence(&mut workbench, sequence, layers);
        calls += sequence.calls.len() as u64;
        search.learn(workbench.trace());
    }
    let mut rng = SmallRng::seed_from_u64(13);
    let mut entropy = 0;
    while calls < calls_wanted {
        let opening = Call::OpenAdapter { bounds: BoundsChoice::Product, entropy };
        let mut sequence = CallSequence { calls: vec![opening] };
        for _ in 0..3 {
            go_on(&mut rng, &options, &mut sequence);
        }
        expect_silence(&mut workbench, &sequence, layers);
        calls += sequence.calls.len() as u64;
        entropy = (entropy + 1) % 1000;
    }
}

fn expect_silence(workbench: &mut Workbench, sequence: &CallSequence, layers: Layers) {
    let is_clean = workbench.run_with(sequence, layers).is_clean();
    let (trace, told) = (workbench.trace(), workbench.verdict());
    let text = || SequenceText::from(sequence);
    assert!(is_clean && trace.void.is_none(), "{told:?} {:?}\n{}", trace.void, text());
    let has_looked = layers.and(workbench.layers()) == trace.layers;
    assert!(has_looked, "looked into {:?} only\n{}", trace.layers, text());
}

#[test]
fn it_is_silent_in_the_fast_lane() {
    is_silent_for(100_000, Layers::FAST);
}

#[test]
fn it_is_silent_in_the_gated_lane() {
    is_silent_for(20_000, Layers::GATED);
}

#[test]
fn it_is_silent_with_everything_looked_into() {
    is_silent_for(5_000, Layers::ALL);
}

#[test]
#[ignore = "a thousand million calls take about ten minutes"]
fn it_is_silent_for_a_thousand_million_calls_in_the_fast_lane() {
    is_silent_for(1_000_000_000, Layers::FAST);
}

#[test]
#[ignore = "ten million gated calls take a quarter of a minute"]
fn it_is_silent_for_ten_million_calls_in_the_gated_lane() {
    is_silent_for(10_000_000, Layers::GATED);
}

#[test]
#[ignore = "a million calls with everything looked into take half a minute"]
fn it_is_silent_for_a_million_calls_with_everything_looked_into() {
    is_silent_for(1_000_000, Layers::ALL);
}
