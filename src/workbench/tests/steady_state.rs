//! A run costs memory for its sessions, not for its calls, and looks the same every time.

use rekeylab::executor::{Core, Executor};
use rekeylab::generate::{SearchOptions, generate_from_seed};
use rekeylab::observation::{Layer, Layers, Trace};
use rekeylab::sequence::{CallSequence, SequenceText};

/// One session through so many refreshes, with submissions before, during and after.
fn refreshes(count: u64) -> CallSequence {
    let mut text = "d0 = create-device\ns0 = create-session d0\nexchange-key s0 key=7\n".to_owned();
    for turn in 0..count {
        let (iv, next) = (3 * turn + 1, 3 * turn + 2);
        text += &format!(
            "submit-buffer s0 iv={iv} count=0 len=64
            start-refresh s0 size=16
            submit-buffer s0 iv={next} count=0 len=64
            finish-refresh s0
            finish-refresh s0
            session-status s0
            retire 2\n"
        );
    }
    SequenceText::parse(&text).expect("the text above").sequence()
}

#[test]
fn neither_driver_nor_executor_allocates_for_a_call() {
    let mut executor = Executor::new();
    let mut trace = Trace::default();
    let mut allocations = |sequence: &CallSequence| {
        executor.execute(&Core, sequence, Layers::FAST, &mut trace);
        let counted = allocation_counter::measure(|| {
            executor.execute(&Core, sequence, Layers::FAST, &mut trace);
        });
        assert!(trace.calls.iter().any(|seen| seen.is_refused()), "refusals count, too");
        counted.count_total
    };
    let long = allocations(&refreshes(60));
    let short = allocations(&refreshes(6));
    assert_eq!(long, short, "378 calls more must not allocate once more");
    assert!(short < 20, "{short} allocations for a device, a session and a queue");
}

#[test]
fn a_sequence_gives_the_same_trace_every_time() {
    let mut first = Trace::default();
    let mut second = Trace::default();
    let mut warm = Executor::new();
    for seed in 0..500 {
        let sequence = generate_from_seed(seed, &SearchOptions::default());
        warm.execute(&Core, &sequence, Layers::FAST.with(Layer::Debug), &mut first);
        // A new executor knows nothing of the sequences before.
        Executor::new().execute(&Core, &sequence, Layers::FAST.with(Layer::Debug), &mut second);
        assert!(first == second, "seed {seed}");
    }
}
