//! The argument structure of each entry point.
//!
//! A slice is what the caller really owns; the size field beside it is what the caller claims, as
//! a C driver would see it. `None` stands for a NULL pointer.

use core::fmt;

use crate::{Guid, Hresult, SessionHandle};

/// Length of a session key for AES-128-CTR, in bytes.
pub const SESSION_KEY_LEN: usize = 16;

/// Length of the refresh random number, in bytes: that of the session key.
pub const RANDOM_NUMBER_LEN: usize = SESSION_KEY_LEN;

/// `D3DDDIARG_GETCAPS` of type `D3DDDICAPS_GETCONTENTPROTECTIONCAPS`, with its `DDICONTENTPROTECTIONCAPS`.
pub struct GetContentProtectionCaps<'a> {
    /// For which cipher; NULL_GUID: for any.
    pub crypto_type: Guid,
    /// For what the session decodes; NULL_GUID: for sessions that are not used for decode.
    pub decode_profile: Guid,
    /// Out: a [`ContentProtectionCaps`](crate::ContentProtectionCaps). The whole buffer that the caller
    /// owns.
    pub caps: Option<&'a mut [u8]>,
    /// Length of the buffer as the caller claims it, in bytes; must be
    /// [`ContentProtectionCaps::LEN`](crate::ContentProtectionCaps::LEN).
    pub caps_len: u32,
}

impl fmt::Debug for GetContentProtectionCaps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetContentProtectionCaps")
            .field("crypto_type", &self.crypto_type)
            .field("decode_profile", &self.decode_profile)
            .field("caps_len", &self.caps_len)
            .finish_non_exhaustive()
    }
}

/// Arguments of [`create_device`](crate::CryptoSessionDdi::create_device).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CreateDevice {
    /// Out: the new device, or NULL.
    pub device: crate::DeviceHandle,
}

/// `D3DDDIARG_CREATECRYPTOSESSION`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CreateCryptoSession {
    /// Which cipher the session uses.
    pub crypto_type: Guid,
    /// What the session decodes; NULL_GUID when it is not used for decode.
    pub decode_profile: Guid,
    /// Out: the new session, or NULL.
    pub session: SessionHandle,
}

/// `D3DDDIARG_CRYPTOSESSIONKEYEXCHANGE`.
#[derive(Clone, Copy)]
pub struct CryptoSessionKeyExchange<'a> {
    /// The session to key.
    pub session: SessionHandle,
    /// The wrapped session key.
    pub blob: Option<&'a [u8]>,
    /// Length of the blob as the caller claims it, in bytes. Never written back (S-11).
    pub blob_len: u32,
}

impl fmt::Debug for CryptoSessionKeyExchange<'_> {
    // The blob may hold a key, so it is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoSessionKeyExchange")
            .field("session", &self.session)
            .field("blob_len", &self.blob_len)
            .finish_non_exhaustive()
    }
}

/// `D3DDDIARG_STARTSESSIONKEYREFRESH`.
pub struct StartSessionKeyRefresh<'a> {
    /// The session whose key is to be refreshed.
    pub session: SessionHandle,
    /// Out: the random number. The whole buffer that the caller owns.
    pub random_number: Option<&'a mut [u8]>,
    /// Length of the buffer as the caller claims it, in bytes; must be [`RANDOM_NUMBER_LEN`].
    pub random_number_len: u32,
}

impl fmt::Debug for StartSessionKeyRefresh<'_> {
    // The random number is public on the wire, but it makes the next key out of this one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartSessionKeyRefresh")
            .field("session", &self.session)
            .field("random_number_len", &self.random_number_len)
            .finish_non_exhaustive()
    }
}

/// `D3DAES_CTR_IV`, `D3D11_1DDI_AES_CTR_IV`: 16 bytes, both fields big-endian in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(C)]
pub struct CtrIv {
    /// The IV field as it lies in memory.
    pub iv: [u8; 8],
    /// The Count field as it lies in memory; goes up by one per 16-byte block.
    pub count: [u8; 8],
}

impl CtrIv {
    /// Lays the two numbers out in memory.
    #[must_use]
    pub const fn new(iv: u64, count: u64) -> Self {
        Self { iv: iv.to_be_bytes(), count: count.to_be_bytes() }
    }

