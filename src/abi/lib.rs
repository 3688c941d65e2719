//! The binary interface between the Direct3D 9 runtime and a user-mode driver, to the byte.
//!
//! A driver is a shared library that exports `OpenAdapter`. It fills two tables of functions, one of the
//! adapter and one of each device, and calls back through two others. This package has the tables, the
//! structures and the callbacks as far as crypto sessions need them, with their layouts asserted at
//! compile time, and both roles on top of them:
//!
//! * [`Library`] is the *runtime*: it opens a driver, and calls it through its tables.
//! * a *driver* in Rust uses the structures alone; `src/umd` is the driver core as such a library.
//!
//! ```text
//! Library ─OpenAdapter─► Adapter ─CreateDevice─► Device ─entries of the table─► the driver
//!                           callbacks ◄── runtime: contexts, command buffers, a lost device ◄──┘
//! ```
//!
//! Names are those of `d3dumddi.h` without prefixes: [`session::StartSessionKeyRefresh`] is
//! `D3DDDIARG_STARTSESSIONKEYREFRESH`. `include/d3dumddi_crypto.h` has the same for C; a test compiles it
//! and compares every size and offset.

#![allow(unsafe_code, reason = "the boundary to C; every block says what makes it sound")]

#[macro_use]
mod layout;
#[macro_use]
mod convention;
mod around;
pub mod callbacks;
#[cfg(target_os = "linux")]
mod copy;
#[cfg(feature = "coverage")]
mod coverage;
#[cfg(target_os = "linux")]
mod fixed_addresses;
mod library;
pub mod opening;
#[cfg(target_os = "linux")]
mod randomness;
pub mod resource;
mod runtime;
pub mod session;
pub mod table;

pub use around::{Around, around_entries};
pub use convention::{Convention, Entry};
#[cfg(target_os = "linux")]
pub use copy::{Ended, in_a_copy};
#[cfg(feature = "coverage")]
pub use coverage::{clear_counters, copy_counters, counter_count, export_coverage};
#[cfg(target_os = "linux")]
pub use fixed_addresses::begin_at_fixed_addresses;
pub use library::{
    Adapter, CertificateError, Device, DriverHandle, Library, LibraryError, ShimError,
    SystemMemory, WrapFunction,
};
#[cfg(target_os = "linux")]
pub use randomness::{export_randomness, repeat_random_numbers};
pub use runtime::{Callback, Runtime};

#[cfg(test)]
mod against_c;

/// A `HANDLE`: what it means is known to whoever made it.
pub type Handle = *mut core::ffi::c_void;
