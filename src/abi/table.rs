//! The device table: 143 entries, each with its name, its place and the version that promises it.

use crate::Entry;

/// How many entries are known.
pub const ENTRY_COUNT: usize = 143;

/// `D3DDDI_DEVICEFUNCS`, by index; see [`NAMES`]. The first argument of each entry is the driver's hDevice.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DeviceFuncs {
    /// The addresses.
    pub entries: [Entry; ENTRY_COUNT],
}

layout!(DeviceFuncs: 1144 / 572 { entries @ 0 });

/// How many entries a driver of this interface version promises; whatever it writes behind them means
/// nothing.
#[must_use]
pub const fn promised(version: u32) -> usize {
    match version {
        0x6001.. => 143,
        0x5002.. => 141,
        0x4002.. => 140,
        0x3004.. => 131,
        0x2003.. => 121,
        _ => 99,
    }
}

/// Indices of the entries that are called here.
pub mod index {
    /// `Lock`.
    pub const LOCK: usize = 35;
    /// `Unlock`.
    pub const UNLOCK: usize = 36;
    /// `CreateResource`.
    pub const CREATE_RESOURCE: usize = 37;
    /// `DestroyResource`.
    pub const DESTROY_RESOURCE: usize = 38;
    /// `Flush`.
    pub const FLUSH: usize = 41;
    /// `DestroyDevice`.
    pub const DESTROY_DEVICE: usize = 91;
    /// `CreateCryptoSession`.
    pub const CREATE_CRYPTO_SESSION: usize = 111;
    /// `CryptoSessionKeyExchange`.
    pub const CRYPTO_SESSION_KEY_EXCHANGE: usize = 112;
    /// `DestroyCryptoSession`.
    pub const DESTROY_CRYPTO_SESSION: usize = 113;
    /// `EncryptionBlt`.
    pub const ENCRYPTION_BLT: usize = 114;
    /// `GetPitch`.
    pub const GET_PITCH: usize = 115;
    /// `StartSessionKeyRefresh`.
    pub const START_SESSION_KEY_REFRESH: usize = 116;
    /// `FinishSessionKeyRefresh`.
    pub const FINISH_SESSION_KEY_REFRESH: usize = 117;
    /// `GetEncryptionBltKey`.
    pub const GET_ENCRYPTION_BLT_KEY: usize = 118;
    /// `DecryptionBlt`.
    pub const DECRYPTION_BLT: usize = 119;
    /// `CreateResource2`.
    pub const CREATE_RESOURCE2: usize = 128;
    /// `Flush1`.
    pub const FLUSH1: usize = 132;
}

