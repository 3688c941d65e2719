//! What is tried of a driver once, before any sequence runs: whether it offers what its data sheet wants of it.

use rekeylab_abi::{Device, table};
use rekeylab_ddi::{CtrIv, Guid, Hresult};

use super::key_exchange::KeyWrapper;
use super::undrivable::Undrivable;

/// Tries whether surfaces can be read by `EncryptionBlt`, with one that was uploaded before.
///
/// Only a driver that says that it has no such thing is refused. What else it does is not judged here: a
/// sequence would tell it better.
///
/// # Errors
///
/// [`Undrivable::NoReadBack`].
pub(super) fn can_read_back(device: &Device, keys: &KeyWrapper) -> Result<(), Undrivable> {
    if !device.has_entry(table::index::ENCRYPTION_BLT) {
        return Err(Undrivable::no_read_back(None));
    }
    match read_back(device, keys) {
        Some(code @ (Hresult::D3DDDIERR_NOTAVAILABLE | Hresult::E_NOTIMPL)) => {
            Err(Undrivable::no_read_back(Some(code)))
        }
        _ => Ok(()),
    }
}

/// What `EncryptionBlt` answers; `None` where it does not come to that.
fn read_back(device: &Device, keys: &KeyWrapper) -> Option<Hresult> {
    let (_, session) = device.create_crypto_session(Guid::CRYPTO_TYPE_AES128_CTR, Guid::NULL)?;
    let session = session?;
    let mut wrapped = keys.wrap(&[0x5A; 16]).ok()?;
    let size = u32::try_from(wrapped.len()).ok()?;
    let exchanged = device.key_exchange(session, Some(&mut wrapped), size)?;
    let mut answer = None;
    if exchanged.is_ok() {
        let (_, source) = device.create_system_memory(LEN)?;
        let (_, surface) = device.create_surface(LEN)?;
        let (_, target) = device.create_system_memory(LEN)?;
        if let (Some(source), Some(surface), Some(target)) = (source, surface, target) {
            let counter = Some(CtrIv::new(1, 0));
            if device.decryption_blt(session, &source, surface, LEN, counter)?.is_ok() {
                answer = device.encryption_blt(session, surface, &target).map(|(code, _)| code);
            }
            for resource in [target.resource, surface, source.resource] {
                device.destroy_resource(resource);
            }
        }
    }
    device.destroy_crypto_session(session);
    answer
}

/// Bytes that are uploaded and read.
const LEN: u32 = 64;
