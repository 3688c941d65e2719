//! Return codes: the 32-bit numbers of the documents, by their names.

use core::fmt;

/// What an entry point answers: a code as `winerror.h` and `d3dumddi.h` number them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Hresult(pub u32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        impl Hresult {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// Every code that has a name here, in numeric order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code's name in the documents, or `None` for a number that has none here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// The call did what it promises.
    S_OK = 0x0000_0000,
    /// Not finished yet.
    E_PENDING = 0x8000_000A,
    /// The driver has no such entry.
    E_NOTIMPL = 0x8000_4001,
    /// No such interface.
    E_NOINTERFACE = 0x8000_4002,
    /// A pointer is not valid.
    E_POINTER = 0x8000_4003,
    /// The call failed inside the driver, through no fault of its arguments.
    E_FAIL = 0x8000_4005,
    /// Should not happen.
    E_UNEXPECTED = 0x8000_FFFF,
    /// DXVA 2: not available.
    DXVA2_E_NOT_AVAILABLE = 0x8004_1003,
    /// Access denied.
    E_ACCESSDENIED = 0x8007_0005,
    /// A handle is not valid (not a D3DDDI code).
    E_HANDLE = 0x8007_0006,
    /// Memory or a slot ran out; the call had no effect.
    E_OUTOFMEMORY = 0x8007_000E,
    /// An argument is wrong, whatever the state.
    E_INVALIDARG = 0x8007_0057,
    /// Video memory ran out.
    D3DDDIERR_OUTOFVIDEOMEMORY = 0x8876_017C,
    /// The GPU is still busy with earlier work; try again after it advanced.
    D3DDDIERR_WASSTILLDRAWING = 0x8876_021C,
    /// Not offered by this driver (the only failure the refresh pages list).
    D3DDDIERR_NOTAVAILABLE = 0x8876_086A,
    /// The state does not allow the call.
    D3DDDIERR_INVALIDCALL = 0x8876_086C,
    /// The device is gone; as a completion, the work was lost with the engine.
    D3DDDIERR_DEVICEREMOVED = 0x8876_0870,
    /// A privileged instruction.
    D3DDDIERR_PRIVILEGEDINSTRUCTION = 0x8876_0871,
    /// An invalid instruction.
    D3DDDIERR_INVALIDINSTRUCTION = 0x8876_0872,
    /// A handle is unknown, dead, worn out or foreign (S-44).
    D3DDDIERR_INVALIDHANDLE = 0x8876_0873,
    /// A user buffer is not valid.
    D3DDDIERR_INVALIDUSERBUFFER = 0x8876_0879,
    /// The content cannot be protected.
    D3DERR_CANNOTPROTECTCONTENT = 0x8876_087D,
    /// The crypto type is known, but not for this decode profile.
    D3DDDIERR_UNSUPPORTEDCRYPTO = 0x8876_087E,
    /// The application is at fault.
    D3DDDIERR_APPLICATIONERROR = 0x8876_0885,
    /// Protected memory of the hardware ran out.
    D3DDDIERR_OUTOFHWPROTECTEDMEMORY = 0x8876_0887,
    /// DXGI: the device was removed.
    DXGI_ERROR_DEVICE_REMOVED = 0x887A_0005,
    /// DXGI: the content cannot be protected.
    DXGI_ERROR_CANNOT_PROTECT_CONTENT = 0x887A_002A,
    /// DXGI: protected memory of the hardware ran out.
    DXGI_ERROR_HW_PROTECTION_OUTOFMEMORY = 0x887A_0030,
    /// DXGI DDI: the GPU is still busy.
    DXGI_DDI_ERR_WASSTILLDRAWING = 0x887B_0001,
    /// DXGI DDI: unsupported.
    DXGI_DDI_ERR_UNSUPPORTED = 0x887B_0002,
    /// DXGI DDI: not exclusive.
    DXGI_DDI_ERR_NONEXCLUSIVE = 0x887B_0003,
}

impl Hresult {
    /// Whether the code reports success, by the sign bit as `SUCCEEDED()` reads it.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 >> 31 == 0
    }

    /// The code with this name, or `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == Some(name))
    }
}

impl fmt::Display for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "{:#010x}", self.0),
        }
    }
}

impl fmt::Debug for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Hresult;

    #[test]
    fn d3dddi_codes_are_facility_0x876_plus_their_decimal_number() {
        for (code, decimal) in [
            (Hresult::D3DDDIERR_OUTOFVIDEOMEMORY, 380),
            (Hresult::D3DDDIERR_WASSTILLDRAWING, 540),
            (Hresult::D3DDDIERR_NOTAVAILABLE, 2154),
            (Hresult::D3DDDIERR_INVALIDCALL, 2156),
            (Hresult::D3DDDIERR_DEVICEREMOVED, 2160),
            (Hresult::D3DDDIERR_PRIVILEGEDINSTRUCTION, 2161),
            (Hresult::D3DDDIERR_INVALIDINSTRUCTION, 2162),
            (Hresult::D3DDDIERR_INVALIDHANDLE, 2163),
            (Hresult::D3DDDIERR_INVALIDUSERBUFFER, 2169),
            (Hresult::D3DERR_CANNOTPROTECTCONTENT, 2173),
            (Hresult::D3DDDIERR_UNSUPPORTEDCRYPTO, 2174),
            (Hresult::D3DDDIERR_APPLICATIONERROR, 2181),
            (Hresult::D3DDDIERR_OUTOFHWPROTECTEDMEMORY, 2183),
        ] {
            assert_eq!(code.0, 0x8876_0000 | decimal, "{code}");
        }
    }

    #[test]
    fn every_name_leads_back_to_its_code() {
        for &code in Hresult::ALL {
            assert_eq!(Hresult::from_name(code.name().unwrap()), Some(code));
        }
        assert!(Hresult::ALL.is_sorted());
    }

    #[test]
    fn only_s_ok_is_a_success() {
        for &code in Hresult::ALL {
            assert_eq!(code.is_ok(), code == Hresult::S_OK, "{code}");
        }
    }
}
