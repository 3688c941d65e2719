//! The words that arguments are chosen from, each with its permanent number on the wire.

use super::argument::{Field, Record, Value, WireField};

/// Declares an enum of argument words, with the text word of each and their numbers on the wire.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value, in the order of its number on the wire.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word of every value, in the same order.
            pub const WORDS: &[&str] = &[$($word,)*];

            /// The word in the text form.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The value with this word, or `None`.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }

            /// The value's number on the wire.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The value that a wire number stands for; numbers above the last wrap.
            #[must_use]
            pub fn from_number(number: u8) -> Self {
                Self::ALL[usize::from(number) % Self::ALL.len()]
            }
        }

        impl Value for $name {
            fn number(&self) -> u64 {
                Self::number(*self).into()
            }

            fn take(&mut self, number: u64) -> bool {
                let found = usize::try_from(number).ok().and_then(|at| Self::ALL.get(at));
                found.map(|&value| *self = value).is_some()
            }
        }

        impl Field for $name {
            #[inline]
            fn read(record: &Record, field: WireField) -> Self {
                Self::from_number(record.mode(field))
            }

            #[inline]
            fn write(&self, record: &mut Record, field: WireField) {
                record.add_mode(field, Self::number(*self));
            }
        }
    };
}

words! {
    /// The crypto type that create-session asks for.
    CryptoType {
        /// `D3DCRYPTOTYPE_AES128_CTR`.
        #[default]
        Aes128Ctr = "aes128-ctr",
        /// NULL_GUID.
        Null = "null",
        /// A GUID that nobody knows.
        Unknown = "unknown",
        /// `D3DCRYPTOTYPE_PROPRIETARY`: known, and not offered.
        Proprietary = "proprietary",
    }
}

words! {
    /// The decode profile that create-session asks for.
    DecodeProfile {
        /// NULL_GUID: the session is not used for decode.
        #[default]
        None = "none",
        /// H.264 VLD.
        H264 = "h264",
        /// A profile that the driver does not decode.
        Unknown = "unknown",
    }
}

words! {
    /// The state of the key-exchange blob.
    Blob {
        /// As the mechanism wants it.
        #[default]
        Good = "good",
        /// One byte short.
        Short = "short",
        /// One byte long.
        Long = "long",
        /// The right length, and does not unwrap.
        Corrupt = "corrupt",
        /// No bytes at all.
        Empty = "empty",
        /// A NULL pointer with the right length.
        Null = "null",
    }
}

words! {
    /// Which pointer of submit-buffer is NULL.
    NullPointer {
        /// Neither.
        #[default]
        None = "none",
        /// The data.
        Data = "data",
        /// The IV.
        Iv = "iv",
    }
}

words! {
    /// What is wrong with the entropy source.
    EntropyFault {
        /// It answers with an error, and leaves bytes behind.
        #[default]
        Fail = "fail",
        /// It answers with sixteen zero bytes (S-12).
        Zero = "zero",
        /// It answers with its previous answer (S-12).
        Repeat = "repeat",
        /// It answers with what brings the session's first key back (S-12, S-26).
        Restore = "restore",
    }
}
