//! The driver core of this repository as a driver under test, also on the seams of a product.

use std::rc::Rc;
use std::sync::OnceLock;

use keysan::statics::Statics;
use rekeylab_cipher::Backend;
use rekeylab_ddi::{CtrIv, Limits};
use rekeylab_driver::{
    Adapter, Bounds, Engine, Entropy, EntropyError, HomeOf, OsEntropy, OutOfMemory,
};

use super::dut::{DeclaredHome, Dut};
use super::plain_mechanism::PlainTestMechanism;
use super::seams::{CountingEngine, Seams, SeededEntropy};
use crate::sequence::BoundsChoice;

/// Small bounds, so that sequences reach them and long buffers do not eat the time of short ones.
pub(super) const BOUNDS: Bounds =
    Bounds { generations_max: 3, buffer_len_max: 1024, queue_len_max: 4096 };

/// The bounds that a sequence asks for.
pub(super) fn bounds_of(choice: BoundsChoice) -> Bounds {
    match choice {
        BoundsChoice::Small => BOUNDS,
        BoundsChoice::Product => Bounds::default(),
    }
}

/// The driver core.
#[derive(Clone, Copy, Debug, Default)]
pub struct Core;

impl Dut for Core {
    type Driver = Adapter;

    fn name(&self) -> String {
        "the driver core".to_owned()
    }

    fn limits(&self) -> Limits {
        self.limits_at(BoundsChoice::Small)
    }

    fn open(&self, seams: &Rc<Seams>) -> Adapter {
        self.open_at(BoundsChoice::Small, seams)
    }

    fn limits_at(&self, bounds: BoundsChoice) -> Limits {
        // Only an adapter knows them, and every one of these bounds has the same.
        static LIMITS: [OnceLock<Limits>; BoundsChoice::ALL.len()] =
            [const { OnceLock::new() }; BoundsChoice::ALL.len()];
        let limits = &LIMITS[usize::from(bounds.number())];
        *limits.get_or_init(|| self.open_at(bounds, &Rc::default()).limits())
    }

    fn open_at(&self, bounds: BoundsChoice, seams: &Rc<Seams>) -> Adapter {
        Adapter::new(
            SeededEntropy::new(seams),
            CountingEngine::new(seams),
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
        // Reading the symbols of the program takes milliseconds, so it is done once a process.
        static STATICS: OnceLock<Option<Statics>> = OnceLock::new();
        let is_ours = |name: &str| {
            ["rekeylab_driver", "rekeylab_cipher"].iter().any(|package| name.contains(package))
        };
        STATICS.get_or_init(|| Statics::of_symbols(is_ours).ok()).as_ref()
    }

    fn declares_text(&self) -> bool {
        true
    }
}

impl From<HomeOf> for DeclaredHome {
    fn from(home: HomeOf) -> Self {
        match home {
            HomeOf::Key(session) => Self::Key(session),
            HomeOf::Random(session) => Self::Random(session),
            HomeOf::LastMark(session) => Self::LastMark(session),
            HomeOf::ReadBackKey(session) => Self::ReadBackKey(session),
            HomeOf::ReadBackMark(session) => Self::ReadBackMark(session),
            HomeOf::BoundKey { fence } => Self::BoundKey { fence },
        }
    }
}

/// The driver core, as [`Core`] but for what decrypts and for where random numbers come from.
#[derive(Clone, Copy, Debug)]
pub struct CoreOn {
    /// What decrypts; it must be available here. [`Core`] takes the first that is.
    pub backend: Backend,
    /// Where random numbers come from.
    pub entropy: Source,
}

/// A source of random numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The same numbers in every run, known before they are drawn.
    Seeded,
    /// The operating system's. They differ from run to run and nobody knows them beforehand, so
    /// that only answers are judged, and no differential is possible.
    System,
}

impl Dut for CoreOn {
    type Driver = Adapter;

    fn name(&self) -> String {
        format!("the driver core on {:?} and {:?} entropy", self.backend, self.entropy)
    }

    fn limits(&self) -> Limits {
        Core.limits()
    }

    fn open(&self, seams: &Rc<Seams>) -> Adapter {
        self.open_at(BoundsChoice::Small, seams)
    }

    fn limits_at(&self, bounds: BoundsChoice) -> Limits {
        Core.limits_at(bounds)
    }

    fn open_at(&self, bounds: BoundsChoice, seams: &Rc<Seams>) -> Adapter {
        let bounds = bounds_of(bounds);
        let engine = EngineOn { counting: CountingEngine::new(seams), backend: self.backend };
        match self.entropy {
            Source::Seeded => {
                Adapter::new(SeededEntropy::new(seams), engine, PlainTestMechanism, bounds)
            }
            Source::System => {
                let entropy = NotedEntropy(Rc::clone(seams));
                Adapter::new(entropy, engine, PlainTestMechanism, bounds)
            }
        }
    }

    fn declares_homes(&self) -> bool {
        Core.declares_homes()
    }

    fn for_each_home(&self, driver: &Adapter, sink: &mut dyn FnMut(DeclaredHome, &[u8; 16])) {
        Core.for_each_home(driver, sink);
    }

    fn statics(&self) -> Option<&'static Statics> {
        Core.statics()
    }

    fn declares_text(&self) -> bool {
        Core.declares_text()
    }
}

/// The counting engine, but for the backend on which it decrypts.
#[derive(Debug)]
struct EngineOn {
    counting: CountingEngine,
    backend: Backend,
}

impl Engine for EngineOn {
    fn reserve(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.counting.reserve(len)
    }

    fn release(&mut self, len: usize) {
        self.counting.release(len);
    }

    fn execute(&mut self, key: &[u8; 16], counter: CtrIv, buffer: &mut [u8]) {
        self.backend
            .ctr_xor(key, counter.iv_number(), counter.count_number(), buffer)
            .expect("the core refuses a Count that passes 2^64 when the buffer is submitted");
    }

    fn log(&mut self, message: core::fmt::Arguments<'_>) {
        self.counting.log(message);
    }
}

/// The system's entropy, whose answers are noted for the model.
#[derive(Debug)]
struct NotedEntropy(Rc<Seams>);

impl Entropy for NotedEntropy {
    fn fill(&mut self, random: &mut [u8; 16]) -> Result<(), EntropyError> {
        let answer = OsEntropy.fill(random);
        keysan::heap::pause(|| self.0.note_draw(answer, random));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{PRODUCT_LIMITS, SMALL_LIMITS};

    #[test]
    fn the_limits_that_sequences_are_made_for_by_default_are_those_of_the_core() {
        assert_eq!(Core.limits(), SMALL_LIMITS);
        assert_eq!(Core.limits_at(BoundsChoice::Product), PRODUCT_LIMITS);
    }
}
