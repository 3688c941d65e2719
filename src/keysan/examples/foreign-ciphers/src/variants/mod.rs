//! The calls under test: each makes a new cipher, encrypts, and drops it.

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(feature = "openssl")]
mod openssl;
mod plain;
#[cfg(feature = "ring")]
mod ring;
mod rustcrypto;

/// What a call is given, all of it by reference: what it leaves behind, it copied itself.
pub(crate) struct Task<'a> {
    pub(crate) key: &'a [u8; 16],
    /// The first twelve bytes of every counter block.
    #[cfg_attr(
        not(any(feature = "ring", feature = "aws-lc")),
        expect(dead_code, reason = "only GCM takes the nonce by itself")
    )]
    pub(crate) nonce: &'a [u8; 12],
    /// The counter block that encrypts the first block of text: the nonce, then
    /// [`FIRST_COUNT`](crate::needles::FIRST_COUNT).
    pub(crate) counter_block: &'a [u8; 16],
    /// Encrypted in place.
    pub(crate) text: &'a mut [u8],
}

/// One line of the table.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    /// `None` if its feature is switched off.
    pub(crate) call: Option<fn(&mut Task<'_>)>,
    /// Whether the text is encrypted afterwards, or as it was.
    pub(crate) encrypts: bool,
    /// Whether the library takes memory from C's `malloc`, past the Rust allocator.
    pub(crate) has_c_heap: bool,
}

/// A variant of a library that can be switched off.
macro_rules! optional {
    ($feature:literal, $call:path) => {{
        #[cfg(feature = $feature)]
        let call: Option<fn(&mut Task<'_>)> = Some($call);
        #[cfg(not(feature = $feature))]
        let call = None;
        call
    }};
}

/// All of them, in the order of the table.
pub(crate) const ALL: [Variant; 15] = [
    control("control: does nothing", plain::nothing),
    control("Zeroizing<[u8; 16]> on the stack", plain::zeroizing),
    control("Zeroizing returned, then boxed", plain::zeroizing_boxed),
    control("Zeroizing<Vec<u8>> grown by push", plain::zeroizing_grown),
    rust("aes + ctr", rustcrypto::on_the_stack),
    rust("aes + ctr, boxed", rustcrypto::boxed),
    rust("aes + ctr, only made and dropped", rustcrypto::unused).without_encrypting(),
    rust("aes + ctr, 8 KiB of stack wiped", rustcrypto::wiped::<{ 8 << 10 }>),
    rust("aes + ctr, 64 KiB of stack wiped", rustcrypto::wiped::<{ 64 << 10 }>),
    rust("aes, a block at a time", rustcrypto::block_by_block),
    foreign("ring AES-GCM", optional!("ring", ring::gcm)).without_c_heap(),
    foreign("aws-lc-rs AES-CTR", optional!("aws-lc", aws_lc::ctr)),
    foreign("aws-lc-rs AES-GCM", optional!("aws-lc", aws_lc::gcm)),
    foreign("OpenSSL AES-CTR", optional!("openssl", openssl::ctr)),
    rust("rekeylab-cipher", plain::rekeylab_cipher),
];

const fn rust(name: &'static str, call: fn(&mut Task<'_>)) -> Variant {
    Variant { name, call: Some(call), encrypts: true, has_c_heap: false }
}

const fn control(name: &'static str, call: fn(&mut Task<'_>)) -> Variant {
    rust(name, call).without_encrypting()
}

const fn foreign(name: &'static str, call: Option<fn(&mut Task<'_>)>) -> Variant {
    Variant { name, call, encrypts: true, has_c_heap: true }
}

impl Variant {
    const fn without_encrypting(self) -> Variant {
        Variant { encrypts: false, ..self }
    }

    const fn without_c_heap(self) -> Variant {
        Variant { has_c_heap: false, ..self }
    }
}
