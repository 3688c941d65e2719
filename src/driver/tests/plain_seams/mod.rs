//! A core on seams that never fail, and the calls that the tests make on it.

#![allow(dead_code, reason = "each test that uses this module uses another part of it")]

use rekeylab_ddi::{
    Completion, CreateCryptoSession, CreateDevice, CryptoSessionDdi, CryptoSessionKeyExchange,
    CtrIv, DeviceHandle, GetEncryptionBltKey, Guid, Hresult, Retire, SessionHandle,
    StartSessionKeyRefresh, SubmitBuffer,
};
use rekeylab_driver::{
    Adapter, Bounds, Entropy, EntropyError, KeyUnwrap, SoftwareEngine, UnwrapError,
};

/// Answers the same number every time, which is enough for one refresh.
pub(crate) struct OneRandom;

pub(crate) const RANDOM: [u8; 16] =
    *b"\x90\x1f\xc7\x22\xa8\x6d\x35\xfe\x0b\xe4\x51\x7c\xd9\x83\x46\xba";

impl Entropy for OneRandom {
    fn fill(&mut self, random: &mut [u8; 16]) -> Result<(), EntropyError> {
        *random = RANDOM;
        Ok(())
    }
}

/// The blob is the key; one of zeros does not unwrap, and leaves half of something behind.
pub(crate) struct Unwrapped;

impl KeyUnwrap for Unwrapped {
    fn exchange_type(&self) -> Guid {
        Guid::KEY_EXCHANGE_PLAIN
    }

    fn blob_len(&self) -> usize {
        16
    }

    fn unwrap_key(&mut self, blob: &[u8], key: &mut [u8; 16]) -> Result<(), UnwrapError> {
        key.copy_from_slice(blob);
        if *key == [0; 16] {
            key[..8].fill(0x5A);
            return Err(UnwrapError);
        }
        Ok(())
    }
}

/// Few generations, so that a test can reach the last.
pub(crate) fn bounds() -> Bounds {
    Bounds { generations_max: 3, ..Bounds::default() }
}

pub(crate) fn adapter() -> Adapter {
    Adapter::new(OneRandom, SoftwareEngine, Unwrapped, bounds())
}

pub(crate) fn device(adapter: &mut impl CryptoSessionDdi) -> DeviceHandle {
    let mut args = CreateDevice::default();
    assert_eq!(adapter.create_device(&mut args), Hresult::S_OK);
    args.device
}

/// A new session without a key.
pub(crate) fn new_session(
    adapter: &mut impl CryptoSessionDdi,
    device: DeviceHandle,
) -> SessionHandle {
    let mut args = CreateCryptoSession {
        crypto_type: Guid::CRYPTO_TYPE_AES128_CTR,
        decode_profile: Guid::NULL,
        session: SessionHandle::NULL,
    };
    assert_eq!(adapter.create_crypto_session(device, &mut args), Hresult::S_OK);
    args.session
}

/// A new session, which has taken `key`.
pub(crate) fn keyed_session(
    adapter: &mut impl CryptoSessionDdi,
    device: DeviceHandle,
    key: &[u8; 16],
) -> SessionHandle {
    let session = new_session(adapter, device);
    let args = CryptoSessionKeyExchange { session, blob: Some(key), blob_len: 16 };
    assert_eq!(adapter.crypto_session_key_exchange(device, &args), Hresult::S_OK);
    session
}

pub(crate) fn start(
    adapter: &mut impl CryptoSessionDdi,
    device: DeviceHandle,
    session: SessionHandle,
) {
    let mut random = [0; 16];
    let mut args =
        StartSessionKeyRefresh { session, random_number: Some(&mut random), random_number_len: 16 };
    assert_eq!(adapter.start_session_key_refresh(device, &mut args), Hresult::S_OK);
}

/// Asks for a read-back key and answers its wrap.
pub(crate) fn read_back_key(
    adapter: &mut impl CryptoSessionDdi,
    device: DeviceHandle,
    session: SessionHandle,
) -> [u8; 16] {
    let mut wrapped = [0xE7; 16];
    let mut args = GetEncryptionBltKey { session, read_back_key: Some(&mut wrapped), key_len: 16 };
    assert_eq!(adapter.get_encryption_blt_key(device, &mut args), Hresult::S_OK);
    wrapped
}

/// Submits one block and answers its fence.
pub(crate) fn submit(
    adapter: &mut impl CryptoSessionDdi,
    device: DeviceHandle,
    session: SessionHandle,
    iv: u64,
) -> u64 {
    let counter = CtrIv::new(iv, 0);
    let mut args =
        SubmitBuffer { session, iv: Some(&counter), data: Some(&[0; 16]), data_len: 16, fence: 0 };
    assert_eq!(adapter.submit_buffer(device, &mut args), Hresult::S_OK);
    args.fence
}

pub(crate) fn retire(adapter: &mut impl CryptoSessionDdi, count: u32) {
    let (mut completions, mut surface) = ([Completion::EMPTY; 4], [0; 64]);
    let mut args = Retire {
        count,
        completions: &mut completions,
        completed_count: 0,
        surface: &mut surface,
        surface_len: 0,
    };
    assert_eq!(adapter.retire(&mut args), Hresult::S_OK);
    assert_eq!(args.completed_count, count);
}
