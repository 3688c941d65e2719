//! Wherever a driver hangs, whoever waits for the run hears of it, and it can be told.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use core::fmt;

use keysan::heap::ScanningAllocator;
use rekeylab::Workbench;
use rekeylab::executor::{
    AnyDut, Core, CountingEngine, Dut, PlainTestMechanism, Seams, SeededEntropy,
};
use rekeylab::observation::{Layers, Stage};
use rekeylab::report::{Aftermath, Colour, Subject, story};
use rekeylab::sequence::{CallSequence, SequenceText};
use rekeylab::watchdog::{attempt, set_time_limit};
use rekeylab_ddi::{CtrIv, Limits};
use rekeylab_driver::{Adapter, Bounds, Engine, OutOfMemory};

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

/// The driver core, with something in it that never returns.
#[derive(Clone, Debug)]
struct Hanging {
    at: At,
    opened_count: Arc<AtomicU32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Opening,
    /// A reset, which logs.
    Reset,
    Dropping,
    /// A reset the first time, and the opening of every further driver.
    ResetOnce,
}

impl Dut for Hanging {
    type Driver = Adapter;

    fn name(&self) -> String {
        format!("hanging at {:?}", self.at)
    }

    fn limits(&self) -> Limits {
        Core.limits()
    }

    fn open(&self, seams: &Rc<Seams>) -> Adapter {
        let is_first = self.opened_count.fetch_add(1, Ordering::Relaxed) == 0;
        if self.at == At::Opening || self.at == At::ResetOnce && !is_first {
            never_return();
        }
        let engine = HangingEngine { engine: CountingEngine::new(seams), at: self.at };
        Adapter::new(SeededEntropy::new(seams), engine, PlainTestMechanism, BOUNDS)
    }
}

/// Those of the core.
const BOUNDS: Bounds = Bounds { generations_max: 3, buffer_len_max: 1024, queue_len_max: 4096 };

struct HangingEngine {
    engine: CountingEngine,
    at: At,
}

impl Engine for HangingEngine {
    fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.engine.reserve(len)
    }

    fn release(&mut self, len: usize) {
        self.engine.release(len);
    }

    fn execute(&mut self, key: &[u8; 16], counter: CtrIv, buffer: &mut [u8]) {
        self.engine.execute(key, counter, buffer);
    }

    fn log(&mut self, line: fmt::Arguments<'_>) {
        if [At::Reset, At::ResetOnce].contains(&self.at) {
            never_return();
        }
        self.engine.log(line);
    }
}

impl Drop for HangingEngine {
    fn drop(&mut self) {
        if self.at == At::Dropping {
            never_return();
        }
    }
}

fn never_return() -> ! {
    loop {
        thread::park();
    }
}

fn sequence() -> CallSequence {
    let text = "d0 = create-device\ns0 = create-session d0\nreset-engine\nsession-status s0\n";
    SequenceText::parse(text).unwrap().sequence()
}

/// Where a run hangs, and the first lines of what is told of it.
fn hang(at: At, layers: Layers) -> (Stage, String) {
    set_time_limit(Duration::from_secs(1));
    let dut = AnyDut::from(Hanging { at, opened_count: Arc::default() });
    let its = dut.clone();
    let run = attempt(move || Workbench::on(its).run_with(&sequence(), layers).is_clean());
    let hang = run.unwrap_err();
    assert_eq!(hang.sequence, sequence());
    let told = Workbench::told(&dut, &hang);
    let aftermath = &Aftermath::default();
    let (trace, verdict) = (told.trace(), told.verdict());
    let subject = Subject { sequence: &hang.sequence, trace, verdict, aftermath, replay: None };
    let story = story(&subject, Colour::Off);
    (hang.stage, story.split("\n\n").next().unwrap().to_owned())
}

#[test]
fn a_run_that_ends_is_no_hang() {
    set_time_limit(Duration::from_secs(1));
    assert_eq!(attempt(|| Workbench::new().run(&sequence()).is_clean()), Ok(true));
}

#[test]
fn a_call_that_hangs_is_told_whatever_is_looked_into() {
    for layers in [Layers::FAST, Layers::GATED, Layers::ALL] {
        let (stage, told) = hang(At::Reset, layers);
        assert_eq!(stage, Stage::Call(2));
        assert!(told.starts_with("violation: no-hang\n  call 2  reset-engine\n"), "{told}");
    }
}

#[test]
fn a_driver_that_hangs_when_it_is_opened_or_dropped_is_told() {
    let (stage, told) = hang(At::Opening, Layers::FAST);
    assert_eq!(stage, Stage::Opening);
    assert!(told.contains("\n  before the first call, when the driver was opened\n"), "{told}");
    let (stage, told) = hang(At::Dropping, Layers::FAST);
    assert_eq!(stage, Stage::Dropping);
    assert!(told.contains("\n  at the end, when the driver was dropped\n"), "{told}");
}

#[test]
fn a_driver_that_hangs_elsewhere_when_it_is_told_is_told_without_its_answers() {
    let (stage, told) = hang(At::ResetOnce, Layers::FAST);
    assert_eq!(stage, Stage::Call(2));
    assert!(told.starts_with("violation: no-hang\n  call 2  reset-engine\n"), "{told}");
}

#[test]
#[should_panic(expected = "of the work")]
fn a_panic_of_the_work_is_one_of_whoever_waits_for_it() {
    let _ = attempt(|| panic!("of the work"));
}
