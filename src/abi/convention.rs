//! Calling conventions: how arguments travel into a driver and out of it.

/// How a driver wants to be called, and calls back.
///
/// A wrong convention is silent: the callee reads its arguments out of other registers. So it is a
/// choice, and nothing guesses it while it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Convention {
    /// That of C on this platform: System V on x86-64 Linux, also for drivers that leave `APIENTRY` empty.
    #[default]
    Native,
    /// Windows x64, of drivers that say `__attribute__((ms_abi))`; x86-64 only.
    #[cfg(target_arch = "x86_64")]
    Windows,
}

/// The address of a function in a table, or NULL.
pub type Entry = Option<core::ptr::NonNull<core::ffi::c_void>>;

/// Calls a function at an address: `call!(convention, address => (Type, ...)(argument, ...))`; it answers
/// an `HRESULT` as `i32`.
///
/// The block in which it stands says why there is a function of this type at the address.
macro_rules! call {
    ($convention:expr, $address:expr => ($($type:ty),*)($($argument:expr),*)) => {{
        let mut answered = 0;
        $crate::around::enter(&mut || answered = match $convention {
            $crate::Convention::Native => {
                let function = core::mem::transmute::<
                    core::ptr::NonNull<core::ffi::c_void>,
                    unsafe extern "C" fn($($type),*) -> i32,
                >($address);
                function($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::Convention::Windows => {
                let function = core::mem::transmute::<
                    core::ptr::NonNull<core::ffi::c_void>,
                    unsafe extern "win64" fn($($type),*) -> i32,
                >($address);
                function($($argument),*)
            }
        });
        answered
    }};
}
