//! What can be driven, and what it tells the workbench about itself.

use std::rc::Rc;
use std::sync::OnceLock;

use keysan::statics::Statics;
use rekeylab_ddi::{CryptoSessionDdi, Limits};
use rekeylab_driver::{Adapter, Bounds, HomeOf};

use super::seams::{CountingEngine, PlainTestMechanism, Seams, SeededEntropy};

/// Small bounds, so that sequences reach them and long buffers do not eat the time of short ones.
pub(super) const BOUNDS: Bounds =
    Bounds { generations_max: 3, buffer_len_max: 1024, queue_len_max: 4096 };

/// Something that can be driven: makes a fresh driver on the workbench's seams.
pub trait Subject {
    /// The driver.
    type Driver: CryptoSessionDdi + core::fmt::Debug;

    /// A driver in its first state.
    fn open(&self, seams: &Rc<Seams>) -> Self::Driver;

    /// The bounds that the driver publishes.
    fn limits(&self, driver: &Self::Driver) -> Limits;

    /// Whether [`for_each_home`](Self::for_each_home) names every home. A driver that does not say
    /// where its secrets live can only be searched for the dead ones.
    fn declares_homes(&self) -> bool {
        false
    }

    /// Shows every place where a secret may live now.
    fn for_each_home(&self, _driver: &Self::Driver, _sink: &mut dyn FnMut(HomeOf, &[u8; 16])) {}

    /// Whether [`write_state`](Self::write_state) writes everything that can influence an answer
    /// to come. Of a driver that does not say so, which may keep anything anywhere, no two states
    /// are ever taken for the same.
    fn declares_state(&self) -> bool {
        false
    }

    /// Writes the driver's complete state, value by value.
    fn write_state(&self, _driver: &Self::Driver, _sink: &mut dyn FnMut(&[u8])) {}

    /// The writable statics and thread-locals of the driver, or `None` if they cannot be found.
    fn statics(&self) -> Option<&'static Statics> {
        None
    }
}

/// The driver core of this repository.
#[derive(Clone, Copy, Debug, Default)]
pub struct Core;

impl Subject for Core {
    type Driver = Adapter;

    fn open(&self, seams: &Rc<Seams>) -> Adapter {
        Adapter::new(
            SeededEntropy(Rc::clone(seams)),
            CountingEngine(Rc::clone(seams)),
            PlainTestMechanism,
            BOUNDS,
        )
    }

    fn limits(&self, driver: &Adapter) -> Limits {
        driver.limits()
    }

    fn declares_homes(&self) -> bool {
        true
    }

    fn for_each_home(&self, driver: &Adapter, sink: &mut dyn FnMut(HomeOf, &[u8; 16])) {
        driver.for_each_home(sink);
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
}
