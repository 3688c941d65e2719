//! What the adapter says that it can do.

use rekeylab_ddi::{ContentProtectionCaps, Guid, Hresult};

use crate::limits::{BLOCK_ALIGNMENT, Bounds};

/// What sessions of a crypto type can do that decode with a profile, whose keys come by this mechanism.
///
/// Semantics decision: a bit stands for an entry that works, and every optional entry that works has its
/// bit (R-07, S-50, INV-11). A session can do the same with a profile and without one, so the answers are the
/// same, and the union over all types is that of the one type that is offered.
pub(crate) fn offered(
    crypto_type: Guid,
    decode_profile: Guid,
    key_exchange_type: Guid,
    bounds: &Bounds,
) -> Result<ContentProtectionCaps, Hresult> {
    match crypto_type {
        Guid::NULL | Guid::CRYPTO_TYPE_AES128_CTR => {}
        // As for create: known, and offered with no profile.
        Guid::CRYPTO_TYPE_PROPRIETARY => return Err(Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO),
        _ => return Err(Hresult::D3DDDIERR_NOTAVAILABLE),
    }
    if !matches!(decode_profile, Guid::NULL | Guid::DECODE_PROFILE_H264_VLD) {
        return Err(Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO);
    }
    Ok(ContentProtectionCaps {
        caps: ContentProtectionCaps::SOFTWARE
            | ContentProtectionCaps::FRESHEN_SESSION_KEY
            | ContentProtectionCaps::ENCRYPTED_READ_BACK_KEY
            | ContentProtectionCaps::SEQUENTIAL_CTR_IV,
        key_exchange_type,
        buffer_alignment_start: BLOCK_ALIGNMENT,
        block_alignment_size: BLOCK_ALIGNMENT,
        protected_memory_size: bounds.queue_len_max.into(),
    })
}
