//! The opaque numbers by which a caller names devices and sessions.

use core::fmt;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The handle that names nothing; written wherever a create fails.
            pub const NULL: Self = Self(0);
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    };
}

handle! {
    /// Names a device (`hDevice`). Only the driver that gave it out knows what the bits mean.
    DeviceHandle
}

handle! {
    /// Names a crypto session (`hCryptoSession`) on the device that created it.
    ///
    /// A value is never given out twice (S-24). The bits are the driver's own affair; a caller
    /// that computes with them is making a forgery, and gets `D3DDDIERR_INVALIDHANDLE`.
    SessionHandle
}
