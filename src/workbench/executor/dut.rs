//! The driver under test (DUT): what can be driven, and what it tells the workbench about itself.

use core::fmt;
use std::rc::Rc;

use keysan::statics::Statics;
use rekeylab_ddi::{CryptoSessionDdi, DeviceHandle, Limits, SessionHandle};

use super::seams::Seams;
use crate::observation::{Choices, Layer, Layers};
use crate::sequence::BoundsChoice;

/// A driver under test: opens drivers on the workbench's seams, says what their limits are, and
/// declares what else can be known of them.
///
/// Whatever it does not declare is not looked into, and is missing by name in every report: see
/// [`AnyDut::missing_layers`](super::AnyDut::missing_layers). [`AnyDut`](super::AnyDut) makes a value of it, which is what a
/// [`Workbench`](crate::Workbench) runs on; `examples/own_driver.rs` is a driver of a hundred lines.
pub trait Dut: fmt::Debug + Send + Sync + 'static {
    /// The driver. What its `Debug` shows is only looked at if [`declares_text`](Self::declares_text).
    type Driver: CryptoSessionDdi + fmt::Debug;

    /// Whether a call of the workbench reaches it in parts, each of which is looked behind for itself; see
    /// [`around_entries`](Self::around_entries).
    const HAS_ENTRIES: bool = false;

    /// Does some work that calls the driver, with each entry of it inside `around`: what is around the entries
    /// is the workbench's, and none of its memory is the driver's.
    fn around_entries(&self, around: &mut dyn FnMut(&mut dyn FnMut()), work: &mut dyn FnMut()) {
        around(work);
    }

    /// What it is called in reports.
    fn name(&self) -> String;

    /// The option by which a command is told to drive it, as it is typed; `None` for one that is chosen in
    /// another way.
    fn option(&self) -> Option<String> {
        None
    }

    /// The bounds that every driver which it opens keeps. Sequences are made to reach them, and
    /// answers are judged by them.
    fn limits(&self) -> Limits;

    /// A driver in its first state.
    fn open(&self, seams: &Rc<Seams>) -> Self::Driver;

    /// The bounds of a driver that is opened with these; a driver of which there is one kind has
    /// those of [`limits`](Self::limits) always.
    fn limits_at(&self, _bounds: BoundsChoice) -> Limits {
        self.limits()
    }

    /// A driver in its first state, with these bounds.
    fn open_at(&self, _bounds: BoundsChoice, seams: &Rc<Seams>) -> Self::Driver {
        self.open(seams)
    }

    /// Whether [`for_each_home`](Self::for_each_home) names every home. A driver that does not say
    /// where its secrets live can only be searched for the dead ones.
    fn declares_homes(&self) -> bool {
        false
    }

    /// Shows every place where a secret may live now.
    fn for_each_home(
        &self,
        _driver: &Self::Driver,
        _sink: &mut dyn FnMut(DeclaredHome, &[u8; 16]),
    ) {
    }

    /// Whether [`write_state`](Self::write_state) writes everything that can influence an answer
    /// to come. Of a driver that does not say so, which may keep anything anywhere, no two states
    /// are ever taken for the same.
    fn declares_state(&self) -> bool {
        false
    }

    /// Writes the driver's complete state, value by value.
    fn write_state(&self, _driver: &Self::Driver, _sink: &mut dyn FnMut(&[u8])) {}

    /// The writable statics and thread-locals of the driver, or `None` if they cannot be found; see
    /// [`Statics::of_symbols`].
    fn statics(&self) -> Option<&'static Statics> {
        None
    }

    /// Hands what the driver has said since the last time to [`Seams::log`], if it says it elsewhere.
    fn listen(&self, _seams: &Seams) {}

    /// The devices that had no way to hear of the last reset of the engine, and keep their keys: of the first
    /// [`Observation::SPARED_MAX`](crate::observation::Observation::SPARED_MAX).
    fn spared_by_reset(&self, _driver: &Self::Driver) -> Vec<DeviceHandle> {
        Vec::new()
    }

    /// Whether it draws random numbers elsewhere than from the seams.
    fn draws_by_itself(&self) -> bool {
        false
    }

    /// What it chooses otherwise than the driver core, where the documents are silent.
    fn choices(&self) -> Choices {
        Choices::default()
    }

    /// Layers that cannot be looked into however it is driven: its memory may not be this program's own.
    fn out_of_reach(&self) -> Layers {
        Layers::NONE
    }

    /// Whether `Debug` of the driver is text of its own, which may end up in a log.
    fn declares_text(&self) -> bool {
        false
    }
}

/// What a place of sixteen bytes in a driver is for.
///
/// A secret anywhere else than in a home that is for it is residue (INV-06); a home that has no
/// secret at the moment holds zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeclaredHome {
    /// K, the key in force of a live session.
    Key(SessionHandle),
    /// R of a live session, between start and finish.
    Random(SessionHandle),
    /// The one-way mark of a live session's last R (S-12), which is no secret itself.
    LastMark(SessionHandle),
    /// B, the read-back key of a live session, until finish (S-19).
    ReadBackKey(SessionHandle),
    /// The one-way mark of a live session's last B (INV-13), which is no secret itself.
    ReadBackMark(SessionHandle),
    /// The key that a command captured when it was submitted (S-17), until it completes.
    BoundKey {
        /// The fence that its submission answered.
        fence: u64,
    },
}

/// The layers that this driver leaves no way to look into.
pub(super) fn missing_layers<D: Dut>(dut: &D) -> Layers {
    let mut missing = dut.out_of_reach();
    if dut.statics().is_none() {
        missing = missing.with(Layer::Statics);
    }
    if !dut.declares_homes() {
        missing = missing.with(Layer::Homes);
    }
    if !dut.declares_text() {
        missing = missing.with(Layer::Debug);
    }
    missing
}
