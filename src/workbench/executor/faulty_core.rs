//! The driver core with a planted fault as a driver under test.

use std::rc::Rc;
use std::sync::OnceLock;

use keysan::statics::Statics;
use rekeylab_ddi::{CtrIv, Limits};
use rekeylab_driver::{Engine, OutOfMemory};
use rekeylab_faults::driver::SoftwareEngine;
use rekeylab_faults::{Adapter, Fault};

use super::any_dut::AnyDut;
use super::dut::{DeclaredHome, Dut};
use super::honest_core::{Core, bounds_of};
use super::plain_mechanism::PlainTestMechanism;
use super::seams::{CountingEngine, Seams, SeededEntropy};
use crate::sequence::BoundsChoice;

/// The copy of the driver core that holds every fault, with this one planted, or none.
#[derive(Clone, Copy, Debug)]
pub struct FaultyCore(pub Option<Fault>);

/// The driver core: as it is, or with a fault planted.
#[must_use]
pub fn core_with(fault: Option<Fault>) -> AnyDut {
    match fault {
        None => Core.into(),
        Some(_) => FaultyCore(fault).into(),
    }
}

impl Dut for FaultyCore {
    type Driver = Adapter;

    fn name(&self) -> String {
        match self.0 {
            Some(fault) => format!("the driver core with {}", fault.name()),
            None => "the driver core with every fault in place and none planted".to_owned(),
        }
    }

    fn limits(&self) -> Limits {
        // Those that it should keep. A fault may be about another.
        Core.limits()
    }

    fn open(&self, seams: &Rc<Seams>) -> Adapter {
        self.open_at(BoundsChoice::Small, seams)
    }

    fn limits_at(&self, bounds: BoundsChoice) -> Limits {
        Core.limits_at(bounds)
    }

    fn open_at(&self, bounds: BoundsChoice, seams: &Rc<Seams>) -> Adapter {
        Adapter::new(
            self.0,
            SeededEntropy::new(seams),
            OwnEngine(CountingEngine::new(seams)),
            PlainTestMechanism,
            bounds_of(bounds),
        )
    }

    fn declares_homes(&self) -> bool {
        true
    }

    fn for_each_home(&self, driver: &Adapter, sink: &mut dyn FnMut(DeclaredHome, &[u8; 16])) {
        driver.for_each_home(&mut |home, bytes| sink(home.into(), bytes));
    }

    fn declares_state(&self) -> bool {
        true
    }

    fn write_state(&self, driver: &Adapter, sink: &mut dyn FnMut(&[u8])) {
        driver.write_state(sink);
    }

    fn statics(&self) -> Option<&'static Statics> {
        static STATICS: OnceLock<Option<Statics>> = OnceLock::new();
        // Reading the symbols of the program takes milliseconds, so it is done once a process.
        let is_ours = |name: &str| name.contains("rekeylab_faults");
        STATICS.get_or_init(|| Statics::of_symbols(is_ours).ok()).as_ref()
    }

    fn declares_text(&self) -> bool {
        true
    }
}

/// The counting engine, but that the copy of the cipher decrypts.
#[derive(Debug)]
struct OwnEngine(CountingEngine);

impl Engine for OwnEngine {
    fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.0.reserve(len)
    }

    fn release(&mut self, len: usize) {
        self.0.release(len);
    }

    fn execute(&mut self, key: &[u8; 16], counter: CtrIv, buffer: &mut [u8]) {
        SoftwareEngine.execute(key, counter, buffer);
    }

    fn log(&mut self, message: core::fmt::Arguments<'_>) {
        self.0.log(message);
    }
}
