//! A driver that holds memory from one sequence to the next: the heap counts as not looked into.
#![allow(clippy::unwrap_used, reason = "in a test, the panic is the message")]

use std::cell::RefCell;
use std::rc::Rc;

use keysan::heap::ScanningAllocator;
use rekeylab::Workbench;
use rekeylab::executor::{AnyDut, Core, Dut, Seams};
use rekeylab::observation::{Layer, Layers};
use rekeylab::sequence::{CallSequence, SequenceText};
use rekeylab_ddi::{
    CheckCryptoSessionStatus, CreateCryptoSession, CreateDevice, CryptoSessionDdi,
    CryptoSessionKeyExchange, DeviceHandle, GetContentProtectionCaps, GetEncryptionBltKey, Hresult,
    Limits, Retire, SessionHandle, StartSessionKeyRefresh, SubmitBuffer,
};
use rekeylab_driver::Adapter;

#[global_allocator]
static ALLOCATOR: ScanningAllocator = ScanningAllocator::new();

thread_local! {
    /// One pool for the process, as drivers have; no driver gives anything back to it.
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The driver core, whose devices come with a block that outlives them.
#[derive(Debug)]
struct Pooling;

#[derive(Debug)]
struct PoolingDriver(Adapter);

impl Dut for Pooling {
    type Driver = PoolingDriver;

    fn name(&self) -> String {
        "pooling".to_owned()
    }

    fn open(&self, seams: &Rc<Seams>) -> PoolingDriver {
        PoolingDriver(Core.open(seams))
    }

    fn limits(&self) -> Limits {
        Core.limits()
    }
}

impl CryptoSessionDdi for PoolingDriver {
    fn get_content_protection_caps(&mut self, args: &mut GetContentProtectionCaps<'_>) -> Hresult {
        self.0.get_content_protection_caps(args)
    }

    fn create_device(&mut self, args: &mut CreateDevice) -> Hresult {
        POOL.with_borrow_mut(|pool| pool.push(vec![0; 64]));
        self.0.create_device(args)
    }

    fn destroy_device(&mut self, device: DeviceHandle) -> Hresult {
        self.0.destroy_device(device)
    }

    fn create_crypto_session(
        &mut self,
        device: DeviceHandle,
        args: &mut CreateCryptoSession,
    ) -> Hresult {
        self.0.create_crypto_session(device, args)
    }

    fn crypto_session_key_exchange(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Hresult {
        self.0.crypto_session_key_exchange(device, args)
    }

    fn start_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        args: &mut StartSessionKeyRefresh<'_>,
    ) -> Hresult {
        self.0.start_session_key_refresh(device, args)
    }

    fn get_encryption_blt_key(
        &mut self,
        device: DeviceHandle,
        args: &mut GetEncryptionBltKey<'_>,
    ) -> Hresult {
        self.0.get_encryption_blt_key(device, args)
    }

    fn finish_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
    ) -> Hresult {
        self.0.finish_session_key_refresh(device, session)
    }

    fn submit_buffer(&mut self, device: DeviceHandle, args: &mut SubmitBuffer<'_>) -> Hresult {
        self.0.submit_buffer(device, args)
    }

    fn check_crypto_session_status(
        &mut self,
        device: DeviceHandle,
        args: &mut CheckCryptoSessionStatus,
    ) -> Hresult {
        self.0.check_crypto_session_status(device, args)
    }

    fn destroy_crypto_session(&mut self, device: DeviceHandle, session: SessionHandle) -> Hresult {
        self.0.destroy_crypto_session(device, session)
    }

    fn retire(&mut self, args: &mut Retire<'_>) -> Hresult {
        self.0.retire(args)
    }

    fn reset_engine(&mut self) -> Hresult {
        self.0.reset_engine()
    }
}

fn sequence() -> CallSequence {
    SequenceText::parse("d0 = create-device\ns0 = create-session d0\nexchange-key s0\n")
        .unwrap()
        .sequence()
}

#[test]
fn the_heap_is_missing_from_the_second_sequence_on() {
    let mut workbench = Workbench::on(AnyDut::from(Pooling));
    assert!(workbench.layers().has(Layer::Heap));
    let layers = Layers::GATED;
    assert!(workbench.run_with(&sequence(), layers).is_clean());
    assert!(workbench.trace().layers.has(Layer::Heap), "nothing is held yet");
    assert!(workbench.run_with(&sequence(), layers).is_clean());
    assert!(!workbench.trace().layers.has(Layer::Heap), "what is held is not looked into");
}

#[test]
fn the_heap_of_the_core_is_looked_into_in_every_sequence() {
    let mut workbench = Workbench::new();
    for _ in 0..3 {
        assert!(workbench.run(&sequence()).is_clean());
        assert_eq!(workbench.trace().layers, workbench.layers());
    }
}
