//! A driver with a bug in what it remembers: once asked for a status, it takes no key any more.

use std::rc::Rc;

use rekeylab::executor::{Core, Dut, Seams};
use rekeylab_ddi::{
    CheckCryptoSessionStatus, CreateCryptoSession, CreateDevice, CryptoSessionDdi,
    CryptoSessionKeyExchange, DeviceHandle, GetContentProtectionCaps, GetEncryptionBltKey, Hresult,
    Limits, Retire, SessionHandle, StartSessionKeyRefresh, SubmitBuffer,
};
use rekeylab_driver::Adapter;

/// The driver core with that bug.
#[derive(Debug)]
pub(crate) struct KeylessAfterStatus {
    /// Whether what it remembers is in the state that it writes.
    pub(crate) declares: bool,
}

#[derive(Debug)]
pub(crate) struct KeylessDriver {
    core: Adapter,
    was_asked: bool,
}

impl Dut for KeylessAfterStatus {
    type Driver = KeylessDriver;

    fn name(&self) -> String {
        "keyless after status".to_owned()
    }

    fn open(&self, seams: &Rc<Seams>) -> KeylessDriver {
        KeylessDriver { core: Core.open(seams), was_asked: false }
    }

    fn limits(&self) -> Limits {
        Core.limits()
    }

    fn declares_state(&self) -> bool {
        true
    }

    fn write_state(&self, driver: &KeylessDriver, sink: &mut dyn FnMut(&[u8])) {
        Core.write_state(&driver.core, sink);
        if self.declares {
            sink(&[driver.was_asked.into()]);
        }
    }
}

impl CryptoSessionDdi for KeylessDriver {
    fn get_content_protection_caps(&mut self, args: &mut GetContentProtectionCaps<'_>) -> Hresult {
        self.core.get_content_protection_caps(args)
    }

    fn create_device(&mut self, args: &mut CreateDevice) -> Hresult {
        self.core.create_device(args)
    }

    fn destroy_device(&mut self, device: DeviceHandle) -> Hresult {
        self.core.destroy_device(device)
    }

    fn create_crypto_session(
        &mut self,
        device: DeviceHandle,
        args: &mut CreateCryptoSession,
    ) -> Hresult {
        self.core.create_crypto_session(device, args)
    }

    fn crypto_session_key_exchange(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Hresult {
        if self.was_asked {
            return Hresult::E_INVALIDARG;
        }
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
        let code = self.core.check_crypto_session_status(device, args);
        self.was_asked |= code.is_ok();
        code
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
