//! scratch
use rekeylab::{Workbench, executor::DebugText, sequence::*};
#[global_allocator]
static A: keysan::heap::ScanningAllocator = keysan::heap::ScanningAllocator::new();
fn main() {
    let n: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1000);
    let mut w = Workbench::new();
    assert!(w.is_heap_watched());
    let t = std::time::Instant::now();
    let mut calls = 0u64;
    let mut seqs = vec![];
    for seed in 0..n.min(2000) {
        seqs.push(generate_from_seed(seed, &SearchOptions::default()));
    }
    println!("gen {:?}", t.elapsed());
    let t = std::time::Instant::now();
    for i in 0..n {
        let s = &seqs[(i % seqs.len() as u64) as usize];
        calls += s.calls.len() as u64;
        let v = w.run_with(s, if false { DebugText::Read } else { DebugText::Skip });
        if !v.is_clean() {
            println!("seed {i}");
            {
                let sub = rekeylab::report::Subject {
                    sequence: s,
                    trace: w.trace(),
                    verdict: w.verdict(),
                    replay: None,
                };
                println!("{}", rekeylab::report::story(&sub, rekeylab::report::Colour::Off));
            }
            let min = w.minimize(s).unwrap();
            let sub = rekeylab::report::Subject {
                sequence: &min,
                trace: w.trace(),
                verdict: w.verdict(),
                replay: None,
            };
            println!("{}", rekeylab::report::story(&sub, rekeylab::report::Colour::Off));
            return;
        }
    }
    let e = t.elapsed();
    println!(
        "{n} seqs, {calls} calls, {:?}, {:.2} M calls/s",
        e,
        calls as f64 / e.as_secs_f64() / 1e6
    );
}
