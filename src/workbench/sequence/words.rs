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
        /// `D3DCRYPTOTYPE_AES128_CTR` but for one bit of its first byte.
        AlmostFirst = "almost-first",
        /// `D3DCRYPTOTYPE_AES128_CTR` but for one bit of its last byte.
        AlmostLast = "almost-last",
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
        /// H.264 VLD but for one bit of its first byte.
        AlmostFirst = "almost-first",
        /// H.264 VLD but for one bit of its last byte.
        AlmostLast = "almost-last",
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
        /// A NULL pointer with the length 0.
        NullEmpty = "null-empty",
        /// As the mechanism wants it, with a claimed length of 2^32 - 1.
        Absurd = "absurd",
    }
}

words! {
    /// What a secret looks like: most look like nothing, some have what careless code trips over.
    Shape {
        /// Nothing special.
        #[default]
        Plain = "plain",
        /// Its first byte is zero.
        LeadingZero = "leading-zero",
        /// Its eighth byte is zero.
        MiddleZero = "middle-zero",
        /// Its last byte is zero.
        TrailingZero = "trailing-zero",
        /// The highest bit of every byte is set.
        HighBits = "high-bits",
        /// Its halves are equal.
        EqualHalves = "equal-halves",
    }
}

words! {
    /// The bounds that a driver is opened with.
    BoundsChoice {
        /// Those of a workbench, which few calls reach.
        #[default]
        Small = "small",
        /// Those of a product.
        Product = "product",
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
    /// What is passed in the place of a handle that the driver gave out.
    HandleForm {
        /// The handle itself.
        #[default]
        Given = "given",
        /// A handle of the other kind: a device's for a session, a session's for a device.
        WrongKind = "wrong-kind",
        /// With its lowest bit the other way round.
        LowBit = "low-bit",
        /// With bit 32 the other way round, where a handle is cut that is kept in too little room.
        MiddleBit = "middle-bit",
        /// With its highest bit the other way round.
        HighBit = "high-bit",
        /// NULL.
        Null = "null",
        /// Of a call on a session: the right session, and its handle in the place of the device's. Of a
        /// call on a device, as `wrong-kind`; and so for the next.
        DeviceWrongKind = "device-wrong-kind",
        /// Of a call on a session: the right session, and the lowest bit of the device's handle the
        /// other way round.
        DeviceLowBit = "device-low-bit",
    }
}

words! {
    /// How much room a retire is given for what completes.
    Room {
        /// For everything, and more.
        #[default]
        Enough = "enough",
        /// For everything, and not one byte or entry more.
        Exact = "exact",
        /// A surface one byte shorter than everything that completes.
        ShortSurface = "short-surface",
        /// A surface for the first command alone.
        SurfaceForOne = "surface-for-one",
        /// A surface of no bytes.
        NoSurface = "no-surface",
        /// A list one entry shorter than what completes.
        ShortList = "short-list",
        /// A list without entries.
        NoList = "no-list",
    }
}

words! {
    /// What is wrong with the entropy source, or special about its answers.
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
        /// It answers with the random number that the session got last, whatever was drawn since (S-12).
        Again = "again",
        /// It answers with zeros first, and then with the random number that the session got last.
        ZeroThenAgain = "zero-then-again",
        /// It answers with a fresh number whose first byte is zero.
        LeadingZero = "leading-zero",
        /// It answers with a fresh number whose eighth byte is zero.
        MiddleZero = "middle-zero",
        /// It answers with a fresh number whose last byte is zero.
        TrailingZero = "trailing-zero",
        /// It answers with a fresh number whose bytes have the highest bit set.
        HighBits = "high-bits",
        /// It answers with a fresh number whose halves are equal.
        EqualHalves = "equal-halves",
    }
}

impl EntropyFault {
    /// What the fresh number looks like that is answered; `None` when no fresh one is.
    #[must_use]
    pub const fn shape(self) -> Option<Shape> {
        match self {
            Self::Fail | Self::Zero | Self::Repeat | Self::Restore => None,
            Self::Again | Self::ZeroThenAgain => None,
            Self::LeadingZero => Some(Shape::LeadingZero),
            Self::MiddleZero => Some(Shape::MiddleZero),
            Self::TrailingZero => Some(Shape::TrailingZero),
            Self::HighBits => Some(Shape::HighBits),
            Self::EqualHalves => Some(Shape::EqualHalves),
        }
    }
}