/// The names of all entries, without `pfn`.
pub const NAMES: [&str; ENTRY_COUNT] = [
    "SetRenderState",
    "UpdateWInfo",
    "ValidateDevice",
    "SetTextureStageState",
    "SetTexture",
    "SetPixelShader",
    "SetPixelShaderConst",
    "SetStreamSourceUm",
    "SetIndices",
    "SetIndicesUm",
    "DrawPrimitive",
    "DrawIndexedPrimitive",
    "DrawRectPatch",
    "DrawTriPatch",
    "DrawPrimitive2",
    "DrawIndexedPrimitive2",
    "VolBlt",
    "BufBlt",
    "TexBlt",
    "StateSet",
    "SetPriority",
    "Clear",
    "UpdatePalette",
    "SetPalette",
    "SetVertexShaderConst",
    "MultiplyTransform",
    "SetTransform",
    "SetViewport",
    "SetZRange",
    "SetMaterial",
    "SetLight",
    "CreateLight",
    "DestroyLight",
    "SetClipPlane",
    "GetInfo",
    "Lock",
    "Unlock",
    "CreateResource",
    "DestroyResource",
    "SetDisplayMode",
    "Present",
    "Flush",
    "CreateVertexShaderFunc",
    "DeleteVertexShaderFunc",
    "SetVertexShaderFunc",
    "CreateVertexShaderDecl",
    "DeleteVertexShaderDecl",
    "SetVertexShaderDecl",
    "SetVertexShaderConstI",
    "SetVertexShaderConstB",
    "SetScissorRect",
    "SetStreamSource",
    "SetStreamSourceFreq",
    "SetConvolutionKernelMono",
    "ComposeRects",
    "Blt",
    "ColorFill",
    "DepthFill",
    "CreateQuery",
    "DestroyQuery",
    "IssueQuery",
    "GetQueryData",
    "SetRenderTarget",
    "SetDepthStencil",
    "GenerateMipSubLevels",
    "SetPixelShaderConstI",
    "SetPixelShaderConstB",
    "CreatePixelShader",
    "DeletePixelShader",
    "CreateDecodeDevice",
    "DestroyDecodeDevice",
    "SetDecodeRenderTarget",
    "DecodeBeginFrame",
    "DecodeEndFrame",
    "DecodeExecute",
    "DecodeExtensionExecute",
    "CreateVideoProcessDevice",
    "DestroyVideoProcessDevice",
    "VideoProcessBeginFrame",
    "VideoProcessEndFrame",
    "SetVideoProcessRenderTarget",
    "VideoProcessBlt",
    "CreateExtensionDevice",
    "DestroyExtensionDevice",
    "ExtensionExecute",
    "CreateOverlay",
    "UpdateOverlay",
    "FlipOverlay",
    "GetOverlayColorControls",
    "SetOverlayColorControls",
    "DestroyOverlay",
    "DestroyDevice",
    "QueryResourceResidency",
    "OpenResource",
    "GetCaptureAllocationHandle",
    "CaptureToSysMem",
    "LockAsync",
    "UnlockAsync",
    "Rename",
    "CreateVideoProcessor",
    "SetVideoProcessBltState",
    "GetVideoProcessBltStatePrivate",
    "SetVideoProcessStreamState",
    "GetVideoProcessStreamStatePrivate",
    "VideoProcessBltHD",
    "DestroyVideoProcessor",
    "CreateAuthenticatedChannel",
    "AuthenticatedChannelKeyExchange",
    "QueryAuthenticatedChannel",
    "ConfigureAuthenticatedChannel",
    "DestroyAuthenticatedChannel",
    "CreateCryptoSession",
    "CryptoSessionKeyExchange",
    "DestroyCryptoSession",
    "EncryptionBlt",
    "GetPitch",
    "StartSessionKeyRefresh",
    "FinishSessionKeyRefresh",
    "GetEncryptionBltKey",
    "DecryptionBlt",
    "ResolveSharedResource",
    "VolBlt1",
    "BufBlt1",
    "TexBlt1",
    "Discard",
    "OfferResources",
    "ReclaimResources",
    "CheckDirectFlipSupport",
    "CreateResource2",
    "CheckMultiPlaneOverlaySupport",
    "PresentMultiPlaneOverlay",
    "Reserved1",
    "Flush1",
    "CheckCounterInfo",
    "CheckCounter",
    "UpdateSubresourceUP",
    "Present1",
    "CheckPresentDurationSupport",
    "SetMarker",
    "SetMarkerMode",
    "TrimResidencySet",
    "AcquireResource",
    "ReleaseResource",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_that_are_called_have_their_names() {
        for (index, name) in [
            (index::LOCK, "Lock"),
            (index::UNLOCK, "Unlock"),
            (index::CREATE_RESOURCE, "CreateResource"),
            (index::DESTROY_RESOURCE, "DestroyResource"),
            (index::FLUSH, "Flush"),
            (index::DESTROY_DEVICE, "DestroyDevice"),
            (index::CREATE_CRYPTO_SESSION, "CreateCryptoSession"),
            (index::CRYPTO_SESSION_KEY_EXCHANGE, "CryptoSessionKeyExchange"),
            (index::DESTROY_CRYPTO_SESSION, "DestroyCryptoSession"),
            (index::ENCRYPTION_BLT, "EncryptionBlt"),
            (index::GET_PITCH, "GetPitch"),
            (index::START_SESSION_KEY_REFRESH, "StartSessionKeyRefresh"),
            (index::FINISH_SESSION_KEY_REFRESH, "FinishSessionKeyRefresh"),
            (index::GET_ENCRYPTION_BLT_KEY, "GetEncryptionBltKey"),
            (index::DECRYPTION_BLT, "DecryptionBlt"),
            (index::CREATE_RESOURCE2, "CreateResource2"),
            (index::FLUSH1, "Flush1"),
        ] {
            assert_eq!(NAMES[index], name);
        }
    }

    #[test]
    fn each_version_promises_what_was_known_then() {
        let counts = [0x000C, 0x2002, 0x2003, 0x3004, 0x4002, 0x5002, 0x6000, 0x6001, 0xF000];
        assert_eq!(counts.map(promised), [99, 99, 121, 131, 140, 141, 141, 143, 143]);
    }
}