    /// The IV as a number; the only form in which IVs may be compared (S-32).
    #[must_use]
    pub const fn iv_number(self) -> u64 {
        u64::from_be_bytes(self.iv)
    }

    /// The Count as a number.
    #[must_use]
    pub const fn count_number(self) -> u64 {
        u64::from_be_bytes(self.count)
    }
}

/// `D3DDDIARG_GETENCRYPTIONBLTKEY`.
pub struct GetEncryptionBltKey<'a> {
    /// The session under whose key the read-back key is wrapped.
    pub session: SessionHandle,
    /// Out: the wrapped read-back key. The whole buffer that the caller owns. The documents mark it as
    /// input; it is an output all the same (S-72).
    pub read_back_key: Option<&'a mut [u8]>,
    /// Length of the buffer as the caller claims it, in bytes; must be [`SESSION_KEY_LEN`].
    pub key_len: u32,
}

impl fmt::Debug for GetEncryptionBltKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetEncryptionBltKey")
            .field("session", &self.session)
            .field("key_len", &self.key_len)
            .finish_non_exhaustive()
    }
}

/// One session-key AES-CTR buffer, with its IV beside it.
#[derive(Clone, Copy)]
pub struct SubmitBuffer<'a> {
    /// The session under whose key the data is encrypted.
    pub session: SessionHandle,
    /// Counter block of the first 16 bytes (`pIV`).
    pub iv: Option<&'a CtrIv>,
    /// The encrypted data.
    pub data: Option<&'a [u8]>,
    /// Length of the data as the caller claims it, in bytes (`DataSize`).
    pub data_len: u32,
    /// Out: names the work until it completes; rises by one per accepted buffer, 0 on refusal.
    pub fence: u64,
}

impl fmt::Debug for SubmitBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitBuffer")
            .field("session", &self.session)
            .field("iv", &self.iv)
            .field("data_len", &self.data_len)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

/// `D3DWDDM2_0DDI_CRYPTO_SESSION_STATUS`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SessionStatus(pub u32);

impl SessionStatus {
    /// The session is as the caller left it.
    pub const OK: Self = Self(0);
    /// The key is gone; the session can only be asked and destroyed.
    pub const KEY_LOST: Self = Self(1);
    /// The key is gone, and so is content that was in flight.
    pub const KEY_AND_CONTENT_LOST: Self = Self(2);
}

impl fmt::Debug for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OK => f.write_str("OK"),
            Self::KEY_LOST => f.write_str("KEY_LOST"),
            Self::KEY_AND_CONTENT_LOST => f.write_str("KEY_AND_CONTENT_LOST"),
            Self(other) => write!(f, "SessionStatus({other})"),
        }
    }
}

/// Arguments of `CheckCryptoSessionStatus`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckCryptoSessionStatus {
    /// The session to ask about.
    pub session: SessionHandle,
    /// Out: its status.
    pub status: SessionStatus,
}

/// How one submitted buffer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion {
    /// The fence that its submission returned.
    pub fence: u64,
    /// `S_OK`, or `D3DDDIERR_DEVICEREMOVED` when the engine was reset first.
    pub code: Hresult,
    /// Where in the surface its plaintext begins, in bytes.
    pub offset: u32,
    /// Length of its plaintext, in bytes; 0 unless `code` is `S_OK`.
    pub len: u32,
}

impl Completion {
    /// A completion that says nothing yet, to fill buffers with.
    pub const EMPTY: Self = Self { fence: 0, code: Hresult::E_PENDING, offset: 0, len: 0 };
}

/// Arguments of [`retire`](crate::CryptoSessionDdi::retire).
pub struct Retire<'a> {
    /// At most this many commands complete.
    pub count: u32,
    /// Out: one entry a completed command, in order of submission.
    pub completions: &'a mut [Completion],
    /// Out: how many entries were written.
    pub completed_count: u32,
    /// Out: stands for the protected surface; the plaintexts, one after the other.
    pub surface: &'a mut [u8],
    /// Out: how many bytes of the surface were written.
    pub surface_len: u32,
}

impl fmt::Debug for Retire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retire")
            .field("count", &self.count)
            .field("completed_count", &self.completed_count)
            .field("surface_len", &self.surface_len)
            .finish_non_exhaustive()
    }
}
