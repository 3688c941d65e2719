//! Structures of the crypto-session entries.

use core::ffi::c_void;

use rekeylab_ddi::Guid;

use crate::Handle;

/// A GUID where C has one: the bytes of [`Guid`], aligned to four.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(4))]
pub struct AlignedGuid(pub Guid);

layout!(AlignedGuid: 16 / 16 {});
const _: () = assert!(align_of::<AlignedGuid>() == 4);

/// `D3DDDIARG_CREATECRYPTOSESSION`.
#[derive(Debug)]
#[repr(C)]
pub struct CreateCryptoSession {
    /// Which cipher the session uses.
    pub crypto_type: AlignedGuid,
    /// What it decodes, or NULL_GUID.
    pub decode_profile: AlignedGuid,
    /// Out: the driver's handle.
    pub session: Handle,
}

layout!(CreateCryptoSession: 40 / 36 { crypto_type @ 0, decode_profile @ 16, session @ 32 });

/// `D3DDDIARG_CRYPTOSESSIONKEYEXCHANGE`.
#[derive(Debug)]
#[repr(C)]
pub struct CryptoSessionKeyExchange {
    /// The session to key.
    pub session: Handle,
    /// Length of the wrapped key, in bytes.
    pub data_size: u32,
    /// The wrapped key.
    pub data: *mut c_void,
}

layout!(CryptoSessionKeyExchange: 24 / 12 { session @ 0, data_size @ 8, data @ 16 });

/// `D3DDDIARG_DESTROYCRYPTOSESSION`.
#[derive(Debug)]
#[repr(C)]
pub struct DestroyCryptoSession {
    /// The session that ends.
    pub session: Handle,
}

layout!(DestroyCryptoSession: 8 / 4 { session @ 0 });

/// `D3DDDIARG_STARTSESSIONKEYREFRESH`.
#[derive(Debug)]
#[repr(C)]
pub struct StartSessionKeyRefresh {
    /// The session whose key is to be refreshed.
    pub session: Handle,
    /// Where the driver writes the random number.
    pub random_number: *mut c_void,
    /// How many bytes it writes there.
    pub random_number_size: u32,
}

layout!(StartSessionKeyRefresh: 24 / 12 { session @ 0, random_number @ 8, random_number_size @ 16 });

/// `D3DDDIARG_FINISHSESSIONKEYREFRESH`.
#[derive(Debug)]
#[repr(C)]
pub struct FinishSessionKeyRefresh {
    /// The session that uses the updated key from here on.
    pub session: Handle,
}

layout!(FinishSessionKeyRefresh: 8 / 4 { session @ 0 });

/// `D3DDDIARG_GETENCRYPTIONBLTKEY`.
#[derive(Debug)]
#[repr(C)]
pub struct GetEncryptionBltKey {
    /// The session.
    pub session: Handle,
    /// Where the driver writes the key.
    pub read_back_key: *mut c_void,
    /// How many bytes it writes there.
    pub key_size: u32,
}

layout!(GetEncryptionBltKey: 24 / 12 { session @ 0, read_back_key @ 8, key_size @ 16 });

/// `D3DDDIARG_ENCRYPTIONBLT`: out of a protected surface, encrypted.
#[derive(Debug)]
#[repr(C)]
pub struct EncryptionBlt {
    /// Under whose key.
    pub session: Handle,
    /// The protected surface.
    pub src_resource: Handle,
    /// Which part of it.
    pub src_sub_resource_index: u32,
    /// System memory.
    pub dst_resource: Handle,
    /// Which part of it.
    pub dst_sub_resource_index: u32,
    /// Size of the destination, in bytes.
    pub dst_resource_size: u32,
    /// The counter under which it was encrypted, a [`CtrIv`]: out.
    pub iv: *mut c_void,
}

layout!(EncryptionBlt: 48 / 28 {
    session @ 0, src_resource @ 8, src_sub_resource_index @ 16, dst_resource @ 24,
    dst_sub_resource_index @ 32, dst_resource_size @ 36, iv @ 40,
});

/// `D3DDDIENCRYPTED_BLOCK_INFO`: which bytes of a buffer are encrypted.
#[derive(Debug)]
#[repr(C)]
pub struct EncryptedBlockInfo {
    /// At the beginning.
    pub num_encrypted_bytes_at_beginning: u32,
    /// Then so many that are not, and
    pub num_bytes_in_skip_pattern: u32,
    /// so many that are, in turns.
    pub num_bytes_in_encrypt_pattern: u32,
}

layout!(EncryptedBlockInfo: 12 / 12 {
    num_encrypted_bytes_at_beginning @ 0, num_bytes_in_skip_pattern @ 4,
    num_bytes_in_encrypt_pattern @ 8,
});

/// `D3DDDIARG_DECRYPTIONBLT`: encrypted bytes in system memory into a surface.
#[derive(Debug)]
#[repr(C)]
pub struct DecryptionBlt {
    /// Under whose key.
    pub session: Handle,
    /// System memory.
    pub src_resource: Handle,
    /// Which part of it.
    pub src_sub_resource_index: u32,
    /// The surface.
    pub dst_resource: Handle,
    /// Which part of it.
    pub dst_sub_resource_index: u32,
    /// Size of the source, in bytes.
    pub src_resource_size: u32,
    /// Which bytes are encrypted; NULL for all.
    pub encrypted_block_info: *mut EncryptedBlockInfo,
    /// A content key that is itself encrypted under the session key; NULL for the session key.
    pub content_key: *mut c_void,
    /// The counter of the first block, a [`CtrIv`].
    pub iv: *mut c_void,
}

layout!(DecryptionBlt: 64 / 36 {
    session @ 0, src_resource @ 8, src_sub_resource_index @ 16, dst_resource @ 24,
    dst_sub_resource_index @ 32, src_resource_size @ 36, encrypted_block_info @ 40, content_key @ 48,
    iv @ 56,
});

/// `D3DDDIARG_GETPITCH`.
#[derive(Debug)]
#[repr(C)]
pub struct GetPitch {
    /// The session.
    pub session: Handle,
    /// The resource.
    pub resource: Handle,
    /// Which part of it.
    pub sub_resource_index: u32,
    /// Out: bytes from row to row.
    pub pitch: u32,
}

layout!(GetPitch: 24 / 16 { session @ 0, resource @ 8, sub_resource_index @ 16, pitch @ 20 });

/// `D3DAES_CTR_IV`: the counter block as it is encrypted, both parts big-endian.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct CtrIv {
    /// The IV.
    pub iv: [u8; 8],
    /// The Count.
    pub count: [u8; 8],
}

layout!(CtrIv: 16 / 16 { iv @ 0, count @ 8 });
