//! The crypto-session part of the Direct3D user-mode driver interface (DDI), as Rust types.
//!
//! This package is vocabulary: handles, return codes, argument structures and the trait
//! [`CryptoSessionDdi`]. It imports nothing and decides nothing. Names map one to one to the
//! documents: `start_session_key_refresh` is `StartSessionKeyRefresh` of `d3dumddi.h` and
//! `d3d10umddi.h`, and [`StartSessionKeyRefresh`] is its argument structure.
//!
//! Everything that crosses the trait has a C counterpart: codes are 32-bit numbers, handles are
//! opaque 64-bit numbers, buffers belong to the caller and travel as pointer (a slice, or `None`
//! for NULL) with the size the caller claims. A driver behind a C function table can therefore
//! implement the trait with a thin shim, and nothing in the workbench would notice.
//!
//! Ids such as R-16 or S-11 name the rules and the silent points that the project works from;
//! `rekeylab list rules` prints each with the code that decides it.

mod arguments;
mod capabilities;
mod guid;
mod handle;
mod hresult;
mod limits;

pub use arguments::{
    CheckCryptoSessionStatus, Completion, CreateCryptoSession, CreateDevice,
    CryptoSessionKeyExchange, CtrIv, GetContentProtectionCaps, GetEncryptionBltKey,
    RANDOM_NUMBER_LEN, Retire, SESSION_KEY_LEN, SessionStatus, StartSessionKeyRefresh,
    SubmitBuffer,
};
pub use capabilities::ContentProtectionCaps;
pub use guid::Guid;
pub use handle::{DeviceHandle, SessionHandle};
pub use hresult::Hresult;
pub use limits::Limits;

/// The entry points of one adapter's crypto-session family.
///
/// Each method answers with one [`Hresult`]; what else it returns is written through its
/// arguments. Arguments are checked in one order everywhere, so that a call with several faults
/// has one answer: the device handle, the session handle, the arguments, the session's state, the
/// bounds. What is inside a wrapped key is looked at after the state. A refused call changes nothing (INV-04), and every call is total: any combination of
/// arguments gets a code (INV-10).
///
/// Codes that several methods share:
///
/// * `D3DDDIERR_INVALIDHANDLE`: the device or session handle is unknown, dead, worn out or
///   belongs to another device; always this one code (R-02, S-23, S-44).
/// * `E_INVALIDARG`: an argument is wrong whatever the state (S-11, S-15, S-40).
/// * `D3DDDIERR_INVALIDCALL`: the session's state does not allow the call (S-45).
/// * `E_OUTOFMEMORY`: a bound or an allocation said no; the call had no effect.
pub trait CryptoSessionDdi {
    /// `GetCaps` of type `D3DDDICAPS_GETCONTENTPROTECTIONCAPS`, `GetContentProtectionCaps`: says what the
    /// driver can do for a crypto type and a decode profile.
    ///
    /// It is asked of the adapter, before there is a device, and changes nothing. What it says is what
    /// the entries do, neither more nor less (R-07, S-50, INV-11). NULL_GUID as the type asks for what
    /// any type can do, NULL_GUID as the profile for sessions that are not used for decode. The size must
    /// be exactly [`ContentProtectionCaps::LEN`] bytes, and exactly that many are written. When the call
    /// is refused and the buffer is present with the right size, it is zeroed (S-48), which says that
    /// nothing can be done. Codes: `S_OK`; `D3DDDIERR_NOTAVAILABLE` (crypto type unknown, R-04);
    /// `D3DDDIERR_UNSUPPORTEDCRYPTO` (type known, but not for this decode profile, R-05);
    /// `E_INVALIDARG`. A driver without content protection answers `D3DDDIERR_NOTAVAILABLE` to whatever
    /// is asked, as this does, and touches no output.
    fn get_content_protection_caps(&mut self, args: &mut GetContentProtectionCaps<'_>) -> Hresult {
        let _ = args;
        Hresult::D3DDDIERR_NOTAVAILABLE
    }

