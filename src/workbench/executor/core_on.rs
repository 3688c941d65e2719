//! The driver core on seams that a product has: any backend of the cipher, the system's entropy.

use std::rc::Rc;

use keysan::statics::Statics;
use rekeylab_cipher::Backend;
use rekeylab_ddi::{CtrIv, Limits};
use rekeylab_driver::{Adapter, Engine, Entropy, EntropyError, HomeOf, OsEntropy, OutOfMemory};

use super::seams::{CountingEngine, PlainTestMechanism, Seams, SeededEntropy};
use super::subject::{BOUNDS, Core, Subject};

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

impl Subject for CoreOn {
    type Driver = Adapter;

    fn open(&self, seams: &Rc<Seams>) -> Adapter {
        let engine = EngineOn { counting: CountingEngine(Rc::clone(seams)), backend: self.backend };
        let seams = Rc::clone(seams);
        match self.entropy {
            Source::Seeded => {
                Adapter::new(SeededEntropy(seams), engine, PlainTestMechanism, BOUNDS)
            }
            Source::System => Adapter::new(NotedEntropy(seams), engine, PlainTestMechanism, BOUNDS),
        }
    }

    fn limits(&self, driver: &Adapter) -> Limits {
        Core.limits(driver)
    }

    fn declares_homes(&self) -> bool {
        Core.declares_homes()
    }

    fn for_each_home(&self, driver: &Adapter, sink: &mut dyn FnMut(HomeOf, &[u8; 16])) {
        Core.for_each_home(driver, sink);
    }

    fn statics(&self) -> Option<&'static Statics> {
        Core.statics()
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
