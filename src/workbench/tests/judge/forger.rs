//! A client that computes with handles: it must never get anywhere.

use std::rc::Rc;

use keysan::statics::Statics;
use rekeylab::executor::{Core, DeclaredHome, Dut, Seams};
use rekeylab::sequence::BoundsChoice;
use rekeylab_ddi::{
    CheckCryptoSessionStatus, CreateCryptoSession, CreateDevice, CryptoSessionDdi,
    CryptoSessionKeyExchange, DeviceHandle, GetContentProtectionCaps, GetEncryptionBltKey, Hresult,
    Limits, Retire, SessionHandle, SessionStatus, StartSessionKeyRefresh, SubmitBuffer,
};
use rekeylab_driver::Adapter;

/// The driver core, whose client tries every handle that differs from a given one in one bit.
#[derive(Debug)]
pub(crate) struct Forged;

impl Dut for Forged {
    type Driver = Forger;

    fn name(&self) -> String {
        "forged".to_owned()
    }

    fn open(&self, seams: &Rc<Seams>) -> Forger {
        Forger { core: Core.open(seams), given: Vec::new() }
    }

    fn limits(&self) -> Limits {
        Core.limits()
    }

    fn limits_at(&self, bounds: BoundsChoice) -> Limits {
        Core.limits_at(bounds)
    }

    fn open_at(&self, bounds: BoundsChoice, seams: &Rc<Seams>) -> Forger {
        Forger { core: Core.open_at(bounds, seams), given: Vec::new() }
    }

    fn declares_homes(&self) -> bool {
        Core.declares_homes()
    }

    fn for_each_home(&self, driver: &Forger, sink: &mut dyn FnMut(DeclaredHome, &[u8; 16])) {
        Core.for_each_home(&driver.core, sink);
    }

    fn statics(&self) -> Option<&'static Statics> {
        Core.statics()
    }
}

/// Stands before the core and forges.
#[derive(Debug)]
pub(crate) struct Forger {
    core: Adapter,
    /// Every handle that was given out, which is no forgery.
    given: Vec<u64>,
}

impl Forger {
    /// Asks for the status of a session by every handle close to the real ones.
    ///
    /// A forgery that is served is a panic in the driver's call, which no driver may have.
    fn forge(&mut self, device: DeviceHandle, session: SessionHandle) {
        for bit in 0..64 {
            self.try_out(DeviceHandle(device.0 ^ 1 << bit), session);
            self.try_out(device, SessionHandle(session.0 ^ 1 << bit));
        }
        // Each in the place of the other.
        self.try_out(DeviceHandle(session.0), session);
        self.try_out(device, SessionHandle(device.0));
    }

    fn try_out(&mut self, device: DeviceHandle, session: SessionHandle) {
        if self.given.contains(&device.0) && self.given.contains(&session.0) {
            return;
        }
        let mut args = CheckCryptoSessionStatus { session, status: SessionStatus::OK };
        let code = self.core.check_crypto_session_status(device, &mut args);
        assert_eq!(code, Hresult::D3DDDIERR_INVALIDHANDLE, "{session:?} on {device:?} is forged");
        let mut args = CreateCryptoSession {
            crypto_type: rekeylab_ddi::Guid::NULL,
            decode_profile: rekeylab_ddi::Guid::NULL,
            session: SessionHandle::NULL,
        };
        if !self.given.contains(&device.0) {
            let code = self.core.create_crypto_session(device, &mut args);
            assert_eq!(code, Hresult::D3DDDIERR_INVALIDHANDLE, "{device:?} is forged");
        }
    }
}

impl CryptoSessionDdi for Forger {
    fn get_content_protection_caps(&mut self, args: &mut GetContentProtectionCaps<'_>) -> Hresult {
        self.core.get_content_protection_caps(args)
    }

    fn create_device(&mut self, args: &mut CreateDevice) -> Hresult {
        let code = self.core.create_device(args);
        self.given.push(args.device.0);
        code
    }

    fn destroy_device(&mut self, device: DeviceHandle) -> Hresult {
        self.core.destroy_device(device)
    }

    fn create_crypto_session(
        &mut self,
        device: DeviceHandle,
        args: &mut CreateCryptoSession,
    ) -> Hresult {
        let code = self.core.create_crypto_session(device, args);
        self.given.push(args.session.0);
        code
    }

    fn crypto_session_key_exchange(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Hresult {
        self.core.crypto_session_key_exchange(device, args)
    }

    fn start_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        args: &mut StartSessionKeyRefresh<'_>,
    ) -> Hresult {
        self.core.start_session_key_refresh(device, args)
    }

    fn get_encryption_blt_key(
        &mut self,
        device: DeviceHandle,
        args: &mut GetEncryptionBltKey<'_>,
    ) -> Hresult {
        self.core.get_encryption_blt_key(device, args)
    }

    fn finish_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
    ) -> Hresult {
        self.core.finish_session_key_refresh(device, session)
    }

    fn submit_buffer(&mut self, device: DeviceHandle, args: &mut SubmitBuffer<'_>) -> Hresult {
        self.core.submit_buffer(device, args)
    }

    fn check_crypto_session_status(
        &mut self,
        device: DeviceHandle,
        args: &mut CheckCryptoSessionStatus,
    ) -> Hresult {
        self.forge(device, args.session);
        self.core.check_crypto_session_status(device, args)
    }

    fn destroy_crypto_session(&mut self, device: DeviceHandle, session: SessionHandle) -> Hresult {
        self.core.destroy_crypto_session(device, session)
    }

    fn retire(&mut self, args: &mut Retire<'_>) -> Hresult {
        self.core.retire(args)
    }

    fn reset_engine(&mut self) -> Hresult {
        self.core.reset_engine()
    }
}