    /// Opens a device on the adapter and writes its handle.
    ///
    /// Devices own sessions. Codes: `S_OK`, `E_OUTOFMEMORY` (as many devices as
    /// [`Limits::devices_max`] are open, every slot is worn out (S-24), or an allocation failed).
    /// On failure the handle is NULL.
    fn create_device(&mut self, args: &mut CreateDevice) -> Hresult;

    /// Closes a device, and with it every session it created.
    ///
    /// The sessions die at once, as if each had been destroyed (S-22); work already submitted
    /// completes under the keys it captured (INV-08). Codes: `S_OK`, `D3DDDIERR_INVALIDHANDLE`.
    fn destroy_device(&mut self, device: DeviceHandle) -> Hresult;

    /// `CreateCryptoSession`: makes a session without a key, owned by `device`.
    ///
    /// Codes: `S_OK`; `D3DDDIERR_NOTAVAILABLE` (crypto type unknown or NULL_GUID, R-04);
    /// `D3DDDIERR_UNSUPPORTEDCRYPTO` (type known, but not for this decode profile, R-05);
    /// `E_OUTOFMEMORY`; `D3DDDIERR_INVALIDHANDLE`. On failure the handle is NULL and no destroy
    /// is expected (S-56).
    fn create_crypto_session(
        &mut self,
        device: DeviceHandle,
        args: &mut CreateCryptoSession,
    ) -> Hresult;

    /// `CryptoSessionKeyExchange`: gives the session its key, once in its life (S-07, S-08).
    ///
    /// The blob is unwrapped by the driver's key-exchange mechanism, whose exact length it must
    /// have. Every fault of the blob has the one code `E_INVALIDARG` and the same work
    /// behind it (S-13). Codes: `S_OK`, `E_INVALIDARG`, `D3DDDIERR_INVALIDCALL` (already keyed,
    /// refreshing or lost), `D3DDDIERR_INVALIDHANDLE`.
    fn crypto_session_key_exchange(
        &mut self,
        device: DeviceHandle,
        args: &CryptoSessionKeyExchange<'_>,
    ) -> Hresult;

