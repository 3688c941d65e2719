//! Says which code last wrote to a place of memory or to a register, by running it instruction by instruction.
//!
//! A copy of a secret on the dead stack is seen when the function that made it has long returned. Run again, the same
//! calls make the same copy at the same address, and the processor can be told to stop behind every instruction: the
//! one behind which the place has changed for the last time wrote it, and the frames above it say how it was reached.
//! That takes about a microsecond an instruction, needs no privilege, and costs nothing where nobody asks.

#[cfg_attr(
    all(target_arch = "x86_64", target_os = "linux", target_env = "gnu", not(miri)),
    path = "stepping.rs"
)]
#[cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu", not(miri))),
    path = "absent.rs"
)]
mod ported;

mod frames;

use std::ops::RangeInclusive;

pub use frames::Frame;
pub(crate) use frames::frames_of;
pub(crate) use ported::Stepper;

use crate::gate::Register;

/// How many instructions of a run are looked behind before the rest of it runs freely: some half a minute.
pub(crate) const STEPS_MAX: u64 = 20_000_000;

/// A place, and during which calls it is watched.
#[derive(Debug)]
pub(crate) struct Watchpoint {
    #[cfg_attr(
        not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu", not(miri))),
        expect(dead_code, reason = "nothing is watched there")
    )]
    pub(crate) place: Watched,
    /// By number; outside calls nothing is watched.
    pub(crate) calls: RangeInclusive<u32>,
    /// What it held behind the instruction before.
    #[cfg_attr(
        not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu", not(miri))),
        expect(dead_code, reason = "nothing is watched there")
    )]
    held: u64,
    /// The last instruction that has changed it.
    pub(crate) hit: Option<Hit>,
}

/// What is watched: eight bytes.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu", not(miri))),
    expect(dead_code, reason = "nothing is watched there")
)]
pub(crate) enum Watched {
    /// Memory, aligned or not, that stays readable while it is watched; with a value, only the moment in which it
    /// becomes that.
    Memory { address: *const u8, becomes: Option<u64> },
    /// A register, from this byte on.
    Register { register: Register, offset: u8 },
}

/// How many frames above an instruction are kept.
const FRAMES_MAX: usize = 48;

/// An instruction, and the frames that it ran in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    /// Where the instruction is, then to where each function returns.
    pub(crate) addresses: [usize; FRAMES_MAX],
    /// Where the frame of each ends, which is its lowest address.
    pub(crate) ends: [usize; FRAMES_MAX],
    pub(crate) len: usize,
}

impl Watchpoint {
    pub(crate) fn new(place: Watched, calls: RangeInclusive<u32>) -> Watchpoint {
        Watchpoint { place, calls, held: 0, hit: None }
    }
}
