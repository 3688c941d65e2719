//! A driver that is made with its fault.

use core::fmt;
use std::cell::Cell;

use rekeylab_ddi::{
    CheckCryptoSessionStatus, CreateCryptoSession, CreateDevice, CryptoSessionDdi,
    CryptoSessionKeyExchange, DeviceHandle, GetContentProtectionCaps, GetEncryptionBltKey, Hresult,
    Limits, Retire, SessionHandle, StartSessionKeyRefresh, SubmitBuffer,
};
use rekeylab_driver::{Bounds, Engine, Entropy, HomeOf, KeyUnwrap};

use crate::catalogue::forget_statics;
use crate::{Fault, driver, planted};

/// The driver core with one planted fault, or with none.
///
/// Which one is chosen when it is made, for its whole life: several adapters of one thread can have
/// different faults.
pub struct Adapter {
    fault: Option<Fault>,
    /// `None` only while it is dropped.
    core: Option<driver::Adapter>,
}

impl Adapter {
    /// An adapter without devices, on the caller's seams and within the caller's bounds, that has this
    /// fault.
    ///
    /// What faults keep outside any driver is cleared, so that no run shows in the next.
    #[must_use]
    pub fn new(
        fault: Option<Fault>,
        entropy: impl Entropy + 'static,
        engine: impl Engine + 'static,
        mechanism: impl KeyUnwrap + 'static,
        bounds: Bounds,
    ) -> Self {
        forget_what_was_kept(fault);
        let make = || driver::Adapter::new(entropy, engine, mechanism, bounds);
        Self { fault, core: Some(planted::with(fault, make)) }
    }

    /// The bounds that the adapter keeps.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.ask(driver::Adapter::limits)
    }

    /// See [`rekeylab_driver::Adapter::for_each_home`].
    pub fn for_each_home(&self, sink: &mut dyn FnMut(HomeOf, &[u8; 16])) {
        self.ask(|core| core.for_each_home(sink));
    }

    /// See [`rekeylab_driver::Adapter::write_state`]; what the fault remembers in the driver is a part
    /// of the state, what it keeps in statics is not, since no fault reads that back.
    pub fn write_state(&self, sink: &mut dyn FnMut(&[u8])) {
        self.ask(|core| core.write_state(sink));
    }

    #[inline]
    fn ask<T>(&self, question: impl FnOnce(&driver::Adapter) -> T) -> T {
        let core = self.core.as_ref().expect("only dropping takes the core away");
        planted::with(self.fault, || question(core))
    }

    #[inline]
    fn call<T>(&mut self, call: impl FnOnce(&mut driver::Adapter) -> T) -> T {
        let core = self.core.as_mut().expect("only dropping takes the core away");
        planted::with(self.fault, || call(core))
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let Self { fault, core } = self;
        // Where it is: what moves it would leave copies of what a fault keeps in it.
        planted::with(*fault, || *core = None);
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ask(|core| core.fmt(f))
    }
}

/// Clears statics and thread-locals if an earlier driver may have left something there.
///
/// The other faults need not pay for that: they only ask whether the last driver of this thread had
/// another fault than theirs.
fn forget_what_was_kept(fault: Option<Fault>) {
    thread_local! {
        static LAST: Cell<Option<Fault>> = const { Cell::new(None) };
    }
    if LAST.replace(fault) != fault || fault.is_some_and(Fault::keeps_statics) {
        forget_statics();
    }
}

impl CryptoSessionDdi for Adapter {
    fn get_content_protection_caps(&mut self, args: &mut GetContentProtectionCaps<'_>) -> Hresult {
        self.call(|core| core.get_content_protection_caps(args))
    }

    fn create_device(&mut self, args: &mut CreateDevice) -> Hresult {
        self.call(|core| core.create_device(args))
    }

    fn destroy_device(&mut self, device: DeviceHandle) -> Hresult {
        self.call(|core| core.destroy_device(device))
    }

    fn create_crypto_session(
        &mut self,
        device: DeviceHandle,
        args: &mut CreateCryptoSession,
    ) -> Hresult {
        self.call(|core| core.create_crypto_session(device, args))
    }

    fn crypto_session_key_exchange(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Hresult {
        self.call(|core| core.crypto_session_key_exchange(device, args))
    }

    fn start_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        args: &mut StartSessionKeyRefresh<'_>,
    ) -> Hresult {
        self.call(|core| core.start_session_key_refresh(device, args))
    }

    fn get_encryption_blt_key(
        &mut self,
        device: DeviceHandle,
        args: &mut GetEncryptionBltKey<'_>,
    ) -> Hresult {
        self.call(|core| core.get_encryption_blt_key(device, args))
    }

    fn finish_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
    ) -> Hresult {
        self.call(|core| core.finish_session_key_refresh(device, session))
    }

    fn submit_buffer(&mut self, device: DeviceHandle, args: &mut SubmitBuffer<'_>) -> Hresult {
        self.call(|core| core.submit_buffer(device, args))
    }

    fn check_crypto_session_status(
        &mut self,
        device: DeviceHandle,
        args: &mut CheckCryptoSessionStatus,
    ) -> Hresult {
        self.call(|core| core.check_crypto_session_status(device, args))
    }

    fn destroy_crypto_session(&mut self, device: DeviceHandle, session: SessionHandle) -> Hresult {
        self.call(|core| core.destroy_crypto_session(device, session))
    }

    fn retire(&mut self, args: &mut Retire<'_>) -> Hresult {
        self.call(|core| core.retire(args))
    }

    fn reset_engine(&mut self) -> Hresult {
        self.call(CryptoSessionDdi::reset_engine)
    }
}