    /// `StartSessionKeyRefresh`: draws a random number, keeps it and hands it out.
    ///
    /// The key in force does not change (R-19, INV-01). The size must be exactly
    /// [`RANDOM_NUMBER_LEN`] bytes (S-11), and exactly that many bytes are written. When the call
    /// is refused and the buffer is present with the right size, it is zeroed (S-48); otherwise
    /// it is not touched. Codes: `S_OK`; `E_INVALIDARG`; `D3DDDIERR_INVALIDCALL` (no key, S-04;
    /// already refreshing, S-01; lost, S-52); `E_FAIL` (the entropy source failed or kept
    /// repeating itself, S-06, S-12); `D3DDDIERR_INVALIDHANDLE`.
    fn start_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        args: &mut StartSessionKeyRefresh<'_>,
    ) -> Hresult;

    /// `FinishSessionKeyRefresh`: XORs the kept random number into the key (R-17, INV-02).
    ///
    /// Every buffer submitted from here on uses the new key; buffers submitted before keep
    /// the old one, wherever the GPU stands (S-17). The random number is consumed (S-03) and old
    /// key material is erased (S-79). It does not end the session (S-71). Codes: `S_OK`;
    /// `D3DDDIERR_INVALIDCALL` (no random number waits, S-02; lost, S-52);
    /// `D3DDDIERR_INVALIDHANDLE`.
    fn finish_session_key_refresh(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
    ) -> Hresult;

    /// `GetEncryptionBltKey`: makes a new read-back key and hands it out, wrapped under the session key.
    ///
    /// Each call makes another key (R-35, INV-13), which replaces the one before and lives until finish,
    /// for which the client asks again (S-19), or until the session ends. The wrap is one block of AES-ECB
    /// under the key in force, which is the old one until finish. The size must be
    /// exactly [`SESSION_KEY_LEN`] bytes (S-41), and exactly that many are written. When the call is
    /// refused and the buffer is present with the right size, it is zeroed (S-48), and the key before
    /// stays. Codes: `S_OK`; `E_INVALIDARG`; `D3DDDIERR_INVALIDCALL` (no key, S-05; lost, S-52); `E_FAIL`
    /// (the entropy source failed or kept repeating itself, S-12); `D3DDDIERR_INVALIDHANDLE`. The call is
    /// optional. A driver without it answers `D3DDDIERR_NOTAVAILABLE` to whatever is asked,
    /// as this does, and touches no output.
    fn get_encryption_blt_key(
        &mut self,
        device: DeviceHandle,
        args: &mut GetEncryptionBltKey<'_>,
    ) -> Hresult {
        let _ = (device, args);
        Hresult::D3DDDIERR_NOTAVAILABLE
    }

    /// Submits one AES-CTR buffer, encrypted under the session key, for the GPU to process.
    ///
    /// Stands for the session-key part of `DecodeExecute`/`VideoDecoderSubmitBuffers`. The driver
    /// copies the data, the counter and the key of this moment (INV-08, S-43) and writes a fence
    /// by which [`retire`](Self::retire) names the work when it completes. The counter block is
    /// `IV || Count` in big-endian order; per session the pair must only ever rise, over
    /// all refreshes (S-26, S-30, S-34). Codes: `S_OK`; `E_INVALIDARG` (NULL data or IV, length 0,
    /// not a whole number of blocks or above [`Limits::buffer_len_max`] (S-40), Count that would
    /// pass 2^64 (S-33)); `D3DDDIERR_INVALIDCALL` (no key (S-05), lost (S-52), counter not above
    /// the last ); `D3DDDIERR_WASSTILLDRAWING` (the queue is full);
    /// `E_OUTOFMEMORY`; `D3DDDIERR_INVALIDHANDLE`. A refused buffer consumes no counter (S-37).
    fn submit_buffer(&mut self, device: DeviceHandle, args: &mut SubmitBuffer<'_>) -> Hresult;

    /// `CheckCryptoSessionStatus`: says whether the session still has its key (S-52, R-68).
    ///
    /// Codes: `S_OK`, `D3DDDIERR_INVALIDHANDLE` (status written as
    /// [`SessionStatus::KEY_AND_CONTENT_LOST`], so that an ignored code fails closed).
    fn check_crypto_session_status(
        &mut self,
        device: DeviceHandle,
        args: &mut CheckCryptoSessionStatus,
    ) -> Hresult;

    /// `DestroyCryptoSession`: ends the session for every caller, at once.
    ///
    /// Never fails for a live session (S-49), also while a refresh waits (S-21), work is in flight
    /// (S-22) or the key is lost. Codes: `S_OK`, `D3DDDIERR_INVALIDHANDLE`.
    fn destroy_crypto_session(&mut self, device: DeviceHandle, session: SessionHandle) -> Hresult;

    /// Lets the GPU timeline advance by up to `count` commands and says what they produced.
    ///
    /// No entry of the documents: time passes by itself there. Here it is a call, so that work in
    /// flight interleaves with everything else in every order, reproducibly. Commands complete in
    /// the order of submission, each exactly once. Stops early, with `S_OK`, when the queue is
    /// empty or a command's result does not fit what is left of the caller's buffers.
    fn retire(&mut self, args: &mut Retire<'_>) -> Hresult;

    /// The tear-down event: the engine is reset and every session key on the adapter is lost.
    ///
    /// Live sessions become Lost (S-52, S-54) and all their key material is erased (S-79). Work
    /// in flight completes at once in order as [`Hresult::D3DDDIERR_DEVICEREMOVED`] with no
    /// bytes; its completions are delivered by the next [`retire`](Self::retire).
    fn reset_engine(&mut self) -> Hresult;
}
