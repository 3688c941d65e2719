//! Asserts at compile time how a structure lies in memory.

/// Asserts the size on 64-bit and on 32-bit machines, and the offset of each member on 64-bit ones; all in
/// bytes.
macro_rules! layout {
    ($type:ty: $wide:literal / $narrow:literal { $($member:ident @ $offset:literal),* $(,)? }) => {
        const _: () = {
            #[cfg(target_pointer_width = "64")]
            {
                assert!(size_of::<$type>() == $wide);
                $(assert!(core::mem::offset_of!($type, $member) == $offset);)*
            }
            #[cfg(target_pointer_width = "32")]
            assert!(size_of::<$type>() == $narrow);
        };
        #[cfg(test)]
        impl $crate::layout::Laid for $type {
            const MEMBERS: &'static [(&'static str, usize)] =
                &[$((stringify!($member), core::mem::offset_of!($type, $member))),*];
        }
    };
}

/// A structure whose members can be listed, for the comparison with C.
#[cfg(test)]
pub(crate) trait Laid {
    /// Each member with its offset, in bytes.
    const MEMBERS: &'static [(&'static str, usize)];
}
