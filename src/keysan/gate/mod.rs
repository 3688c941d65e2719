//! Runs a call on a painted stack and looks at what it leaves there and in the registers.
//!
//! ```
//! use keysan::gate::{Gate, GateLayers, Leftover};
//! use keysan::SecretSet;
//!
//! let Ok(mut gate) = Gate::open() else { return }; // a system the gate is not ported to
//! let mut set = SecretSet::new();
//! gate.prove_it_looks(&mut set).expect("the gate sees every register and the stack");
//!
//! let sum = gate.call(|| std::hint::black_box(20) + 22);
//! assert_eq!(sum, 42);
//! gate.inspect(&set, GateLayers::ALL, &mut |leftover: Leftover| panic!("{leftover:?}"));
//! ```
//!
//! # What is the call's own
//!
//! Every register is empty when the call begins and the stack below it all paint, so whatever
//! stands there afterwards was put there by the call. That includes what it was given: a closure
//! that captures a key by value brings the key along, and one that returns a key hands it over on
//! the stack. Pass secrets by reference.
//!
//! # What is not looked at
//!
//! - x87 and MMX registers, AMX tiles, and the sixteen further general registers of APX.
//! - Holes: [`Gate::inspect`] stops below 512 bytes of untouched stack, as a large array that was
//!   hardly used leaves them; [`Gate::inspect_deep`] goes on, down to two pages, and [`Gate::inspect_all`] to the end.
//! - Values that differ from a secret, such as a schedule derived from it; for those, compare two
//!   runs word by word ([`Gate::copy_leftovers`]).
//!
//! # With sanitizers
//!
//! AddressSanitizer needs `ASAN_OPTIONS=detect_stack_use_after_return=0`: otherwise it moves the
//! locals of instrumented code to its own heap, where the gate does not look. rustc then leaves out
//! the stack probes that lead [`Gate::inspect_deep`] through large frames, so a hole of two pages
//! ends its search. After a panic inside a call the runtime warns once that it does not know the
//! stack.

#[cfg_attr(
    all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux", not(miri)),
    path = "painted/mod.rs"
)]
#[cfg_attr(
    not(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux", not(miri))),
    path = "absent.rs"
)]
mod ported;
mod registers;

use std::fmt;

pub use ported::Gate;
pub use registers::{CopiedLeftovers, Register};

use crate::secret_set::Looked;

/// Eight bytes of a secret that a call left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The caller's name of the secret.
    pub tag: u32,
    /// Which eight bytes: they begin at this offset of the secret, 0 to 8.
    pub window: u8,
    /// Where they were.
    pub place: LeftoverPlace,
}

/// Where a call left something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftoverPlace {
    /// On the stack below the call.
    Stack {
        /// Bytes from the entry of the call down to the word. The return address is at 8.
        depth: u32,
    },
    /// In a register, when the call returned.
    Register {
        /// Which one.
        register: Register,
        /// Its first byte that is meant: a multiple of eight.
        offset: u8,
    },
}

/// Which of the two places to scan. A drill switches one off to see that its findings go missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateLayers {
    /// The dead stack below the call.
    pub stack: bool,
    /// All registers.
    pub registers: bool,
}

impl GateLayers {
    /// Both.
    pub const ALL: GateLayers = GateLayers { stack: true, registers: true };
}

/// What an inspection did, whatever it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The scan of the stack.
    pub stack: Looked,
    /// The scan of the registers.
    pub registers: Looked,
    /// Whether each scan that was asked for saw the canary planted there. If not, silence means
    /// nothing and the run is void.
    pub is_complete: bool,
}

/// The gate does not work here: not an x86-64 Linux, or run by Miri, or a processor that has
/// AVX-512 in its oldest form only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPorted;

/// Why a proof failed; until it succeeds, silence means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateNotProven {
    /// There was no room in the set for the secret of the proof.
    SetIsFull,
    /// An inspection did not see the set's canary.
    CanaryNotSeen,
    /// A secret left there was not seen, or was taken to be somewhere else.
    NotSeen(LeftoverPlace),
}

impl fmt::Display for LeftoverPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeftoverPlace::Stack { depth } => write!(f, "stack {depth} B below entry"),
            LeftoverPlace::Register { register, offset: 0 } => write!(f, "{register}"),
            LeftoverPlace::Register { register, offset } => write!(f, "{register} byte {offset}"),
        }
    }
}

impl fmt::Display for NotPorted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call gate is not ported to this system")
    }
}

impl fmt::Display for GateNotProven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GateNotProven::SetIsFull => f.write_str("no room in the set for the proof's secret"),
            GateNotProven::CanaryNotSeen => f.write_str("the canary was not sighted"),
            GateNotProven::NotSeen(place) => {
                write!(f, "a secret left behind was not sighted: {place}")
            }
        }
    }
}

impl std::error::Error for NotPorted {}

impl std::error::Error for GateNotProven {}
